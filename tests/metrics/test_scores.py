"""A score: how it is written, kept and averaged; and the one table of what metrics are called."""

import numpy as np
import pytest

from helpers.metrics.scores import (
    Score,
    mean_over_runs,
    mean_score,
    share_score,
    sum_by_group,
    wilson_interval,
)
from helpers.metrics.table import METRICS

SCORE = Score(4.5849, 2.3812, 8.1, 60, "deltaBLEU|v:1")
SHARE = Score(0.25, 0.2, 0.314, 12, "")


@pytest.mark.parametrize(
    ("score", "spec", "written"),
    [
        (SCORE, ".2f", "4.58 [2.38, 8.10]"),
        (SCORE, "+.1f", "+4.6 [+2.4, +8.1]"),
        (Score(-0.5, -1, 0.25, 12, ""), "+.2f", "-0.50 [-1.00, +0.25]"),
        (SHARE, ".0%", "25% [20%, 31%]"),
    ],
)
def test_a_score_is_written_by_one_format(score, spec, written):
    assert format(score, spec) == written


def test_a_score_is_read_as_it_was_kept():
    kept = SCORE.as_dict()
    assert kept == {
        "value": 4.5849,
        "interval": [2.3812, 8.1],
        "n": 60,
        "signature": "deltaBLEU|v:1",
    }
    assert Score.from_dict(kept | {"verdict": "reproduced"}) == SCORE


def test_the_mean_over_runs_is_a_score():
    found = mean_over_runs([Score(1.0, 0.0, 2.0, 60, "x"), Score(2.0, 1.0, 5.0, 60, "x")])
    assert found == Score(1.5, 0.5, 3.5, 60, "x|mean of 2 runs")
    assert mean_over_runs([SCORE]) == SCORE


@pytest.mark.parametrize(
    ("key", "header", "written", "difference"),
    [
        ("deltableu", "deltaBLEU (0 to 100)", "0.25 [0.20, 0.31]", "+0.250 [+0.200, +0.314]"),
        ("bertscore_f1", "BERTScore F1 (0 to 1)", "0.250 [0.200, 0.314]", None),
        ("named", "diagnosis named (%)", "25 [20, 31]", "+25.0 [+20.0, +31.4]"),
        ("words", "words (mean)", "0.2 [0.2, 0.3]", None),
    ],
)
def test_a_metric_says_how_it_is_shown(key, header, written, difference):
    metric = METRICS[key]
    assert metric.header == header and metric.format(SHARE) == written
    if difference:
        assert metric.format_difference(SHARE) == difference


def test_differences_of_shares_are_percentage_points():
    assert METRICS["named"].difference_header == "diagnosis named (% points)"
    assert METRICS["deltableu"].difference_header == "deltaBLEU"


def test_bare_numbers_are_shown_like_scores():
    assert METRICS["weights_mb"].format(5.531) == "5.53"
    assert METRICS["same_answers"].format(0.951) == "95"


def test_every_metric_has_a_header_of_its_own():
    assert len({metric.header for metric in METRICS.values()}) == len(METRICS)


# Groups of cases


TWINS = ("a", "a", "b", "b", "c", "c", "d", "d")
ALONE = tuple("abcdefgh")


def test_rows_are_summed_by_group_by_first_appearance():
    rows = np.arange(8.0).reshape(4, 2)
    assert sum_by_group(rows, ["x", "y", "x", "z"]).tolist() == [[4, 6], [2, 3], [6, 7]]
    for groups in ((), list("abcd")):
        assert sum_by_group(rows, groups) is rows


def test_whole_groups_are_drawn():
    values = np.array([0.0, 0, 1, 1, 5, 5, 2, 2])
    twins = mean_score(values, signature="x", groups=TWINS)
    assert (twins.value, twins.n, twins.signature) == (2, 8, "x|groups:4")
    halves = mean_score(values[::2], signature="x")
    assert (twins.low, twins.high) == pytest.approx((halves.low, halves.high))
    assert mean_score(values, signature="x", groups=ALONE) == mean_score(values, signature="x")


@pytest.mark.parametrize(
    ("hits", "groups", "like"),
    [
        # (hits, cases) whose Wilson interval it is. By hand: the variance over groups is
        # G / (G - 1) * sum((x - p m)^2) / n^2, that of independent cases p (1 - p) / (n - 1).
        ("11000000", ALONE, (2, 8)),
        ("11000000", (), (2, 8)),
        # p = 1/4, residuals 1.5, -0.5, -0.5, -0.5: 4/3 * 3 / 64 = 1/16, over 3/112: 7/3.
        ("11000000", TWINS, (6 / 7, 24 / 7)),
        # Residuals 0.5, 0.5, -0.5, -0.5: 4/3 / 64 = 1/48, less than 3/112: no more than n.
        ("10100000", TWINS, (2, 8)),
        # Groups of 1 and 7, p = 1/2: residuals 0.5 and -0.5: 2 * 0.5 / 64 = 1/64: no more than n.
        ("11110000", ("a", *"bbbbbbb"), (4, 8)),
        # Where all or none hit, each group counts once.
        ("11111111", TWINS, (4, 4)),
        ("00000000", TWINS, (0, 4)),
        ("11000000", "aaaaaaaa", (0.25, 1)),
    ],
)
def test_a_share_of_cases_in_groups_counts_fewer_cases(hits, groups, like):
    score = share_score([hit == "1" for hit in hits], signature="x", groups=groups)
    assert score.value == hits.count("1") / 8 and score.n == 8
    assert (score.low, score.high) == pytest.approx(wilson_interval(*like), rel=1e-12)
    assert score.low <= score.value <= score.high
