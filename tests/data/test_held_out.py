"""A part of IIYI's training posts held out: no author on both sides, each author a group."""

import json

import pytest

from helpers.cases import Case
from helpers.data import load_dataset
from helpers.data.held_out import SHARES
from helpers.data.splits import split_by_group
from helpers.experiments import studies
from helpers.experiments.studies import load_studies
from helpers.files import LabError

AUTHORS = [f"U{number:05d}" for number in range(40)]
SIDES = split_by_group([Case(author, group=author) for author in AUTHORS], SHARES)
HELD_OUT, OTHER = SIDES["valid"][0].id, SIDES["train"][0].id


def post(number: int, author: str) -> dict:
    case_id = f"ENC{number:05d}"
    return {
        "encounter_id": case_id,
        "author_id": author,
        "image_ids": [],
        "query_title_en": f"What is this, {number}?",
        "query_content_en": "",
        "responses": [{"author_id": "U1", "content_en": "Psoriasis."}],
    }


def write(folder, posts):
    (folder / "train.json").write_text(json.dumps(posts))
    return folder


def test_all_posts_of_an_author_are_on_one_side(tmp_path):
    posts = [post(1, HELD_OUT), post(2, OTHER), post(3, HELD_OUT), post(4, OTHER)]
    data = load_dataset("iiyi_held_out", write(tmp_path, posts))
    found = {
        split: [(case.id, case.group, case.split) for case in cases]
        for split, cases in data.splits.items()
    }
    assert found == {
        "train": [("ENC00002", OTHER, "train"), ("ENC00004", OTHER, "train")],
        "valid": [("ENC00001", HELD_OUT, "valid"), ("ENC00003", HELD_OUT, "valid")],
    }


def test_a_post_without_an_author_is_alone(tmp_path):
    nameless = {name: value for name, value in post(7, "").items() if name != "author_id"}
    data = load_dataset("iiyi_held_out", write(tmp_path, [post(6, OTHER), nameless]))
    (case,) = [case for cases in data.splits.values() for case in cases if case.id == "ENC00007"]
    assert case.group == ""  # a case alone


def test_a_folder_without_training_posts_is_refused(tmp_path):
    (tmp_path / "valid_ht.json").write_text(json.dumps([post(1, OTHER)]))
    with pytest.raises(LabError, match=r"has no train\.json"):
        load_dataset("iiyi_held_out", tmp_path)


def test_of_the_published_posts_about_a_quarter_is_held_out(shared):
    published = shared / "data" / "dermavqa" / "iiyi"
    data = load_dataset("iiyi_held_out", published)
    sides = [data.split("train"), data.split("valid")]
    assert [len(cases) for cases in sides] == [628, 214]
    train, valid = ({case.group for case in cases} for cases in sides)
    assert not train & valid
    whole = {case.id for case in load_dataset("iiyi", published).split("train")}
    assert {case.id for cases in sides for case in cases} == whole


def test_studies_find_it_in_the_folder_of_the_published_posts(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_SHARED", str(shared))
    plan = """
    data: {held: {DATASET: iiyi_held_out, folder: iiyi}}
    studies: {one: {asks: "?", kind: constant, data: [held], vary: {name: [It is eczema.]}}}
    """
    (tmp_path / "studies.yaml").write_text(plan)
    monkeypatch.setattr(studies, "PLAN", tmp_path / "studies.yaml")
    (study,) = load_studies(["one"])
    assert study.data == [
        {"DATASET": "iiyi_held_out", "DATA_ROOT": str(shared / "data" / "dermavqa" / "iiyi")}
    ]
