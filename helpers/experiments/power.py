"""What a recorded study can show: the smallest difference for each of its claims, and what it would
take to show half of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan

from helpers.experiments.recorded import read_study
from helpers.experiments.verdicts import Verdict
from helpers.files import LabError
from helpers.metrics.power import Need, what_it_takes
from helpers.metrics.table import METRICS

HEADERS = ("claim", "metric", "data", "difference", "can show", "cases", "seeds", "for half")


@dataclass(frozen=True)
class Power:
    """What one claim can show by one metric.

    Attributes:
        verdict: the claim, its difference, and the smallest one that it could have shown.
        half: what it takes to show half of that; None where nothing varied, so that it is unknown.
    """

    verdict: Verdict
    half: Need | None


def power_of(name: str) -> list[Power]:
    """Compute what a recorded study can show, from what each case contributes to its scores.

    Raises:
        LabError: the study is not recorded, makes no claims, or lacks runs or cases.
    """
    study = read_study(name)
    if not study.verdicts:
        raise LabError(
            f"The study {name!r} makes no claims, so there is no difference that it could show."
        )
    return [Power(one, _half(one)) for one in study.verdicts_again()]


def _half(one: Verdict) -> Need | None:
    return what_it_takes(one.score, one.could_show / 2, one.level)


def power_rows(found: Iterable[Power]) -> list[tuple[str, ...]]:
    """Return rows for reading, with `HEADERS` first; differences in the metric's unit."""
    return [HEADERS, *map(_row, found)]


def _row(found: Power) -> tuple[str, ...]:
    one = found.verdict
    metric = METRICS[one.metric]
    could_show = metric.format_difference(one.could_show)
    return (
        one.says,
        metric.difference_header,
        one.dataset,
        metric.format_difference(one.score.value),
        "unknown" if isnan(one.could_show) else could_show.removeprefix("+"),
        str(one.score.n),
        str(one.seeds),
        _what(found.half, one.seeds),
    )


def _what(half: Need | None, seeds: int) -> str:
    if not half:
        return "unknown: nothing varied"
    return f"{half.cases} cases" + (f", {half.seeds} seeds" if half.seeds != seeds else "")


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table of texts; columns stand two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
