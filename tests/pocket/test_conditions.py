"""The conditions file is complete, consistent and refused when it is not."""

import csv
import os
import random
from pathlib import Path

import pytest

from helpers.files import REPOSITORY, LabError
from helpers.pocket.conditions import (
    AGES,
    CLASSES,
    CONCEPTS,
    PATH,
    by_id,
    compatible,
    draw_told,
    load_conditions,
    load_sentences,
)

SKINCON = (
    Path(os.environ.get("LAB_SHARED") or REPOSITORY.parent / "shared")
    / "data/skincon/annotations_ddi.csv"
)


def test_26_conditions_cover_all_15_classes():
    conditions = load_conditions()
    assert len(conditions) == len(by_id()) == 26
    assert {condition.skin_class for condition in conditions} == set(CLASSES) and len(CLASSES) == 15


def test_names_are_unique_across_conditions():
    names = [name.lower() for condition in load_conditions() for name in condition.names]
    assert len(names) == len(set(names))


@pytest.mark.skipif(not SKINCON.exists(), reason="SKINCON's annotations are not on this machine")
def test_concepts_are_those_of_skincon_in_its_order():
    with open(SKINCON, newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert tuple(header[2:-1]) == CONCEPTS and len(CONCEPTS) == 48


def test_no_condition_is_its_own_look_alike_and_each_is_one():
    for condition in load_conditions():
        assert condition.id not in condition.look_alikes
    assert {other for condition in load_conditions() for other in condition.look_alikes} == set(
        by_id()
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "look_alikes: [rosacea,",
            "look_alikes: [nonsense,",
            "'look_alikes' must not hold 'nonsense'",
        ),
        (
            "concepts: [Papule, Erythema, Comedo",
            "concepts: [Papule, Erythema, Pimple",
            "'concepts' must not hold 'Pimple'",
        ),
        ("class: Acne and Rosacea", "class: Acne", "'skin_class' must not hold 'Acne'"),
        (
            "concepts: [Papule, Erythema, Comedo",
            "concepts: [Papule, Comedo",
            "its concepts lack 'Erythema'",
        ),
        ("- id: rosacea", "- id: acne", "uses an id twice"),
        ("  weight: 7\n", "", "'weight' is missing or unknown"),
        ("  weight: 7\n", "  weight: seven\n", "'weight' holds 'seven'"),
        ("conditions:", "conditions: [", "is not valid YAML"),
        ("conditions:", "others:", "has no list `conditions`"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path, old, new, said):
    text = PATH.read_text(encoding="utf-8")
    assert old in text
    bad = tmp_path / "conditions.yaml"
    bad.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LabError, match="conditions.yaml") as error:
        load_conditions(bad)
    assert said in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LabError, match="does not exist"):
        load_conditions(tmp_path / "conditions.yaml")


def test_every_told_value_has_a_sentence():
    told = load_sentences()["told"]
    for condition in load_conditions():
        for key, values in {
            "trigger": condition.triggers,
            "course": condition.courses,
            "history": condition.history,
            "itch": condition.itch,
            "pain": condition.pain,
        }.items():
            assert set(values) <= set(told[key]), (condition.id, key)


def test_a_condition_is_compatible_with_its_own_patients():
    for number, condition in enumerate(load_conditions()):
        for repeat in range(20):
            told = draw_told(condition, random.Random(100 * number + repeat))
            assert condition.id in compatible(told), told
            assert min(low for low, _ in AGES.values()) <= told["age"] <= 88


def test_all_fit_when_nothing_is_told_and_none_when_facts_contradict():
    assert compatible({}) == [condition.id for condition in load_conditions()]
    assert compatible({"complaint": "growth", "itch": "strong", "pain": "burning"}) == []
    assert compatible({"itch": "none", "pain": "burning", "age": 70, "duration": "3 weeks"}) == [
        "herpes_zoster"
    ]
