"""The difference of two sets of answers by one metric, and what tells how sure it is.

Both sides answer the same cases, so what makes a case hard for both is taken out by pairing. Two
things make the difference uncertain: which cases were asked (their groups, where some belong
together), and which seeds were drawn. Each has a standard error of its own here, because more cases
lower one of them and more seeds the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot

import numpy as np

from helpers.metrics.scores import Score, Statistic, sum_by_group

LEVEL = 0.05  # how often a verdict may be given where there is no difference
POWER = 0.8  # how often a difference should be seen that a study is said to show
# A standard error that is smaller than this share of the value is what rounding leaves of 0.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Difference(Score):
    """A difference with its 95 % interval, over cases and seeds.

    Attributes:
        cases_error: its standard error over groups of cases, 0 where all changed alike.
        seeds_error: its standard error between seeds, 0 where there is one.
        groups: the number of independent groups of cases.
        seeds: the number of seeds.
    """

    cases_error: float
    seeds_error: float
    groups: int
    seeds: int

    @property
    def error(self) -> float:
        """The standard error over cases and seeds."""
        return float(np.hypot(self.cases_error, self.seeds_error))

    @property
    def df(self) -> float:
        """The degrees of freedom of the standard error (Welch 1947, Satterthwaite 1946)."""
        parts = [(self.cases_error**2, self.groups - 1), (self.seeds_error**2, self.seeds - 1)]
        below = sum(variance**2 / df for variance, df in parts if variance)
        return sum(variance for variance, _ in parts) ** 2 / below if below else self.groups - 1

    @property
    def p(self) -> float:
        """The two-sided p value of no difference, by Student's t.

        Where every group changed alike there is no spread to compare with. Then it is that of the
        sign test: how probable it is that all go the same way, if either way is as likely.
        """
        from scipy.special import stdtr

        if self.error <= ROUNDING * abs(self.value):
            return 2.0 ** (1 - self.groups) if self.value else 1.0
        return float(2 * stdtr(self.df, -abs(self.value) / self.error))

    def could_show(self, level: float = LEVEL) -> float:
        """The smallest true difference that is seen with the probability `POWER` at a level of p.

        nan where nothing varied: then how sure a difference would be is not known.
        """
        error = self.error
        return error * _smallest_effect(self.df, level) if error else float("nan")


def difference_of(
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    statistic: Statistic,
    *,
    signature: str,
    groups: Sequence[str] = (),
) -> Difference:
    """Compute `after` minus `before`, the mean over seeds.

    The error over cases is the jackknife's that leaves out one group at a time, of the mean over
    seeds; for means of cases that are alone it is the paired t test's. The error between seeds is
    that of the mean of their differences. The variances are added: what a case does with one seed
    alone is in both, so that the sum is rather too large than too small. With three seeds the
    second one is rough, which the degrees of freedom pay for.

    Args:
        before, after: per seed (n_cases, k), what each case contributes to the side's statistic.
        statistic: from sums over cases (..., k) to values (...).
        groups: the group of each case, () where each is alone.
    """
    n = len(after[0])
    sides = [[sum_by_group(rows, groups) for rows in side] for side in (before, after)]
    by_seed = _changes([[rows.sum(axis=0) for rows in side] for side in sides], statistic)
    errors = _error_of_groups(sides, statistic), _error_of_mean(by_seed)
    value, counts = float(by_seed.mean()), (len(sides[0][0]), len(by_seed))
    found = Difference(value, value, value, n, signature, *errors, *counts)
    half = found.error * _quantile(1 - LEVEL / 2, found.df) if found.error else 0.0
    return replace(found, low=value - half, high=value + half)


def _changes(sides: Sequence[Sequence[np.ndarray]], statistic: Statistic) -> np.ndarray:
    """Return per seed the statistic of the second side minus that of the first, (seeds, ...)."""
    before, after = (np.stack([statistic(sums) for sums in side]) for side in sides)
    return after - before


def _error_of_groups(sides: Sequence[Sequence[np.ndarray]], statistic: Statistic) -> float:
    """Compute the jackknife's standard error over groups (Efron and Stein 1981); 0 for one group.

    `sides`: of each side per seed (n_groups, k).
    """
    groups = len(sides[0][0])
    if groups == 1:
        return 0.0
    without = [[rows.sum(axis=0) - rows for rows in side] for side in sides]
    left_out = _changes(without, statistic).mean(axis=0)
    return float(np.sqrt(((left_out - left_out.mean()) ** 2).sum() * (groups - 1) / groups))


def _error_of_mean(values: np.ndarray) -> float:
    """Compute the standard error of a mean of values (n,); 0 for one value."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def _quantile(share: float, df: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, share))


def _smallest_effect(df: float, level: float) -> float:
    """Compute how many standard errors a difference must be away from 0 to be seen with `POWER`.

    Exact, by the noncentral t distribution: the sum of two quantiles that textbooks give is a fifth
    too small where two degrees of freedom meet a small level.
    """
    from scipy.special import nctdtrinc

    return float(nctdtrinc(df, 1 - POWER, _quantile(1 - level / 2, df)))


def share_gap(first: Score, second: Score) -> tuple[float, float, float]:
    """Subtract the second share from the first one, which are of different cases; return value, low
    and high of the 95 % interval, from those of the shares (Newcombe 1998, method 10).
    """
    value = first.value - second.value
    below = hypot(first.value - first.low, second.high - second.value)
    above = hypot(first.high - first.value, second.value - second.low)
    return value, value - below, value + above
