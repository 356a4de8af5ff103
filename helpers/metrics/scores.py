"""A score with its 95 % interval: value, interval, number of cases and the settings it was made
with.

Every metric of the lab is a function of sums over cases, so one bootstrap serves them all: draw the
cases anew with replacement, add up what each case contributes, and score the sums. Shares have
Wilson's interval. Cases that share something, such as one patient, resemble each other: where
groups of them are given, whole groups are drawn, and a share counts fewer cases.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Resampling counts are drawn in blocks of about this many numbers (8 bytes each), whatever the
# number of cases.
BLOCK = 2_000_000
# The standard normal quantile of a two-sided 95 % interval.
Z = 1.959964


# Computes values (...) from sums over cases (..., k).
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Score:
    """One measured value, the 95 % interval over cases, how many cases it rests on, and how it was
    computed.
    """

    value: float
    low: float
    high: float
    n: int
    signature: str

    def __format__(self, spec: str) -> str:
        """Write value and interval, each by `spec`: f"{score:.2f}" is "4.58 [2.38, 8.10]".

        ".3f" with a sign ("+.3f") is for differences, ".0%" for shares in per cent.
        """
        if not spec:
            return str(self)
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def as_dict(self) -> dict:
        """The form that a run's metrics.json holds."""
        return {
            "value": self.value,
            "interval": [self.low, self.high],
            "n": self.n,
            "signature": self.signature,
        }

    @staticmethod
    def from_dict(entry: Mapping) -> "Score":
        """Read the form that `as_dict` writes; what else an entry holds is left aside."""
        low, high = map(float, entry["interval"])
        return Score(float(entry["value"]), low, high, int(entry["n"]), str(entry["signature"]))


def mean_over_runs(scores: Sequence[Score]) -> Score:
    """The mean value and the mean interval of one metric over runs of several seeds.

    The interval is still one over cases: it does not tell how far seeds lie apart. `scores` holds
    at least one; `n` is the number of cases of a run, the smallest where they differ.
    """
    count = len(scores)
    signature = scores[0].signature
    return Score(
        value=sum(score.value for score in scores) / count,
        low=sum(score.low for score in scores) / count,
        high=sum(score.high for score in scores) / count,
        n=min(score.n for score in scores),
        signature=f"{signature}|mean of {count} runs" if count > 1 else signature,
    )


def bootstrap_interval(
    statistics: np.ndarray,
    score: Statistic,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a score over cases (Efron and Tibshirani 1993,
    chapter 13).

    `statistics`: (n_cases, k), what each case contributes. `score`: takes sums of shape (..., k)
    and returns scores of shape (...). Returns (low, high), the 2.5th and 97.5th percentile over the
    resamples. The same seed and number of cases draw the same resamples. Rows must be independent:
    several about one patient are summed first, see `sum_by_group`.
    """
    n = len(statistics)
    generator = np.random.default_rng(seed)
    rows = max(1, BLOCK // n)
    scores = []
    for start in range(0, resamples, rows):
        # How often each case is drawn: the same as drawing n cases with replacement, but one matrix
        # product.
        counts = generator.multinomial(n, np.full(n, 1 / n), size=min(rows, resamples - start))
        scores.append(score(counts.astype(float) @ statistics))
    low, high = np.percentile(np.concatenate(scores), [2.5, 97.5])
    return float(low), float(high)


def score_of(
    statistics: np.ndarray,
    score: Statistic,
    *,
    signature: str,
    seed: int = 0,
    groups: Sequence[str] = (),
) -> Score:
    """The score of all cases together, with its bootstrap interval.

    `statistics` and `score` are as for `bootstrap_interval`; `signature` states the settings;
    `groups` names the group of each case, () where each is alone.
    """
    low, high = bootstrap_interval(sum_by_group(statistics, groups), score, seed=seed)
    value = float(score(statistics.sum(axis=0)))
    signature = sign_groups(signature, len(statistics), groups)
    return Score(value=value, low=low, high=high, n=len(statistics), signature=signature)


def mean_score(
    values: np.ndarray, *, signature: str, seed: int = 0, groups: Sequence[str] = ()
) -> Score:
    """The mean of one value per case, with its bootstrap interval; `values`: (n_cases,)."""
    columns = mean_columns(values)
    return score_of(columns, mean_from_sums, signature=signature, seed=seed, groups=groups)


def share_score(hits: Sequence[bool], *, signature: str, groups: Sequence[str] = ()) -> Score:
    """The share of true values (0 to 1) with its Wilson interval, which stays sensible where all or
    none are true; `groups` as for `score_of`.
    """
    count, n = sum(hits), len(hits)
    low, high = share_interval(hits, groups)
    signature = sign_groups(signature, n, groups)
    return Score(value=count / n, low=low, high=high, n=n, signature=signature)


def share_interval(hits: Sequence[bool], groups: Sequence[str] = ()) -> tuple[float, float]:
    """The 95 % Wilson interval of the share of true values; `groups` as for `score_of`.

    Cases in groups count as the fewer independent ones that would be as sure of the share (Rao and
    Scott 1992): their number is divided by the design effect, the variance over groups over that of
    as many independent cases. Where all or none are true the hits do not show how alike a group is;
    each group then counts once.
    """
    count, n = sum(hits), len(hits)
    if not _are_shared(groups, n):
        return wilson_interval(count, n)
    share, sums = count / n, sum_by_group(mean_columns(hits), groups)
    of = len(sums)
    if of == 1 or count in (0, n):
        return wilson_interval(share * of, of)
    spread = ((sums[:, 0] - share * sums[:, 1]) ** 2).sum() * of / (of - 1) / n**2
    effect = max(1.0, spread * (n - 1) / (share * (1 - share)))
    return wilson_interval(count / effect, n / effect)


def sum_by_group(rows: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Add up the rows (n_cases, k) of each group, by first appearance: (n_groups, k).

    Without groups, or where each case is alone, the rows are as they were.
    """
    if not _are_shared(groups, len(rows)):
        return rows
    places = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(places), rows.shape[1]))
    np.add.at(sums, [places[name] for name in groups], rows)
    return sums


def sign_groups(signature: str, n: int, groups: Sequence[str]) -> str:
    """Say in the signature of a score of `n` cases in how many groups they are, if in fewer."""
    return f"{signature}|groups:{len(set(groups))}" if _are_shared(groups, n) else signature


def _are_shared(groups: Sequence[str], n: int) -> bool:
    """Tell whether some of `n` cases share a group."""
    return 0 < len(set(groups)) < n


def wilson_interval(count: float, n: float) -> tuple[float, float]:
    """The 95 % score interval of a share `count` / `n` (Wilson 1927), within 0 and 1; `n` is at
    least 1.
    """
    share, spread = count / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = (spread * share * (1 - share) + spread * spread / 4) ** 0.5 / (1 + spread)
    # Rounding must not leave the value itself outside: at 0 and n the bounds are exactly 0 and 1.
    return (0.0 if count == 0 else middle - half), (1.0 if count == n else middle + half)


def mean_columns(values: Sequence[float] | Sequence[bool] | np.ndarray) -> np.ndarray:
    """Put ones beside one value per case, (n_cases, 2), so that sums of it give a mean."""
    return np.column_stack([np.asarray(values, dtype=float), np.ones(len(values))])


def mean_from_sums(sums: np.ndarray) -> np.ndarray:
    """Compute means (...) from sums (..., 2) over `mean_columns`."""
    return sums[..., 0] / sums[..., 1]
