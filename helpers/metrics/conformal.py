"""Conformal sets: so many labels that the right one is among them as often as is promised.

Calibrated on cases that nothing was learnt from (split conformal prediction, Vovk et al. 2005;
labels whose probability is above a threshold, Sadinle et al. 2019), by MAPIE. The promise is one of
all cases together: a part of them, such as one skin tone, may get less.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from helpers.cases import Answer, Case
from helpers.files import LabError

FEWEST = 20  # cases to calibrate on


def conformal_sets(
    known: Sequence[Case],
    answers: Mapping[str, Answer],
    cases: Sequence[Case],
    asked: Mapping[str, Answer],
    *,
    coverage: float = 0.9,
) -> dict[str, list[str]]:
    """Return the labels of each case's set, most probable first; a set may be empty.

    Args:
        known: cases with labels to calibrate on, and their `answers` with options.
        cases: those that get sets, and what is `asked` of them.
        coverage: how often the right label shall be in the set, above 0 and below 1.
    Raises:
        LabError: there are too few cases to calibrate on, or `coverage` is no share.
    """
    usable = [case for case in known if case.label in _options(answers, case)]
    if len(usable) < FEWEST or not 0 < coverage < 1:
        raise LabError(
            f"Sets of a coverage of {coverage} were to be calibrated on {len(usable)} cases with a "
            f"known label and options, but it takes {FEWEST}, and a share above 0 and below 1: "
            "give more cases."
        )
    labels = sorted({label for case in usable for label in _options(answers, case)})
    model = _calibrated(labels, _rows(labels, usable, answers), usable, coverage)
    _, sets = model.predict_set(_rows(labels, cases, asked))
    found = {}
    for case, chosen in zip(cases, sets[:, :, 0]):
        options = _options(asked, case)
        inside = [label for label, is_in in zip(labels, chosen) if is_in]
        found[case.id] = sorted(inside, key=lambda label: -options.get(label, 0.0))
    return found


def _calibrated(
    labels: Sequence[str], rows: np.ndarray, cases: Sequence[Case], coverage: float
) -> Any:
    """Return MAPIE's classifier of these probabilities, which has seen the labels of the cases."""
    # Late: it takes a while.
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        """A classifier whose input are the probabilities themselves."""

        classes_ = np.arange(len(labels))
        is_fitted_ = True

        def fit(self, rows, targets):
            return self

        def predict_proba(self, rows):
            return np.asarray(rows)

        def predict(self, rows):
            return np.asarray(rows).argmax(axis=1)

    model = SplitConformalClassifier(
        estimator=Given(), confidence_level=coverage, conformity_score="lac", prefit=True
    )
    places = {label: place for place, label in enumerate(labels)}
    return model.conformalize(rows, np.array([places[case.label] for case in cases]))


def _rows(
    labels: Sequence[str], cases: Sequence[Case], answers: Mapping[str, Answer]
) -> np.ndarray:
    """Return the probabilities (cases, labels), each row adding up to 1."""
    rows = np.array(
        [[_options(answers, case).get(label, 0.0) for label in labels] for case in cases]
    )
    return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9)


def _options(answers: Mapping[str, Answer], case: Case) -> Mapping[str, float]:
    return answers[case.id].options if case.id in answers else {}
