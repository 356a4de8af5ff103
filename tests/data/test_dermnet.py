"""Dermnet's folders, by their own names and by SkinGPT-4's 15 classes."""

import pytest

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.dermnet import major_class, major_classes
from helpers.files import LabError, read_json

ECZEMA, ACNE = "Eczema Photos", "Acne and Rosacea Photos"


def write(root, *places):
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"")
    return root


def test_a_picture_is_labelled_by_its_folder(tmp_path):
    write(tmp_path, f"train/{ECZEMA}/a.jpg", f"train/{ACNE}/b.JPG", f"test/{ECZEMA}/a.jpg")
    labels = {"dermnet": ["Acne and rosacea", "Dermatitis"], "dermnet_23": [ACNE, ECZEMA]}
    for name, expected in labels.items():
        data = load_dataset(name, tmp_path)
        assert [case.label for case in data.split("train")] == expected
        (case,) = data.split("test")
        assert (case.id, case.split) == (f"test/{ECZEMA}/a.jpg", "test")
        assert case.images == (tmp_path / "test" / ECZEMA / "a.jpg",)


def test_what_is_no_picture_or_no_class_is_named_and_the_rest_goes_on(tmp_path):
    write(
        tmp_path,
        *(f"train/{ECZEMA}/a.jpg", f"train/{ECZEMA}/Thumbs.db", "train/Feet/b.jpg"),
        *("train/readme.txt", "train/ACNE  and Rosacea photos/c.png"),
    )
    cases = load_dataset("dermnet", tmp_path).split("train")
    assert [case.label for case in cases] == ["Acne and rosacea", "Dermatitis"]
    faults = [f"{fault.file}: {fault.message}" for fault in check_data("dermnet", tmp_path)]
    assert faults == [
        f"train/{ECZEMA}: Thumbs.db is no image by its name",
        "train/Feet: is no class of Dermnet: rename it, or read `dermnet_23`",
    ]
    assert len(load_dataset("dermnet_23", tmp_path).split("train")) == 3


def test_a_folder_or_picture_that_leads_out_is_left_out(tmp_path):
    write(tmp_path / "elsewhere", "b.jpg")
    root = write(tmp_path / "data", f"train/{ECZEMA}/a.jpg")
    (root / "train" / ACNE).symlink_to(tmp_path / "elsewhere")
    (root / "train" / ECZEMA / "b.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    (case,) = load_dataset("dermnet", root).split("train")
    assert case.id == f"train/{ECZEMA}/a.jpg"
    assert [("leads out" in fault.message) for fault in check_data("dermnet", root)] == [True, True]


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(LabError, match="holds no folder train or test"):
        load_dataset("dermnet", tmp_path)
    with pytest.raises(LabError, match="no case .* that can be used.*check-data dermnet"):
        load_dataset("dermnet", write(tmp_path, "train/Feet/b.jpg"))


def test_every_published_folder_has_one_of_15_classes_or_is_among_others(shared):
    folders = read_json(shared / "data" / "dermnet" / "classes.json")["classes"]
    assert len(folders) == len(major_classes()) == 23
    classes = {folder: major_class(folder) for folder in folders}
    assert all(classes.values())
    assert len(set(classes.values()) - {"Others"}) == 15
    assert sum(name == "Dermatitis" for name in classes.values()) == 4
