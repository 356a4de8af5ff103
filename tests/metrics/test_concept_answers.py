"""Answers that say which concepts a picture shows: scores worked out by hand."""

import random
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from helpers.cases import Answer, Case, Reference
from helpers.data import load_dataset
from helpers.data.skincon import concept_sentence
from helpers.metrics import concept_answers
from helpers.metrics.claims import compare_answers
from helpers.metrics.concept_answers import measure
from helpers.metrics.concepts import named_concepts
from helpers.metrics.measure import Graded
from helpers.pocket.vocabulary import CONCEPTS

TRUE = [("Papule", "Erythema"), ("Plaque",), (), ("Scale",)]
ANSWERS = ["Red papules with scale.", "", "No scale is seen.", "a scaly plaque"]
KEYS = ("concept_f1", "named_concepts_right", "true_concepts_named")


def asked(number, concepts):
    return Case(str(number), concepts=concepts, references=(Reference(concept_sentence(concepts)),))


CASES = [asked(number, concepts) for number, concepts in enumerate(TRUE)]


def graded(cases, answers, language="en"):
    found = {case.id: Answer(case.id, text) for case, text in zip(cases, answers)}
    return Graded(cases, found, [], language)


def values(cases, answers):
    return {key: one.score.value for key, one in measure(graded(cases, answers)).items()}


def test_scores_by_hand():
    """Right, named and true: 2, 3 and 2; 0, 0 and 1; nothing; 1, 2 and 1. In all 3, 5 and 4."""
    found = measure(graded(CASES, ANSWERS))
    assert {key: one.score.value for key, one in found.items()} == pytest.approx(
        dict(zip(KEYS, (6 / 9, 3 / 5, 3 / 4)))
    )
    for one in found.values():
        assert one.columns.tolist() == [[2, 3, 2], [0, 0, 1], [0, 0, 0], [1, 2, 1]]
        assert (one.cases, one.score.n) == (("0", "1", "2", "3"), 4)
        assert one.score.low <= one.score.value <= one.score.high


def test_f1_is_that_of_scikit_learn():
    rng = random.Random(3)

    def some():
        return tuple(concept for concept in CONCEPTS if rng.random() < 0.1)

    cases = [asked(number, some()) for number in range(120)]
    answers = [concept_sentence(some()) for _ in cases]
    table = [
        np.array([[concept in found for concept in CONCEPTS] for found in rows])
        for rows in ([case.concepts for case in cases], map(named_concepts, answers))
    ]
    score = measure(graded(cases, answers))["concept_f1"].score
    assert score.value == pytest.approx(f1_score(*table, average="micro"))
    assert 0 < score.low < score.value < score.high < 1


@pytest.mark.parametrize("concept", CONCEPTS)
def test_the_sentence_that_is_learnt_names_each_concept_and_no_other(concept):
    assert named_concepts(concept_sentence((concept,))) == [concept]


def test_the_right_sentences_score_all_and_constants_what_they_happen_to_hit():
    assert named_concepts(concept_sentence(CONCEPTS)) == list(CONCEPTS)
    assert values(CASES, map(concept_sentence, TRUE)) == dict.fromkeys(KEYS, 1)
    # One of four answers is right: 2 * 1 / (4 + 4).
    red = values(CASES, [concept_sentence(("Erythema",))] * 4)
    assert red == dict(zip(KEYS, (0.25, 0.25, 0.25)))
    # To name all 48 finds everything, and is right of four in 192.
    every = values(CASES, [concept_sentence(CONCEPTS)] * 4)
    assert every == pytest.approx(dict(zip(KEYS, (8 / 196, 4 / 192, 1))))


@pytest.mark.parametrize("text", ["", "The image shows: none of the concepts looked for."])
def test_what_names_nothing_has_no_precision(text):
    assert values(CASES, [text] * 4) == {"concept_f1": 0, "true_concepts_named": 0}
    assert values(CASES[2:3], [text]) == {}
    assert values(CASES[2:3], ["red"]) == {"concept_f1": 0, "named_concepts_right": 0}


@pytest.mark.parametrize(
    "other",
    [
        replace(CASES[0], references=()),
        replace(CASES[0], references=(Reference("It is eczema."),)),
        replace(CASES[0], references=(*CASES[0].references, Reference("It is eczema."))),
        replace(CASES[0], concepts=("Papule",)),
        Case("c", concepts=("Papule",), label="eczema", question="What is it?"),
    ],
)
def test_other_cases_are_left_alone(other):
    assert measure(graded([*CASES[1:], other], ANSWERS)) == {}


def test_the_clinics_cases_and_other_languages_are_left_alone(clinic):
    cases = load_dataset("pocket", clinic / "iiyi").split("valid")
    assert any(case.concepts for case in cases) and measure(graded(cases, ANSWERS)) == {}
    assert measure(graded(CASES, ANSWERS, "zh")) == {}
    assert measure(graded([], [])) == {}


def test_answers_are_compared_and_scores_depend_on_concepts():
    first, second = graded(CASES, [""] * 4), graded(CASES, ANSWERS)
    found = compare_answers(first, second, KEYS)
    assert {key: one.value for key, one in found.items()} == pytest.approx(
        {"concept_f1": 6 / 9, "true_concepts_named": 3 / 4}
    )
    assert found["concept_f1"].signature == (
        "difference of concept_f1|micro|v:1|concepts:1|seeds:1"
    )
    other = graded([*CASES[:3], asked(3, ("Crust",))], ANSWERS)
    assert concept_answers.depends_on(first) == concept_answers.depends_on(second)
    assert concept_answers.depends_on(first) != concept_answers.depends_on(other)
