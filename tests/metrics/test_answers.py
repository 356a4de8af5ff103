"""Unfinished, copied, repeated, empty and long answers, counted on sets small enough to count by
hand.
"""

import json

import numpy as np
import pytest

from helpers.cases import Answer, Case
from helpers.files import LabError
from helpers.metrics.answers import answer_statistics, distinct_score

TRAINING = [" Use zinc paste. ", "It is acne.", ""]
ANSWERS = [
    ("Use zinc paste.", "stop"),
    ("It is acne.\n", "stop"),
    ("it is acne", "length"),
    ("", "stop"),
    ("  ", ""),
]
CASES = [Case(str(number)) for number in range(6)]


def answered(answers=ANSWERS):
    return {
        str(number): Answer(str(number), text, finish=end)
        for number, (text, end) in enumerate(answers)
    }


@pytest.mark.parametrize(
    "name, value, n",
    [
        ("unfinished", 1 / 4, 4),  # the blank one and the missing sixth were not generated
        ("copies", 2 / 6, 6),  # nothing is no copy, though the training set has an empty answer
        ("distinct", 4 / 6, 6),  # three texts and the empty one
        ("empty", 3 / 6, 6),
        ("words", 9 / 6, 6),  # 3 + 3 + 3
    ],
)
def test_statistics_counted_by_hand(name, value, n):
    score = answer_statistics(CASES, answered() | {"other": Answer("other", "a b c")}, TRAINING)[
        name
    ]
    assert score.value == pytest.approx(value) and score.n == n
    assert score.low <= score.value <= score.high
    assert score.signature.startswith(f"{name}|")
    assert json.loads(json.dumps(score.as_dict(), allow_nan=False))["interval"] == [
        score.low,
        score.high,
    ]


def test_what_cannot_be_known_is_left_out():
    cases = [Case("1"), Case("2")]
    constant = {case.id: Answer(case.id, "It is eczema.") for case in cases}
    scores = answer_statistics(cases, constant, [])
    assert set(scores) == {"copies", "distinct", "empty", "words"}
    assert scores["distinct"].value == 1 / 2 and scores["copies"].value == 0


def test_no_cases_are_refused():
    with pytest.raises(LabError, match="no cases"):
        answer_statistics([], {}, [])


@pytest.mark.parametrize(
    "texts, value, low, high",
    [
        (["a"] * 10, 0.1, 0.1, 0.1 + 0.2775),
        (list("abcdefghij"), 1.0, 0.7225, 1.0),
        # Five stand alone: the half-width is that of 5 of 10.
        (list("abcdefffff"), 0.6, 0.6 - (0.5 - 0.2366), 0.6 + (0.7634 - 0.5)),
        (["a"], 1.0, 1.0, 1.0),
    ],
)
def test_intervals_of_distinct_texts(texts, value, low, high):
    score = distinct_score(texts)
    assert (score.value, score.low, score.high) == pytest.approx((value, low, high), abs=5e-5)


@pytest.mark.parametrize("texts", [1, 50, 500])
def test_the_interval_covers_the_expected_share_of_distinct_texts(texts):
    # n answers drawn from equally likely texts have texts * (1 - (1 - 1/texts)^n) different ones on
    # average.
    n, generator = 80, np.random.default_rng(0)
    expected = texts * (1 - (1 - 1 / texts) ** n) / n
    scores = [
        distinct_score([str(drawn) for drawn in generator.integers(texts, size=n)])
        for _ in range(200)
    ]
    # The expectation at 1 text is 1/n only up to rounding.
    assert sum(score.low - 1e-9 <= expected <= score.high for score in scores) >= 190
