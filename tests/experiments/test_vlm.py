"""Notebook 04's experiments at miniature size, on the clinic's files and the shipped models."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import ROOT, changed, read_lab
from helpers.cases import Case, Reference
from helpers.data.images import open_image
from helpers.experiments import vlm_answers, vlm_finetune
from helpers.experiments.parameters import check_size
from helpers.experiments.scoring import answers_of
from helpers.experiments.small_device import measure_on_small_device
from helpers.experiments.studies import cells, compare
from helpers.experiments.sweep import _trainings
from helpers.experiments.vlm_answers import answer_with_vlm, ask_directly, vlm_grid
from helpers.experiments.vlm_finetune import VLM_FINETUNE, finetune_vlm, train_vlms, vlm_recipe
from helpers.files import LabError, read_json
from helpers.models.prompts import vlm_question
from helpers.models.vlm import LocalVLM
from helpers.report.vlm_tables import (
    compare_with_table_2,
    describe_repetition,
    epoch_curves,
    list_costs,
    list_forms,
)
from helpers.training.augmentation import augment
from helpers.training.recipe import VLM_RECIPES, VlmRecipe, moondream_rate

SMALL = {
    "SEED": 5,
    "LIMIT": 5,
    "TRAIN_LIMIT": 6,
    "VLM_BATCH": 2,
    "VLM_TOKENS": 6,
    "VLM_ANSWER_BATCH": 2,
    "RANK": 2,
    "VLM_EPOCHS": [1],
    "VLMS": "pocket/idefics2",
}


def texts(run) -> dict[str, str]:
    return {case_id: answer.text for case_id, answer in answers_of(run).items()}


# The paper's words, recipe and changes of images


def test_the_prompts_are_the_papers_to_the_letter():
    case = Case("1", "Red spots", "[removed] They itch. [deleted]")
    assert vlm_question(case, "P1") == (
        "This is additional information about the dermatology issue on the image: Red spots; They "
        "itch.  What dermatological disease is on the image and how can it be treated?"
    )
    assert vlm_question(case, "P2") == (
        "Patient wants to find out what dermatological disease he suffers from. Considering "
        "patient additional description: Red spots; They itch.  Answer two questions: 1. What "
        "dermatological disease is on the image? 2. How can it be treated?"
    )
    assert "image:Red spots; They itch. What" in vlm_question(case, "P1", glued=True)


def test_moondreams_rate_climbs_and_does_not_fall_to_its_end():
    shares = [moondream_rate(step, 100) for step in (0, 5, 10, 55, 100)]
    assert shares == pytest.approx(
        [0.1, 0.55, 1.0, 0.1 + 0.9 * (1 + 0.15643447) / 2, 0.1220248], abs=1e-6
    )
    recipe = VlmRecipe(**VLM_RECIPES["moondream"], epochs=2, steps=0, batch=8, accumulation=1)
    assert (recipe.trained, recipe.learning_rate, recipe.rate(100)(10)) == ("text", 3e-5, 1.0)
    assert recipe.optimiser() == {
        "optim": "adamw_bnb_8bit",
        "adam_beta1": 0.9,
        "adam_beta2": 0.95,
        "adam_epsilon": 1e-6,
        "weight_decay": 0.0,
        "max_grad_norm": 0.0,
    }
    assert VlmRecipe().rate(100) is None


def test_a_changed_image_has_its_size_is_another_and_comes_again_from_its_seed(lab):
    data, _ = lab
    image = open_image(
        next(case for case in data.split("train") if case.images_on_disk).images_on_disk[0]
    )
    first, again, other = (augment(image, seed) for seed in ("a", "a", "b"))
    assert first.size == image.size and first.tobytes() == again.tobytes()
    assert len({image.tobytes() for image in (image, first, other)}) == 3


@pytest.mark.parametrize(
    "name, value",
    [
        ("VLM", ""),
        ("VLMS", " , "),
        ("VLM_EPOCHS", []),
        ("VLM_EPOCHS", [0]),
        ("VLM_EPOCHS", ["2"]),
        ("VLM_PROMPT", "P3"),
        ("VLM_EPOCHS", [float("inf")]),
        ("VLM_RECIPE", "qlora"),
        ("VLM_LEARNING_RATE", float("nan")),
        ("PICTURE_SIDE", -2),
        ("PICTURE_SIDE", 5),
        ("AUGMENTATION", "validation"),
        ("REFERENCES", "best"),
        ("VLM_LEARNING_RATE", -0.1),
        ("FEATURES", "yes"),
    ],
)
def test_parameters_that_no_run_can_have_are_refused(name, value):
    with pytest.raises(LabError, match=f"^{name} "):
        check_size(name, value)


def test_features_of_images_that_change_cannot_be_computed_before():
    with pytest.raises(
        LabError, match="`features` is 'precomputed', but `augmentation` is 'training'"
    ):
        VlmRecipe(features="precomputed", augmentation="training")
    with pytest.raises(LabError, match="`features` is 'precomputed', but `vision` is 'trained'"):
        VlmRecipe(features="precomputed", vision="trained")
    assert VlmRecipe().precomputes and not VlmRecipe(augmentation="training").precomputes
    with pytest.raises(LabError, match="^`batch` is 0"):
        VlmRecipe(batch=0)


# The runs


@pytest.fixture(scope="module")
def grid_outputs(clinic, tmp_path_factory) -> Path:
    """An outputs folder in which the small grid has been run."""
    folder = tmp_path_factory.mktemp("grid")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_OUTPUTS", str(folder))
        vlm_grid(*read_lab(clinic, SMALL))
    return folder


@pytest.fixture
def trained_lab(lab, grid_outputs, outputs) -> tuple:
    """The lab, where the small grid's runs are found."""
    shutil.copytree(grid_outputs, outputs, dirs_exist_ok=True)
    return lab


@pytest.mark.slow
def test_a_grid_is_asked_trained_scored_and_found_again(trained_lab, monkeypatch):
    data, settings = trained_lab
    direct = ask_directly(data, settings)
    assert [run.record["name"].split(";")[0] for run in direct] == [
        "pocket/idefics2, P1",
        "pocket/idefics2, P2",
    ]
    grid = vlm_grid(data, settings)
    assert list(grid) == [0, 1]
    tuned = grid[1]
    assert tuned.record["name"].startswith(
        "pocket/llava + LoRA, P1, 1 epoch; RANK 2, VLM_BATCH 2, TRAIN_LIMIT 6"
    )
    measured = {"deltableu", "bertscore_f1", "named", "repeated", "from_training", "seconds"}
    assert measured <= set(tuned.scores)
    training = train_vlms(data, settings)[0]
    assert tuned.record["parent"] == training.id and training.record["training_records"] == 6
    assert (
        training.record["features"] == "precomputed"
        and tuned.record["weights_mb"] > grid[0].record["weights_mb"] > 5
    )
    assert set(texts(tuned)) == {case.id for case in data.split("valid")[:5]}
    for run in (tuned, training):
        written = (run.folder / "run.json").read_text()
        assert settings.DATA_ROOT not in written and str(ROOT) not in written
    monkeypatch.setattr(vlm_finetune, "train_adapter", None)
    monkeypatch.setattr(vlm_answers, "answer_images", None)
    again = vlm_grid(data, settings)
    assert [run.id for run in again.values()] == [run.id for run in grid.values()]
    made = cells(VLM_FINETUNE, data, settings)
    assert [(cell.settings["TUNED"], cell.settings["EPOCHS"]) for cell in made] == [
        (False, 0),
        (True, 1),
    ]
    claim = compare(data, settings, "more epochs", [grid[0]], [tuned], study="x")
    assert {"deltableu", "named", "repeated", "from_training"} <= set(claim.scores)
    assert claim.verdicts["repeated"].startswith("not measured: fewer than 10")


@pytest.mark.slow
def test_tables_hold_the_runs(trained_lab):
    data, settings = trained_lab
    grid, training = vlm_grid(data, settings), train_vlms(data, settings)
    runs = list(grid.values())
    found = compare_with_table_2(runs, tuned="pocket/llava").set_index("epochs")
    assert dict(found["augmentation"].dropna()) == {1: "none"}
    assert dict(found["their run"]) == {0: "1: 1.502 / 0.839", 1: "not run"}
    assert list(describe_repetition(runs)["epochs"]) == [0, 1]
    curve = epoch_curves(runs, "deltableu")["P1, not augmented"]
    assert curve == [(epochs, run.scores["deltableu"]) for epochs, run in grid.items()]
    costs = list_costs(runs, training).set_index("epochs")
    assert dict(costs["train_minutes"].dropna()) == {1: training[0].record["train_minutes"]}
    assert costs["weights_mb"][1] > 5


@pytest.mark.slow
def test_what_determines_a_run(trained_lab):
    data, settings = trained_lab
    identity = finetune_vlm(data, settings, 1).id
    same = changed(
        settings, VLM_BATCH=1, VLM_ACCUMULATION=2, FEATURES="live", LIMIT=3, VLM_TOKENS=9
    )
    assert finetune_vlm(data, same, 1).id == identity
    for other in ({"AUGMENTATION": "training"}, {"REFERENCES": "sampled"}, {"SLIPS": "authors"}):
        assert finetune_vlm(data, changed(settings, **other), 1).id != identity


@pytest.mark.slow
def test_answers_depend_on_what_the_images_show(lab, tmp_path):
    data, settings = lab
    before = answer_with_vlm(data, settings)
    cases = data.split("valid")
    copy = tmp_path / cases[0].images[0].name
    shutil.copy(cases[1].images_on_disk[0], copy)
    other = replace(
        data, splits=data.splits | {"valid": (replace(cases[0], images=(copy,)), *cases[1:])}
    )
    assert answer_with_vlm(other, settings).id != before.id


@pytest.mark.slow
def test_interrupted_answers_are_taken_up_to_the_same_end(lab, monkeypatch):
    data, settings = lab
    settings = changed(settings, VLM_PROMPT="P2", VLM="pocket/idefics2", LIMIT=4, VLM_TOKENS=12)
    undisturbed = answer_with_vlm(data, settings)
    said = texts(undisturbed)
    shutil.rmtree(undisturbed.folder)
    answer, calls = LocalVLM.answer_batch, []

    def dying(self, asked, **limits):
        calls.append(len(asked))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answer(self, asked, **limits)

    monkeypatch.setattr(LocalVLM, "answer_batch", dying)
    with pytest.raises(KeyboardInterrupt):
        answer_with_vlm(data, settings)
    run = answer_with_vlm(data, settings)
    assert calls == [2, 2, 2] and run.done and texts(run) == said and len(set(said.values())) > 1


def test_an_image_that_fails_is_an_empty_answer_with_its_reason(lab, tmp_path):
    data, settings = lab
    cases = list(data.split("valid")[:3])
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    cases[0] = replace(cases[0], images=(broken,))
    cases[1] = replace(cases[1], images=(tmp_path / "absent.jpg",))
    other = replace(data, splits=data.splits | {"valid": tuple(cases)})
    answers = answers_of(answer_with_vlm(other, settings))
    assert [answers[case.id].text == "" for case in cases[:2]] == [True, True] and answers[
        cases[2].id
    ].text
    assert answers[cases[0].id].error and answers[cases[1].id].error == "no image of it is on disk"
    with pytest.raises(LabError, match="models behind an API"):
        ask_directly(other, changed(settings, VLMS="openai:x, pocket/llama"))
    none = replace(data, splits=data.splits | {"valid": (cases[1],)})
    with pytest.raises(LabError, match="none of its images is on disk"):
        answer_with_vlm(none, settings)


def test_training_cases_without_answers_or_images_are_refused(lab):
    data, settings = lab
    silent = tuple(replace(case, references=(Reference(""),)) for case in data.split("train")[:4])
    for cases in (silent, tuple(replace(case, images=()) for case in data.split("train")[:4])):
        with pytest.raises(LabError, match="no training case with an answer and an image on disk"):
            finetune_vlm(replace(data, splits=data.splits | {"train": cases}), settings, 1)


@pytest.mark.parametrize(
    "model, sentence",
    [
        ("pocket/llama", "a model of type 'llama' sees no images"),
        ("openai:gpt", "models behind an API are not asked"),
        ("pocket/none", "the models shipped with the lab are"),
        ("pocket/blip", "a model of type 'blip' goes on with"),
    ],
)
def test_models_that_cannot_be_asked_are_refused(lab, model, sentence):
    data, settings = lab
    for call in (answer_with_vlm, lambda *given: finetune_vlm(*given, 1)):
        with pytest.raises(LabError, match=f"^VLM is '{model}', but .*{sentence}"):
            call(data, changed(settings, VLM=model))


@pytest.mark.slow
def test_an_earlier_run_answers_and_one_of_another_base_is_refused(trained_lab):
    data, settings = trained_lab
    training = finetune_vlm(data, settings, 1)
    given = changed(settings, VLM_ADAPTER=str(training.folder))
    grid = vlm_grid(data, given)
    assert texts(grid[1]) == texts(vlm_grid(data, settings)[1])
    with pytest.raises(
        LabError, match="but VLM is 'pocket/idefics2': set VLM to the adapter's base"
    ):
        train_vlms(data, changed(given, VLM="pocket/idefics2"))
    with pytest.raises(LabError, match="^VLM_ADAPTER is .*holds no run.json"):
        train_vlms(data, changed(given, VLM_ADAPTER=str(training.folder / "adapter")))
    with pytest.raises(LabError, match="that is no finished fine-tuning of notebook 04"):
        train_vlms(data, changed(given, VLM_ADAPTER=str(grid[0].folder)))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["text", "moondream"])
def test_the_whole_text_tower_is_trained_and_answers(lab, recipe):
    data, settings = lab
    settings = changed(settings, VLM_RECIPE=recipe, VLM="pocket/idefics2")
    training = finetune_vlm(data, settings, 1)
    assert (training.folder / "adapter" / "model.safetensors").exists()
    assert vlm_recipe(settings, 1).learning_rate == (
        3e-5 if recipe == "moondream" else settings.VLM_LEARNING_RATE
    )
    assert vlm_recipe(changed(settings, VLM_LEARNING_RATE=0), 1).learning_rate == 3e-5
    assert finetune_vlm(data, changed(settings, RANK=9), 1).id == training.id  # there is no adapter
    run = answer_with_vlm(data, settings, training)
    assert len(texts(run)) == 5 and read_json(training.folder / "training.json")[-1]["step"] == 3
    with pytest.raises(LabError, match="4-bit weights cannot be"):
        finetune_vlm(data, changed(settings, VLM_QUANTIZATION="nf4"), 1)


def test_a_sweep_trains_each_cell_once_and_the_longest_first():
    points = [
        (VLM_FINETUNE, {"VLM_PROMPT": prompt, "VLM_EPOCHS": [1, 3], "SEED": 1, "LIMIT": limit})
        for prompt in ("P1", "P2")
        for limit in (2, 4)
    ]
    points += [(VLM_FINETUNE, {"VLM": "pocket/idefics2", "VLM_EPOCHS": [], "SEED": 1})]
    found = _trainings(points)
    assert [task["VLM_EPOCHS"] for _, task in found] == [[3]] * 4 + [[1]] * 4
    assert len({str(sorted(task.items(), key=str)) for _, task in found}) == 4


@pytest.mark.slow
def test_on_a_small_device(trained_lab):
    data, settings = trained_lab
    settings = changed(settings, LIMIT=2, EDGE_FORMS="float32, int8", EDGE_THREADS=1, VLM_TOKENS=4)
    training = finetune_vlm(data, settings, 1)
    run = measure_on_small_device(data, settings, training)
    forms = list_forms(run).set_index("form")
    assert list(forms.index) == ["float32", "int8"] and forms["same_answers"]["float32"] == 1
    assert forms["weights_mb"]["int8"] < forms["weights_mb"]["float32"]
    assert (run.folder / "merged" / "model.safetensors").exists() and run.record[
        "parent"
    ] == training.id
    assert (
        "int8: deltableu" in run.scores
        and measure_on_small_device(data, settings, training).id == run.id
    )
    with pytest.raises(LabError, match="EDGE_FORMS is 'int3', but it lists some of: float32"):
        measure_on_small_device(data, changed(settings, EDGE_FORMS="int3"), training)
