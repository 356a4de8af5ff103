"""Score answers that say which of SKINCON's concepts a picture shows: SkinGPT-4's first step.

`concepts` scores captions of any images. Here concepts are what is asked for, so that an answer is
right or wrong by them alone, and sets of answers can be compared. Gaps are those of
`concepts.named_concepts`: a denied concept does not count, nor does a word that is in no table.
"""

from collections.abc import Sequence

import numpy as np

from helpers.cases import Case
from helpers.data.skincon import concept_sentence
from helpers.files import fingerprint
from helpers.metrics import concepts
from helpers.metrics.concepts import named_concepts, words_id
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import Statistic, score_of

# Raised by hand when the same answers would score differently; `concepts` has a version, too.
VERSION = 1
METRICS = {
    "concept_f1": Metric("F1 of concepts", "", 3),
    "named_concepts_right": Metric("named concepts that are right", PERCENT, 1),
    "true_concepts_named": Metric("true concepts that are named", PERCENT, 1),
}
LEFT_OUT = ("words", "interval")
RIGHT, NAMED, TRUE = range(3)  # columns of `concept_columns`
# What right concepts are held against: both give F1, one precision or recall.
AGAINST = {
    "concept_f1": (NAMED, TRUE),
    "named_concepts_right": (NAMED,),
    "true_concepts_named": (TRUE,),
}


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    asked = [[case.id, case.concepts, _texts(case)] for case in graded.cases]
    return [concepts.VERSION, words_id(), graded.language, fingerprint(asked)]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score English answers about concepts: F1, precision and recall, each a micro average over all
    pictures and concepts (0 to 1) with a bootstrap interval; {} for other cases.

    Cases are about concepts if each has one right answer, the sentence with its own concepts
    (`skincon.concept_sentence`), also where that says that it shows none. So the clinic's cases are
    left alone: their concepts are noted, but right answers are its doctors'. A score with nothing
    to divide by is left out, such as the precision of answers that name no concept.
    """
    cases = graded.cases
    if graded.language != "en" or not cases or not all(map(_asks_for_concepts, cases)):
        return {}
    columns = concept_columns(cases, graded.texts(cases))
    found = {}
    for key, against in AGAINST.items():
        if columns[:, against].any():
            signature, groups = _signature(key), groups_of(cases)
            score = score_of(columns, STATISTICS[key], signature=signature, groups=groups)
            found[key] = Measured(score, graded.ids, columns)
    return found


def concept_columns(cases: Sequence[Case], texts: Sequence[str]) -> np.ndarray:
    """Count in each answer the concepts that are named and true, named, and true: (n_cases, 3)."""
    rows = []
    for case, text in zip(cases, texts, strict=True):
        named, true = set(named_concepts(text)), set(case.concepts)
        rows.append([len(named & true), len(named), len(true)])
    return np.array(rows, dtype=float).reshape(-1, 3)


def _ratio(against: tuple[int, ...]) -> Statistic:
    """Make a function from sums (..., 3) to the harmonic mean (...) of the shares of right ones in
    these columns; 0 where they are 0.
    """

    def statistic(sums: np.ndarray) -> np.ndarray:
        total = sums[..., against].sum(axis=-1)
        share: np.ndarray = len(against) * sums[..., RIGHT] / np.maximum(total, 1)
        return share

    return statistic


STATISTICS = {key: _ratio(against) for key, against in AGAINST.items()}


def _signature(key: str) -> str:
    versions = f"v:{VERSION}|concepts:{concepts.VERSION}"
    return f"{key}|micro|words:{words_id()}|interval:bootstrap|{versions}"


def _asks_for_concepts(case: Case) -> bool:
    return _texts(case) == [concept_sentence(case.concepts)]


def _texts(case: Case) -> list[str]:
    return [reference.text for reference in case.references]
