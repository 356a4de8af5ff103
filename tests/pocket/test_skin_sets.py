"""Drawings of skin in the files of SKINCON and Dermnet."""

import pytest

from helpers.data.catalogue import find_dataset
from helpers.data.checks import check_data
from helpers.data.dermnet import diagnosis_sentence, major_class
from helpers.data.skincon import concept_sentence
from helpers.files import hash_tree
from helpers.pocket.conditions import load_conditions
from helpers.pocket.skin_sets import build_skin_sets, class_folders

SIZES = {"concepts": 60, "train": 40, "test": 10}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("skin") / "made"
    build_skin_sets(folder, sizes=SIZES)
    return folder


def test_a_seed_gives_the_same_files_again(folder, tmp_path):
    build_skin_sets(tmp_path / "again", sizes=SIZES)
    assert hash_tree(tmp_path / "again") == hash_tree(folder)


def test_pictures_with_concepts_are_read_as_those_of_skincon(folder):
    cases = find_dataset("pocket_skincon").load(folder / "skincon", "pocket_skincon", "en")
    notes = list(check_data("pocket_skincon", folder / "skincon"))
    excluded = [one for one in notes if one.is_note and "excluded" in one.message]
    assert len(cases["train"]) + len(excluded) == 60 and len(notes) == len(excluded) > 0
    assert all(case.images_on_disk and case.concepts for case in cases["train"])
    assert all(
        [one.text for one in case.references] == [concept_sentence(case.concepts)]
        for case in cases["train"]
    )


def test_a_part_of_the_pictures_with_concepts_is_held_out(folder):
    whole = find_dataset("pocket_skincon").load(folder / "skincon", "pocket_skincon", "en")
    held = find_dataset("pocket_skincon_held_out").load(folder / "skincon", "held", "en")
    ids = {split: {case.id for case in cases} for split, cases in held.items()}
    assert list(ids) == ["train", "test"] and len(ids["train"]) > len(ids["test"]) > 0
    assert ids["train"] | ids["test"] == {case.id for case in whole["train"]}
    assert not ids["train"] & ids["test"]


def test_classes_are_read_as_those_of_dermnet(folder):
    splits = find_dataset("pocket_dermnet").load(folder / "dermnet", "pocket_dermnet", "en")
    assert {split: len(cases) for split, cases in splits.items()} == {"train": 40, "test": 10}
    assert list(check_data("pocket_dermnet", folder / "dermnet")) == []
    for case in (*splits["train"], *splits["test"]):
        assert case.label and case.images_on_disk
        assert [one.text for one in case.references] == [diagnosis_sentence(case.label)]


def test_each_class_of_the_clinic_has_a_folder_of_its_own_class():
    classes = {condition.skin_class for condition in load_conditions()}
    assert class_folders().keys() == classes
    majors = [major_class(folder) for folder in class_folders().values()]
    assert len(set(majors)) == len(classes) == 15 and "Others" not in majors

    def begin(text):
        return text.split()[0].strip(",").lower().replace("tumours", "tumors")

    assert [begin(one) for one in class_folders()] == [begin(one) for one in majors]
