"""A score: how it is written, kept and averaged; and the one table of what metrics are called."""

import pytest

from helpers.metrics.scores import Score, mean_over_runs
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
