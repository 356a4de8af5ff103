"""Drawings by condition with copies among them, and patients' stories: nothing crosses splits."""

import csv
import random
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from helpers.data.catalogue import find_dataset
from helpers.data.checks import check_data
from helpers.data.near_duplicates import without_copies
from helpers.files import hash_tree, read_json
from helpers.pocket.conditions import by_id, load_conditions
from helpers.pocket.diagnosis_sets import COPY_SIDE, build_diagnosis_sets
from helpers.pocket.stories import MISLEADING, write_story

SIZES = {"train": 60, "valid": 24, "test": 24, "stories": 2}
SPLITS = ("train", "valid", "test")


def load(name, folder):
    return find_dataset(f"pocket_{name}").load(folder / name, f"pocket_{name}", "en")


@pytest.fixture(scope="module")
def pictures(diagnosis):
    return load("conditions", diagnosis)


@pytest.fixture(scope="module")
def stories(diagnosis):
    return load("stories", diagnosis)


def test_a_seed_gives_the_same_files_again_and_another_one_others(diagnosis, tmp_path):
    for seed in (7, 8):
        build_diagnosis_sets(tmp_path / str(seed), seed=seed, sizes=SIZES)
    first = hash_tree(diagnosis)
    assert hash_tree(tmp_path / "7") == first
    assert not set(hash_tree(tmp_path / "8").values()) & set(first.values())


@pytest.mark.parametrize("name", ["conditions", "stories"])
def test_nothing_is_said_of_what_was_built(diagnosis, name):
    assert check_data(f"pocket_{name}", diagnosis / name) == []


def test_each_picture_lies_in_the_folder_of_a_condition(pictures):
    names = {condition.name for condition in load_conditions()}
    for split, cases in pictures.items():
        assert all(case.images_on_disk and case.split == split for case in cases)
        assert {case.label for case in cases} <= names
    assert all(len({case.label for case in cases}) > 5 for cases in pictures.values())


def is_photo(case):
    return case.images[0].name.startswith("photo-")


def test_copies_are_planted_among_the_training_pictures_only(pictures):
    sizes = {split: sum(not is_photo(case) for case in pictures[split]) for split in SPLITS}
    assert sizes == {split: SIZES[split] for split in SPLITS}
    photos = [case for case in pictures["train"] if is_photo(case)]
    assert len(photos) > 4 and not any(map(is_photo, (*pictures["valid"], *pictures["test"])))
    assert {Image.open(case.images[0]).size for case in photos} == {(COPY_SIDE, COPY_SIDE)}


def small(case):
    return np.asarray(Image.open(case.images[0]).resize((COPY_SIDE, COPY_SIDE)), dtype=float)


def test_exactly_the_planted_copies_are_removed(pictures):
    left, copies = without_copies(pictures)
    planted = [case for case in pictures["train"] if is_photo(case)]
    assert {one.case_id for one in copies} == {case.id for case in planted}
    assert left == pictures | {
        "train": tuple(case for case in pictures["train"] if not is_photo(case))
    }
    assert any(one.across for one in copies) and not all(one.across for one in copies)
    # The one that is kept is the one whose points are nearest, in whatever split it lies.
    originals = {case.id: (small(case), case) for cases in left.values() for case in cases}
    for copy, case in zip(copies, planted):
        nearest = min(originals, key=lambda one: np.abs(originals[one][0] - small(case)).mean())
        kept = originals[nearest][1]
        assert (copy.case_id, copy.kept, copy.kept_split) == (case.id, nearest, kept.split)
        assert copy.across == (kept.split != "train") and kept.label == case.label


def test_the_facts_say_the_skin_tone_of_each_picture(diagnosis, pictures):
    facts = read_json(diagnosis / "conditions" / "facts.json")
    assert facts.keys() == {case.id for cases in pictures.values() for case in cases}
    _, copies = without_copies(pictures)
    assert all(facts[one.case_id] == facts[one.kept] for one in copies)
    assert len({one["skin_tone"] for one in facts.values()}) > 2


def test_stories_and_their_pictures_are_on_one_side_only(diagnosis, stories):
    rows = list(csv.DictReader((diagnosis / "stories" / "stories.csv").open()))
    assert sum(map(len, stories.values())) == len(rows)
    each = Counter(row["story"] for row in rows)
    assert set(each.values()) == {1, 2}  # so that a split by row would cut some
    for one in SPLITS:
        for other in {*SPLITS} - {one}:
            for shared in ("context", "group", "images"):
                assert not {getattr(case, shared) for case in stories[one]} & {
                    getattr(case, shared) for case in stories[other]
                }
    assert without_copies(stories)[1] == []


def test_every_condition_has_as_many_stories(stories):
    told = {(case.context, case.label) for cases in stories.values() for case in cases}
    assert set(Counter(label for _, label in told).values()) == {SIZES["stories"]}
    assert len({label for _, label in told}) == len(load_conditions()) == 26


def test_no_story_names_its_condition(stories):
    for cases in stories.values():
        for case in cases:
            names = next(c.names for c in load_conditions() if c.name == case.label)
            assert not [name for name in names if name.lower() in case.context.lower()]


def test_a_story_that_misleads_is_that_of_a_look_alike_beside_the_patients_own_picture():
    written = [
        write_story(condition, random.Random(f"{condition.id}/{number}"))
        for condition in load_conditions()
        for number in range(30)
    ]
    misleading = [one for one in written if one.told_as != one.condition]
    assert 0.7 * MISLEADING < len(misleading) / len(written) < 1.4 * MISLEADING
    for one in misleading:
        assert one.told_as in [by_id()[name] for name in one.condition.look_alikes]
    for one in written:
        assert one.seen["site"] in one.condition.sites
