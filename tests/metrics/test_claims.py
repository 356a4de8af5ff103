"""A difference is one of columns, paired by case and seed; its p value gives the word for it."""

from dataclasses import replace

import pytest

from helpers.cases import Answer, Case, Reference
from helpers.metrics.claims import (
    compare_answers,
    difference,
    holm,
    verdict,
    verdict_on_repetition,
)
from helpers.metrics.deltableu import deltableu_from_sums
from helpers.metrics.differences import Difference
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


def found(value, cases_error=1.0, groups=12, n=12):
    """A difference of one seed."""
    return Difference(value, value, value, n, "", cases_error, 0.0, groups, 1)


@pytest.mark.parametrize(
    # Of 12 cases, Student's t with 11 degrees of freedom is 2.2010 at 5 %.
    ("value", "alone", "up", "down", "repetition"),
    [
        (2.202, "better", "agrees", "disagrees", "more"),
        (-2.202, "worse", "disagrees", "agrees", "fewer"),
        (2.2, "undecided", "undecided", "undecided", "undecided"),
        (-2.2, "undecided", "undecided", "undecided", "undecided"),
        (0.0, "undecided", "undecided", "undecided", "undecided"),
    ],
)
def test_verdicts(value, alone, up, down, repetition):
    score = found(value)
    assert verdict(score) == alone
    assert (verdict(score, paper=1), verdict(score, paper=-1)) == (up, down)
    assert verdict_on_repetition(score) == repetition


def test_a_verdict_goes_by_the_corrected_p_value_if_there_is_one():
    assert verdict(found(9.0), p=0.051) == verdict_on_repetition(found(9.0), p=0.051) == "undecided"
    assert verdict(found(9.0), p=0.05) == "better" and verdict(found(-0.1), p=0.05) == "worse"


def test_a_handful_of_cases_gives_no_verdict():
    few = found(9.0, groups=9, n=9)
    said = {verdict(few), verdict(few, paper=1), verdict_on_repetition(few)}
    assert said == {"undecided: fewer than 10 cases"}
    assert verdict(found(9.0, groups=10, n=10)) == "better"
    assert verdict(found(9.0, groups=9, n=90)) == "undecided: fewer than 10 groups of cases"


@pytest.mark.parametrize(
    # As statsmodels.stats.multitest.multipletests(values, method="holm") corrects them, by hand.
    ("values", "corrected"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
        ([0.5, 0.6, 0.01], [1.0, 1.0, 0.03]),
        ([1.0, 0.0], [1.0, 0.0]),
        # The worked example of Holm (1979) in R's p.adjust: a smaller product takes the larger one.
        ([0.013, 0.014, 0.04, 0.9], [0.052, 0.052, 0.08, 0.9]),
    ],
)
def test_p_values_are_corrected_as_holm_does(values, corrected):
    assert holm(values) == pytest.approx(corrected)


def test_a_difference_of_means_by_hand():
    before, after = [0, 1] * 5, [1, 1] * 4 + [0, 1]
    one = difference("named", [of_values(before)], [of_values(after)])
    assert one.value == 0.4 and (one.n, one.groups, one.seeds) == (10, 10, 1)
    # The changes are four ones and six zeros: a variance of 2.4 / 9, over ten cases.
    assert one.cases_error == pytest.approx((2.4 / 9 / 10) ** 0.5) and one.seeds_error == 0
    assert (one.low, one.high) == pytest.approx((0.4 - 0.369409, 0.4 + 0.369409), abs=1e-6)
    assert one.signature == "difference of named|x|seeds:1"


def test_a_difference_of_deltableu_by_hand():
    half = WRONG | {case.id: RIGHT[case.id] for case in CASES[:6]}
    first, second = measured(WRONG), measured(half)
    one = difference("deltableu", [first], [second])
    assert one.value == pytest.approx(second.score.value - first.score.value)
    left_out = []
    for case in range(12):
        kept = [place for place in range(12) if place != case]
        sums = [side.columns[kept].sum(axis=0) for side in (first, second)]
        left_out.append(deltableu_from_sums(sums[1]) - deltableu_from_sums(sums[0]))
    middle = sum(left_out) / 12
    variance = 11 / 12 * sum((value - middle) ** 2 for value in left_out)
    assert one.error == pytest.approx(variance**0.5)
    assert one.signature == f"difference of {second.score.signature}|seeds:1"


def test_over_seeds_the_difference_is_the_mean_and_seeds_that_disagree_widen_the_interval():
    right, wrong = measured(RIGHT), measured(WRONG)
    one = difference("deltableu", [wrong], [right])
    agreed = difference("deltableu", [wrong], [right, right, right])
    assert (agreed.value, agreed.low, agreed.high) == pytest.approx((one.value, one.low, one.high))
    torn = difference("deltableu", [wrong] * 3, [right, right, wrong])
    assert torn.value == pytest.approx(one.value * 2 / 3)
    # Of v, v and 0 the mean has the standard error v / 3.
    assert torn.seeds_error == pytest.approx(one.value / 3)
    assert torn.low <= 0 and torn.high > torn.value and torn.signature.endswith("seeds:3")
    with pytest.raises(ValueError, match="2 and 3"):
        difference("deltableu", [wrong] * 2, [right] * 3)


def test_cases_are_paired_within_their_groups_only():
    side = of_values([0, 1] * 5)
    twins = tuple(f"g{place // 2}" for place in range(10))
    with pytest.raises(ValueError, match="different cases"):
        difference("named", [side], [replace(side, groups=twins)])
    grouped = [replace(of_values(values), groups=twins) for values in ([0] * 10, [1, 0] * 5)]
    assert difference("named", grouped[:1], grouped[1:]).groups == 5


def test_signatures_of_differences_say_only_what_differences_depend_on():
    signed = {
        key: difference(key, [measured(WRONG, key)], [measured(RIGHT, key)]).signature
        for key in ("deltableu", "bertscore_f1", "named", "repeated", "from_training")
    }
    assert signed["deltableu"].startswith("difference of deltaBLEU|mode:aligned|")
    assert signed["bertscore_f1"].startswith("difference of BERTScore|encoder:")
    assert signed["named"] == "difference of named|rule:first|v:1|seeds:1"
    assert signed["repeated"] == "difference of repeated|near:0.85|v:1|seeds:1"
    assert signed["from_training"] == "difference of from training|near:0.85|v:1|seeds:1"


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
    gain = compare_answers(graded(WRONG), graded(RIGHT), ["repeated", "from_training", "words"])
    assert {key: score.value for key, score in gain.items()} == {
        "repeated": pytest.approx(-1 + measured(RIGHT, "repeated").score.value),
        "from_training": -1,
    }


def test_where_nothing_can_be_scored_there_is_no_difference():
    bare = [Case(case.id, case.question) for case in CASES]
    assert compare_answers(graded(WRONG, bare), graded(RIGHT, bare)) == {}
