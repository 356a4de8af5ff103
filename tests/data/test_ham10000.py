"""HAM10000's table: labels, lesions that stay on one side, and rows that cannot be used."""

import os
from collections import defaultdict

import pytest

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.ham10000 import LESIONS, SHARES
from helpers.files import LabError

HEAD = "lesion_id,image_id,dx,dx_type,age,sex,localization"
FIRST = "L1,I1,bkl,histo,80.0,male,scalp"
# Rows that give no case, and what is said of them.
BAD = {
    "no picture": ("L2, ,nv,histo,45,male,back", "has no image_id"),
    "no lesion": (",I2,nv,histo,45,male,back", "has no lesion_id"),
    "no diagnosis": ("L2,I2,,histo,45,male,back", "has no dx"),
    "another diagnosis": ("L2,I2,scc,histo,45,male,back", "has the dx 'scc', which is none of"),
    "the same picture": ("L2,I1,nv,histo,45,male,back", "has the image_id of a row before it"),
    "a picture elsewhere": ("L2,../I2,nv,histo,45,male,back", "names no picture in the folder"),
    "no age": ("L2,I2,nv,histo,old,male,back", "has the age 'old', no age in years"),
    "too old": ("L2,I2,nv,histo,450,male,back", "has the age '450'"),
    "no number": ("L2,I2,nv,histo,nan,male,back", "has the age 'nan'"),
    "another sex": ("L2,I2,nv,histo,45,m,back", "has the sex 'm', which is none of male, female"),
    "no text": ("L2,I2,nv,histo,45,male,ba\x07ck", "`localization` has the control character"),
}


def write(folder, *rows, name="HAM10000_metadata.csv", head=HEAD):
    (folder / name).write_text("\n".join([head, *rows]) + "\n")
    return folder


def picture(folder, place):
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_bytes(b"")
    return folder / place


def all_cases(folder):
    splits = load_dataset("ham10000", folder).splits
    return {case.id: case for cases in splits.values() for case in cases}


def faults(folder):
    return [one for one in check_data("ham10000", folder) if not one.is_note]


def test_a_row_is_a_labelled_picture_of_a_lesion(tmp_path):
    one = picture(tmp_path, "HAM10000_images_part_1/I1.jpg")
    two = picture(tmp_path, "HAM10000_images_part_2/I2.jpg")
    write(tmp_path, FIRST, "L2,I2,mel,follow_up,,unknown,unknown", "L1,I3,bkl,histo,0,female,")
    cases = all_cases(tmp_path)
    assert [cases[name].images[0] for name in ("I1", "I2")] == [one, two]
    # A picture that is on no disk is expected in the first folder.
    assert cases["I3"].images == (one.with_name("I3.jpg"),) and not cases["I3"].images_on_disk
    assert {name: case.label for name, case in cases.items()} == {
        "I1": "benign keratosis",
        "I2": "melanoma",
        "I3": "benign keratosis",
    }
    assert {name: case.group for name, case in cases.items()} == {
        "I1": "L1",
        "I2": "L2",
        "I3": "L1",
    }
    assert {name: case.context for name, case in cases.items()} == {
        "I1": "Male, 80 years, scalp.",
        "I2": "",
        "I3": "Female, 0 years.",
    }
    assert check_data("ham10000", tmp_path) == []


def test_the_table_of_the_dataverse_and_one_folder_of_images(tmp_path):
    one = picture(tmp_path, "images/I1.jpg")
    write(tmp_path, f"{FIRST},rosendahl", name="HAM10000_metadata", head=f"{HEAD},dataset")
    assert all_cases(tmp_path)["I1"].images == (one,)


def test_without_images_there_are_cases_and_a_note(tmp_path):
    write(tmp_path, FIRST)
    assert all_cases(tmp_path)["I1"].images == (tmp_path / "images" / "I1.jpg",)
    (note,) = check_data("ham10000", tmp_path)
    assert note.is_note and "no folder HAM10000_images_part_1" in note.message


@pytest.mark.parametrize(("row", "said"), BAD.values(), ids=BAD)
def test_a_row_that_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path, row, said):
    write(tmp_path, FIRST, row, "L3,I3,nv,histo,45,male,back")
    assert set(all_cases(tmp_path)) == {"I1", "I3"}
    (fault,) = faults(tmp_path)
    assert fault.record == 2 and said in fault.message


def test_a_picture_that_leads_out_is_left_out(tmp_path, tmp_path_factory):
    secret = picture(tmp_path_factory.mktemp("elsewhere"), "secret.jpg")
    picture(tmp_path, "images/I3.jpg")
    os.symlink(secret, tmp_path / "images" / "I1.jpg")
    write(tmp_path, FIRST, "L3,I3,nv,histo,45,male,back")
    assert set(all_cases(tmp_path)) == {"I3"}
    (fault,) = faults(tmp_path)
    assert "(I1.jpg) that is a link and leads out of the folder" in fault.message


def test_no_lesion_is_in_two_splits_and_shares_are_met(tmp_path):
    rows = [
        f"L{lesion},I{lesion}_{view},{list(LESIONS)[lesion % 7]},histo,50,male,back"
        for lesion in range(600)
        for view in range(1 + lesion % 3)
    ]
    splits = load_dataset("ham10000", write(tmp_path, *rows)).splits
    assert sum(len(cases) for cases in splits.values()) == len(rows) == 1200
    places = defaultdict(set)
    for split, cases in splits.items():
        for case in cases:
            places[case.group].add(split)
            assert case.split == split
    assert len(places) == 600 and all(len(found) == 1 for found in places.values())
    for split, share in SHARES.items():
        assert sum(found == {split} for found in places.values()) / 600 == pytest.approx(
            share, abs=0.05
        )


def test_another_folder_or_table_is_refused(tmp_path):
    with pytest.raises(LabError, match=r"holds no HAM10000_metadata\.csv"):
        load_dataset("ham10000", tmp_path)
    write(tmp_path, "1,2", head="a,b")
    with pytest.raises(LabError, match="lacks the column lesion_id, image_id, dx"):
        load_dataset("ham10000", tmp_path)


def test_a_lesion_of_two_kinds_is_kept_and_noted(tmp_path):
    picture(tmp_path, "images/I1.jpg")
    write(tmp_path, FIRST, "L1,I2,nv,histo,45,male,back")
    assert {case.label for case in all_cases(tmp_path).values()} == {LESIONS["bkl"], LESIONS["nv"]}
    (note,) = check_data("ham10000", tmp_path)
    assert note.is_note and note.record == 2 and "a row before it benign keratosis" in note.message


def test_the_published_table(shared):
    """As its authors count pictures and lesions."""
    folder = shared / "data" / "ham10000"
    if not folder.is_dir():
        pytest.skip(f"needs HAM10000's published table, and {folder} is not there")
    cases = all_cases(folder)
    assert len(cases) == 10015 and len({case.group for case in cases.values()}) == 7470
