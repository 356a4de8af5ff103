"""What a recorded study can show, as a table for reading."""

from collections.abc import Iterable
from math import isnan

from helpers.experiments.power import Power
from helpers.metrics.power import Need
from helpers.metrics.table import METRICS
from helpers.report.plain import aligned

NUMBERS = ("difference", "can show", "cases", "seeds")


def power_table(found: Iterable[Power]) -> list[str]:
    """Return the lines of a table with a row for each claim and metric, differences in its unit."""
    rows = [_row(one) for one in found]
    return aligned({header: [row[header] for row in rows] for header in rows[0]}, NUMBERS)


def _row(found: Power) -> dict[str, str]:
    one = found.verdict
    metric = METRICS[one.metric]
    could_show = metric.format_difference(one.could_show)
    return {
        "claim": one.says,
        "metric": metric.difference_header,
        "data": one.dataset,
        "difference": metric.format_difference(one.score.value),
        "can show": "unknown" if isnan(one.could_show) else could_show.removeprefix("+"),
        "cases": str(one.score.n),
        "seeds": str(one.seeds),
        "for half": _what(found.half, one.seeds),
    }


def _what(half: Need | None, seeds: int) -> str:
    if not half:
        return "unknown: nothing varied"
    return f"{half.cases} cases" + (f", {half.seeds} seeds" if half.seeds != seeds else "")
