"""Score options: labels with probabilities, of which the most probable one is the answer.

They are scored where every case has a label and some answer has options. An answer without options
(a case without an image) is wrong, and says nothing of how sure the system was.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from helpers.cases import Answer, Case
from helpers.files import fingerprint
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import (
    mean_columns,
    mean_from_sums,
    score_of,
    share_score,
)
from helpers.pocket.conditions import load_conditions

# Raised by hand when the same options would score differently.
VERSION = 1
TOP = 3
BINS = 10  # of the calibration error, of equal width
METRICS = {
    "accuracy": Metric("right label", PERCENT, 1),
    "balanced_accuracy": Metric("right label, mean over labels", PERCENT, 1),
    "macro_f1": Metric("macro F1 of labels", "", 3),
    "top_3": Metric("right label among the first 3", PERCENT, 1),
    "group_accuracy": Metric("label of the right class (of 15)", PERCENT, 1),
    "calibration_error": Metric("expected calibration error", PERCENT, 1, "lower"),
}
LEFT_OUT = ("interval",)
OTHER = "other"  # the class of a label of which none is known


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    return [fingerprint([[case.id, case.label] for case in graded.cases])]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score options; {} for cases without labels, and for answers without options."""
    cases = graded.cases
    answers = [graded.answers.get(case.id, Answer(case.id, "")) for case in cases]
    if not all(case.label for case in cases) or not any(one.options for one in answers):
        return {}
    labels, said = [case.label for case in cases], [first(one) for one in answers]
    hits = [one == label for one, label in zip(said, labels)]
    found = {
        "accuracy": _share("accuracy", hits, cases),
        "top_3": _share("top_3", _among_first(labels, answers), cases),
        "balanced_accuracy": _score("balanced_accuracy", recall_columns(labels, hits), cases),
        "macro_f1": _score("macro_f1", f1_columns(labels, said), cases),
        "calibration_error": _score("calibration_error", calibration_columns(answers, hits), cases),
    }
    groups = groups_of_labels({*labels, *said} - {""})
    if OTHER not in {groups[label] for label in labels}:
        same = [groups.get(one) == groups[label] for one, label in zip(said, labels)]
        found["group_accuracy"] = _share("group_accuracy", same, cases)
    return found


def groups_of_labels(labels: Iterable[str]) -> dict[str, str]:
    """Return the class of each label, one of SkinGPT-4's 15 if it names a condition of the clinic,
    or else `OTHER`.
    """
    owners = {name: one.skin_class for one in load_conditions() for name in one.names}
    return {label: owners.get(label, OTHER) for label in labels}


def first(answer: Answer) -> str:
    """Return the most probable label; "" where there are no options."""
    return max(answer.options, key=lambda label: answer.options[label], default="")


def _among_first(labels: Sequence[str], answers: Sequence[Answer]) -> list[bool]:
    ordered = [sorted(one.options, key=lambda label: -one.options[label]) for one in answers]
    return [label in options[:TOP] for label, options in zip(labels, ordered)]


def recall_columns(labels: Sequence[str], hits: Sequence[bool]) -> np.ndarray:
    """Return what each case contributes to `mean_recall`: (n_cases, 2 labels), 0 and 1: it has the
    label, and it has it and is right.
    """
    true = _one_hot(labels, sorted({*labels}))
    return np.concatenate([true, true * np.asarray(hits)[:, None]], axis=1)


def mean_recall(sums: np.ndarray) -> np.ndarray:
    """Compute the mean share of right cases (...), over labels that occur, from sums (..., 2
    labels).
    """
    true, right = np.split(sums, 2, axis=-1)
    return (right / np.maximum(true, 1)).sum(axis=-1) / (true > 0).sum(axis=-1)


def f1_columns(labels: Sequence[str], said: Sequence[str]) -> np.ndarray:
    """Return what each case contributes to `mean_f1`: (n_cases, 3 labels), 0 and 1: it has the
    label, it is said to have it, and both.
    """
    names = sorted({*labels})
    true, named = _one_hot(labels, names), _one_hot(said, names)
    return np.concatenate([true, named, true * named], axis=1)


def mean_f1(sums: np.ndarray) -> np.ndarray:
    """Compute the mean F1 (...), over labels that occur, from sums (..., 3 labels)."""
    true, named, both = np.split(sums, 3, axis=-1)
    f1 = np.where(true > 0, 2 * both / np.maximum(true + named, 1), 0.0)
    return f1.sum(axis=-1) / (true > 0).sum(axis=-1)


def calibration_columns(answers: Sequence[Answer], hits: Sequence[bool]) -> np.ndarray:
    """Return what each case contributes to `calibration_error`: (n_cases, 3 bins): in the bin of
    its answer's probability that probability, whether it is right, and one.
    """
    columns = np.zeros((len(answers), 3, BINS))
    for row, (answer, hit) in enumerate(zip(answers, hits)):
        if answer.options:
            sure = max(answer.options.values())
            columns[row, :, min(int(sure * BINS), BINS - 1)] = sure, hit, 1
    return columns.reshape(len(answers), -1)


def calibration_error(sums: np.ndarray) -> np.ndarray:
    """Compute how far probabilities are from the shares that are right, on average (...), from sums
    (..., 3 bins): the expected calibration error of Naeini et al. 2015.
    """
    sure, right, count = np.split(sums, 3, axis=-1)
    return np.abs(sure - right).sum(axis=-1) / np.maximum(count.sum(axis=-1), 1)


def _one_hot(values: Sequence[str], names: Sequence[str]) -> np.ndarray:
    return np.array([[one == name for name in names] for one in values], dtype=float)


STATISTICS = {
    "accuracy": mean_from_sums,
    "top_3": mean_from_sums,
    "group_accuracy": mean_from_sums,
    "balanced_accuracy": mean_recall,
    "macro_f1": mean_f1,
    "calibration_error": calibration_error,
}


def _share(key: str, hits: Sequence[bool], cases: Sequence[Case]) -> Measured:
    score = share_score(hits, signature=_signature(key, "wilson"), groups=groups_of(cases))
    return Measured(score, tuple(case.id for case in cases), mean_columns(hits))


def _score(key: str, columns: np.ndarray, cases: Sequence[Case]) -> Measured:
    score = score_of(
        columns,
        STATISTICS[key],
        signature=_signature(key, "bootstrap"),
        groups=groups_of(cases),
    )
    return Measured(score, tuple(case.id for case in cases), columns)


def _signature(key: str, interval: str) -> str:
    bins = f"|bins:{BINS}" if key == "calibration_error" else ""
    return f"{key}|options{bins}|interval:{interval}|v:{VERSION}"
