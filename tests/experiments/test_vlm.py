"""VLMs at miniature size, on the clinic's files and the shipped models: asked, trained, held
against what they say without the image, and put on a small device.
"""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from conftest import ROOT
from helpers.cases import Case
from helpers.data.images import find_image_key, open_image
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.experiment import record, record_scored, run_id
from helpers.experiments.finetune_vlm import FinetuneVlm
from helpers.experiments.image_control import GREY, ImageControl
from helpers.experiments.scores import Grading
from helpers.experiments.small_device import SmallDevice
from helpers.experiments.verdicts import compare
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.experiments.vlm_cases import first_image, keep_available, training_example
from helpers.files import LabError, read_json, write_json
from helpers.models.processors import load_processor
from helpers.models.prompts import vlm_question
from helpers.models.refs import ModelRef
from helpers.report.leaderboard import boards
from helpers.training.augmentation import augment
from helpers.training.recipe import VlmRecipe, moondream_rate
from tests.experiments.conftest import texts

# The papers' words and recipe, and what is done to images


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
    recipe = VlmRecipe(recipe="moondream", learning_rate=0.5)
    assert recipe.trains_text_tower and recipe.peak_rate == 3e-5  # whatever is asked
    assert recipe.rate(100)(10) == 1.0 and VlmRecipe().rate(100) is None
    assert recipe.optimiser() == {
        "optim": "adamw_bnb_8bit",
        "adam_beta1": 0.9,
        "adam_beta2": 0.95,
        "adam_epsilon": 1e-6,
        "weight_decay": 0.0,
        "max_grad_norm": 0.0,
    }


def test_a_changed_image_has_its_size_is_another_and_comes_again_from_its_seed(small):
    image = open_image(first_image(small(VlmAnswers).cases()[0]))
    first, again, other = (augment(image, seed) for seed in ("a", "a", "b"))
    assert first.size == image.size and first.tobytes() == again.tobytes()
    assert len({image.tobytes() for image in (image, first, other)}) == 3


def test_features_of_images_that_change_cannot_be_computed_before():
    with pytest.raises(
        LabError, match="`features` is 'precomputed', but `augmentation` is 'training'"
    ):
        VlmRecipe(features="precomputed", augmentation="training")
    with pytest.raises(LabError, match="`features` is 'precomputed', but `vision` is 'trained'"):
        VlmRecipe(features="precomputed", vision="trained")
    assert VlmRecipe(features="auto").precomputes
    assert not VlmRecipe(features="auto", augmentation="training").precomputes
    with pytest.raises(LabError, match="^`batch` is 0"):
        VlmRecipe(batch=0)


# Answers and trainings


def test_the_first_image_on_disk_is_shown_and_learnt_from(small, altered):
    root = Path(altered("train", lambda entry, place: None))
    asked = small(VlmAnswers, DATA_ROOT=str(root), SPLIT="train", LIMIT=24)
    several = next(case for case in asked.cases() if len(case.images) > 1)
    processor = load_processor(ModelRef("pocket/llava"))
    for image in several.images[:2]:
        assert asked.images([several]) == {several.id: image} and first_image(several) == image
        learnt = training_example(processor, several, "P1", glued=False)
        assert learnt["image"] == str(image)
        image.unlink()


def test_other_images_make_another_training(small, altered):
    training = small(FinetuneVlm, DATA_ROOT=altered("train", lambda entry, place: None))
    before = run_id(training)
    assert before == run_id(small(FinetuneVlm))
    first, second = (first_image(case) for case in training.data.load().training[:2])
    shutil.copy(second, first)
    assert run_id(training) != before


@pytest.mark.slow
def test_a_model_is_asked_trained_asked_again_and_compared(small, clinic):
    training, plain = small(FinetuneVlm, EPOCHS=1.0), small(VlmAnswers)
    tuned = plain.but(adapter=training)
    before, after = (record_scored(one, Grading()) for one in (plain, tuned))
    assert before.record["name"] == "pocket/llava, P1; LIMIT 5, MAX_NEW_TOKENS 8"
    assert after.record["name"].startswith("pocket/llava + LoRA, P1, 1 epoch; ")
    assert (before.record["epochs"], after.record["epochs"]) == (0, 1)
    assert (before.record["tuned"], after.record["tuned"]) == (False, True)
    measured = {"deltableu", "bertscore_f1", "named", "repeated", "from_training", "seconds"}
    assert measured <= set(after.scores)
    trained = record(training)
    assert after.record["parents"] == {"adapter": f"finetune_vlm/{trained.id}"}
    assert trained.record["features"] == "precomputed"
    assert after.record["weights_mb"] > before.record["weights_mb"] > 5
    assert set(texts(after)) == {case.id for case in tuned.cases()}
    for run in (after, trained):
        written = (run.folder / "run.json").read_text()
        assert str(clinic) not in written and str(ROOT) not in written
    claims = {one.metric: one for one in compare("x", [before], [after], repetition=True)}
    assert {"deltableu", "named", "repeated", "from_training"} <= set(claims)
    assert claims["repeated"].verdict == "undecided: fewer than 10 cases"
    assert sum(map(len, boards([before, after]).values())) == 2

    # A run's adapter that is given answers likewise, and only for its own base.
    given = plain.but(adapter=GivenAdapter(folder=str(trained.folder)))
    assert texts(record(given)) == texts(after)
    with pytest.raises(LabError, match="but MODEL is 'pocket/idefics2': set MODEL to the adapter"):
        record(given.but({"MODEL": "pocket/idefics2"}))
    with pytest.raises(LabError, match=r"no lab\.json in it"):
        record(plain.but(adapter=GivenAdapter(folder=str(before.folder))))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["text", "moondream"])
def test_the_whole_text_tower_is_trained_and_answers(small, recipe):
    training = small(FinetuneVlm, RECIPE=recipe, MODEL="pocket/idefics2", STEPS=3)
    run = record(training)
    assert (run.folder / "adapter" / "model.safetensors").exists()
    assert read_json(run.folder / "training.json")[-1]["step"] == 3
    assert "RANK" not in run.record["parameters"]
    asked = small(VlmAnswers, MODEL="pocket/idefics2", LIMIT=2).but(adapter=training)
    assert len(texts(record(asked))) == 2
    with pytest.raises(LabError, match="4-bit weights cannot be; set it to 'none', or RECIPE"):
        record(training.but({"QUANTIZATION": "nf4"}))


@pytest.mark.slow
def test_an_image_that_fails_is_an_empty_answer_with_its_reason(small, altered):
    root = altered("valid", lambda entry, place: entry.update(image_ids=entry["image_ids"][:1]))
    first, second, *_ = sorted(Path(root).glob("images_final/images_valid/*_00001.jpg"))
    first.write_bytes(b"no image")
    second.unlink()
    asked = small(VlmAnswers, DATA_ROOT=root, LIMIT=3)
    broken, absent, good = record(asked).answers.read().values()
    by_case = {one.case_id: one for one in (broken, absent, good)}
    broken, absent, good = (by_case[case.id] for case in asked.cases())
    assert (broken.text, absent.text) == ("", "") and good.text
    assert broken.error and absent.error == "no image of it is on disk"
    shutil.rmtree(Path(root) / "images_final" / "images_valid")
    with pytest.raises(LabError, match="none of its images is on disk.*folder as DATA_ROOT"):
        record(asked)


def test_training_cases_without_answers_or_images_are_refused(small, altered):
    silent = altered("train", lambda entry, place: entry.update(responses=[]))
    blind = altered("train", lambda entry, place: entry.update(image_ids=[]))
    for root in (silent, blind):
        with pytest.raises(LabError, match="no training case with an answer and an image on disk"):
            record(small(FinetuneVlm, DATA_ROOT=root))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("pocket/llama", "a model of type 'llama' sees no images"),
        ("openai:gpt", "models behind an API are not asked"),
        ("pocket/none", "the models shipped with the lab are"),
        ("pocket/blip", "a model of type 'blip' goes on with"),
    ],
)
def test_models_that_cannot_be_asked_are_refused(small, model, sentence):
    for kind in (VlmAnswers, FinetuneVlm, ImageControl):
        with pytest.raises(LabError, match=f"^MODEL is '{model}', but .*{sentence}"):
            record(small(kind, MODEL=model))


def test_of_the_models_that_are_asked_those_that_cannot_be_had_are_left_out(capsys):
    assert keep_available(["pocket/llama", "pocket/llava"]) == ["pocket/llava"]
    assert capsys.readouterr().out.startswith("Left out: MODEL is 'pocket/llama', but")
    with pytest.raises(LabError, match="MODEL is 'pocket/llama'"):
        keep_available(["pocket/llama", "openai:gpt"])


# Without the image


def test_nothing_is_an_even_grey_that_every_case_with_an_image_is_shown(small, altered):
    def bare(entry: dict, place: int) -> None:
        entry.update({} if place else {"image_ids": []})

    control = small(ImageControl, DATA_ROOT=altered("valid", bare))
    shown = control.images(control.cases())
    first, *others = shown.values()
    assert first is None and len(set(others)) == 1
    with Image.open(others[0]) as grey:
        assert grey.getcolors() == [(grey.width * grey.height, (GREY, GREY, GREY))]


def test_another_case_has_another_image_and_another_label(small):
    control = small(ImageControl, IMAGE_SHOWN="another", SPLIT="train", LIMIT=24)
    cases, shown = control.cases(), control.images(control.cases())
    assert len(shown) == 24
    owners = {first_image(case): case for case in cases}
    for case in cases:
        other = owners[shown[case.id]]
        assert other.label != case.label
        assert find_image_key(shown[case.id]) != find_image_key(first_image(case))
    assert shown == control.images(cases) != control.but({"SEED": 6}).images(cases)


def test_files_of_the_same_content_are_one_image_whatever_they_are_called(small, altered):
    """Also where labels do not tell cases apart."""
    root = Path(altered("valid", lambda entry, place: None))
    facts = read_json(root / "facts.json")
    write_json(root / "facts.json", {key: one | {"label": ""} for key, one in facts.items()})
    control = small(ImageControl, DATA_ROOT=str(root), IMAGE_SHOWN="another", LIMIT=3)
    first, second, third = (first_image(case) for case in control.cases())
    shutil.copy(first, second)
    shown = control.images(control.cases())
    ids = [case.id for case in control.cases()]
    assert shown[ids[0]] == shown[ids[1]] == third and shown[ids[2]] in (first, second)
    shutil.copy(first, third)
    with pytest.raises(LabError, match=f"Case '{ids[0]}' was to be shown another case's image"):
        control.images(control.cases())


def test_where_no_other_case_has_another_label_there_is_a_sentence(small, altered):
    root = Path(altered("valid", lambda entry, place: None))
    facts = read_json(root / "facts.json")
    write_json(root / "facts.json", {key: one | {"label": "rash"} for key, one in facts.items()})
    with pytest.raises(LabError, match="another image and another label: take more cases"):
        record(small(ImageControl, DATA_ROOT=str(root), IMAGE_SHOWN="another"))


@pytest.mark.slow
def test_what_is_shown_is_what_the_answers_depend_on(small):
    runs = [
        record_scored(one, Grading())
        for one in (
            small(VlmAnswers),
            small(ImageControl),
            small(ImageControl, IMAGE_SHOWN="another"),
        )
    ]
    assert [run.record["name"].split(";")[0] for run in runs] == [
        *("pocket/llava, P1", "pocket/llava, P1, no image", "pocket/llava, P1, another image")
    ]
    assert len({run.record["inputs"]["images"] for run in runs}) == 3
    assert len({str(texts(run)) for run in runs}) > 1
    found = compare("the image helps", [runs[1]], [runs[0]])
    assert {one.verdict for one in found} == {"undecided: fewer than 10 cases"}


# A small device


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_on_a_small_device(small, measured_here):
    training = small(FinetuneVlm, STEPS=2)
    parameters = {"LIMIT": 2, "MAX_NEW_TOKENS": 4, "EDGE_FORMS": "float32, int8"}
    device = small(SmallDevice, **parameters).but(adapter=training)
    run = record_scored(device, Grading())
    forms = {row["form"]: row for row in run.record["forms"]}
    assert list(forms) == ["float32", "int8"] and forms["float32"]["same_answers"] == 1
    assert forms["int8"]["weights_mb"] < forms["float32"]["weights_mb"]
    assert {"deltableu", "bertscore_f1", "named"} <= forms["int8"].keys()
    assert not {"answers"} & forms["int8"].keys()
    assert (run.folder / "merged" / "model.safetensors").exists()
    assert run.record["parents"] == {"adapter": f"finetune_vlm/{run_id(training)}"}
    assert {"int8: deltableu", "int8: bertscore_f1", "int8: named"} == set(run.scores)
    for changes in ({"EDGE_THREADS": 2}, {"EDGE_FORMS": "float32"}, {"STEPS": 3}):
        assert run_id(device.but(changes)) != run.id
    with pytest.raises(LabError, match="`edge_forms` is 'int3', but it lists some of: float32"):
        device.but({"EDGE_FORMS": "int3"})


def test_a_small_device_needs_cases_to_show_and_to_score(small, altered):
    root = altered("valid", lambda entry, place: entry.update(responses=[]))
    with pytest.raises(LabError, match="No case of the split 'valid'.*another SPLIT or DATASET"):
        record(small(SmallDevice, DATA_ROOT=root))
