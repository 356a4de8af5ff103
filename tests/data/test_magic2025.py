"""MAGIC 2025's closed questions: cases from the published files, and records that give none."""

import os
from collections import Counter

import pytest

from helpers.cli.commands import main
from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.closed_questions import FORMS, QUESTION_OF
from helpers.data.magic2025 import DEFINITIONS, read_questions
from helpers.files import LabError, read_json, write_json

LETTERS = "ABCDEFGHIJKL"


def definition(qid):
    count = FORMS[QUESTION_OF[qid]].options
    options = [*(f"option {LETTERS[place]}" for place in range(count - 1)), "Not mentioned"]
    return {
        "qid": qid,
        "question_en": f"{int(qid[-3:])} What is {QUESTION_OF[qid]}?",
        "question_type_en": f"Type {QUESTION_OF[qid]}",
        "options_en": options,
    }


def record(case_id, **changes):
    """A record that answers each place with "Not mentioned", but for what is changed."""
    answers = {one: FORMS[question].options - 1 for one, question in QUESTION_OF.items()}
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    return {"encounter_id": case_id} | answers | changed


def encounter(case_id, *images):
    return {
        "encounter_id": case_id,
        "image_ids": list(images),
        "query_title_en": "A rash",
        "query_content_en": "On the arm for a week.",
        "responses": [],
    }


@pytest.fixture
def folder(tmp_path):
    """A faultless folder: two encounters to learn from, one to validate with, images of one."""
    write_json(tmp_path / DEFINITIONS, [definition(qid) for qid in QUESTION_OF])
    write_json(tmp_path / "train_cvqa.json", [record("E1", CQID011_001=2), record("E2")])
    write_json(tmp_path / "valid_cvqa.json", [record("V1")])
    write_json(tmp_path / "train.json", [encounter("E1", "a.jpg", "b.png"), encounter("E2")])
    write_json(tmp_path / "valid_ht.json", [encounter("V1")])
    images = tmp_path / "images_final" / "images_train"
    images.mkdir(parents=True)
    (images / "a.jpg").write_bytes(b"")
    return tmp_path


def case_of(folder, case_id, **options):
    splits = load_dataset("magic2025", folder, **options).splits
    return next(case for cases in splits.values() for case in cases if case.id == case_id)


def faults(folder):
    return [str(one) for one in check_data("magic2025", folder) if not one.is_note]


def notes(folder):
    return [str(one) for one in check_data("magic2025", folder) if one.is_note]


def test_an_encounter_is_nine_cases_with_its_words_and_images(folder):
    splits = load_dataset("magic2025", folder).splits
    assert {split: len(cases) for split, cases in splits.items()} == {"train": 18, "valid": 9}
    case = case_of(folder, "E1-CQID011")
    assert case.question == (
        "What is CQID011? Options: option A; option B; option C; option D; option E; option F; "
        "option G; Not mentioned."
    )
    assert case.context == "A rash\nOn the arm for a week."
    images = folder / "images_final" / "images_train"
    assert case.images == (images / "a.jpg", images / "b.png")  # which is not on disk
    assert case.images_on_disk == (images / "a.jpg",)
    assert [one.text for one in case.references] == ["option C"]
    assert (case.group, case.split, case.question_type) == ("E1", "train", "Type CQID011")
    assert {one.group for one in splits["train"][:9]} == {"E1"}
    assert faults(folder) == [] and len(notes(folder)) == 1  # valid has no images


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({}, "Not mentioned"),
        ({"CQID012_001": 1}, "option B"),
        ({"CQID012_001": 2, "CQID012_002": 0, "CQID012_003": 2}, "option A; option C"),
        (dict.fromkeys([f"CQID012_00{place}" for place in range(1, 7)], 0), "option A"),
    ],
)
def test_a_reference_is_the_set_of_options_without_what_fills_places(folder, places, said):
    write_json(folder / "train_cvqa.json", [record("E1", **places)])
    (reference,) = case_of(folder, "E1-CQID012").references
    assert reference.text == said


def test_the_files_may_lie_in_a_folder_for_each_split(folder):
    (folder / "train").mkdir()
    for name in ("train_cvqa.json", "train.json", "images_final"):
        (folder / name).rename(folder / "train" / name)
    case = case_of(folder, "E1-CQID010")
    assert case.context and case.images[0].parent == folder / "train/images_final/images_train"
    assert faults(folder) == []


def test_without_the_texts_cases_are_there_and_a_note_says_so(folder):
    (folder / "train.json").unlink()
    case = case_of(folder, "E1-CQID010")
    assert (case.context, case.images) == ("", ()) and case.references
    assert faults(folder) == []
    assert "train_cvqa.json: note: IIYI's file of this split is not here" in notes(folder)[0]


def test_a_test_set_without_answers_can_be_asked(folder):
    write_json(folder / "test.json", [encounter("T1"), encounter("T2")])
    cases = load_dataset("magic2025", folder).split("test")
    assert len(cases) == 18 and not any(case.references for case in cases)
    assert any("can be asked, not scored" in note for note in notes(folder))
    write_json(folder / "test_cvqa.json", [record("T1")])
    cases = load_dataset("magic2025", folder).split("test")
    assert len(cases) == 9 and all(case.references for case in cases)


BROKEN = {
    "no object": (3, ": is the number 3, but an object was expected"),
    "no id": ({**record("E2"), "encounter_id": " "}, ": has no `encounter_id`"),
    "a long id": (record("E" * 201), "has an `encounter_id` of 201 letters"),
    "the same id": (record("E1"), " (E1): has the id of record 1 of train_cvqa.json"),
    "an id without texts": (record("E3"), " (E3): has an id that train.json has not"),
    "no such option": (
        record("E2", CQID036_001=3),
        " (E2): `CQID036-001` is the number 3, but a whole number from 0 to 2 was expected",
    ),
    "a text": (record("E2", CQID036_001="1"), "`CQID036-001` is text, but a whole number"),
    "true": (record("E2", CQID036_001=True), "`CQID036-001` is true, but a whole number"),
    "a place too many": (record("E2", CQID036_002=1), "'CQID036-002', which is no question"),
    "no answers": ({"encounter_id": "E2"}, "has no answer to CQID010-001, CQID011-001"),
    "a control character": (record("E2") | {"note": "\x07"}, "`note` has the control character"),
}


@pytest.mark.parametrize(("broken", "said"), BROKEN.values(), ids=BROKEN)
def test_a_record_with_a_fault_is_named_and_the_rest_goes_on(folder, broken, said):
    write_json(folder / "train_cvqa.json", [record("E1"), broken])
    found = faults(folder)
    assert any(one.startswith("train_cvqa.json, record 2") and said in one for one in found), found
    assert all("record 2" in one for one in found)
    cases = load_dataset("magic2025", folder).split("train")
    assert {case.group for case in cases} == {"E1"} and len(cases) == 9


def test_every_fault_of_a_record_is_listed(folder, capsys):
    broken = record("E2", CQID036_001=3, CQID010_001=None, CQID099_001=1)
    write_json(folder / "train_cvqa.json", [record("E1"), broken])
    assert len(faults(folder)) == 3
    assert main(["check-data", "magic2025", str(folder)]) == 1
    assert "3 faults and 1 notes" in capsys.readouterr().out


def test_an_encounter_in_two_splits_is_a_fault(folder):
    write_json(folder / "valid_cvqa.json", [record("E1"), record("V1")])
    write_json(folder / "valid_ht.json", [encounter("V1"), encounter("E1")])
    (fault,) = faults(folder)
    assert fault == "valid_cvqa.json, record 1 (E1): has the id of record 1 of train_cvqa.json"


def test_no_image_lies_outside_the_folder(folder, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.jpg"
    secret.write_bytes(b"")
    os.symlink(secret, folder / "images_final" / "images_train" / "b.png")
    assert faults(folder) == [
        "train_cvqa.json, record 1 (E1): has an image ('b.png') that is a link and leads out of "
        "the folder"
    ]
    write_json(folder / "train.json", [encounter("E1", "../a.jpg"), encounter("E2")])
    assert faults(folder)[0].startswith("train.json, record 1 (E1): image name '../a.jpg' leaves")
    assert {case.group for case in load_dataset("magic2025", folder).split("train")} == {"E2"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"qid": "CQID099-001"}, "has no `qid` of one of the 27 questions"),
        ({"qid": "CQID010-001"}, "has the `qid` of a record before it"),
        ({"question_en": " "}, "has no text `question_en`"),
        ({"options_en": ["yes", "no"]}, "has not 3 options in `options_en`"),
        ({"options_en": ["yes", "no", ""]}, "that is blank or no text"),
        ({"options_en": "yes"}, "has not 3 options"),
    ],
)
def test_a_question_with_a_fault_is_not_asked(folder, change, said):
    rows = [definition(qid) | (change if qid == "CQID036-001" else {}) for qid in QUESTION_OF]
    write_json(folder / DEFINITIONS, rows)
    found = faults(folder)
    assert said in found[0] and "no usable question CQID036-001" in found[1] and len(found) == 2
    cases = load_dataset("magic2025", folder).split("valid")
    assert len(cases) == 8 and "V1-CQID036" not in {case.id for case in cases}
    with pytest.raises(LabError, match="closedquestions_definitions"):
        read_questions(folder)


def test_places_of_a_question_have_the_same_options(folder):
    rows = [definition(qid) for qid in QUESTION_OF]
    rows[2]["options_en"] = rows[2]["options_en"][::-1]
    write_json(folder / DEFINITIONS, rows)
    assert "has other options than CQID011-001" in faults(folder)[0]


def test_another_folder_or_language_is_refused(folder):
    with pytest.raises(LabError, match="are in en and zh, but 'es' was asked for"):
        load_dataset("magic2025", folder, language="es")
    for name in ("train_cvqa.json", "valid_cvqa.json"):
        (folder / name).unlink()
    with pytest.raises(LabError, match="holds none of train_cvqa.json"):
        load_dataset("magic2025", folder)
    (folder / DEFINITIONS).unlink()
    with pytest.raises(LabError, match=f"{DEFINITIONS} does not exist"):
        load_dataset("magic2025", folder)


# The published files


def test_the_published_answers(shared):
    folder = shared / "data" / "magic2025"
    splits = load_dataset("magic2025", folder).splits
    assert {split: len(cases) for split, cases in splits.items()} == {"train": 2700, "valid": 504}
    assert {split: len({case.group for case in cases}) for split, cases in splits.items()} == {
        "train": 300,
        "valid": 56,
    }
    # How many options the sets of a question have: several sites, one size mostly, one colour.
    sizes = {
        name: Counter(
            case.references[0].text.count(";") + 1
            for case in splits["train"]
            if case.id.endswith(name)
        )
        for name in ("CQID011", "CQID012", "CQID020", "CQID034")
    }
    assert sizes == {
        "CQID011": {1: 207, 2: 61, 3: 19, 4: 8, 5: 4, 6: 1},
        "CQID012": {1: 291, 2: 9},
        "CQID020": {1: 225, 2: 55, 3: 20},
        "CQID034": {1: 300},
    }
    open_ones = Counter(
        case.id[-7:] for case in splits["train"] if case.references[0].text == "Not mentioned"
    )
    assert open_ones == {
        "CQID011": 2,
        "CQID012": 2,
        "CQID015": 123,
        "CQID020": 5,
        "CQID025": 165,
        "CQID034": 7,
        "CQID035": 8,
        "CQID036": 168,
    }
    assert faults(folder) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_published_questions_have_the_forms_that_are_scored(shared, language):
    questions = read_questions(shared / "data" / "magic2025", language)
    assert list(questions) == list(FORMS) and len(QUESTION_OF) == 27
    assert [len(one.options) for one in questions.values()] == [
        form.options for form in FORMS.values()
    ]
    last = {one.options[-1] for one in questions.values()}
    assert last == {{"en": "Not mentioned", "zh": "无法得知"}[language]}
    assert not any(one.text[0].isdigit() for one in questions.values())
    assert not any(";" in option for one in questions.values() for option in one.options)


def test_the_published_answers_beside_the_published_texts(shared, tmp_path):
    for source, names in {
        "magic2025": ("train_cvqa.json", "valid_cvqa.json", DEFINITIONS),
        "dermavqa/iiyi": ("train.json", "valid_ht.json"),
    }.items():
        for name in names:
            (tmp_path / name).write_bytes((shared / "data" / source / name).read_bytes())
    splits = load_dataset("magic2025", tmp_path).splits
    named = {
        split: len({path for case in cases for path in case.images})
        for split, cases in splits.items()
    }
    assert named == {"train": 877, "valid": 157}
    assert all(case.images for cases in splits.values() for case in cases)
    texts = {case["encounter_id"]: case for case in read_json(tmp_path / "train.json")}
    assert all(
        texts[case.group]["query_content_en"].strip() in case.context for case in splits["train"]
    )
    assert faults(tmp_path) == []
