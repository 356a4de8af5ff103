"""What all kinds of experiment share: ids from inputs alone, names, what is done before what, and
errors in a notebook's words.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.answers import Answers
from helpers.experiments.captions import Captions
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import find_kind, layers, list_kinds, record, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.finetune_vlm import FinetuneVlm
from helpers.experiments.image_control import ImageControl
from helpers.experiments.nearest_answer import NearestAnswer
from helpers.experiments.one_doctor import OneDoctor
from helpers.experiments.small_device import SmallDevice
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.files import LabError, WorkFailed, read_json, write_json
from helpers.models.shipped import POCKET_MODELS
from tests.experiments.conftest import SMALL

PLAIN = ["answers", "captions", "constant", "nearest_answer", "one_doctor"]


@pytest.fixture
def copy_model(tmp_path):
    """A function that copies a shipped model, and changes a file of it; returns its folder."""

    def make(name: str, file: str = "", **changes) -> str:
        folder = Path(shutil.copytree(POCKET_MODELS / name, tmp_path / f"{name}-{len(changes)}"))
        if file:
            write_json(folder / file, read_json(folder / file) | changes)
        return str(folder)

    return make


@pytest.fixture
def adapter(tmp_path) -> Path:
    """The folder of an adapter that is none, but has its files."""
    write_json(tmp_path / "adapter" / "adapter_config.json", {"r": 2})
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    return tmp_path / "adapter"


@pytest.fixture
def torch():
    """The library, loaded late: ids and names need none of it."""
    return import_module("torch")


# What kinds there are


def test_every_kind_is_found_by_its_name():
    kinds = list_kinds()
    names = {kind.kind() for kind in kinds}
    assert {*PLAIN, "finetune", "finetune_vlm", "vlm_answers", "image_control"} <= names
    assert len(names) == len(kinds) and all(find_kind(kind.kind()) is kind for kind in kinds)


@pytest.mark.parametrize("name", ["answer", "experiment", "runs", "os", ""])
def test_what_is_no_kind_is_refused_by_name(name):
    with pytest.raises(LabError, match=f"no kind of experiment '{name}'"):
        find_kind(name)


# Ids


@pytest.mark.slow
def test_ids_of_kinds_that_train_nothing_load_no_model(clinic):
    code = (
        "import json, sys\n"
        "from helpers.experiments.experiment import find_kind, run_id\n"
        f"given = {{'DATA_ROOT': {str(clinic / 'iiyi')!r}, 'CAPTIONER': 'pocket/blip'}}\n"
        f"ids = [run_id(find_kind(k).of_profile('pocket', given)) for k in {PLAIN!r}]\n"
        "print(json.dumps([ids, [m for m in ('torch', 'transformers') if m in sys.modules]]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, check=True
    ).stdout
    ids, loaded = json.loads(printed)
    given = {"DATA_ROOT": str(clinic / "iiyi"), "CAPTIONER": "pocket/blip"}
    assert ids == [run_id(find_kind(kind).of_profile("pocket", given)) for kind in PLAIN]
    assert loaded == []


@pytest.mark.parametrize(
    "changes",
    [
        {"ANSWER_BATCH": 7},
        {"ALLOW_UPLOAD": True},
        {"SHOT_CHOICE": "lexical"},  # of no shots
        {"SEED": 6},
        {"IMAGE_TEXT": "training"},  # of no captions
        {"CAPTION_TOKENS": 99},
        {"CAPTION_BATCH": 3},
        {"profile": "t4"},  # with the same values
    ],
)
def test_what_changes_no_answer_changes_no_id(small, changes):
    before = small(Answers)
    assert run_id(before.but(changes)) == run_id(before)
    assert before.but(changes).parameters() == before.parameters()


@pytest.mark.parametrize(
    "changes",
    [
        {"QUESTION": "title+content"},
        {"MAX_NEW_TOKENS": 9},
        {"ANSWER_ENDS": "eos"},
        {"LIMIT": 4},
        {"SPLIT": "test"},
        {"SHOTS": 1},
        {"QUANTIZATION": "nf4"},
        {"CAPTIONER": "given"},
        {"CAPTIONER": "pocket/blip"},
    ],
)
def test_what_changes_answers_changes_the_id(small, changes):
    before = small(Answers)
    assert run_id(before.but(changes)) != run_id(before)


def test_with_shots_their_choice_and_seed_count(small):
    before = small(Answers, SHOTS=2)
    ids = {run_id(before.but(changes)) for changes in ({}, {"SHOT_CHOICE": "fixed"}, {"SEED": 6})}
    assert len(ids) == 3


def test_with_captions_it_counts_who_captions_what_and_how(small, altered):
    before = small(Answers, CAPTIONER="pocket/blip", SHOTS=1)
    other = altered("train", lambda entry, place: entry.update(image_ids=entry["image_ids"][:1]))
    changes = [
        *({}, {"CAPTION_TOKENS": 9}, {"CAPTION_PROMPT": "clinical"}, {"IMAGE_TEXT": "shots"}),
        *({"CAPTIONER": "given"}, {"DATA_ROOT": other, "IMAGE_TEXT": "shots"}),
    ]
    assert len({run_id(before.but(one)) for one in changes}) == len(changes)


def test_data_counts_by_its_content_wherever_it_lies(small, altered):
    same = altered("valid", lambda entry, place: None)
    asked = altered("valid", lambda entry, place: entry.update(query_title_en="Is it a wart?"))
    learnt = altered("train", lambda entry, place: entry.update(query_title_en="Is it a wart?"))
    plain, shots = small(Answers), small(Answers, SHOTS=1)
    found = {
        root: [run_id(one.but({"DATA_ROOT": root} if root else {})) for one in (plain, shots)]
        for root in ("", same, asked, learnt)
    }
    assert found[same] == found[""]
    assert found[asked][0] != found[""][0] and found[asked][1] != found[""][1]
    assert found[learnt][0] == found[""][0] and found[learnt][1] != found[""][1]


def test_a_model_counts_by_its_weights_wherever_they_lie(small, copy_model):
    before = run_id(small(Answers))
    assert run_id(small(Answers, MODEL=copy_model("llama"))) == before
    config = copy_model("llama", "config.json", rms_norm_eps=1e-4)
    ends = copy_model("llama", "generation_config.json", eos_token_id=[1, 2], pad_token_id=0)
    ids = {before, *(run_id(small(Answers, MODEL=folder)) for folder in (config, ends))}
    weights = Path(config) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert len(ids | {run_id(small(Answers, MODEL=config))}) == 4


def test_a_training_counts_by_its_id(small):
    before = small(Answers).but(adapter=small(Finetune))
    assert before.inputs()["adapter"] == run_id(before.adapter)
    for changes in ({"RANK": 3}, {"STEPS": 7}, {"TRAIN_LIMIT": 5}, {"LOSS": "whole"}):
        other = before.but(changes)
        assert run_id(other.adapter) != run_id(before.adapter) and run_id(other) != run_id(before)
    for changes in (
        {"BATCH": 1, "ACCUMULATION": 2},
        {"BACKEND": "peft"},
        {"IMAGE_TEXT": "training"},
    ):
        assert run_id(before.but(changes)) == run_id(before), changes
    assert run_id(before.but({"LIMIT": 2}).adapter) == run_id(before.adapter)


def test_captions_count_in_a_training_where_it_reads_them(small):
    training = small(Finetune)
    ids = [
        run_id(training.but({"CAPTIONER": captioner, "IMAGE_TEXT": where}))
        for captioner in ("none", "given", "pocket/blip")
        for where in ("question", "shots", "training")
    ]
    assert len(set(ids)) == 3 and ids[2] == ids[3] == ids[7] != ids[5]


@pytest.mark.slow
def test_what_counts_of_a_vlm_and_its_training(small, altered, clinic):
    training, asked = small(FinetuneVlm), small(VlmAnswers)
    same = {"BATCH": 1, "ACCUMULATION": 2, "FEATURES": "live"}
    assert run_id(training.but(same)) == run_id(training)
    for changes in ({"AUGMENTATION": "training"}, {"REFERENCES": "sampled"}, {"SLIPS": "authors"}):
        assert run_id(training.but(changes)) != run_id(training)
    whole = training.but({"RECIPE": "text"})
    assert run_id(whole.but({"RANK": 9})) == run_id(whole)  # there is no adapter
    other = altered("valid", lambda entry, place: None)
    assert run_id(asked.but({"DATA_ROOT": other})) == run_id(asked)
    first, second = sorted(Path(other).glob("images_final/images_valid/*"))[:2]
    shutil.copy(second, first)
    assert run_id(asked.but({"DATA_ROOT": other})) != run_id(asked)
    for changes in ({"PROMPT": "P2"}, {"MAX_SIDE": 64}, {"MAX_NEW_TOKENS": 9}):
        assert run_id(asked.but(changes)) != run_id(asked)
    shown = [small(ImageControl, IMAGE_SHOWN=what) for what in ("nothing", "another")]
    assert len({run_id(asked), *map(run_id, shown)}) == 3


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_given_adapter_counts_by_weights_and_configuration(small, adapter, tmp_path, file):
    given = small(Answers).but(adapter=GivenAdapter(folder=str(adapter)))
    before = run_id(given)
    moved = shutil.copytree(adapter, tmp_path / "elsewhere")
    write_json(moved / "lab.json", {"training": "another day"})
    assert run_id(given.but({"ADAPTER": str(moved)})) == before
    (adapter / file).write_text((adapter / file).read_text() + " ")
    assert run_id(given) != before


@pytest.mark.slow
def test_every_kind_has_an_id_of_its_own_and_says_nothing_of_this_machine(clinic):
    given = SMALL | {"DATA_ROOT": str(clinic / "iiyi"), "CAPTIONER": "given", "DATASET": "pocket"}
    given |= {"IMAGES_OF": "pocket", "IMAGES_ROOT": str(clinic / "iiyi")}
    made = [kind.of_profile("pocket", given) for kind in list_kinds()]
    assert len({run_id(one) for one in made}) == len(made)
    for one in made:
        said = json.dumps([one.inputs(), one.parameters(), one.about(), one.title()])
        assert str(clinic) not in said and str(ROOT) not in said
        assert "DATA_ROOT" not in one.parameters()


def test_raising_a_version_makes_another_id(small, monkeypatch):
    before = run_id(small(Constant))
    monkeypatch.setattr(Constant, "version", Constant.version + 1)
    assert run_id(small(Constant)) != before


# Names


def test_a_name_says_what_is_not_as_the_profile_has_it(small):
    few = small(Answers, LIMIT=1, SHOTS=2, SHOT_CHOICE="lexical", TRAIN_LIMIT=0)
    assert few.title() == "pocket/llama, 2 shots (lexical); LIMIT 1, MAX_NEW_TOKENS 8"
    tuned = Answers.of_profile("pocket").but(adapter=Finetune.of_profile("pocket"))
    assert tuned.title() == "pocket/llama + LoRA, 0 shots"
    assert tuned.but({"LOSS": "whole"}).title() == "pocket/llama + LoRA, 0 shots; LOSS whole"
    assert Constant.of_profile("pocket").title() == "constant: It is eczema."
    vlm = VlmAnswers.of_profile("pocket").but(adapter=FinetuneVlm.of_profile("pocket"))
    assert vlm.title() == "pocket/llava + LoRA, P1, 4 epochs"
    assert vlm.but({"RANK": 2, "EPOCHS": 1.0}).title() == "pocket/llava + LoRA, P1, 1 epoch; RANK 2"


# What is done before what


def test_trainings_come_before_what_starts_from_them_and_equal_ones_once(small):
    training, longer = small(Finetune), small(Finetune, STEPS=9)
    points = [
        small(Answers, SHOTS=shots).but(adapter=adapter)
        for shots in (0, 1)
        for adapter in (None, training, small(Finetune, BATCH=1, ACCUMULATION=2), longer)
    ]
    first, second = layers(points)
    assert [run_id(one) for one in first] == [
        run_id(one) for one in (points[0], training, longer, points[4])
    ]
    assert [run_id(one) for one in second] == [run_id(points[place]) for place in (1, 3, 5, 7)]
    assert layers([]) == []


@pytest.mark.slow
def test_a_training_is_done_once_for_all_that_starts_from_it(small):
    training = small(FinetuneVlm)
    users = [small(kind).but(adapter=training) for kind in (VlmAnswers, ImageControl, SmallDevice)]
    assert [len(layer) for layer in layers(users)] == [1, 3]


# Errors


def test_a_model_that_the_lab_does_not_ship_is_named_by_its_parameter(small):
    for kind in (Answers, Finetune):
        with pytest.raises(LabError, match="^MODEL is 'pocket/x', but the models shipped"):
            record(small(kind, MODEL="pocket/x"))
    with pytest.raises(LabError, match="^CAPTIONER is 'pocket/x', but the models shipped"):
        record(small(Answers, CAPTIONER="pocket/x"))
    with pytest.raises(LabError, match="^CAPTIONER is 'pocket/x', but the models shipped"):
        record(small(Captions, CAPTIONER="pocket/x"))


def test_an_adapter_that_is_none_is_named_by_its_parameter(small, tmp_path, adapter):
    def given(folder: Path) -> Answers:
        return small(Answers).but(adapter=GivenAdapter(folder=str(folder)))

    with pytest.raises(LabError, match="^ADAPTER is .*no such folder: name an adapter, or a run"):
        record(given(tmp_path / "nowhere"))
    with pytest.raises(LabError, match=r"^ADAPTER is .*, but there is no lab\.json in it"):
        record(given(adapter))


@pytest.mark.slow
def test_an_adapter_answers_like_the_training_it_is_from_and_only_for_its_base(small, copy_model):
    training = small(Finetune, STEPS=2)
    trained = record(training)
    said = record(small(Answers).but(adapter=training))
    for folder in (trained.folder, trained.folder / "adapter"):
        given = small(Answers).but(adapter=GivenAdapter(folder=str(folder)))
        run = record(given)
        assert [one.text for one in run.answers.read().values()] == [
            one.text for one in said.answers.read().values()
        ]
        assert run.record["parents"] == {} and run.record["tuned"]
        assert run.record["parameters"]["ADAPTER"].startswith("outputs/runs/finetune/")
        assert run.record["adapter"] == given.adapter.identity()
    other = copy_model("llama", "config.json", rms_norm_eps=1e-4)
    with pytest.raises(
        LabError, match="^The adapter was trained on 'pocket/llama'.*set MODEL to the adapter's"
    ):
        record(given.but({"MODEL": other}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "parameters", "advice"),
    [
        (Answers, {}, "lower ANSWER_BATCH from 2 to 1"),
        (VlmAnswers, {}, "lower ANSWER_BATCH from 2 to 1"),
        (Captions, {"CAPTIONER": "pocket/blip"}, "lower CAPTION_BATCH from 2 to 1"),
        (Answers, {"CAPTIONER": "pocket/blip"}, "lower CAPTION_BATCH from 2 to 1"),
    ],
)
def test_a_full_gpu_names_the_batch_to_lower(torch, small, kind, parameters, advice):
    def fill(module, given):
        if isinstance(module, torch.nn.Linear) and len(given[0]) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    experiment = small(kind, **parameters)
    hook = torch.nn.modules.module.register_module_forward_pre_hook(fill)
    try:
        with pytest.raises(WorkFailed, match=f"The GPU has no room for 2 .*{advice}") as told:
            record(experiment)
    finally:
        hook.remove()
    assert "`" not in str(told.value) and str(told.value).count(". ") == 0
    assert record(experiment).done


@pytest.mark.slow
def test_a_training_that_diverges_is_no_result(small, outputs):
    tuned = small(Answers).but(adapter=small(Finetune, LEARNING_RATE=1e30, STEPS=4))
    with pytest.raises(WorkFailed, match="diverged.*lower LEARNING_RATE"):
        record(tuned)
    (path,) = outputs.glob("runs/*/*/run.json")
    assert read_json(path)["kind"] == "finetune" and read_json(path)["status"] == "failed"


def test_of_kinds_without_a_model_nothing_else_can_be_set(small):
    for kind in (Constant, NearestAnswer, OneDoctor):
        with pytest.raises(LabError, match="'MODEL' was to be changed in .* no such setting"):
            small(kind, MODEL="pocket/llama")
