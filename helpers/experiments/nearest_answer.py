"""The answer of the training case that is most like the question: the floor for what learns."""

from typing import Any, ClassVar, Literal

from helpers.cases import Answer
from helpers.data import TrainingCases
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.runs import Run
from helpers.models.shots import choose_shots, shot_pool
from helpers.settings.section import setting


class NearestAnswer(CaseAnswers):
    """Give every case the first answer of the training case whose question is most like its own."""

    by: Literal["lexical", "embedding"] = setting(
        "lexical", "lexical (TF-IDF of words) or embedding (MiniLM)", parameter="NEAREST_BY"
    )
    training: TrainingCases = TrainingCases()
    said: ClassVar = frozenset({"NEAREST_BY"})

    def about(self) -> dict[str, Any]:
        """No model answers."""
        return super().about() | {"model": "none"}

    def label(self) -> str:
        """Say how the training case is found."""
        return f"nearest training answer ({self.by})"

    def work(self, run: Run) -> None:
        """Write the answer for each case."""
        cases, pool = self.cases(), shot_pool(self.training.cases())
        nearest = choose_shots(cases, pool, count=1, choice=self.by, seed=0)
        run.answers.add(Answer(case.id, nearest[case.id][0].references[0].text) for case in cases)
