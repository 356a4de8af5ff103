"""The captioning experiment, the tables of notebooks 01, 03 and 09 that rest on it, and what is
shown of images.
"""

import shutil
from dataclasses import replace

import pytest

from conftest import changed
from helpers.cases import Answer
from helpers.data import load_dataset
from helpers.data.images import BadImage, open_image
from helpers.data.tables import skin_tones
from helpers.experiments.answers import answer
from helpers.experiments.caption_texts import caption_texts, captioners_to_compare, with_captioner
from helpers.experiments.captions import (
    caption,
    caption_claims,
    caption_files,
    captioned_cases,
    captions_of_run,
    compare_captioners,
)
from helpers.experiments.parameters import check_size, recordable
from helpers.experiments.studies import _varied_in, captioner_grid, recorded_grid
from helpers.experiments.sweep import _trainings
from helpers.files import LabError
from helpers.models import memory
from helpers.models.captions import FAILED, failed_caption
from helpers.models.refs import ModelRef
from helpers.notebook import Lab
from helpers.pocket.odd_images import write_odd_images
from helpers.report.leaderboard import compare_by_shots, describe_captioners, describe_tones

SMALL = {
    "SEED": 5,
    "CAPTIONERS": "pocket/blip",
    "STEPS": 2,
    "BATCH": 2,
    "RANK": 2,
    "MAX_NEW_TOKENS": 6,
    "SHOTS": [0, 1],
    "CAPTION_TOKENS": 24,
}


@pytest.mark.slow
def test_captioners_are_compared_on_the_same_images(lab):
    data, settings = lab
    runs = compare_captioners(data, settings)
    assert list(runs) == ["pocket/blip", "recorded"]
    found = describe_captioners(runs.values()).set_index("captioner")
    images = sum(len(case.images) for case in captioned_cases(data, settings))
    assert dict(found["images"]) == dict.fromkeys(runs, images)
    assert found["concept_recall"]["recorded"].value == 1
    assert found["seconds"]["pocket/blip"] and found["seconds"]["recorded"] is None
    record = runs["pocket/blip"].record
    assert {"true", "named", "precision", "recall"} == record["concepts"]["Erythema"].keys()
    tones = describe_tones([runs["pocket/blip"]])
    assert tones["cases"].sum() == len(captioned_cases(data, settings))
    examples = {example["case"]: example["caption"] for example in record["examples"]}
    found = captions_of_run(data, settings, "pocket/blip")
    assert (
        examples == {case_id: found[case_id][0].text for case_id in examples} and len(examples) == 3
    )


@pytest.mark.slow
def test_where_no_image_is_on_disk_no_captioner_is_compared(lab, clinic, tmp_path):
    """As on the profiles that fetch the published texts alone: 03 goes on without words, 01 says
    what is missing.
    """
    _, settings = lab
    root = tmp_path / "iiyi"
    shutil.copytree(
        clinic / "iiyi", root, ignore=shutil.ignore_patterns("images_final", "captions.csv")
    )
    data, settings = (
        load_dataset("iiyi", root),
        changed(settings, DATASET="iiyi", DATA_ROOT=str(root)),
    )
    assert captioners_to_compare(data, settings) == []
    assert [run.record["parameters"]["CAPTIONER"] for run in captioner_grid(data, settings)] == [
        "none",
        "none",
    ]
    with pytest.raises(LabError, match="only its texts are fetched by themselves"):
        compare_captioners(data, settings)
    with pytest.raises(LabError, match="none of the images that the data set"):
        answer(data, with_captioner(settings, "pocket/blip"), shots=0)


def test_a_captioner_that_cannot_be_had_is_found_before_another_works(lab, outputs):
    data, settings = lab
    with pytest.raises(LabError, match="CAPTIONER is 'pocket/nobody'"):
        compare_captioners(data, changed(settings, CAPTIONERS="pocket/blip, pocket/nobody"))
    assert not list(outputs.glob("captions/*/*"))


@pytest.mark.slow
def test_the_grid_of_table_3_has_a_row_per_captioner(lab):
    data, settings = lab
    runs = captioner_grid(data, settings)
    found = compare_by_shots(runs)
    assert list(found["captions by"][::2]) == ["none", "pocket/blip", "recorded"]
    assert found["fine-tuned"].all() and found["1 shot"].notna().all()
    assert found["0 shots"][0] == f"{runs[0].scores['deltableu']:.2f}"
    assert len({run.record["parent"] for run in runs}) == 1
    told = captioner_grid(data, changed(settings, IMAGE_TEXT="training", SHOTS=[0]))
    assert len(compare_by_shots(told)) == 6 and len({run.record["parent"] for run in told}) == 3


def test_recorded_answers_of_a_study_differ_in_what_it_varies_alone():
    found = recorded_grid("pocket")
    assert {run.record["parameters"].get("CAPTIONER", "none") for run in found} >= {"none"}
    assert {run.record["shots"] for run in found} == {0, 1, 2, 4} and {
        run.record["tuned"] for run in found
    } == {True, False}
    assert not [run for run in found if _varied_in(run) - {"CAPTIONER"}]


@pytest.mark.slow
def test_what_answers_differ_in_is_told_from_what_they_depend_on(lab):
    data, settings = lab
    settings = changed(
        settings, STEPS=3, SHOT_CHOICE="fixed"
    )  # neither counts without tuning and without shots
    assert _varied_in(answer(data, settings, shots=0)) == {"MAX_NEW_TOKENS"}
    assert _varied_in(answer(data, settings, shots=1)) == {"MAX_NEW_TOKENS", "SHOT_CHOICE"}
    told = answer(data, changed(settings, CAPTIONER="recorded", IMAGE_TEXT="shots"), shots=0)
    assert _varied_in(told) == {"MAX_NEW_TOKENS", "CAPTIONER", "CAPTION_TOKENS"}


def test_only_words_that_are_read_are_made(lab, outputs):
    """With the shots: of the training cases, those that serve as shots."""
    data, settings = lab
    chosen = changed(
        settings, CAPTIONER="pocket/blip", IMAGE_TEXT="shots", LIMIT=1, SHOT_CHOICE="fixed"
    )
    answer(data, chosen, shots=1)
    (store,) = outputs.glob("captions/pocket/*.jsonl")
    assert len(store.read_text().splitlines()) <= 6  # two cases of up to three images


def test_claims_about_length_and_failures():
    brief = {"A": [Answer("1", "a patch", finish="stop")], "B": [failed_caption("2", "broken")]}
    long = {
        "A": [Answer("1", "a red and scaly patch", finish="stop")],
        "B": [Answer("2", "a bump")],
    }
    fails, says = caption_claims(brief, long, names=("one", "two"))
    assert (fails["metric"], fails["score"].value, fails["score"].n) == ("failed", 0.5, 2)
    assert (says["metric"], says["score"].value, says["score"].n) == ("words", 3, 1)
    assert len(caption_claims({"A": brief["B"]}, {"A": brief["B"]}, names=("one", "two"))) == 1
    assert "not measured" in says["verdict"]  # two images are none to speak of


def test_odd_images_are_good_in_five_forms_and_bad_in_seven(lab, tmp_path):
    _, settings = lab
    paths = write_odd_images(tmp_path)
    bad = set()
    for path in paths:
        try:
            open_image(path)
        except BadImage:
            bad.add(path.name)
    assert len(paths) == 12 and bad == {
        "cut off.jpg",
        "empty.jpg",
        "a text.jpg",
        "for print.jpg",
        "moving.gif",
        "16 bit.png",
        "huge.png",
    }
    assert open_image(tmp_path / "turned.jpg").size == open_image(tmp_path / "plain.jpg").size
    found = caption_files(settings, "pocket/blip", paths, "odd")
    assert {path.name for path, row in found.items() if row.text == FAILED} == bad
    assert (
        caption_files(settings, "recorded", paths[:1], "odd")[paths[0]].error
        == "no caption of it is recorded"
    )


def test_images_of_patients_are_not_shown_unasked(lab, tmp_path):
    data, settings = lab
    image = data.split("valid")[0].images_on_disk[0]
    other = replace(data, name="photos")
    assert Lab("n", settings, data, None).shows(image) == image
    assert Lab("n", settings, other, None).shows(image) is None
    assert Lab("n", changed(settings, SHOW_PICTURES=True), other, None).shows(image) == image


def test_skin_tones_are_known_of_the_clinic_alone(clinic, tmp_path):
    tones = skin_tones("pocket", clinic / "iiyi")
    assert set(tones.values()) <= set(range(1, 7)) and len(tones) == 38
    assert skin_tones("photos", tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CAPTIONER", " ", "CAPTIONER names nothing"),
        ("CAPTIONERS", ",", "CAPTIONERS names nothing"),
        ("CAPTIONERS", "pocket/blip, none", "lists 'none'"),
        ("CAPTION_BATCH", 0, "CAPTION_BATCH is 0"),
        ("IMAGE_TEXT", "everywhere", "must be one of question, shots, training"),
    ],
)
def test_wrong_captioning_parameters_are_one_sentence(name, value, message):
    with pytest.raises(LabError, match=message):
        check_size(name, value)


def test_no_folder_of_this_machine_is_recorded(lab, tmp_path):
    _, settings = lab
    (tmp_path / "model").mkdir()
    listed = f"pocket/blip,{tmp_path / 'model'},/home/jane/other"
    assert (
        recordable(changed(settings, CAPTIONERS=listed))["CAPTIONERS"]
        == "pocket/blip, model, other"
    )
    assert recordable(changed(settings, CAPTIONER=str(tmp_path / "model")))["CAPTIONER"] == "model"
    assert (
        recordable(changed(settings, MODEL="/home/jane, doctor/model", ADAPTER=""))["MODEL"]
        == "model"
    )
    assert recordable(changed(settings, ADAPTER=""))["ADAPTER"] == ""


def test_a_training_is_done_once_for_all_captioners_unless_its_records_hold_their_words(lab):
    points = [
        ("03_few_shot_inference", {"CAPTIONER": captioner, "IMAGE_TEXT": where, "SEED": 1})
        for captioner in ("none", "pocket/blip")
        for where in ("question", "shots", "training")
    ]
    different = {
        tuple(sorted((name, str(value)) for name, value in row.items()))
        for _, row in _trainings(points)
    }
    assert len(different) == 3  # without words, and two with a captioner named beside "training"


def test_one_model_is_kept_in_memory():
    memory.forget_models()
    llama, blip = ModelRef("pocket/llama"), ModelRef("pocket/blip")
    first = memory.load_once(llama)
    assert memory.load_once(ModelRef("pocket/llama")) is first
    memory.load_once(blip)
    assert memory.load_once(llama) is not first
    memory.forget_models()


def test_a_case_without_images_gets_the_papers_words(lab):
    data, settings = lab
    case = replace(data.split("valid")[0], images=())
    assert caption_texts(data, with_captioner(settings, "recorded"), [case]) == {case.id: FAILED}
    with pytest.raises(LabError, match="no case of the data set 'pocket' names one"):
        captioned_cases(replace(data, splits={"valid": (case,)}), settings)
    assert caption(data, with_captioner(settings, "recorded")).done
