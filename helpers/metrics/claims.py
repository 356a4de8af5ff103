"""A paper's claim beside what we measure: the difference of two sets of answers, its interval, and
a verdict.
"""

from collections.abc import Callable, Sequence

import numpy as np

from helpers.cases import Answer, Case
from helpers.metrics.bertscore import bert_scores
from helpers.metrics.deltableu import deltableu_from_sums, deltableu_signature, deltableu_statistics
from helpers.metrics.diagnosis import VERSION as DIAGNOSIS_VERSION
from helpers.metrics.diagnosis import judge
from helpers.metrics.duplicates import NEAR, duplicate_hits
from helpers.metrics.duplicates import VERSION as DUPLICATES_VERSION
from helpers.metrics.scores import Score, score_of

# Raised when the same answers would give another difference, interval or verdict.
VERSION = 3
# The shares of duplicates that are compared, by key, and what signatures call them.
COMPARED = {"repeated": "repeated", "from_training": "from training"}
# With fewer cases than this an interval says nothing, however narrow it is.
FEWEST_CASES = 10


def score_differences(
    cases: Sequence[Case],
    first: Sequence[dict[str, Answer]],
    second: Sequence[dict[str, Answer]],
    *,
    encoder: str,
    language: str = "en",
) -> dict[str, Score]:
    """`second` minus `first` by both of the challenge's metrics, with paired bootstrap intervals
    over the same cases; and, where cases have labels, by the share whose diagnosis is named first
    ("named", see `diagnosis`).

    `first` and `second` hold one set of answers per seed, each by case id; a missing answer counts
    as empty. A side that has no seeds (nothing random in it) is given once. Pairing (Koehn 2004)
    takes out what makes a case hard for both. With several seeds the difference is their mean, and
    each resample draws seeds as well as cases; with the three that are usual here the seeds' share
    of the interval is a rough one, of the right size on average only. Cases without references are
    left out; where no case has any, as in a challenge's test set, there is nothing to measure and
    the result is empty.
    """
    cases = [case for case in cases if case.references]
    if not cases:
        return {}
    pairs = _paired(first, second)
    texts = [
        [
            [answers[case.id].text if case.id in answers else "" for case in cases]
            for answers in pair
        ]
        for pair in pairs
    ]
    found = {
        "deltableu": _deltableu_difference(cases, texts, language=language),
        "bertscore_f1": _bertscore_difference(cases, texts, encoder=encoder),
    }
    if all(case.label for case in cases):
        found["named"] = _named_difference(cases, texts)
    return found


def duplicate_differences(
    cases: Sequence[Case],
    first: Sequence[dict[str, Answer]],
    second: Sequence[dict[str, Answer]],
    *,
    training: Sequence[tuple[str, str]],
) -> dict[str, Score]:
    """`second` minus `first` by the share of answers that repeat each other, or a training answer
    (see `duplicates`).

    Arguments as for `score_differences`; `training` holds (case id, text). The bootstrap draws cases, not
    their duplicates,
    anew: an answer stays the duplicate that it was among all.
    """
    columns: dict[str, list] = {}
    for pair in _paired(first, second):
        before, after = (
            duplicate_hits(
                {case.id: answers[case.id].text if case.id in answers else "" for case in cases},
                training,
            )
            for answers in pair
        )
        for key in COMPARED:
            if key in before:
                change = np.subtract(after[key], before[key], dtype=float)
                columns.setdefault(key, []).append(np.column_stack([change, np.ones(len(cases))]))
    return {
        key: _over_seeds(
            seeds,
            lambda sums: sums[..., 0] / sums[..., 1],
            signature=f"difference of {COMPARED[key]}|near:{NEAR}|v:{DUPLICATES_VERSION}",
        )
        for key, seeds in columns.items()
    }


def _paired(first: Sequence, second: Sequence) -> list[tuple]:
    """Both sides seed by seed; a side given once stands beside every seed of the other."""
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise ValueError(f"{len(first)} and {len(second)} sets of answers cannot be paired")
    seeds = max(len(first), len(second))
    return [(first[seed % len(first)], second[seed % len(second)]) for seed in range(seeds)]


def verdict_on_repetition(difference: Score) -> str:
    """Whether more answers are repeated, or fewer; neither is what a claim of a gain claims."""
    if difference.n < FEWEST_CASES:
        return f"not measured: fewer than {FEWEST_CASES} cases"
    return (
        "more" if difference.low > 0 else "fewer" if difference.high < 0 else "no clear difference"
    )


def verdict(difference: Score) -> str:
    """Whether a claimed gain appears: "reproduced" only where the whole interval lies above 0."""
    if difference.n < FEWEST_CASES:
        return f"not measured: fewer than {FEWEST_CASES} cases"
    if difference.low > 0:
        return "reproduced"
    if difference.high < 0:
        return "not reproduced: the reverse"
    return "not reproduced: no clear difference"


def _deltableu_difference(
    cases: list[Case], texts: list[list[list[str]]], *, language: str
) -> Score:
    references = [case.references for case in cases]
    columns = [
        np.hstack([deltableu_statistics(side, references, language=language) for side in pair])
        for pair in texts
    ]
    width = columns[0].shape[1] // 2

    def difference(sums: np.ndarray) -> np.ndarray:
        return deltableu_from_sums(sums[..., width:]) - deltableu_from_sums(sums[..., :width])

    signature = "difference of " + deltableu_signature(
        references, mode="aligned", language=language
    )
    return _over_seeds(columns, difference, signature=signature)


def _bertscore_difference(
    cases: list[Case], texts: list[list[list[str]]], *, encoder: str
) -> Score:
    references = [[reference.text for reference in case.references] for case in cases]
    columns, signature = [], ""
    for pair in texts:
        before, after = (bert_scores(side, references, encoder=encoder) for side in pair)
        columns.append(np.column_stack([after.f1 - before.f1, np.ones(len(cases))]))
        signature = "difference of " + after.signature
    return _over_seeds(columns, lambda sums: sums[..., 0] / sums[..., 1], signature=signature)


def _named_difference(cases: list[Case], texts: list[list[list[str]]]) -> Score:
    columns = []
    for pair in texts:
        before, after = (
            [judge(text, case.label) == "correct" for text, case in zip(side, cases)]
            for side in pair
        )
        columns.append(
            np.column_stack([np.subtract(after, before, dtype=float), np.ones(len(cases))])
        )
    signature = f"difference of named|rule:first|v:{DIAGNOSIS_VERSION}"
    return _over_seeds(columns, lambda sums: sums[..., 0] / sums[..., 1], signature=signature)


def _over_seeds(
    columns: list[np.ndarray], score: Callable[[np.ndarray], np.ndarray], *, signature: str
) -> Score:
    """The mean over seeds of a score; in the bootstrap each resample of cases draws seeds too, with
    replacement.

    `columns`: per seed (n_cases, k), what each case contributes.
    """
    seeds, width = len(columns), columns[0].shape[1]
    generator = np.random.default_rng(0)

    def mean(sums: np.ndarray) -> np.ndarray:
        by_seed = np.stack(
            [score(sums[..., seed * width : (seed + 1) * width]) for seed in range(seeds)], axis=-1
        )
        if sums.ndim > 1 and seeds > 1:
            # Draws from so few seeds vary too little, by (seeds - 1) / seeds: their deviations are
            # stretched for it.
            middle = by_seed.mean(axis=-1, keepdims=True)
            by_seed = middle + (by_seed - middle) * (seeds / (seeds - 1)) ** 0.5
            by_seed = np.take_along_axis(
                by_seed, generator.integers(seeds, size=by_seed.shape), axis=-1
            )
        return by_seed.mean(axis=-1)

    return score_of(np.hstack(columns), mean, signature=f"{signature}|seeds:{seeds}")
