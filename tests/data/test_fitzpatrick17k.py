"""Fitzpatrick17k's table: labels, skin types, and rows that cannot be used."""

from pathlib import Path

import pytest

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.fitzpatrick17k import skin_types
from helpers.files import LabError

HEAD = "md5hash,fitzpatrick_scale,label,nine_partition_label,three_partition_label,qc"
BAD = {
    "no label": ("b,1, ,x,y,", "has no label"),
    "the same picture": ("a,1,acne,x,y,", "has the md5hash of a row before it"),
    "a picture elsewhere": ("../b,1,acne,x,y,", "names no picture in the folder"),
    "no picture": (",1,acne,x,y,", "has no md5hash"),
}


def write(folder, *rows):
    (folder / "fitzpatrick17k.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    return folder


def all_cases(folder):
    splits = load_dataset("fitzpatrick17k", folder).splits
    return {case.id: case for cases in splits.values() for case in cases}


def test_a_row_is_a_labelled_picture(tmp_path):
    write(tmp_path, "a,3,acne,inflammatory,non-neoplastic,", "b,-1,scabies,x,y,1 Diagnostic")
    cases = all_cases(tmp_path)
    assert {name: case.label for name, case in cases.items()} == {"a": "acne", "b": "scabies"}
    assert cases["a"].images == (tmp_path / "images" / "a.jpg",)
    assert skin_types(tmp_path) == {"a": 3}


def test_what_dermatologists_call_wrong_is_left_out_and_noted(tmp_path):
    write(tmp_path, "a,3,acne,x,y,", "b,3,acne,x,y,3 Wrongly labelled")
    assert list(all_cases(tmp_path)) == ["a"]
    (note,) = check_data("fitzpatrick17k", tmp_path)
    assert note.is_note and note.record == 2


@pytest.mark.parametrize(("row", "said"), BAD.values(), ids=BAD)
def test_a_row_that_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path, row, said):
    write(tmp_path, "a,3,acne,x,y,", row, "c,3,acne,x,y,")
    assert set(all_cases(tmp_path)) == {"a", "c"}
    (fault,) = check_data("fitzpatrick17k", tmp_path)
    assert fault.record == 2 and said in fault.message and not fault.is_note


def test_another_table_is_refused(tmp_path):
    (tmp_path / "fitzpatrick17k.csv").write_text("a,b\n1,2\n")
    with pytest.raises(LabError, match="lacks the column md5hash, fitzpatrick_scale, label, qc"):
        load_dataset("fitzpatrick17k", tmp_path)


def test_the_published_table(shared):
    folder = shared / "data" / "fitzpatrick17k"
    splits = load_dataset("fitzpatrick17k", folder).splits
    sizes = {split: len(cases) for split, cases in splits.items()}
    assert sizes == {"train": 11602, "valid": 2430, "test": 2528}
    assert sum(sizes.values()) == 16577 - 17
    assert len({case.label for cases in splits.values() for case in cases}) == 114
    types = list(skin_types(Path(folder)).values())
    assert [types.count(one) for one in range(1, 7)] == [2947, 4808, 3308, 2781, 1533, 635]
