"""ROCO's captions: lines that are captions, lines that are none, pictures that are missing."""

import pytest

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.files import LabError

GOOD = "ROCO_00016\t Arteriovenous fistula (arrow)."
BAD = {
    "no id": ("Fistula", "does not begin with an id of ROCO and a tab"),
    "a path": ("../ROCO_1\tA.", "does not begin with an id"),
    "no caption": ("ROCO_00017\t  ", "has no caption"),
    "the same id": (GOOD, "has the id ROCO_00016 of a line before it"),
    "a control character": ("ROCO_00017\tA\x07.", "has the control character U+0007"),
}


def write(root, *lines, split="validation"):
    folder = root / split / "radiology"
    (folder / "images").mkdir(parents=True)
    (folder / "captions.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_a_line_is_a_picture_with_its_caption(tmp_path):
    folder = write(tmp_path, GOOD)
    (case,) = load_dataset("roco", tmp_path).split("valid")
    assert (case.id, case.question, case.split) == ("ROCO_00016", "", "valid")
    assert case.references[0].text == "Arteriovenous fistula (arrow)."
    assert case.images == (folder / "images" / "ROCO_00016.jpg",)


@pytest.mark.parametrize(("line", "said"), BAD.values(), ids=BAD)
def test_a_line_that_is_no_caption_is_named_and_the_rest_goes_on(tmp_path, line, said):
    folder = write(tmp_path, GOOD, line, "ROCO_00018\tAn image.")
    for name in ("ROCO_00016", "ROCO_00018"):
        (folder / "images" / f"{name}.jpg").write_bytes(b"")
    assert len(load_dataset("roco", tmp_path).split("valid")) == 2
    (fault,) = check_data("roco", tmp_path)
    assert (fault.file, fault.record) == ("validation/radiology/captions.txt", 2)
    assert said in fault.message


def test_missing_pictures_are_counted_and_the_rest_goes_on(tmp_path):
    folder = write(tmp_path, GOOD, "ROCO_00018\tAn image.", split="train")
    (folder / "images" / "ROCO_00016.jpg").write_bytes(b"")
    (note,) = check_data("roco", tmp_path)
    assert note.is_note and note.message.startswith("1 of 2 captions have no picture")
    assert len(load_dataset("roco", tmp_path).split("train")) == 2


def test_a_picture_that_leads_out_of_the_folder_is_left_out(tmp_path):
    folder = write(tmp_path / "roco", GOOD, "ROCO_00018\tAn image.")
    (tmp_path / "private.jpg").write_bytes(b"")
    (folder / "images" / "ROCO_00016.jpg").symlink_to(tmp_path / "private.jpg")
    (case,) = load_dataset("roco", tmp_path / "roco").split("valid")
    assert case.id == "ROCO_00018"
    assert "leads out of the folder" in str(check_data("roco", tmp_path / "roco")[0])


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(LabError, match=r"holds none of train/radiology/captions\.txt"):
        load_dataset("roco", tmp_path)
    write(tmp_path, "nothing")
    with pytest.raises(LabError, match="no case .* that can be used.*check-data roco"):
        load_dataset("roco", tmp_path)


def test_the_freely_licensed_captions(shared):
    folder = shared / "data" / "roco" / "free_licences"
    splits = load_dataset("roco", folder).splits
    assert {split: len(cases) for split, cases in splits.items()} == {"valid": 3393, "test": 3453}
    found = check_data("roco", folder)
    assert [fault.message.split()[0] for fault in found] == ["3393", "3453"]
    assert all(fault.is_note for fault in found)
