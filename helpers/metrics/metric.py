"""What every metric is called, in which unit it is shown, with how many digits, and which way is
better.

`METRICS` is the one table of it: metrics.json files, tables and figures name a metric by its key
here, whatever the language of the answers.
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


METRICS = {
    # against references
    "deltableu": Metric("deltaBLEU", "0 to 100", 2),
    "bertscore_f1": Metric("BERTScore F1", "0 to 1", 3),
    "bertscore_precision": Metric("BERTScore precision", "0 to 1", 3),
    "bertscore_recall": Metric("BERTScore recall", "0 to 1", 3),
    "named": Metric("diagnosis named", PERCENT, 0),
    # what answers are like
    "distinct": Metric("distinct", PERCENT, 0),
    "copies": Metric("copies of training answers", PERCENT, 0, "lower"),
    "unfinished": Metric("unfinished", PERCENT, 0, "lower"),
    "empty": Metric("empty", PERCENT, 0, "lower"),
    "words": Metric("words", "mean", 1, ""),
    "repeated": Metric("near another answer", PERCENT, 0, "lower"),
    "repeated_exactly": Metric("equal to another answer", PERCENT, 0, "lower"),
    "from_training": Metric("near a training answer", PERCENT, 0, "lower"),
    # captions
    "failed": Metric("failed", PERCENT, 0, "lower"),
    "concept_precision": Metric("precision of findings", PERCENT, 0),
    "concept_recall": Metric("recall of findings", PERCENT, 0),
    "share": Metric("share", PERCENT, 0, ""),  # of the cases that a person has judged
    # costs
    "seconds": Metric("time", "s each", 3, "lower"),
    "tokens_per_second": Metric("speed", "tokens/s", 0),
    "same_answers": Metric("same answers", PERCENT, 0),
    "weights_mb": Metric("weights", "MB", 2, "lower"),
    "load_mb": Metric("memory to load", "MB", 0, "lower"),
    "answer_mb": Metric("memory to answer", "MB", 0, "lower"),
    "train_minutes": Metric("training", "min", 1, "lower"),
    "peak_memory_gb": Metric("peak memory of training", "GB", 2, "lower"),
}

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
    """Return the key in `METRICS` of a metric that a record names in whatever way.

    Earlier records put the language behind it ("deltableu_en"); before it may stand what was
    measured ("int8: deltaBLEU").
    """
    form, colon, plain = name.rpartition(": ")
    plain = re.sub("_(en|zh|es)$", "", plain)
    return f"{form}{colon}{_OLD_NAMES.get(plain, plain)}"
