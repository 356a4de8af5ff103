"""SKINCON's tables: pictures with concepts, excluded ones, and rows that are no picture's."""

from dataclasses import replace

import pytest

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.skincon import HELD_OUT, concept_sentence
from helpers.files import LabError

HEAD = ",ImageID,Papule,Flat topped,Erythema,Do not consider this image"
# Published pictures on each side of `skincon_held_out`.
HELD = {"train": 3128, "test": 738}
BAD = {
    "a picture elsewhere": ("1,../b.jpg,0,0,1,0", "names no picture in the folder"),
    "the same picture": ("1,a.jpg,0,0,1,0", "of a row before it"),
    "neither 0 nor 1": ("1,b.jpg,0,2,1,0", "neither 0 nor 1 for 'Flat topped'"),
    "a missing cell": ("1,b.jpg,0,1", "neither 0 nor 1 for 'Erythema'"),
}


def write(folder, *rows, name="annotations_fitzpatrick17k.csv"):
    (folder / name).write_text("\n".join([HEAD, *rows]) + "\n")
    return folder


def test_a_row_is_a_picture_with_its_concepts(tmp_path):
    write(tmp_path, "0,a.jpg,1,0,1,0")
    write(tmp_path, "0,000655.png,0,1,0,0", name="annotations_ddi.csv")
    cases = load_dataset("skincon", tmp_path).split("train")
    assert [(case.id, case.concepts) for case in cases] == [
        ("fitzpatrick17k-a", ("Papule", "Erythema")),
        ("ddi-000655", ("Flat topped",)),
    ]
    assert cases[0].images == (tmp_path / "images" / "a.jpg",)
    assert [[one.text for one in case.references] for case in cases] == [
        ["The image shows: papule, erythema."],
        ["The image shows: flat-topped."],
    ]


def test_an_excluded_picture_is_left_out_and_noted(tmp_path):
    write(tmp_path, "0,a.jpg,1,0,1,1", "1,b.jpg,1,0,1,0")
    assert [case.id for case in load_dataset("skincon", tmp_path).split("train")] == [
        "fitzpatrick17k-b"
    ]
    (note,) = check_data("skincon", tmp_path)
    assert note.is_note and (note.record, note.case_id) == (1, "a.jpg")


@pytest.mark.parametrize(("row", "said"), BAD.values(), ids=BAD)
def test_a_row_that_is_no_pictures_is_named_and_the_rest_goes_on(tmp_path, row, said):
    write(tmp_path, "0,a.jpg,1,0,1,0", row, "2,c.jpg,1,0,1,0")
    assert len(load_dataset("skincon", tmp_path).split("train")) == 2
    (fault,) = check_data("skincon", tmp_path)
    assert fault.record == 2 and said in fault.message and not fault.is_note


def test_a_folder_without_tables_or_with_nothing_but_excluded_pictures_is_refused(tmp_path):
    with pytest.raises(LabError, match=r"holds none of annotations_fitzpatrick17k\.csv"):
        load_dataset("skincon", tmp_path)
    with pytest.raises(LabError, match="no case in language 'en' that can be used"):
        load_dataset("skincon", write(tmp_path, "0,a.jpg,1,0,1,1"))


@pytest.mark.parametrize(
    ("concepts", "sentence"),
    [
        (("Papule", "Flat topped"), "The image shows: papule, flat-topped."),
        ((), "The image shows: none of the concepts looked for."),
    ],
)
def test_concepts_in_a_sentence(concepts, sentence):
    assert concept_sentence(concepts) == sentence


def test_a_fifth_is_held_out_and_nothing_else_changes(tmp_path):
    write(tmp_path, *(f"{number},{number}.jpg,1,0,1,0" for number in range(300)))
    whole = load_dataset("skincon", tmp_path).split("train")
    held = load_dataset("skincon_held_out", tmp_path)
    assert list(held.splits) == list(HELD_OUT)
    test = held.split("test")
    assert 40 <= len(test) <= 80 and {case.split for case in test} == {"test"}
    assert {replace(case, split="train") for case in (*test, *held.split("train"))} == set(whole)
    # A case stays on its side, whatever else is there.
    write(tmp_path, *(f"{number},{number}.jpg,1,0,1,0" for number in range(0, 300, 2)))
    again = load_dataset("skincon_held_out", tmp_path).split("test")
    assert [case for case in test if int(case.images[0].stem) % 2 == 0] == list(again)


def test_the_published_tables(shared):
    """The kept rows of Fitzpatrick17k are those that SkinGPT-4's Table 1 counts, but for three."""
    folder = shared / "data" / "skincon"
    cases = load_dataset("skincon", folder).split("train")
    fitzpatrick = [case for case in cases if case.id.startswith("fitzpatrick17k")]
    assert (len(fitzpatrick), len(cases)) == (3230, 3230 + 636)
    assert len({name for case in cases for name in case.concepts}) == 48
    counts = {
        name: sum(name in case.concepts for case in fitzpatrick)
        for name in ("Erythema", "Scale", "Crust", "Yellow", "Cyst")
    }
    assert counts == {"Erythema": 2139, "Scale": 686, "Crust": 497, "Yellow": 245, "Cyst": 6}
    held = load_dataset("skincon_held_out", folder).splits
    assert {split: len(chosen) for split, chosen in held.items()} == HELD
    found = check_data("skincon", folder)
    assert len(found) == 480 and all(fault.is_note for fault in found)
