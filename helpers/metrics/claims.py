"""Compare two sets of answers: their difference by each metric, and the word for it."""

from collections.abc import Sequence

import numpy as np

from helpers.metrics.differences import LEVEL, Difference, difference_of
from helpers.metrics.measure import (
    Graded,
    Measured,
    difference_signature,
    score_all,
    statistic_of,
)

# Raised when the same answers would give another difference, interval or verdict.
VERSION = 5
# What `compare_answers` compares if not told otherwise.
AGAINST_REFERENCES = ("deltableu", "bertscore_f1", "named")
# With fewer groups of cases than this an interval says nothing, however narrow it is.
FEWEST_CASES = 10


def difference(
    key: str, first: Sequence[Measured], second: Sequence[Measured]
) -> Difference | None:
    """Score `second` minus `first` by one metric, paired by case and seed.

    `first` and `second` hold what was measured of one set of answers per seed. A side that has no
    seeds (nothing random in it) is given once. With several seeds the difference is their mean.
    None if something measured has no columns.

    Raises:
        ValueError: The sides cannot be paired, or are not of the same cases in the same order.
    """
    statistic = statistic_of(key)
    if statistic is None or any(side.columns is None for side in [*first, *second]):
        return None
    pairs = _pair(first, second)
    if len({(side.cases, side.groups) for pair in pairs for side in pair}) > 1:
        raise ValueError(f"{key} cannot be compared: it was measured on different cases")
    signature = difference_signature(key, second[0].score)
    return difference_of(
        [_columns(before) for before, _ in pairs],
        [_columns(after) for _, after in pairs],
        statistic,
        signature=f"{signature}|seeds:{len(pairs)}",
        groups=second[0].groups,
    )


def compare_answers(
    first: Graded, second: Graded, keys: Sequence[str] = AGAINST_REFERENCES
) -> dict[str, Difference]:
    """Score `second` minus `first` by each of these metrics that both sides have.

    Raises:
        ValueError: The sides are not of the same cases in the same order.
    """
    before, after = score_all(first, keys), score_all(second, keys)
    found = {
        key: difference(key, [before[key]], [after[key]])
        for key in keys
        if key in before and key in after
    }
    return {key: score for key, score in found.items() if score is not None}


def holm(values: Sequence[float]) -> list[float]:
    """Correct p values for their number (Holm 1979); returns them in the same order, at most 1.

    Whoever takes those up to 0.05 for differences is wrong about any of them in 5 % of all studies
    at most, however many there are.
    """
    adjusted, highest = [1.0] * len(values), 0.0
    order = sorted(range(len(values)), key=lambda place: values[place])
    for step, place in enumerate(order):
        highest = max(highest, min(1.0, values[place] * (len(values) - step)))
        adjusted[place] = highest
    return adjusted


def can_decide(difference: Difference) -> bool:
    """Tell whether there are enough independent cases for any verdict."""
    return difference.groups >= FEWEST_CASES


def verdict(difference: Difference, *, paper: int = 0, p: float | None = None) -> str:
    """Say what a difference, the better side minus the other, shows.

    "better" than the other side, "worse" or "undecided". Where a paper reports a direction, given
    by its sign in `paper`: "agrees", "disagrees" or "undecided". `p`: corrected for other verdicts;
    left out, the difference's own.
    """
    if not can_decide(difference):
        return _too_few(difference)
    side = _shown_side(difference, p)
    if not side:
        return "undecided"
    if paper:
        return "agrees" if side * paper > 0 else "disagrees"
    return "better" if side > 0 else "worse"


def verdict_on_repetition(difference: Difference, *, p: float | None = None) -> str:
    """Say whether more answers are repeated, or fewer: such a change is neither gain nor loss."""
    if not can_decide(difference):
        return _too_few(difference)
    return {1: "more", -1: "fewer", 0: "undecided"}[_shown_side(difference, p)]


def _too_few(difference: Difference) -> str:
    what = "cases" if difference.groups == difference.n else "groups of cases"
    return f"undecided: fewer than {FEWEST_CASES} {what}"


def _shown_side(difference: Difference, p: float | None) -> int:
    """Return 1 for a difference that is shown and above 0, -1 for one below, else 0."""
    p = difference.p if p is None else p
    return int(np.sign(difference.value)) if p <= LEVEL else 0


def _pair(first: Sequence[Measured], second: Sequence[Measured]) -> list[tuple[Measured, Measured]]:
    """Pair both sides seed by seed; a side given once is paired with every seed of the other."""
    counts = (len(first), len(second))
    if 0 in counts or (len(first) != len(second) and 1 not in counts):
        raise ValueError(f"{len(first)} and {len(second)} sets of answers cannot be paired")
    seeds = max(counts)
    return [(first[seed % len(first)], second[seed % len(second)]) for seed in range(seeds)]


def _columns(side: Measured) -> np.ndarray:
    if side.columns is None:
        raise ValueError(f"there are no columns for {side.score.signature}")
    return side.columns
