"""What answers cost: time, memory and training; most of it is measured where the work is done."""

import numpy as np

from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import mean_score

# Raised by hand when the meaning of what `measure` gives changes.
VERSION = 1
METRICS = {
    "seconds": Metric("time", "s each", 3, "lower"),
    "tokens_per_second": Metric("speed", "tokens/s", 0),
    "same_answers": Metric("same answers", PERCENT, 0),
    "weights_mb": Metric("weights", "MB", 2, "lower"),
    "load_mb": Metric("memory to load", "MB", 0, "lower"),
    "answer_mb": Metric("memory to answer", "MB", 0, "lower"),
    "train_minutes": Metric("training", "min", 1, "lower"),
    "peak_memory_gb": Metric("peak memory of training", "GB", 2, "lower"),
    "share": Metric("share", PERCENT, 0, ""),  # of the cases that a person has judged
}


def depends_on(graded: Graded) -> list:
    """List what the score depends on besides the answers: nothing."""
    return []


def measure(graded: Graded) -> dict[str, Measured]:
    """Score the mean time of the answers that a model generated; {} where none was."""
    answers = graded.answers
    cases = [case for case in graded.cases if case.id in answers and answers[case.id].tokens]
    if not cases:
        return {}
    seconds = np.array([answers[case.id].seconds for case in cases])
    signature = "seconds|share of its batch"
    return {"seconds": Measured(mean_score(seconds, signature=signature, groups=groups_of(cases)))}
