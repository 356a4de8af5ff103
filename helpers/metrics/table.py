"""The one table of what every metric is called and how it is shown, put together from the modules.

Tables and figures look a metric up here by its key.
"""

from helpers.metrics.measure import list_modules
from helpers.metrics.metric import Metric

# The modules whose metrics come first, in this order; the others follow by name.
FIRST = (
    "deltableu",
    "bertscore",
    "diagnosis",
    "answers",
    "duplicates",
    "captions",
    "concepts",
    "costs",
)


def collect_metrics() -> dict[str, Metric]:
    """Collect the metrics that each module of this package declares in its `METRICS`.

    Raises:
        ValueError: Two modules declare the same key.
    """
    declared = {
        module.__name__.rpartition(".")[2]: getattr(module, "METRICS", {})
        for module in list_modules()
        if module.__name__ != __name__
    }
    found: dict[str, Metric] = {}
    for name in sorted(declared, key=_place):
        if doubled := found.keys() & declared[name].keys():
            raise ValueError(f"{name} declares {sorted(doubled)}, as another module does")
        found |= declared[name]
    return found


def _place(module: str) -> tuple[int, str]:
    return (FIRST.index(module) if module in FIRST else len(FIRST), module)


METRICS = collect_metrics()
