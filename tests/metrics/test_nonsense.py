"""Which answers see through a nonsense question."""

import pytest

from helpers.cases import Answer, Case
from helpers.metrics import nonsense
from helpers.metrics.measure import Graded

SEEN_THROUGH = [
    "I don't know.",
    "None of the above",
    "There is no such thing as a third brain.",
    "This makes no sense.",
    "That cannot be answered.",
    "I’m unable to provide medical advice.",
]
NOT = ["chorea", "a patient with a normal brain", "no", "left", "none", "", "It is unclearly seen"]


@pytest.mark.parametrize("text", SEEN_THROUGH)
def test_an_answer_that_says_so_counts(text):
    assert nonsense.admits(text)


@pytest.mark.parametrize("text", NOT)
def test_an_answer_that_goes_along_does_not(text):
    assert not nonsense.admits(text)


def graded(*kinds, language="en"):
    cases = [Case(str(place), "?", question_type=kind) for place, kind in enumerate(kinds)]
    answers = {case.id: Answer(case.id, "I do not know") for case in cases[:1]}
    return Graded(cases, answers, [], language)


def test_the_share_is_over_all_questions_and_of_such_questions_alone():
    found = nonsense.measure(graded("NONSENSE", "NONSENSE"))["admissions"]
    assert (found.score.value, found.score.n) == (0.5, 2)
    assert nonsense.measure(graded("NONSENSE", "ABN")) == {}
    assert nonsense.measure(graded("NONSENSE", language="zh")) == {}
    assert nonsense.measure(graded()) == {}
