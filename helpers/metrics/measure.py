"""What a module that measures answers takes and gives, and how such modules are found.

A metric of answers is one file of this package. It has `METRICS` (how its keys are shown),
`VERSION` (raised when the same answers would score differently) and two functions:
`depends_on(graded)` lists what its scores depend on besides the answers, as JSON-like values;
`measure(graded)` returns a `Measured` per key, {} where it does not apply. Keys that are to be
compared stand in `STATISTICS`, with the function from sums of their columns to values; `LEFT_OUT`
names the parts of signatures that do not concern a difference ("interval" of "interval:wilson").
Intervals are given the groups of the cases by `groups_of`; `measure_by` notes them in a `Measured`.
"""

import pkgutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType

import numpy as np

from helpers import metrics
from helpers.cases import Answer, Case
from helpers.files import fingerprint
from helpers.metrics.scores import Score, Statistic


@dataclass(frozen=True)
class Graded:
    """A set of answers with all that measures look at.

    Attributes:
        cases: all of the split that were to be answered.
        answers: by case id; others' are ignored, a missing one counts as empty.
        training: (case id, text) of every training answer.
        encoder: of BERTScore: "minilm", a model id or a folder.
    """

    cases: Sequence[Case]
    answers: Mapping[str, Answer]
    training: Sequence[tuple[str, str]]
    language: str = "en"
    encoder: str = "minilm"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all cases, in order."""
        return tuple(case.id for case in self.cases)

    @property
    def scorable(self) -> list[Case]:
        """The cases that can be scored against references."""
        return [case for case in self.cases if has_reference(case)]

    @property
    def are_grouped(self) -> bool:
        """Tell whether some cases share a group, so that intervals depend on who does."""
        return len(set(groups_of(self.cases))) < len(self.cases)

    def texts(self, cases: Sequence[Case]) -> list[str]:
        """Return the answers' texts to these cases, in their order."""
        return [self.answers[case.id].text if case.id in self.answers else "" for case in cases]

    def fingerprint_references(self) -> str:
        """Identify the references, with their weights, of the cases that can be scored."""
        return fingerprint(
            [
                [case.id, [[reference.text, reference.weight] for reference in case.references]]
                for case in self.scorable
            ]
        )

    def fingerprint_training(self) -> str:
        """Identify the training answers' texts."""
        return fingerprint([text for _, text in self.training])


@dataclass(frozen=True)
class Measured:
    """A score, and what each case contributes to it.

    Attributes:
        cases: ids of the cases in the rows of `columns`.
        columns: (n_cases, k), to be summed over cases; None where the score is no function of such
            sums, or is not to be compared.
        groups: the group of each of these cases; () where each case is alone.
    """

    score: Score
    cases: tuple[str, ...] = ()
    columns: np.ndarray | None = None
    groups: tuple[str, ...] = ()


def has_reference(case: Case) -> bool:
    """Tell whether some reference of a case is not blank."""
    return any(reference.text.strip() for reference in case.references)


def groups_of(cases: Sequence[Case]) -> list[str]:
    """Name the group of each case; one that is alone is a group of its own."""
    return [case.group or case.id for case in cases]


def list_modules() -> list[ModuleType]:
    """Import every module of this package, sorted by name."""
    names = sorted(found.name for found in pkgutil.iter_modules(metrics.__path__))
    return [import_module(f"{metrics.__name__}.{name}") for name in names]


def find_measures() -> list[ModuleType]:
    """Find the modules that measure answers, sorted by name."""
    return [module for module in list_modules() if callable(getattr(module, "measure", None))]


def score_all(graded: Graded, keys: Collection[str] = ()) -> dict[str, Measured]:
    """Measure answers by every module, or only what some keys need; what does not apply is left
    out.
    """
    found: dict[str, Measured] = {}
    for module in find_measures():
        if not keys or set(keys) & set(module.METRICS):
            found |= measure_by(module, graded)
    return {key: measured for key, measured in found.items() if not keys or key in keys}


def measure_by(module: ModuleType, graded: Graded) -> dict[str, Measured]:
    """Measure answers by one module, and note the groups of the cases where some share one."""
    found: dict[str, Measured] = module.measure(graded)
    if not graded.are_grouped:
        return found
    groups = dict(zip(graded.ids, groups_of(graded.cases)))
    return {
        key: replace(one, groups=tuple(groups[case_id] for case_id in one.cases))
        for key, one in found.items()
    }


def statistic_of(key: str) -> Statistic | None:
    """Find the function from sums of a key's columns to values; None if it is not compared."""
    module = _comparing(key)
    return module.STATISTICS[key] if module else None


def difference_signature(key: str, score: Score) -> str:
    """Return the signature of a difference of scores like this one."""
    left_out = getattr(_comparing(key), "LEFT_OUT", ())
    parts = [part for part in score.signature.split("|") if part.partition(":")[0] not in left_out]
    return f"difference of {'|'.join(parts)}"


def _comparing(key: str) -> ModuleType | None:
    """Find the module whose `STATISTICS` has a key."""
    for module in find_measures():
        if key in getattr(module, "STATISTICS", {}):
            return module
    return None
