"""What a comparison needs to show a smaller difference: more cases, or more seeds as well."""

from dataclasses import dataclass, replace
from math import ceil

from helpers.metrics.differences import Difference

# Numbers of cases are tried in steps of 5 %, up to fifty times those that there are.
STEP, MOST = 1.05, 50
# With four times the cases and four times the seeds every error is half as large.
ENOUGH = 4


@dataclass(frozen=True)
class Need:
    """How many cases, each with how many seeds, a comparison needs."""

    cases: int
    seeds: int


def what_it_takes(found: Difference, smallest: float, level: float) -> Need | None:
    """Tell what it takes until a difference as small as `smallest` can be shown at a level of p.

    More cases with the same seeds, if that is enough. More cases leave the error between seeds as
    it is, so it may not be: then the fewest seeds with which four times the cases at most will do.
    None where nothing varied, so that nobody can tell.

    Args:
        smallest: half of what the comparison can show now, or more.
    """
    if not found.error:
        return None
    cases = _cases_needed(found, found.seeds, MOST, smallest, level)
    if cases:
        return Need(cases, found.seeds)
    for seeds in range(found.seeds + 1, found.seeds * ENOUGH):
        if cases := _cases_needed(found, seeds, ENOUGH, smallest, level):
            return Need(cases, seeds)
    return Need(found.n * ENOUGH, found.seeds * ENOUGH)


def _cases_needed(
    found: Difference, seeds: int, most: float, smallest: float, level: float
) -> int | None:
    """Find the fewest cases that will do with these seeds; None if `most` times as many do not."""
    times = 1.0
    while times <= most:
        if _with_more(found, times, seeds).could_show(level) <= smallest:
            return ceil(found.n * times)
        times *= STEP
    return None


def _with_more(found: Difference, times: float, seeds: int) -> Difference:
    """Return a difference as it should be with more cases and seeds that vary like these."""
    return replace(
        found,
        cases_error=found.cases_error / times**0.5,
        seeds_error=found.seeds_error * (found.seeds / seeds) ** 0.5,
        groups=round(found.groups * times),
        seeds=seeds,
    )
