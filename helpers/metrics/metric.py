"""What a metric is called, in which unit it is shown, with how many digits, and which way is
better.

Each module that measures has its own `METRICS`, by key; `table` puts them together. metrics.json
files, tables and figures name a metric by its key, whatever the language of the answers.
"""

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
