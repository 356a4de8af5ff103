"""What a metric is called, in which unit it is shown, with how many digits, and which way is
better.

Each module that measures has its own `METRICS`, by key; `table` puts them together. metrics.json
files, tables and figures name a metric by its key, whatever the language of the answers.
"""

import re
from dataclasses import dataclass
from typing import Literal

from helpers.metrics.scores import Score

PERCENT = "%"


@dataclass(frozen=True)
class Metric:
    """How a metric is shown; a metric whose unit is "%" is a share, kept as 0 to 1."""

    label: str
    unit: str = ""
    digits: int = 2
    better_when: Literal["higher", "lower", ""] = "higher"

    @property
    def header(self) -> str:
        """Label and unit, as a column or an axis is called."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def difference_header(self) -> str:
        """Label and unit of a difference of two scores."""
        return f"{self.label} (% points)" if self.unit == PERCENT else self.label

    @property
    def scale(self) -> float:
        """What a value is multiplied by to be shown."""
        return 100.0 if self.unit == PERCENT else 1.0

    def format(self, score: Score | float) -> str:
        """Write a score with its interval, or a bare value; the unit stands in the header."""
        return self._format(score, f".{self.digits}")

    def format_difference(self, score: Score | float) -> str:
        """Write a difference with its signs, and with one digit more than a score."""
        return self._format(score, f"+.{self.digits + 1}")

    def _format(self, score: Score | float, spec: str) -> str:
        if self.unit == PERCENT:
            return format(score, f"{spec}%").replace("%", "")
        return format(score, f"{spec}f")


# What records of earlier versions call a metric.
_OLD_NAMES = {
    "deltaBLEU": "deltableu",
    "BERTScore": "bertscore_f1",
    "BERTScore F1": "bertscore_f1",
    "BERTScore_precision": "bertscore_precision",
    "BERTScore_recall": "bertscore_recall",
    "diagnosis named": "named",
    "repeated exactly": "repeated_exactly",
    "from training": "from_training",
}


def metric_key(name: str) -> str:
    """Return the key of a metric that a record names in whatever way.

    Earlier records put the language behind it ("deltableu_en"); before it may stand what was
    measured ("int8: deltaBLEU").
    """
    form, colon, plain = name.rpartition(": ")
    plain = re.sub("_(en|zh|es)$", "", plain)
    return f"{form}{colon}{_OLD_NAMES.get(plain, plain)}"
