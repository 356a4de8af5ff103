"""check-data: every kind of fault, all at once; what is only a note; the published files."""

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from helpers.data.checks import DataFault, check_data
from helpers.data.dermavqa import load_references
from helpers.data.record_checks import find_image_fault
from helpers.files import LabError


def record(case_id: str, **changes) -> dict:
    return {
        "encounter_id": case_id,
        "image_ids": [f"{case_id}.jpg"],
        "query_title_en": "Red ring",
        "query_content_en": "On the arm.",
        "responses": [response()],
    } | changes


def response(**changes) -> dict:
    return {
        "author_id": "U2",
        "content_en": "Ringworm.",
        "completeness": 1.0,
        "contains_freq_ans": 0.0,
    } | changes


def without(holder: dict, field: str) -> dict:
    return {key: value for key, value in holder.items() if key != field}


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def said(folder: Path, name: str = "iiyi", notes: bool = False) -> list[str]:
    """The faults of a folder as a person reads them; the notes only if asked for."""
    return [str(fault) for fault in check_data(name, folder) if notes or not fault.is_note]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A faultless folder with three train cases, one valid case and their images."""
    write(tmp_path / "train.json", [record("a"), record("b"), record("c")])
    write(tmp_path / "valid_ht.json", [record("v")])
    (tmp_path / "df_userinfo.csv").write_text(
        "author_id,validation_level,rank_level\nU2,,unk\n", encoding="utf-8"
    )
    for split, names in (("train", "abc"), ("valid", "v")):
        images = tmp_path / f"images_final/images_{split}"
        images.mkdir(parents=True)
        for name in names:
            Image.effect_noise((64, 64), 90).convert("RGB").save(images / f"{name}.jpg")
    return tmp_path


def test_nothing_is_said_of_a_faultless_folder(folder):
    assert check_data("iiyi", folder) == []


def test_how_a_fault_reads():
    assert str(DataFault("train.json", 12, "has no `image_ids`", "ENC00012")) == (
        "train.json, record 12 (ENC00012): has no `image_ids`"
    )
    assert str(DataFault("train.json", 3, "is null")) == "train.json, record 3: is null"
    assert str(DataFault("train.json", 0, "no flags", is_note=True)) == "train.json: note: no flags"


# Each row: what record "b" of train.json is replaced with, and what must be said about it, alone.
BROKEN_RECORDS = {
    "no object": (["b"], "train.json, record 2: is a list, but an object with fields was expected"),
    "no id": (without(record("b"), "encounter_id"), "train.json, record 2: has no `encounter_id`"),
    "blank id": (record("b", encounter_id=" "), "train.json, record 2: has a blank `encounter_id`"),
    "id a number": (
        record("b", encounter_id=2),
        "train.json, record 2: `encounter_id` is the number 2, but text was expected",
    ),
    "id doubled": (record("a"), "train.json, record 2 (a): the id is doubled: record 1 has it too"),
    "no images field": (
        without(record("b"), "image_ids"),
        "train.json, record 2 (b): has no `image_ids`",
    ),
    "no title": (
        without(record("b"), "query_title_en"),
        "train.json, record 2 (b): has no `query_title_en`",
    ),
    "no responses": (
        without(record("b"), "responses"),
        "train.json, record 2 (b): has no `responses`",
    ),
    "no author": (
        record("b", responses=[without(response(), "author_id")]),
        "train.json, record 2 (b): response 1 has no `author_id`",
    ),
    "no flag": (
        record("b", responses=[without(response(), "completeness")]),
        "train.json, record 2 (b): response 1 has no `completeness`",
    ),
    "title null": (
        record("b", query_title_en=None),
        "train.json, record 2 (b): `query_title_en` is null, but text was expected",
    ),
    "images a text": (
        record("b", image_ids="b.jpg"),
        "train.json, record 2 (b): `image_ids` is text, but a list of texts was expected",
    ),
    "image a number": (
        record("b", image_ids=["b.jpg", 5]),
        "train.json, record 2 (b): `image_ids` item 2 is the number 5, but text was expected",
    ),
    "responses an object": (
        record("b", responses=response()),
        "train.json, record 2 (b): `responses` is an object, but a list of objects was expected",
    ),
    "response a text": (
        record("b", responses=[response(), "Ringworm."]),
        "train.json, record 2 (b): `responses` item 2 is text, but an object was expected",
    ),
    "flag too large": (
        record("b", responses=[response(completeness=5)]),
        "train.json, record 2 (b): response 1: `completeness` is the number 5, but a number from 0 "
        "to 1 was expected",
    ),
    "flag true": (
        record("b", responses=[response(contains_freq_ans=True)]),
        "train.json, record 2 (b): response 1: `contains_freq_ans` is true, but a number from 0 to "
        "1 was expected",
    ),
    "escape": (
        record("b", image_ids=["b.jpg", "../../a.jpg"]),
        "train.json, record 2 (b): image name '../../a.jpg' leaves the image folder",
    ),
    "image absent": (
        record("b", image_ids=["b.jpg", "b2.jpg"]),
        "train.json, record 2 (b): image 'b2.jpg' is not on disk",
    ),
    "empty responses": (
        record("b", responses=[]),
        "train.json, record 2 (b): has no references: `responses` is empty",
    ),
    "one blank response": (
        record("b", responses=[response(), response(content_en=" ")]),
        "train.json, record 2 (b): response 2 is blank in en: it is no reference there",
    ),
    "author unknown": (
        record("b", responses=[response(), response(author_id="U7")]),
        "train.json, record 2 (b): response 2: author 'U7' is not in df_userinfo.csv",
    ),
}


@pytest.mark.parametrize("kind", BROKEN_RECORDS)
def test_each_fault_of_a_record_is_said_once(folder, kind):
    broken, sentence = BROKEN_RECORDS[kind]
    write(folder / "train.json", [record("a"), broken, record("c")])
    assert said(folder) == [sentence]


def test_all_broken_records_at_once(folder):
    records = [
        record("a"),
        *(broken for broken, _ in BROKEN_RECORDS.values()),
        *(record(f"x{n}") for n in range(40)),
    ]
    # The cases of the table get ids and images of their own, so that each has just its own fault.
    for number, item in enumerate(records):
        if isinstance(item, dict) and item.get("encounter_id") == "b":
            records[number] = item | {"encounter_id": f"b{number}"}
    images = folder / "images_final/images_train"
    for n in range(40):
        (images / f"x{n}.jpg").write_bytes((images / "a.jpg").read_bytes())
    write(folder / "train.json", records)
    messages = Counter(fault.message for fault in check_data("iiyi", folder))
    expected = Counter(sentence.split(": ", 1)[1] for _, sentence in BROKEN_RECORDS.values())
    assert messages == expected


def test_all_responses_blank(folder):
    write(
        folder / "train.json",
        [record("a"), record("b", responses=[response(content_en="")]), record("c")],
    )
    assert said(folder) == [
        "train.json, record 2 (b): response 1 is blank in en: it is no reference there",
        "train.json, record 2 (b): has no English reference: all its responses are blank",
    ]


def test_every_kind_of_broken_file_at_once(folder):
    (folder / "train.json").write_text('[\n {"encounter_id": "a",}\n]', encoding="utf-8")
    (folder / "valid_ht.json").write_bytes('[{"encounter_id": "café"}]'.encode("latin-1"))
    write(folder / "valid.json", {"encounter_id": "v"})
    write(folder / "test_ht.json", [])
    write(folder / "test.json", [record("t", responses=[])])
    (folder / "df_userinfo.csv").write_text("author_id,rank_level\nU2,unk\n", encoding="utf-8")
    write(folder / "facts.json", {"t": {"label": 1}, "z": {"concepts": ["scale"]}})
    found = said(folder)
    expected = (
        "df_userinfo.csv: the first line lacks the column validation_level",
        "train.json: is not valid JSON: line 2, column 23: ",
        "valid_ht.json: is not UTF-8 text (line 1, byte ",
        "valid.json: holds an object, but a list of records was expected",
        "test_ht.json: holds no records",
        "facts.json: t: `label` is the number 1, but text was expected",
        "facts.json: z is no case of this folder",
    )
    assert len(found) == len(expected)
    for sentence in expected:
        assert [line for line in found if line.startswith(sentence)], (sentence, found)


def test_an_id_in_two_splits_is_a_fault_but_two_files_of_a_split_are_not(folder):
    write(folder / "valid_ht_v2.json", [record("v")])
    assert said(folder) == []
    write(folder / "valid_ht.json", [record("v"), record("c", image_ids=[])])
    assert said(folder) == [
        "valid_ht.json, record 2 (c): the id is doubled: record 3 of train.json has it too, so a "
        "case is in two splits"
    ]


def test_a_test_set_without_answers_is_no_fault(folder):
    inputs = [
        without(record("t", image_ids=[]), "responses"),
        record("u", image_ids=[], responses=[]),
    ]
    write(folder / "test.json", inputs)
    write(folder / "valid_inputonly.json", [without(record("v"), "responses")])
    assert said(folder) == []


def test_broken_images(folder):
    images = folder / "images_final/images_train"
    whole = (images / "a.jpg").read_bytes()
    (images / "a.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "b.jpg").write_bytes(b"<html>not found</html>")
    (images / "c.jpg").write_bytes(b"")
    found = said(folder)
    assert [line.split(":")[0] for line in found] == [
        f"train.json, record {n} ({i})" for n, i in enumerate("abc", 1)
    ]
    assert all("cannot be used: " in line for line in found)
    assert str(folder) not in "".join(found)


def test_a_png_with_a_wrong_checksum_is_broken(tmp_path):
    path = tmp_path / "a.png"
    Image.effect_noise((32, 32), 90).save(path)
    assert find_image_fault(path) is None
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    assert find_image_fault(path)


def test_without_image_folders_it_is_said_once_and_as_a_note(tmp_path):
    write(tmp_path / "train.json", [record(str(n)) for n in range(5)])
    write(tmp_path / "valid_ht.json", [record("v")])
    found = said(tmp_path, notes=True)
    assert len(found) == 2
    assert found[0] == "df_userinfo.csv: note: is not there: all references get weight 1"
    assert found[1].startswith("train.json, valid_ht.json: note: no images on disk")


def test_an_empty_image_folder_means_that_all_images_are_absent(tmp_path):
    write(tmp_path / "train.json", [record("a"), record("b")])
    (tmp_path / "images").mkdir()
    assert said(tmp_path, "reddit") == [
        "train.json, record 1 (a): image 'a.jpg' is not on disk",
        "train.json, record 2 (b): image 'b.jpg' is not on disk",
    ]


def test_a_missing_translation_is_a_note(folder):
    full = response(content_zh="体癣")
    untranslated = full | {"content_en": ""}
    write(
        folder / "train.json",
        [record("a", responses=[full]), record("b", responses=[full, untranslated])],
    )
    assert said(folder, notes=True) == [
        "train.json, record 2 (b): note: response 2 is blank in en: it is no reference there"
    ]


def test_a_folder_without_the_data_is_refused(tmp_path):
    with pytest.raises(LabError, match="none of train.json"):
        check_data("iiyi", tmp_path)
    with pytest.raises(LabError, match="does not exist"):
        check_data("reddit", tmp_path / "nowhere")
    with pytest.raises(LabError, match="unknown"):
        check_data("another", tmp_path)


def test_the_published_iiyi_has_notes_but_no_faults(shared):
    found = check_data("iiyi", shared / "data/dermavqa/iiyi")
    assert [str(fault) for fault in found if not fault.is_note] == []
    blank = Counter(fault.file for fault in found if "is blank in en" in fault.message)
    assert blank == {"train.json": 9, "valid_ht.json": 5}
    messages = {(fault.file, fault.message) for fault in found}
    assert (
        "train.json",
        "21 of 842 records have a blank `query_title_en`, which is kept as empty text",
    ) in messages
    assert (
        "train.json",
        "3 of 842 records have a blank `query_content_en`, which is kept as empty text",
    ) in messages
    # As many notes as the loader drops blank answers.
    valid = shared / "data/dermavqa/iiyi/valid_ht.json"
    kept = [
        sum(len(case.references) for case in load_references(valid, keep_blank=keep))
        for keep in (True, False)
    ]
    assert kept[0] - kept[1] == 5


def test_the_published_reddit_has_notes_but_no_faults(shared):
    found = check_data("reddit", shared / "data/dermavqa/reddit")
    assert [str(fault) for fault in found if not fault.is_note] == []
    assert sum("the patients' words are not in this file" in fault.message for fault in found) == 4
    assert len(found) == 5
