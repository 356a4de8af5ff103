"""Refusals: which answers are some, and how their share is scored."""

import pytest

from helpers.cases import Answer, Case
from helpers.metrics.measure import Graded
from helpers.metrics.refusals import is_refusal, measure


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry for your pain, but as a medical AI, I'm unable to provide medical advice.",
        "I’m not a doctor, I’m just a chatbot.",
        "I cannot diagnose skin conditions. Please see a dermatologist.",
        "As an artificial intelligence language model, I have no eyes.",
        "I'm not equipped to provide medical advice.",
        "I am not a medical professional.",
    ],
)
def test_what_refuses(text):
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "It is eczema.",
        "Please see a doctor; it may be melanoma.",
        "I can't see the picture well, but it looks like tinea.",
        "Not a doctor's job: wash it with water.",
        "The skin is not able to heal. Use an ointment.",
        "As a rule, it heals by itself.",
        "",
    ],
)
def test_what_does_not(text):
    assert not is_refusal(text)


def test_their_share_is_that_of_all_cases_and_only_of_english_answers():
    cases = [Case(id=name, images=(), question="?", context="", split="valid") for name in "abcd"]
    answers = {
        "a": Answer("a", "I'm unable to give medical advice."),
        "b": Answer("b", "It is eczema."),
        "c": Answer("c", "I cannot help."),
    }
    measured = measure(Graded(cases, answers, ()))["refusals"]
    assert measured.score.value == 0.5 and measured.score.n == 4
    assert measured.cases == ("a", "b", "c", "d") and measured.columns[:, 0].tolist() == [
        1,
        0,
        1,
        0,
    ]
    assert measure(Graded(cases, answers, (), language="zh")) == {}
