"""One doctor against the others: the human ceiling of what is held against doctors' answers."""

import random
from dataclasses import replace
from typing import Any

from helpers.cases import Answer, Case, Reference
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.runs import Run
from helpers.files import LabError
from helpers.settings.section import setting


class OneDoctor(CaseAnswers):
    """Let one doctor's answer, drawn for each case, be held against those of the others.

    Cases that only one doctor answered are left out. Models are held against all doctors: against
    one fewer they would score a little less.
    """

    seed: int = setting(3407, "one seed for the doctors that are drawn", ge=0)

    def cases(self) -> tuple[Case, ...]:
        """Load the cases that several doctors answered, each without the answer that is drawn."""
        return tuple(
            replace(
                case, references=tuple(other for other in case.references if other is not drawn)
            )
            for case, drawn in self._drawn()
        )

    def about(self) -> dict[str, Any]:
        """No model answers."""
        return super().about() | {"model": "none"}

    def label(self) -> str:
        """Say who answers."""
        return "one doctor against the others"

    def work(self, run: Run) -> None:
        """Write the drawn answer of each case."""
        run.answers.add(Answer(case.id, drawn.text) for case, drawn in self._drawn())

    def _drawn(self) -> list[tuple[Case, Reference]]:
        """Draw an answer for each case with several that say something."""
        found = []
        for case in super().cases():
            said = [reference for reference in case.references if reference.text.strip()]
            if len(said) > 1:
                found.append((case, random.Random(f"{self.seed}:{case.id}").choice(said)))
        if not found:
            raise LabError(
                f"No case of the split {self.data.split!r} of {self.data.name!r} was answered by "
                "several doctors, so that none can be held against the others: choose another "
                "`split` or `dataset`."
            )
        return found
