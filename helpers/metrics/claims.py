"""Compare two sets of answers: their difference by each metric, its interval, and a verdict."""

from collections.abc import Sequence

import numpy as np

from helpers.metrics.measure import (
    Graded,
    Measured,
    difference_signature,
    score_all,
    statistic_of,
)
from helpers.metrics.scores import Score, Statistic, mean_columns, mean_from_sums, score_of

# Raised when the same answers would give another difference, interval or verdict.
VERSION = 4
# What `compare_answers` compares if not told otherwise.
AGAINST_REFERENCES = ("deltableu", "bertscore_f1", "named")
# With fewer cases than this an interval says nothing, however narrow it is.
FEWEST_CASES = 10
TOO_FEW = f"undecided: fewer than {FEWEST_CASES} cases"


def difference(key: str, first: Sequence[Measured], second: Sequence[Measured]) -> Score | None:
    """Score `second` minus `first` by one metric, with a paired bootstrap interval.

    `first` and `second` hold what was measured of one set of answers per seed. A side that has no
    seeds (nothing random in it) is given once. Pairing (Koehn 2004) takes out what makes a case
    hard for both. With several seeds the difference is their mean, and each resample draws seeds as
    well as cases; with the three that are usual here the seeds' share of the interval is a rough
    one, of the right size on average only. None if something measured has no columns.

    Raises:
        ValueError: The sides cannot be paired, or are not of the same cases in the same order.
    """
    statistic = statistic_of(key)
    if statistic is None or any(side.columns is None for side in [*first, *second]):
        return None
    pairs = _pair(first, second)
    if len({side.cases for pair in pairs for side in pair}) > 1:
        raise ValueError(f"{key} cannot be compared: it was measured on different cases")
    signature = difference_signature(key, second[0].score)
    if statistic is mean_from_sums:
        changes = [_change_of_means(*pair) for pair in pairs]
        return _over_seeds(changes, mean_from_sums, signature=signature)
    sides = [_side_by_side(*pair) for pair in pairs]
    return _over_seeds(sides, _subtract(statistic), signature=signature)


def compare_answers(
    first: Graded, second: Graded, keys: Sequence[str] = AGAINST_REFERENCES
) -> dict[str, Score]:
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


def verdict(difference: Score, *, paper: int = 0) -> str:
    """Say what the whole interval of a difference, the better side minus the other, shows.

    "better" than the other side, "worse" or "undecided". Where a paper reports a direction, given
    by its sign in `paper`: "agrees", "disagrees" or "undecided".
    """
    if difference.n < FEWEST_CASES:
        return TOO_FEW
    side = _side_of_zero(difference)
    if not side:
        return "undecided"
    if paper:
        return "agrees" if side * paper > 0 else "disagrees"
    return "better" if side > 0 else "worse"


def verdict_on_repetition(difference: Score) -> str:
    """Say whether more answers are repeated, or fewer: such a change is neither gain nor loss."""
    if difference.n < FEWEST_CASES:
        return TOO_FEW
    return {1: "more", -1: "fewer", 0: "undecided"}[_side_of_zero(difference)]


def _side_of_zero(difference: Score) -> int:
    """Return 1 if the whole interval lies above 0, -1 if below, else 0."""
    return int(difference.low > 0) - int(difference.high < 0)


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


def _change_of_means(before: Measured, after: Measured) -> np.ndarray:
    """Subtract case by case the values of two sides, whose statistic is a mean."""
    return mean_columns(_columns(after)[:, 0] - _columns(before)[:, 0])


def _side_by_side(before: Measured, after: Measured) -> np.ndarray:
    """Put the columns of two sides beside each other, (n_cases, 2 k)."""
    return np.hstack([_columns(before), _columns(after)])


def _subtract(statistic: Statistic) -> Statistic:
    """Make the statistic of `_side_by_side` that is the difference of both sides' statistics."""

    def change(sums: np.ndarray) -> np.ndarray:
        width = sums.shape[-1] // 2
        return statistic(sums[..., width:]) - statistic(sums[..., :width])

    return change


def _over_seeds(columns: Sequence[np.ndarray], score: Statistic, *, signature: str) -> Score:
    """Average a score over seeds; each resample draws cases and seeds, both with replacement.

    `columns`: per seed (n_cases, k), what each case contributes.
    """
    seeds, width = len(columns), columns[0].shape[1]
    generator = np.random.default_rng(0)

    def mean(sums: np.ndarray) -> np.ndarray:
        parts = [sums[..., seed * width : (seed + 1) * width] for seed in range(seeds)]
        by_seed = np.stack([score(part) for part in parts], axis=-1)
        if sums.ndim > 1 and seeds > 1:
            # Draws from so few seeds vary too little, by (seeds - 1) / seeds: their deviations are
            # stretched for it.
            middle = by_seed.mean(axis=-1, keepdims=True)
            by_seed = middle + (by_seed - middle) * (seeds / (seeds - 1)) ** 0.5
            drawn = generator.integers(seeds, size=by_seed.shape)
            by_seed = np.take_along_axis(by_seed, drawn, axis=-1)
        return by_seed.mean(axis=-1)

    return score_of(np.hstack(columns), mean, signature=f"{signature}|seeds:{seeds}")
