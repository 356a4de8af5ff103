"""A difference is one of columns, paired by case and seed; its whole interval gives a verdict."""

import numpy as np
import pytest

from helpers.cases import Answer, Case, Reference
from helpers.metrics.claims import compare_answers, difference, verdict, verdict_on_repetition
from helpers.metrics.deltableu import deltableu_from_sums
from helpers.metrics.measure import Graded, Measured, score_all
from helpers.metrics.scores import Score, mean_columns

CASES = [
    Case(
        f"E{number}",
        "rash?",
        references=(Reference(f"it is condition {number} of the hand"),),
        label="acne" if number < 4 else "",
    )
    for number in range(12)
]
IDS = tuple(case.id for case in CASES)
RIGHT = {case.id: Answer(case.id, case.references[0].text) for case in CASES}
WRONG = {case.id: Answer(case.id, "please see a doctor") for case in CASES}
TRAINING = [("t", "please see a doctor")]


def graded(answers, cases=CASES):
    return Graded(cases, answers, TRAINING)


def measured(answers, key="deltableu"):
    """What one metric gives for answers."""
    return score_all(graded(answers), [key])[key]


def of_values(values, cases=IDS):
    """A measured mean, of which the columns alone matter."""
    score = Score(0, 0, 0, len(values), "named|x")
    return Measured(score, cases[: len(values)], mean_columns(values))


@pytest.mark.parametrize(
    ("low", "high", "alone", "up", "down", "repetition"),
    [
        (0.1, 2.0, "better", "agrees", "disagrees", "more"),
        (-2.0, -0.1, "worse", "disagrees", "agrees", "fewer"),
        (-0.5, 1.0, "undecided", "undecided", "undecided", "undecided"),
        (0.0, 1.0, "undecided", "undecided", "undecided", "undecided"),
        (-1.0, 0.0, "undecided", "undecided", "undecided", "undecided"),
    ],
)
def test_verdicts(low, high, alone, up, down, repetition):
    score = Score((low + high) / 2, low, high, 12, "")
    assert verdict(score) == alone
    assert (verdict(score, paper=1), verdict(score, paper=-1)) == (up, down)
    assert verdict_on_repetition(score) == repetition


def test_a_handful_of_cases_gives_no_verdict():
    few = Score(1, 0.9, 1.1, 9, "")
    found = {verdict(few), verdict(few, paper=1), verdict_on_repetition(few)}
    assert found == {"undecided: fewer than 10 cases"}
    assert verdict(Score(1, 0.9, 1.1, 10, "")) == "better"


def test_a_difference_of_means_by_hand():
    before, after = [0, 1] * 5, [1, 1] * 4 + [0, 1]
    found = difference("named", [of_values(before)], [of_values(after)])
    changes = np.subtract(after, before)
    resampled = np.random.default_rng(0).multinomial(10, [0.1] * 10, size=1000) @ changes / 10
    assert found.value == 0.4 and found.n == 10
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(resampled, [2.5, 97.5])))
    assert found.signature == "difference of named|x|seeds:1"


def test_a_difference_of_deltableu_by_hand():
    half = WRONG | {case.id: RIGHT[case.id] for case in CASES[:6]}
    first, second = measured(WRONG), measured(half)
    found = difference("deltableu", [first], [second])
    counts = np.random.default_rng(0).multinomial(12, [1 / 12] * 12, size=1000)
    drawn = [deltableu_from_sums(counts @ side.columns) for side in (second, first)]
    assert found.value == pytest.approx(second.score.value - first.score.value)
    assert (found.low, found.high) == pytest.approx(
        tuple(np.percentile(drawn[0] - drawn[1], [2.5, 97.5]))
    )
    assert found.signature == f"difference of {second.score.signature}|seeds:1"


def test_over_seeds_the_difference_is_the_mean_and_seeds_that_disagree_widen_the_interval():
    right, wrong = measured(RIGHT), measured(WRONG)
    one = difference("deltableu", [wrong], [right])
    agreed = difference("deltableu", [wrong], [right, right, right])
    assert (agreed.value, agreed.low, agreed.high) == pytest.approx((one.value, one.low, one.high))
    torn = difference("deltableu", [wrong] * 3, [right, right, wrong])
    assert (
        torn.value == pytest.approx(one.value * 2 / 3) and torn.low <= 0 and torn.high > torn.value
    )
    assert torn.signature.endswith("seeds:3")
    with pytest.raises(ValueError, match="2 and 3"):
        difference("deltableu", [wrong] * 2, [right] * 3)


def test_of_few_seeds_the_deviations_are_stretched():
    """Cases do not differ here; of three seeds the lowest is drawn three times in 1 of 27."""
    seeds = [of_values([change] * 12) for change in (0, 1, 2)]
    found = difference("named", [of_values([0] * 12)], seeds)
    assert found.value == 1
    assert (found.low, found.high) == pytest.approx((1 - 1.5**0.5, 1 + 1.5**0.5))


def test_signatures_of_differences_say_only_what_differences_depend_on():
    found = {
        key: difference(key, [measured(WRONG, key)], [measured(RIGHT, key)]).signature
        for key in ("deltableu", "bertscore_f1", "named", "repeated", "from_training")
    }
    assert found["deltableu"].startswith("difference of deltaBLEU|mode:aligned|")
    assert found["bertscore_f1"].startswith("difference of BERTScore|encoder:")
    assert found["named"] == "difference of named|rule:first|v:1|seeds:1"
    assert found["repeated"] == "difference of repeated|near:0.85|v:1|seeds:1"
    assert found["from_training"] == "difference of from training|near:0.85|v:1|seeds:1"


def test_only_the_same_cases_in_the_same_order_are_paired():
    one = of_values([0, 1])
    for other in (of_values([0, 1], IDS[1::-1]), of_values([0, 1, 1]), of_values([0, 1], IDS[2:])):
        with pytest.raises(ValueError, match="different cases"):
            difference("named", [one], [other])
        with pytest.raises(ValueError, match="different cases"):
            difference("named", [one], [one, other])


def test_what_has_no_columns_has_no_difference():
    bare = Measured(Score(0.5, 0, 1, 12, "words"))
    assert difference("words", [bare], [bare]) is None
    assert difference("named", [bare], [of_values([0, 1])]) is None
    assert difference("named", [of_values([0, 1])], [of_values([0, 1]), bare]) is None


def test_answers_are_compared_second_minus_first():
    gain = compare_answers(graded(WRONG), graded(RIGHT))
    assert list(gain) == ["deltableu", "bertscore_f1", "named"]
    assert gain["deltableu"].low > 0 and gain["deltableu"].value == pytest.approx(100, abs=5)
    assert 0 < gain["bertscore_f1"].low <= gain["bertscore_f1"].value <= 1
    assert (gain["bertscore_f1"].n, gain["named"].n) == (12, 4)
    nothing = compare_answers(graded(RIGHT), graded(RIGHT))
    assert all((score.value, score.low, score.high) == (0, 0, 0) for score in nothing.values())
    loss = compare_answers(graded(RIGHT), graded({}))
    assert loss["deltableu"].value == -100
    assert loss["bertscore_f1"].value == pytest.approx(-1, abs=1e-5)


def test_repetition_is_compared_if_asked_for():
    found = compare_answers(graded(WRONG), graded(RIGHT), ["repeated", "from_training", "words"])
    assert {key: score.value for key, score in found.items()} == {
        "repeated": pytest.approx(-1 + measured(RIGHT, "repeated").score.value),
        "from_training": -1,
    }


def test_where_nothing_can_be_scored_there_is_no_difference():
    bare = [Case(case.id, case.question) for case in CASES]
    assert compare_answers(graded(WRONG, bare), graded(RIGHT, bare)) == {}
