"""A claim counts as reproduced only with the whole interval of its difference."""

import pytest

from helpers.cases import Answer, Case, Reference
from helpers.metrics.claims import score_differences, verdict
from helpers.metrics.scores import Score

CASES = [
    Case(f"E{number}", "rash?", references=(Reference(f"it is condition {number} of the hand"),))
    for number in range(12)
]
RIGHT = {case.id: Answer(case.id, case.references[0].text) for case in CASES}
WRONG = {case.id: Answer(case.id, "please see a doctor") for case in CASES}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 2.0, "reproduced"),
        (-2.0, -0.1, "not reproduced: the reverse"),
        (-0.5, 1.0, "not reproduced: no clear difference"),
        (0.0, 1.0, "not reproduced: no clear difference"),
    ],
)
def test_verdicts(low, high, expected):
    assert verdict(Score((low + high) / 2, low, high, 12, "")) == expected


def test_a_difference_is_second_minus_first_and_paired():
    gain = score_differences(CASES, [WRONG], [RIGHT], encoder="minilm")
    assert gain["deltableu"].low > 0 and gain["deltableu"].value == pytest.approx(100, abs=5)
    assert (
        0 < gain["bertscore_f1"].low <= gain["bertscore_f1"].value <= 1
        and gain["bertscore_f1"].n == 12
    )
    nothing = score_differences(CASES, [RIGHT], [RIGHT], encoder="minilm")
    assert all((score.value, score.low, score.high) == (0, 0, 0) for score in nothing.values())
    loss = score_differences(CASES, [RIGHT], [{}], encoder="minilm")
    assert loss["deltableu"].value == -100 and loss["bertscore_f1"].value == pytest.approx(
        -1, abs=1e-5
    )


def test_over_seeds_the_difference_is_the_mean_and_seeds_that_disagree_widen_the_interval():
    one = score_differences(CASES, [WRONG], [RIGHT], encoder="minilm")["deltableu"]
    agreed = score_differences(CASES, [WRONG], [RIGHT, RIGHT, RIGHT], encoder="minilm")["deltableu"]
    assert (agreed.value, agreed.low, agreed.high) == pytest.approx((one.value, one.low, one.high))
    torn = score_differences(CASES, [WRONG] * 3, [RIGHT, RIGHT, WRONG], encoder="minilm")[
        "deltableu"
    ]
    assert (
        torn.value == pytest.approx(one.value * 2 / 3) and torn.low <= 0 and torn.high > torn.value
    )
    assert torn.signature.endswith("seeds:3")
    with pytest.raises(ValueError, match="2 and 3"):
        score_differences(CASES, [WRONG] * 2, [RIGHT] * 3, encoder="minilm")


def test_a_handful_of_cases_gives_no_verdict():
    few = score_differences(CASES[:3], [WRONG], [RIGHT], encoder="minilm")
    assert {verdict(score) for score in few.values()} == {"not measured: fewer than 10 cases"}


def test_where_nothing_can_be_scored_there_is_no_difference():
    bare = [Case(case.id, case.question) for case in CASES]
    assert score_differences(bare, [WRONG], [RIGHT], encoder="minilm") == {}
