"""Compare two sets of answers: their difference by each metric, its interval, and a verdict."""

from collections.abc import Callable, Mapping, Sequence

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

# The answers of one side with one seed, by case id.
Answers = Mapping[str, Answer]
# The texts of both sides with one seed, case by case.
TextPair = tuple[list[str], list[str]]


def score_differences(
    cases: Sequence[Case],
    first: Sequence[Answers],
    second: Sequence[Answers],
    *,
    encoder: str,
    language: str = "en",
) -> dict[str, Score]:
    """Score `second` minus `first` by both of the challenge's metrics, over the same cases.

    If all cases have labels, also by the share whose diagnosis is named first ("named", see
    `diagnosis`). The intervals are paired bootstrap intervals.

    `first` and `second` hold one set of answers per seed, each by case id; a missing answer counts
    as empty. A side that has no seeds (nothing random in it) is given once. Pairing (Koehn 2004)
    takes out what makes a case hard for both. With several seeds the difference is their mean, and
    each resample draws seeds as well as cases; with the three that are usual here the seeds' share
    of the interval is a rough one, of the right size on average only. Cases without references are
    left out; if no case has any, as in a challenge's test set, there is nothing to measure and
    the result is empty.
    """
    cases = [case for case in cases if case.references]
    if not cases:
        return {}
    texts = [
        (_texts(before, cases), _texts(after, cases)) for before, after in _pair(first, second)
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
    first: Sequence[Answers],
    second: Sequence[Answers],
    *,
    training: Sequence[tuple[str, str]],
) -> dict[str, Score]:
    """Score `second` minus `first` by the share of answers that are duplicates, see `duplicates`.

    Duplicates of each other and of a training answer are counted apart. Arguments as for
    `score_differences`; `training` holds (case id, text). Cases are resampled; which answers are
    duplicates is not computed anew in a resample.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for before, after in _pair(first, second):
        old = duplicate_hits(_texts_by_case(before, cases), training)
        new = duplicate_hits(_texts_by_case(after, cases), training)
        for key in COMPARED:
            if key in old:
                change = np.subtract(new[key], old[key], dtype=float)
                columns.setdefault(key, []).append(_with_count(change))
    return {
        key: _over_seeds(
            seeds,
            _mean,
            signature=f"difference of {COMPARED[key]}|near:{NEAR}|v:{DUPLICATES_VERSION}",
        )
        for key, seeds in columns.items()
    }


def _pair(first: Sequence[Answers], second: Sequence[Answers]) -> list[tuple[Answers, Answers]]:
    """Pair both sides seed by seed; a side given once is paired with every seed of the other."""
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise ValueError(f"{len(first)} and {len(second)} sets of answers cannot be paired")
    seeds = max(len(first), len(second))
    return [(first[seed % len(first)], second[seed % len(second)]) for seed in range(seeds)]


def _texts_by_case(answers: Answers, cases: Sequence[Case]) -> dict[str, str]:
    return {case.id: answers[case.id].text if case.id in answers else "" for case in cases}


def _texts(answers: Answers, cases: Sequence[Case]) -> list[str]:
    return [answers[case.id].text if case.id in answers else "" for case in cases]


def _with_count(values: np.ndarray) -> np.ndarray:
    """Put a column of ones beside values (n_cases,), so that `_mean` can divide by their number."""
    return np.column_stack([values, np.ones(len(values))])


def _mean(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def verdict_on_repetition(difference: Score) -> str:
    """Say whether more answers are repeated, or fewer: such a change is neither gain nor loss."""
    if difference.n < FEWEST_CASES:
        return f"not measured: fewer than {FEWEST_CASES} cases"
    if difference.low > 0:
        return "more"
    return "fewer" if difference.high < 0 else "no clear difference"


def verdict(difference: Score) -> str:
    """Say whether a claimed gain appears: "reproduced" only if the whole interval lies above 0."""
    if difference.n < FEWEST_CASES:
        return f"not measured: fewer than {FEWEST_CASES} cases"
    if difference.low > 0:
        return "reproduced"
    if difference.high < 0:
        return "not reproduced: the reverse"
    return "not reproduced: no clear difference"


def _deltableu_difference(
    cases: Sequence[Case], texts: Sequence[TextPair], *, language: str
) -> Score:
    references = [case.references for case in cases]
    columns = []
    for pair in texts:
        sides = [deltableu_statistics(side, references, language=language) for side in pair]
        columns.append(np.hstack(sides))
    width = columns[0].shape[1] // 2

    def difference(sums: np.ndarray) -> np.ndarray:
        return deltableu_from_sums(sums[..., width:]) - deltableu_from_sums(sums[..., :width])

    signature = "difference of " + deltableu_signature(
        references, mode="aligned", language=language
    )
    return _over_seeds(columns, difference, signature=signature)


def _bertscore_difference(
    cases: Sequence[Case], texts: Sequence[TextPair], *, encoder: str
) -> Score:
    references = [[reference.text for reference in case.references] for case in cases]
    columns, signature = [], ""
    for pair in texts:
        before, after = (bert_scores(side, references, encoder=encoder) for side in pair)
        columns.append(_with_count(after.f1 - before.f1))
        signature = f"difference of {after.signature}"
    return _over_seeds(columns, _mean, signature=signature)


def _named_difference(cases: Sequence[Case], texts: Sequence[TextPair]) -> Score:
    def name_label(side: list[str]) -> list[bool]:
        return [judge(text, case.label) == "correct" for text, case in zip(side, cases)]

    columns = []
    for before, after in texts:
        change = np.subtract(name_label(after), name_label(before), dtype=float)
        columns.append(_with_count(change))
    signature = f"difference of named|rule:first|v:{DIAGNOSIS_VERSION}"
    return _over_seeds(columns, _mean, signature=signature)


def _over_seeds(
    columns: Sequence[np.ndarray], score: Callable[[np.ndarray], np.ndarray], *, signature: str
) -> Score:
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
