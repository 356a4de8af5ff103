"""One and the same answer to every case: the floor of every table."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

from helpers.cases import Answer
from helpers.data import Cases
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.runs import Run
from helpers.files import LabError, fingerprint
from helpers.metrics.baselines import constant_answers
from helpers.settings.section import Section


class Constant(CaseAnswers):
    """Give every case the answer of this name, see `constant_answers`."""

    version: ClassVar = 3
    data: Cases = Cases()
    name: str = "It is eczema."

    def answer(self) -> str:
        """Return the answer itself; a name that the data set has no answer for is a `LabError`."""
        answers = constant_answers(self.data.load().training)
        if self.name not in answers:
            raise LabError(
                f"There is no constant answer {self.name!r} to the data set {self.data.name!r}: "
                f"choose one of {', '.join(answers)}."
            )
        return answers[self.name]

    def inputs(self) -> dict[str, Any]:
        """The answer by its hash: one from the training answers is data."""
        return super().inputs() | {"name": fingerprint(self.answer())}

    def about(self) -> dict[str, Any]:
        """No model answers."""
        return super().about() | {"model": "none", "constant": self.name}

    def variants(self, settings: Callable[[type[Section]], Any]) -> list[Self]:
        """Try all constants of the data set."""
        names = constant_answers(self.data.load().training)
        return [self.but(name=name) for name in names]

    def label(self) -> str:
        """Say that it is a constant, and which."""
        return f"constant: {self.name}"

    def work(self, run: Run) -> None:
        """Write the answer for each case."""
        text = self.answer()
        run.answers.add(Answer(case.id, text) for case in self.cases())
