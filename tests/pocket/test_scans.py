"""The clinic's scans, slides and nonsense: in the real sets' files, and true to their words."""

import random
from collections import Counter

import numpy as np
import pytest

from helpers.data.catalogue import find_dataset
from helpers.data.checks import check_data
from helpers.data.question_answers import leak
from helpers.files import LabError, hash_tree
from helpers.metrics.nonsense import admits
from helpers.pocket import microscopy, nonsense, radiology
from helpers.pocket.radiology import Scan
from helpers.pocket.radiology_texts import FACTS, caption, questions
from helpers.pocket.scans import SIZES, build_scans

SMALL = {"train": 12, "validation": 3, "test": 3, "scans": 20, "slides": 4}
# Data set -> the folder that it is read from.
PARTS = {
    "pocket_roco": "roco",
    "pocket_vqa_rad": "vqa_rad",
    "pocket_vqa_rad_by_image": "vqa_rad",
    "pocket_vqa_rad_unseen": "vqa_rad",
    "pocket_pathology": "pathology",
    "pocket_nonsense": "nonsense",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans") / "made"
    build_scans(folder, sizes=SMALL)
    return folder


def splits(folder, name):
    return find_dataset(name).load(folder / PARTS[name], name, "en")


def test_a_seed_gives_the_same_files_again_and_another_seed_others(folder, tmp_path):
    build_scans(tmp_path / "again", sizes=SMALL)
    build_scans(tmp_path / "other", seed=8, sizes=SMALL)
    assert hash_tree(tmp_path / "again") == hash_tree(folder)
    assert hash_tree(tmp_path / "other") != hash_tree(folder)


def test_what_is_no_clinic_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(LabError, match="holds something that is no pocket clinic"):
        build_scans(tmp_path, sizes=SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", PARTS)
def test_each_part_is_read_by_the_real_reader_without_a_fault(folder, name):
    assert list(check_data(name, folder / PARTS[name])) == []
    assert all(splits(folder, name).values())
    if name != "pocket_nonsense":
        assert all(case.images_on_disk for cases in splits(folder, name).values() for case in cases)


def test_the_published_split_leaks_every_picture_and_the_others_none(folder):
    assert leak(splits(folder, "pocket_vqa_rad")) == (20, 20)
    assert leak(splits(folder, "pocket_vqa_rad_by_image"))[1] == 0
    assert leak(splits(folder, "pocket_vqa_rad_unseen"))[1] == 0


def test_questions_about_unseen_pictures_are_the_published_ones(folder):
    published, unseen = splits(folder, "pocket_vqa_rad"), splits(folder, "pocket_vqa_rad_unseen")
    for split, cases in unseen.items():
        assert {case.id for case in cases} < {case.id for case in published[split]}


def test_the_full_size_has_enough_questions_to_decide():
    assert SIZES["train"] == 2000 and SIZES["scans"] >= 400


def test_questions_are_answered_by_what_is_drawn():
    rng = random.Random(1)
    seen = Counter()
    for _ in range(300):
        scan = radiology.plan_scan(rng)
        for one in questions(scan, rng):
            truth = getattr(scan, FACTS[one["question_type"]])
            if one["answer_type"] == "OPEN":
                assert one["answer"] == (truth or "none")
            elif one["question_type"] == "ABN":
                assert one["answer"] == ("yes" if scan.finding else "no")
            else:
                named = truth and truth in one["question"]
                assert one["answer"] == ("yes" if named else "no")
            seen[one["question_type"], one["answer"]] += 1
    for kind in ("MODALITY", "PRES", "POS", "SIZE", "ORGAN"):
        yes, no = seen[kind, "yes"], seen[kind, "no"]
        assert 0.2 < yes / (yes + no) < 0.8, kind


def test_a_caption_names_organ_and_finding():
    rng = random.Random(2)
    for _ in range(200):
        scan = radiology.plan_scan(rng)
        text = caption(scan, rng).lower()
        assert scan.organ in text and scan.finding in text and "  " not in text


@pytest.mark.parametrize("finding", ["lung mass", "pleural effusion", "pneumothorax"])
def test_a_finding_is_drawn_on_its_side_as_radiologists_look_at_it(finding):
    """The patient's right is at the left of the image."""
    plain = np.asarray(radiology.draw(Scan("chest", "X-ray"), seed=4)).astype(int)
    for side, half in (("right", np.s_[:, :48]), ("left", np.s_[:, 48:])):
        drawn = radiology.draw(Scan("chest", "X-ray", finding, side, "large"), seed=4)
        changed = np.abs(np.asarray(drawn).astype(int) - plain)[..., 0] > 40
        assert changed[half].sum() > 60
        assert changed[half].sum() > 10 * (changed.sum() - changed[half].sum())


def test_a_large_finding_is_larger():
    plain = np.asarray(radiology.draw(Scan("head", "CT"), seed=4)).astype(int)

    def changed(size):
        drawn = radiology.draw(Scan("head", "CT", "hemorrhage", "left", size), seed=4)
        return (np.abs(np.asarray(drawn) - plain)[..., 0] > 40).sum()

    assert changed("large") > 2 * changed("small") > 40


def test_slides_are_asked_by_what_is_drawn():
    rng = random.Random(1)
    slide = microscopy.plan_slide(rng)
    asked = {
        (one["question_type"], one["answer_type"]): one["answer"]
        for one in microscopy.questions(slide, rng)
    }
    assert asked["STAIN", "OPEN"] == slide.stain and asked["NUCLEI", "OPEN"] == slide.nuclei
    assert microscopy.draw(slide, seed=1).size == (96, 96)


def test_the_last_option_of_a_nonsense_question_sees_through_it_and_no_other_does():
    for question, options in nonsense.nonsense_questions(60, random.Random(1)):
        *explained, admitted = options.values()
        assert "{" not in question
        assert admits(admitted) and not any(map(admits, explained))
