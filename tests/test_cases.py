"""Cases: what a fingerprint covers. Predictions: matching by id, and the two formats of files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.cases import Answer, Case, Reference, check_matching, read_answers, submission
from helpers.files import LabError, append_jsonl, write_json

CASES = [Case("A", "a?"), Case("B", "b?")]


def test_a_submission_keeps_the_order_of_the_cases_and_leaves_missing_answers_empty(tmp_path):
    records = submission(CASES, [Answer("B", "eczema")])
    path = write_json(tmp_path / "prediction.json", records)
    assert json.loads(path.read_text()) == [
        {"encounter_id": "A", "responses": [{"content_en": ""}]},
        {"encounter_id": "B", "responses": [{"content_en": "eczema"}]},
    ]
    assert read_answers(path) == [Answer("A", ""), Answer("B", "eczema")]


def test_a_runs_own_file_is_read_with_all_fields(tmp_path):
    append_jsonl(
        tmp_path / "p.jsonl",
        [{"case_id": "A", "text": "x", "seconds": 0.5, "tokens": 3, "finish": "stop", "error": ""}],
    )
    assert read_answers(tmp_path / "p.jsonl") == [Answer("A", "x", 0.5, 3, "stop")]


def test_missing_answers_are_returned_and_wrong_ids_refused():
    assert check_matching(CASES, [Answer("A", "x")]) == ["B"]
    with pytest.raises(LabError, match="'C'"):
        check_matching(CASES, [Answer("C", "x")])
    with pytest.raises(LabError, match="'A' more than once"):
        check_matching(CASES, [Answer("A", "x"), Answer("A", "y")])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({}, "a dict, but a list"),
        ([{"responses": []}], "record 1, lacks"),
        ([{"encounter_id": "A", "responses": [{"content_zh": "x"}]}], "content_en"),
        ([{"encounter_id": 7, "responses": [{"content_en": "x"}]}], "must both be text"),
    ],
)
def test_malformed_predictions_are_one_sentence(tmp_path, records, message):
    path = tmp_path / "prediction.json"
    path.write_text(json.dumps(records))
    with pytest.raises(LabError, match=message):
        read_answers(path)


WHOLE = Case(
    "A",
    "a?",
    "For weeks.",
    (Path("/here/1.jpg"),),
    (Reference("eczema", 0.7, "U1"),),
    "eczema",
    ("Scale",),
    "valid",
)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "B"},
        {"question": "b?"},
        {"context": ""},
        {"images": (Path("/here/2.jpg"),)},
        {"references": (Reference("acne", 0.7, "U1"),)},
        {"references": (Reference("eczema", 0.8, "U1"),)},
        {"references": ()},
        {"label": "acne"},
        {"concepts": ()},
        {"split": "test"},
    ],
)
def test_what_counts_of_a_case_is_every_field(changes):
    assert replace(WHOLE, **changes).content() != WHOLE.content()


def test_where_images_lie_does_not_count():
    moved = replace(WHOLE, images=(Path("/elsewhere/1.jpg"),))
    assert moved.content() == WHOLE.content()
