"""Files that changed after they were written: noticed, told, and made again by the same call."""

import json
import os
import shutil
from pathlib import Path

import pytest

from helpers.experiments import runs
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.answers import Answers
from helpers.experiments.captions import Captions
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import record, record_scored, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.finetune_vlm import FinetuneVlm
from helpers.experiments.one_doctor import OneDoctor
from helpers.experiments.scores import Grading
from helpers.experiments.small_device import SmallDevice
from helpers.files import LabError, WorkFailed, read_json, write_json, write_sealed
from helpers.models.refs import Llm
from helpers.report.leaderboard import write_page
from helpers.training.trainer import ProgressCallback
from tests.experiments.conftest import changed_at, contents, texts


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def change_a_digit(path: Path) -> None:
    content = path.read_bytes()
    place = max(content.rfind(str(digit).encode()) for digit in range(1, 9))
    path.write_bytes(content[:place] + b"9" + content[place + 1 :])


DAMAGES = [cut, empty, flip, change_a_digit, Path.unlink]


def drop_lines(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))


def exchange_texts(path: Path) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["text"], rows[-1]["text"] = "It is a trap.", rows[0]["text"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("damage", [*DAMAGES, drop_lines, exchange_texts])
def test_answers_that_changed_are_given_again(small, damage, capsys):
    experiment = small(OneDoctor)
    run = record_scored(experiment, Grading())
    before, scores = texts(run), run.scores
    damage(run.folder / "predictions.jsonl")
    capsys.readouterr()
    again = record_scored(experiment, Grading())
    assert texts(again) == before and again.scores == scores and again.record["answers"] == 5
    said = capsys.readouterr().out
    assert "since this run was done, predictions.jsonl changed" in said
    assert record_scored(experiment, Grading()).record == again.record
    assert capsys.readouterr().out == ""


def test_answers_of_another_run_in_the_place_of_the_own_are_not_taken(small):
    one, other = small(Constant), small(Constant).but(name="Fungal infection")
    runs_ = [record_scored(experiment, Grading()) for experiment in (one, other)]
    shutil.copy(*(run.folder / "predictions.jsonl" for run in runs_))
    assert set(texts(record_scored(other, Grading())).values()) == {"Fungal infection"}
    assert (runs_[1].folder / "predictions.jsonl.damaged").exists()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["run.json", "metrics.json", "prediction.json", "scores/*"])
def test_records_and_scores_that_changed_are_made_again(small, name, damage):
    experiment = small(Constant)
    run = record_scored(experiment, Grading())
    before = contents(run.folder)
    damage(next(run.folder.glob(name)))
    write_page()
    again = contents(record_scored(experiment, Grading()).folder)
    assert again == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut, change_a_digit, Path.unlink])
def test_captions_and_their_scores_that_changed_are_made_again(small, outputs, damage):
    experiment = small(Captions, CAPTIONER="pocket/blip", LIMIT=2)
    run = record_scored(experiment, Grading())
    before = contents(run.folder)
    (store,) = outputs.glob("captions/*/*.jsonl")
    for path in (run.folder / "metrics.json", run.folder / "captions.json", store):
        damage(path)
        again = contents(record_scored(experiment, Grading()).folder)
        assert {name: again[name] for name in before} == before, path.name


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_an_adapter_that_changed_is_trained_again(small, damage):
    training = small(Finetune, STEPS=2)
    tuned = small(Answers, LIMIT=2).but(adapter=training)
    answers, run = texts(record(tuned)), record(training)
    before = contents(run.folder)
    for name in ("adapter_config.json", "adapter_model.safetensors", "lab.json"):
        damage(run.folder / "adapter" / name)
        if name != "lab.json" or damage is not Path.unlink:
            with pytest.raises(LabError):
                Llm("pocket/llama", adapter=run.folder / "adapter").read_card()
        assert texts(record(tuned)) == answers  # they were given before
        again = contents(record(training).folder)
        assert {name: again[name] for name in before} == before, name


@pytest.mark.slow
@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_the_log_of_a_training_is_written_again_without_training(small, damage, monkeypatch):
    training = small(Finetune, STEPS=2)
    run = record(training)
    before = read_json(run.folder / "training.json")
    damage(run.folder / "training.json")
    monkeypatch.setattr("helpers.training.lora_sft.train_with_peft", None)
    assert read_json(record(training).folder / "training.json") == before


@pytest.mark.slow
def test_an_edited_or_foreign_adapter_does_not_take_anothers_place(small, tmp_path):
    one, other = small(Finetune, STEPS=2), small(Finetune, STEPS=2, SEED=6)
    mine, foreign = (record(training).folder / "adapter" for training in (one, other))
    given = shutil.copytree(mine, tmp_path / "given")
    config = read_json(given / "adapter_config.json")
    write_json(given / "adapter_config.json", config | {"lora_alpha": 200})
    with pytest.raises(LabError, match=r"adapter_config\.json has changed: copy the folder again"):
        record(small(Answers).but(adapter=GivenAdapter(folder=str(given))))
    before = contents(mine)
    shutil.rmtree(mine)
    shutil.copytree(foreign, mine)
    assert contents(record(one).folder / "adapter") == before
    shutil.rmtree(mine)
    shutil.copytree(foreign, mine)
    (mine.parent / "run.json").unlink()  # nothing but the card tells now
    assert contents(record(one).folder / "adapter") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("optimizer.pt", cut),
        ("scheduler.pt", Path.unlink),
        ("rng_state.pth", empty),
        ("trainer_state.json", change_a_digit),
        ("*.safetensors", flip),
    ],
)
def test_a_training_goes_on_from_an_older_checkpoint_if_the_newest_is_damaged(
    small, outputs, monkeypatch, name, damage, undisturbed
):
    training = small(Finetune, STEPS=4, TRAIN_LIMIT=4, CHECKPOINT_SECONDS=0.0)
    begun = []

    def stop_at_four(self, args, state, control, **more):
        begun.append(state.global_step)
        if state.global_step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressCallback, "on_step_end", stop_at_four)
        with pytest.raises(KeyboardInterrupt):
            record(training)
    newest = max(outputs.glob("runs/finetune/*/checkpoints/checkpoint-*"))
    assert newest.name == "checkpoint-3"
    damage(next(newest.glob(name)))
    begun.clear()
    with monkeypatch.context() as patch:
        patch.setattr(
            ProgressCallback,
            "on_step_end",
            lambda self, args, state, control, **more: begun.append(state.global_step),
        )
        run = record(training)
    assert begun == [3, 4]
    weights = run.folder / "adapter" / "adapter_model.safetensors"
    assert weights.read_bytes() == undisturbed


@pytest.fixture(scope="module")
def undisturbed_run(tmp_path_factory):
    return {}


@pytest.fixture
def undisturbed(small, undisturbed_run, tmp_path, monkeypatch, outputs) -> bytes:
    """The weights of the same training when nothing happens; trained once."""
    if not undisturbed_run:
        monkeypatch.setenv("LAB_OUTPUTS", str(tmp_path / "undisturbed"))
        run = record(small(Finetune, STEPS=4, TRAIN_LIMIT=4, CHECKPOINT_SECONDS=0.0))
        weights = run.folder / "adapter" / "adapter_model.safetensors"
        undisturbed_run["weights"] = weights.read_bytes()
        monkeypatch.setenv("LAB_OUTPUTS", str(outputs))
    return undisturbed_run["weights"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_a_small_device_answered_and_lost_is_made_again(small, measured_here, outputs):
    device = small(SmallDevice, LIMIT=2, EDGE_FORMS="float32, int8", MAX_NEW_TOKENS=4)
    device = device.but(adapter=small(FinetuneVlm, STEPS=2))
    run = record_scored(device, Grading())
    before = contents(run.folder)
    for name in ("metrics.json", "answers.json", "merged/config.json", "merged/model.safetensors"):
        flip(run.folder / name)
        again = contents(record_scored(device, Grading()).folder)
        wanted = {name: before[name] for name in before if name != "run.json"}
        assert {name: again[name] for name in wanted} == wanted, name


def test_what_a_kill_left_of_files_being_written_is_deleted(small):
    experiment = small(Constant)
    folder = runs.run_folder("constant", run_id(experiment))
    folder.mkdir(parents=True)
    (folder / ".run.json.0a1b2c3d.part").write_text('{"half')
    run = record(experiment)
    assert sorted(path.name for path in run.folder.iterdir()) == [
        ".lock",
        "predictions.jsonl",
        "run.json",
    ]


BAD_RECORDS = {
    "no object": "[]",
    "torn": '{"format": 4, "run_id": "a',
    "empty": "",
    "foreign": '{"result_version": 2, "run_id": "a"}',
    "without a kind": {"format": 4, "run_id": "a", "status": "done"},
    "a number for a name": {"format": 4, "run_id": "a", "kind": "answers", "name": 3},
    "another format": {"format": 99, "run_id": "a", "kind": "answers"},
}
BAD_SCORES = ["[]", "null", '{"deltableu": {"val', "", {}, {"deltableu": {}}, {"deltableu": 3}]


@pytest.mark.parametrize("bad", BAD_RECORDS)
def test_one_bad_record_takes_no_page_down(small, outputs, bad):
    run = record_scored(small(Constant), Grading())
    value, path = BAD_RECORDS[bad], outputs / "runs" / "x" / "a" / "run.json"
    path.parent.mkdir(parents=True)
    write_sealed(path, value) if isinstance(value, dict) else path.write_text(value)
    page = write_page().read_text()
    assert page.count("Left out: ") == 1 and str(outputs) not in page
    assert run.record["name"] in page


@pytest.mark.parametrize("bad", range(len(BAD_SCORES)))
def test_bad_scores_take_no_page_down(small, outputs, bad):
    run = record_scored(small(Constant), Grading())
    other = record_scored(small(Constant).but(name="Fungal infection"), Grading())
    value, path = BAD_SCORES[bad], other.folder / "metrics.json"
    write_sealed(path, value) if isinstance(value, dict) else path.write_text(value)
    page = write_page().read_text()
    assert run.record["name"] in page and other.record["name"] not in page
    assert page.count("Left out: ") == (0 if value == {} else 1)
    record_scored(small(Constant).but(name="Fungal infection"), Grading())
    assert other.record["name"] in write_page().read_text()


@pytest.mark.skipif(os.name == "nt", reason="no permissions of this kind on Windows")
def test_a_run_is_readable_by_its_owner_alone_where_the_umask_says_so(small, outputs):
    before = os.umask(0o077)
    try:
        run = record_scored(small(Constant), Grading())
    finally:
        os.umask(before)
    open_ = [path for path in run.folder.rglob("*") if path.stat().st_mode & 0o077]
    assert [path.name for path in open_ if path.name != ".lock"] == []


def test_a_record_that_is_damaged_while_it_is_looked_for_loses_nothing_else(small):
    experiment = small(Constant)
    run = record(experiment)
    before = changed_at(run.folder)[run.folder / "predictions.jsonl"]
    cut(run.folder / "run.json")
    assert len(record(experiment).answers.read()) == 5
    assert changed_at(run.folder)[run.folder / "predictions.jsonl"] == before
    with pytest.raises((LabError, WorkFailed)):
        runs.load_run(run.folder / "nowhere")
