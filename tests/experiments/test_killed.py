"""A `kill -9` in the middle of the work, then the same call: the files of an undisturbed run; and
once more: nothing at all.
"""

from pathlib import Path

import pytest

from helpers.experiments.answers import Answers
from helpers.experiments.captions import Captions
from helpers.experiments.classify import Classify
from helpers.experiments.closed_answers import ClosedAnswers
from helpers.experiments.constant import Constant
from helpers.experiments.diagnose import Diagnose
from helpers.experiments.experiment import list_kinds, record, record_scored, run_id
from helpers.experiments.few_shot_answers import FewShotAnswers
from helpers.experiments.finetune import Finetune
from helpers.experiments.finetune_vlm import FinetuneVlm
from helpers.experiments.image_control import ImageControl
from helpers.experiments.late_fusion import LateFusion
from helpers.experiments.nearest_answer import NearestAnswer
from helpers.experiments.nonsense_answers import NonsenseAnswers
from helpers.experiments.one_doctor import OneDoctor
from helpers.experiments.question_answers import QuestionAnswers
from helpers.experiments.runs import find_run
from helpers.experiments.scores import Grading
from helpers.experiments.small_device import SmallDevice
from helpers.experiments.stage import Stage
from helpers.experiments.train_classifier import TrainClassifier
from helpers.experiments.train_diagnosis import TrainDiagnosis
from helpers.experiments.trainings import in_stages
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.files import read_json
from helpers.pocket.scans import build_scans
from tests.experiments.conftest import changed_at, contents

WRITE = "models.answer_file:append_jsonl"  # one answer each
STEP = "training.trainer:ProgressCallback.on_step_end"
NAME = "training.lora_sft:_finish"  # weights are written, and not yet an adapter
EPOCH = "training.epochs:_save"
SEAL = "training.epochs:seal_checkpoint"  # a checkpoint is written, and does not count yet


@pytest.fixture
def check(outputs, tmp_path, kill, monkeypatch, request):
    """A function that kills experiments, repeats them, and holds them against undisturbed ones.

    It is given, for each experiment, the places at which it is killed, one after another. It
    returns the runs, after a third call found them.
    """

    def same(kills):
        for experiment, places in kills.items():
            for place, call in places:
                kill(experiment, place, call)
                tear(outputs)
            assert not find_run(experiment.kind(), run_id(experiment)).done
            record(experiment)
        monkeypatch.setenv("LAB_OUTPUTS", str(tmp_path / "undisturbed"))
        for experiment in kills:
            record(experiment)
        monkeypatch.setenv("LAB_OUTPUTS", str(outputs))
        found, expected = contents(outputs), contents(tmp_path / "undisturbed")
        assert found.keys() == expected.keys()
        assert not [name for name in found if found[name] != expected[name]]
        before = changed_at(outputs)
        request.getfixturevalue("idle")
        runs = [record(experiment) for experiment in kills]
        assert changed_at(outputs) == before
        return runs

    return same


def tear(outputs: Path) -> None:
    """Leave what a kill in the middle of a write leaves."""
    files = [*outputs.glob("captions/*/*.jsonl"), *outputs.glob("runs/*/*/predictions.jsonl")]
    for path in files:
        record_path = path.with_name("run.json")
        if not record_path.exists() or read_json(record_path)["status"] == "running":
            with path.open("a") as file:
                file.write('{"case_id": "torn')


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Constant, NearestAnswer, OneDoctor])
def test_what_no_model_answers(kind, small, check):
    (run,) = check({small(kind): [(WRITE, 3)]})
    assert len(run.answers.read()) > 2


@pytest.mark.slow
def test_a_training_and_the_answers_of_what_it_made(small, check, outputs):
    tuned = small(Answers, SHOTS=1).but(adapter=small(Finetune, STEPS=4, CHECKPOINT_SECONDS=0.0))
    (run,) = check({tuned: [(STEP, 3), (NAME, 1), (WRITE, 4)]})
    assert len(run.answers.read()) == 5
    (training,) = outputs.glob("runs/finetune/*")
    assert {path.name for path in training.iterdir()} == {
        *(".lock", "run.json", "training.json", "adapter")
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_the_training_of_a_vlm_its_answers_and_what_it_is_on_a_small_device(
    small, check, measured_here
):
    training = small(FinetuneVlm, STEPS=3, CHECKPOINT_SECONDS=0.0)
    tuned = small(VlmAnswers).but(adapter=training)
    device = small(SmallDevice, LIMIT=2, EDGE_FORMS="float32, int8", MAX_NEW_TOKENS=4)
    answers, device_run = check(
        {
            tuned: [(STEP, 2), (WRITE, 4)],
            device.but(adapter=training): [
                ("models.export:save_file", 1),
                ("models.small_device:measure", 2),
            ],
        }
    )
    assert len(answers.answers.read()) == 5
    assert (device_run.folder / "merged" / "model.safetensors").exists()


@pytest.mark.slow
def test_the_answers_of_a_vlm_with_and_without_the_image(small, check):
    runs = check({small(kind): [(WRITE, 4)] for kind in (VlmAnswers, ImageControl)})
    assert [len(run.answers.read()) for run in runs] == [5, 5]


@pytest.mark.slow
def test_closed_questions(small, check):
    (run,) = check({small(ClosedAnswers, CHOICES="class_first"): [(WRITE, 3), (WRITE, 7)]})
    assert len(run.answers.read()) == 5


@pytest.mark.slow
def test_stages_their_answers_and_those_to_nonsense(check, tmp_path):
    scans = tmp_path / "scans"
    build_scans(scans, sizes={"train": 8, "validation": 2, "test": 2, "scans": 12, "slides": 2})
    roco, questions = str(scans / "roco"), str(scans / "vqa_rad")
    quick = {"STEPS": 3, "EPOCHS": 0.0, "BATCH": 2, "CHECKPOINT_SECONDS": 0.0}
    plain = Stage.of_profile("pocket", quick)
    first = plain.but({"DATASET": "roco", "DATA_ROOT": roco, "PROMPT": "caption"})
    second = plain.but({"DATASET": "vqa_rad", "DATA_ROOT": questions})
    few = {"LIMIT": 4, "ANSWER_BATCH": 2, "SPLIT": "test"}
    given = few | {"DATASET": "vqa_rad", "DATA_ROOT": questions}
    asked = QuestionAnswers.of_profile("pocket", given).but(adapter=in_stages([first, second]))
    shown = FewShotAnswers.of_profile("pocket", given | {"SHOTS": 2})
    unreal = {"DATASET": "med_halt_fake", "DATA_ROOT": str(scans / "nonsense"), "PROMPT": "brief"}
    nonsense = NonsenseAnswers.of_profile(
        "pocket", few | unreal | {"IMAGES_OF": "vqa_rad", "IMAGES_ROOT": questions}
    )
    kills = {asked: [(STEP, 2), (NAME, 2), (WRITE, 3)], nonsense: [(WRITE, 3)]}
    runs = check(kills | {shown: [(WRITE, 3)]})
    assert [len(run.answers.read()) for run in runs] == [4, 4, 4]


@pytest.mark.slow
def test_an_image_classifier_what_it_says_a_chain_of_options_and_its_answers(
    diagnosing, check, outputs
):
    classifier = diagnosing(TrainClassifier, CLASSIFIER_EPOCHS=3)
    training = diagnosing(TrainDiagnosis, STEPS=45, STORIES_LIMIT=10).but(classifier=classifier)
    written = "models.image_models:write_json"  # weights are there, labels are not
    kills = {
        classifier: [(EPOCH, 2), (SEAL, 2), (written, 1)],
        diagnosing(Classify).but(classifier=classifier): [(WRITE, 5)],
        training: [(WRITE, 3), (EPOCH, 2), (SEAL, 1), ("models.text_classifiers:write_json", 1)],
        diagnosing(Diagnose).but(training=training): [(WRITE, 12), (WRITE, 12)],
    }
    runs = check(kills)
    assert [len(run.answers.read()) for run in runs] == [0, 24, 0, 20]
    folders = {path.name: set() for path in outputs.glob("runs/*")}
    for path in outputs.glob("runs/train_*/*/*"):
        folders[path.parts[-3]].add(path.name)
    kept = {".lock", "run.json", "training.json"}
    assert folders["train_classifier"] == kept | {"classifier"}
    assert folders["train_diagnosis"] == kept | {"diagnoser"}


@pytest.mark.slow
def test_late_fusion(diagnosing, check):
    fused = diagnosing(LateFusion, CLASSIFIER_EPOCHS=1)
    # Both sides on the validation split, and on the other one, before the first of its own answers.
    _, run = check({fused.classifier: [(EPOCH, 1)], fused: [(WRITE, 30), (WRITE, 40)]})
    assert len(run.answers.read()) == 20


@pytest.mark.slow
def test_captions(small, check):
    check({small(Captions, CAPTIONER="pocket/blip", LIMIT=3): [(WRITE, 4)]})


@pytest.mark.slow
def test_a_kill_between_answers_and_scores_is_made_good(small):
    experiment, grading = small(Constant), Grading()
    before = contents(record_scored(experiment, grading).folder)
    run = find_run("constant", run_id(experiment))
    (run.folder / "metrics.json").unlink()
    next((run.folder / "scores").glob("bertscore*")).unlink()
    assert contents(record_scored(experiment, grading).folder) == before


def test_every_kind_is_killed_here():
    assert not [kind for kind in list_kinds() if globals().get(kind.__name__) is not kind]
