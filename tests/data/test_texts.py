"""Texts that cannot be written or tokenized, and values that nobody expects: one fault, and one
sentence, which name the same place.
"""

import json
import time

import pytest

from helpers.cases import read_answers
from helpers.data import load_dataset
from helpers.data.catalogue import DataFault
from helpers.data.checks import MOST_FAULTS, check_data
from helpers.data.dermavqa import read_facts
from helpers.data.photos import load_photos
from helpers.data.records import stopping_faults
from helpers.data.texts import quoted, shown
from helpers.files import LabError


def record(case_id: str, **changes) -> dict:
    response = {"author_id": "U2", "content_en": "Ringworm."}
    return {
        "encounter_id": case_id,
        "image_ids": [],
        "query_title_en": "Red ring",
        "query_content_en": "On the arm.",
        "responses": [response],
    } | changes


def write(folder, *records):
    (folder / "train.json").write_text(json.dumps(records), encoding="utf-8")
    return folder


def said(folder) -> list[str]:
    return [str(fault) for fault in check_data("iiyi", folder) if not fault.is_note]


def refused(folder) -> str:
    with pytest.raises(LabError) as error:
        load_dataset("iiyi", folder)
    return str(error.value)


HALF = "a broken character (U+D83D, half of a surrogate pair)"
NUL = "the control character U+0000"
FAULTS = [
    ({"query_title_en": "Itchy \ud83d"}, f"`query_title_en` has {HALF}"),
    ({"query_content_es": "a\0b"}, f"`query_content_es` has {NUL}"),
    ({"image_ids": ["a.jpg", "\ud83d.jpg"]}, f"`image_ids` has {HALF}"),
    ({"unknown": [{"deep": {"\ud83d": 1}}]}, f"`unknown` has {HALF}"),
    ({"\0": 1}, f"the name '\\x00' of a field has {NUL}"),
    (
        {"responses": [{"author_id": "U2", "content_en": "x"}, {"author_id": "\ud83d"}]},
        f"response 2: `author_id` has {HALF}",
    ),
    ({"query_title_en": "\x9b2J"}, "`query_title_en` has the control character U+009B"),
    ({"image_ids": ["x" * 251]}, f"image name {quoted('x' * 251)} is longer than the name of a"),
    ({"image_ids": ["x"] * 1001}, "lists 1,001 images, but at most 1,000 were expected in a case"),
    (
        {"responses": [{"author_id": "U2", "content_en": "x", "completeness": 10**400}]},
        "response 1: `completeness` is the number 10000000000000000000..., but a number from 0 ",
    ),
]


@pytest.mark.parametrize(("changes", "fault"), FAULTS)
def test_the_checker_and_the_loader_name_the_same_record(tmp_path, changes, fault):
    (tmp_path / "images").mkdir()  # so that images are looked for
    write(tmp_path, record("a"), record("b"), record("ENC3") | changes)
    passed_over = (" has no `", "is not on disk", "faults more")
    found = [line for line in said(tmp_path) if not any(part in line for part in passed_over)]
    assert len(found) == 1 and found[0].startswith(f"train.json, record 3 (ENC3): {fault}")
    sentence = refused(tmp_path)
    assert sentence.startswith(f"{tmp_path}/train.json, record 3 (ENC3): {fault}")
    assert "check-data" in sentence and sentence.isprintable()


def test_a_long_id_is_a_fault_and_does_not_fill_the_screen(tmp_path):
    write(tmp_path, record("x y " * 1250))
    fault = "`encounter_id` has 5,000 letters, but at most 200 were expected"
    assert [line.partition(": ")[2] for line in said(tmp_path)] == [fault]
    assert len(said(tmp_path)[0]) < 300 and fault in refused(tmp_path)
    write(tmp_path, record("x" * 200))
    assert said(tmp_path) == [] and load_dataset("iiyi", tmp_path)


@pytest.mark.parametrize("other", ["Rücken", " Ru\u0308cken", "Ru\u0308cken\n", "Rücken\u00a0"])
def test_ids_that_a_person_takes_for_the_same_are(tmp_path, other):
    write(tmp_path, record("Rücken"), record("b"), record(other))
    (line,) = said(tmp_path)
    assert line.startswith("train.json, record 3 (")
    assert line.endswith("the id is doubled: record 1 has it too")
    assert "has the id of record 1" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('[{"encounter_id": "A", "encounter_id": "B"}]', "has the key 'encounter_id' twice"),
        (f'[{{"encounter_id": {"9" * 5000}}}]', "a number of thousands of digits"),
        ('[{"encounter_id": NaN}]', "holds NaN, which is no number of JSON"),
        ('[{"encounter_id": 1e999}]', "the number 1e999, which is too large"),
        ("[" * 100_000, "is nested too deeply to be data"),
        ("[" * 100 + "]" * 100, "is nested too deeply to be data"),
        ('"text"', "holds text, but a list of records was expected"),
    ],
)
def test_unsound_files_are_one_fault_and_one_sentence(tmp_path, content, fault):
    (tmp_path / "train.json").write_text(content)
    (line,) = said(tmp_path)
    assert line.startswith("train.json: ") and fault in line and len(line) < 200
    sentence = refused(tmp_path)
    assert fault in sentence and "correct the file, or run `python -m helpers check" in sentence


def test_facts_name_the_case(tmp_path):
    write(tmp_path, record("A"))
    facts = {"A": {"label": "x\ud83d", "skin_tone": 7}, "\ud83d": {"skin_tone": 6}}
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    assert said(tmp_path) == [
        "facts.json: A: `skin_tone` is the number 7, but a whole number from 1 to 6 was expected",
        f"facts.json: A: `label` has {HALF}",
        rf"facts.json: the id '\ud83d' has {HALF}",
        r"facts.json: '\ud83d' is no case of this folder",
    ]
    with pytest.raises(LabError, match="A: `skin_tone` is the number 7"):
        read_facts(tmp_path / "facts.json")


def test_authors_name_the_line(tmp_path):
    write(tmp_path, record("A"))
    rows = f"U2,md,level_{'9' * 5000}\nU3\0,md,level_1\nU4,md,level_9\n"
    (tmp_path / "df_userinfo.csv").write_text(f"author_id,validation_level,rank_level\n{rows}")
    found = said(tmp_path)
    assert found[0].startswith("df_userinfo.csv: line 2: rank_level is 'level_9999")
    assert found[1:] == [f"df_userinfo.csv: line 3: `author_id` has {NUL}"]
    assert "df_userinfo.csv: line 2: rank_level is" in refused(tmp_path)


def test_a_photo_whose_name_has_a_control_character_is_refused(tmp_path):
    (tmp_path / "a\x1b[2J.jpg").write_bytes(b"x")
    with pytest.raises(LabError, match=r"the name 'a\\x1b\[2J' has the control character U\+001B"):
        load_photos(tmp_path)
    found = [str(fault) for fault in check_data("photos", tmp_path)]
    assert len(found) == 2 and all(line.isprintable() for line in found)


def test_what_a_fault_repeats_cannot_reach_a_terminal_raw():
    fault = DataFault("a\x1b.json", 3, "has\n\ud83d and\r\x07", "id\u202e\x1b[2J")
    assert str(fault).isprintable()
    assert shown("Ärm 2") == "Ärm 2" and shown("a\u202eb") == r"'a\u202eb'"
    assert quoted("x" * 5000) == f"'{'x' * 60}'... (5,000 letters)"


def test_a_million_images_of_a_case_do_not_hang(tmp_path):
    (tmp_path / "images").mkdir()
    write(tmp_path, record("A", image_ids=[f"{n}.jpg" for n in range(10**6)]))
    started = time.monotonic()
    found = said(tmp_path)
    assert len(found) == MOST_FAULTS + 1
    assert "lists 1,000,000 images" in found[0] and "has 981 faults more" in found[-1]
    assert "lists 1,000,000 images" in refused(tmp_path)
    assert time.monotonic() - started < 20


def test_a_record_is_never_too_odd_to_be_told_of():
    for value in (None, 1, [], "x", {}, {"encounter_id": []}, {"responses": {"a": 1}}):
        assert all(isinstance(fault, str) for fault in stopping_faults(value))


def answers_refused(path, content: str) -> str:
    path.write_text(content)
    with pytest.raises(LabError) as error:
        read_answers(path)
    return str(error.value).removeprefix(f"{path}, ")


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ('"seconds": -1', "seconds"),
        (f'"seconds": 1{"0" * 400}', "seconds"),
        ('"seconds": "soon"', "seconds"),
        ('"tokens": 1.5', "tokens"),
        ('"options": {"a": 2}', "options"),
        ('"options": ["a"]', "options"),
        ('"error": 3', "error"),
    ],
)
def test_a_line_of_answers_with_an_impossible_value_is_named(tmp_path, entry, name):
    good = '{"case_id": "A", "text": "x"}\n'
    said = answers_refused(tmp_path / "p.jsonl", good + f'{{"case_id": "B", "text": "", {entry}}}')
    assert said.startswith(f"line 2: `{name}` is not what a run of the lab writes (")


def test_a_broken_character_in_answers_is_named_with_its_record(tmp_path):
    record = '{"encounter_id": "B", "responses": [{"content_en": "x\\ud83d"}]}'
    said = answers_refused(tmp_path / "p.json", f"[{record}]")
    assert said == f"record 1 ('B'), has {HALF}: correct the text."
    said = answers_refused(tmp_path / "p.jsonl", '{"case_id": "B", "text": "x\\ud83d"}')
    assert said.startswith(f"line 1, has {HALF} in the text ")
