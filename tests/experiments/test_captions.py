"""Captions as an experiment: what a run holds, who starts from it, and images that are odd or not
there.
"""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from helpers.cases import Answer
from helpers.data.images import BadImage, open_image
from helpers.data.tables import skin_tones
from helpers.experiments.answers import Answers
from helpers.experiments.caption_texts import NOT_GIVEN, caption_paths
from helpers.experiments.captions import (
    Captions,
    read_captions,
    read_case_texts,
    scores_by_tone,
)
from helpers.experiments.experiment import layers, record, record_scored, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.scores import Grading
from helpers.files import LabError, read_jsonl
from helpers.metrics import concepts
from helpers.models import memory
from helpers.models.captions import FAILED, Captioners
from helpers.models.refs import ModelRef
from helpers.pocket.odd_images import write_odd_images
from helpers.report.leaderboard import describe_captioners, describe_tones
from tests.experiments.conftest import changed_at


@pytest.fixture
def without_images(clinic, tmp_path) -> str:
    """The clinic as those get it who fetch the published texts alone."""
    ignored = shutil.ignore_patterns("images_final", "captions.csv")
    return str(shutil.copytree(clinic / "iiyi", tmp_path / "iiyi", ignore=ignored))


def listed(*names: str):
    """Return what makes the section of captioners that a notebook lists."""
    return lambda section: Captioners(names=", ".join(names))


@pytest.mark.slow
def test_captioners_are_compared_on_the_same_images(small):
    every = small(Captions).variants(listed("pocket/blip"))
    runs = {one.label(): record_scored(one, Grading()) for one in every}
    assert list(runs) == ["pocket/blip", "given"]
    cases = every[0].cases()
    assert len(cases) == 5
    shown = describe_captioners(runs.values()).set_index("captioner")
    images = sum(len(case.images) for case in cases)
    assert dict(shown["images"]) == dict.fromkeys(runs, images)
    assert shown["concept_recall"]["given"].value == 1
    assert shown["seconds"]["pocket/blip"] and shown["seconds"]["given"] is None
    said = runs["pocket/blip"].record
    assert said["model"] == "pocket/blip" and said["device"]["name"] == "cpu"
    assert {"true", "named", "precision", "recall"} == said["concepts"]["Erythema"].keys()
    assert describe_tones([runs["pocket/blip"]])["cases"].sum() == len(cases)
    found = read_captions(runs["pocket/blip"])
    examples = {one["case"]: one["caption"] for one in said["examples"]}
    assert len(examples) == 3
    assert examples == {case_id: found[case_id][0].text for case_id in examples}
    stores = list(Path(runs["given"].folder).parents[2].glob("captions/*/*.jsonl"))
    assert [len(read_jsonl(store)) for store in stores] == [images]


@pytest.mark.slow
def test_captions_are_made_once_whatever_starts_from_them(small, request):
    captions = small(Captions, CAPTIONER="pocket/blip", LIMIT=2)
    run = record(captions)
    asked = small(Answers, CAPTIONER="pocket/blip", LIMIT=2)
    assert run_id(asked.needs()["captions"]) == run.id
    before = changed_at(run.folder)
    assert record(asked).record["parents"] == {"captions": f"captions/{run.id}"}
    assert changed_at(run.folder) == before
    request.getfixturevalue("idle")
    assert record(captions.but({"CAPTION_BATCH": 1})).id == run.id


@pytest.mark.slow
def test_a_run_is_scored_again_only_where_scoring_has_changed(small, idle, monkeypatch):
    captions = small(Captions, CAPTIONER="given")
    run = record_scored(captions, Grading())
    before = changed_at(run.folder)
    assert record_scored(captions, Grading(encoder="another")).id == run.id
    assert changed_at(run.folder) == before
    monkeypatch.setattr(concepts, "VERSION", concepts.VERSION + 1)
    assert record_scored(captions, Grading()).id == run.id
    written = {path.name for path, when in changed_at(run.folder).items() if when != before[path]}
    assert written == {"run.json", "metrics.json"}


def test_captions_come_before_trainings_and_answers_that_read_them(small):
    told = {"CAPTIONER": "pocket/blip", "IMAGE_TEXT": "training", "SHOTS": 1}
    training = small(Finetune, CAPTIONER="pocket/blip", IMAGE_TEXT="training")
    first, second, third = layers([small(Answers, **told).but(adapter=training)])
    assert [type(one) for one in third] == [Answers] and [type(one) for one in second] == [Finetune]
    assert {type(one) for one in first} == {Captions} and len(first) <= 4
    assert all(one.captioner.name == "pocket/blip" for one in first)


def test_the_record_of_patients_images_holds_no_caption(small, monkeypatch):
    monkeypatch.setattr("helpers.experiments.captions.is_simulated", lambda name: False)
    assert record(small(Captions, CAPTIONER="given")).record["examples"] == []


def test_a_captioner_that_cannot_be_had_is_found_before_another_works(small, outputs):
    every = small(Captions).variants(listed("pocket/blip", "pocket/nobody"))
    with pytest.raises(LabError, match="^CAPTIONER is 'pocket/nobody'"):
        layers(every)
    assert not list(outputs.glob("captions/*/*"))


def test_where_no_image_is_on_disk_there_is_nothing_to_compare(small, without_images):
    captions = small(Captions, DATA_ROOT=without_images)
    assert captions.variants(listed("pocket/blip")) == []
    with pytest.raises(LabError, match="only its texts are fetched by themselves"):
        captions.check()
    with pytest.raises(LabError, match="^CAPTIONER is 'pocket/blip', but none of the images that"):
        record(small(Answers, DATA_ROOT=without_images, CAPTIONER="pocket/blip"))


def test_cases_without_images_are_no_captions_and_in_prompts_the_papers_words(small, altered):
    def bare(entry: dict, place: int) -> None:
        entry.update({} if place == 1 else {"image_ids": []})

    asked = small(Answers, DATA_ROOT=altered("valid", bare), CAPTIONER="given", LIMIT=2)
    texts = read_case_texts(record(asked.needs()["captions"]), asked.cases())
    assert [text == FAILED for text in texts.values()] == [True, False]
    none = altered("valid", lambda entry, place: entry.update(image_ids=[]))
    for kind in (Captions, Answers):
        with pytest.raises(LabError, match="no case of the data set 'pocket' names one there"):
            record(small(kind, DATA_ROOT=none, CAPTIONER="given"))


@pytest.mark.slow
def test_odd_images_are_good_in_five_forms_and_bad_in_seven(small, tmp_path):
    paths, bad = write_odd_images(tmp_path), set()
    for path in paths:
        try:
            open_image(path)
        except BadImage:
            bad.add(path.name)
    assert len(paths) == 12 and bad == {
        *("cut off.jpg", "empty.jpg", "a text.jpg", "for print.jpg"),
        *("moving.gif", "16 bit.png", "huge.png"),
    }
    assert open_image(tmp_path / "turned.jpg").size == open_image(tmp_path / "plain.jpg").size
    captioner = small(Captions, CAPTIONER="pocket/blip").captioner
    found = caption_paths(captioner, paths, "odd")
    assert {path.name for path, row in found.items() if row.text == FAILED} == bad
    given = small(Captions, CAPTIONER="given").captioner
    assert caption_paths(given, paths[:1], "odd")[paths[0]].error == NOT_GIVEN


def test_skin_tones_are_known_of_the_clinic_alone(clinic, tmp_path):
    tones = skin_tones("pocket", clinic / "iiyi")
    assert set(tones.values()) <= set(range(1, 7)) and len(tones) == 38
    assert skin_tones("photos", tmp_path) == {}


def test_captions_are_scored_for_the_tone_of_their_own_cases(small):
    """Only what stands beside one tone names anything."""
    captions = small(Captions, CAPTIONER="given", SPLIT="train", LIMIT=24)
    cases, tones = captions.cases(), skin_tones(captions.data.name, captions.data.root)
    one = tones[cases[0].id]
    found = {
        case.id: [Answer("", " ".join(case.concepts) if tones[case.id] == one else "Skin.")]
        for case in cases
    }
    rows = {row["skin tone"]: row for row in scores_by_tone(captions.data, cases, found)}
    assert rows.keys() == set(tones.values()) and len(rows) > 1
    recall = {tone: row["concept_recall"]["value"] for tone, row in rows.items()}
    assert recall == {tone: 1.0 if tone == one else 0.0 for tone in rows}
    known = [tones[case.id] for case in cases if case.concepts]
    assert {tone: row["cases"] for tone, row in rows.items()} == Counter(known)


def test_a_captioner_in_a_folder_is_recorded_by_its_name(small, tmp_path):
    (tmp_path / "model").mkdir()
    for named in (str(tmp_path / "model"), "/home/jane, doctor/model"):
        made = small(Answers, CAPTIONER=named, MODEL=named).parameters()
        assert made["CAPTIONER"] == made["MODEL"] == "model"
    many = Captioners(names=f"pocket/blip,{tmp_path / 'model'},/home/jane/other")
    assert many.parameters() == {"CAPTIONERS": "pocket/blip, model, other"}


@pytest.mark.slow
def test_one_model_is_kept_in_memory():
    memory.forget_models()
    llama, blip = ModelRef("pocket/llama"), ModelRef("pocket/blip")
    first = memory.load_once(llama)
    assert memory.load_once(ModelRef("pocket/llama")) is first
    memory.load_once(blip)
    assert memory.load_once(llama) is not first
    memory.forget_models()


def test_a_model_in_memory_is_not_taken_for_one_with_another_adapter(tmp_path, monkeypatch):
    """A training may write its adapter anew into the same folder."""
    monkeypatch.setattr(memory, "load", lambda ref: object())
    weights, tuned = tmp_path / "adapter_model.safetensors", ModelRef("x", adapter=tmp_path)
    found = []
    for content in (b"first", b"first", b"other"):
        weights.write_bytes(content)
        found.append(memory.load_once(tuned))
    assert found[0] is found[1] is not found[2]
    memory.forget_models()
