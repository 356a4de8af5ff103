"""What recorded studies can show, as rows for reading."""

from collections.abc import Iterable
from math import isnan

from helpers.experiments.power import Power
from helpers.metrics.power import Need
from helpers.metrics.table import METRICS


def list_power(found: Iterable[Power]) -> list[dict[str, str]]:
    """Return a row for each claim and metric; differences are in the metric's unit."""
    return list(map(_row, found))


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
