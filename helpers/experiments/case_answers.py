"""What all kinds share whose result is an answer to each case of a split: one grader."""

from typing import Any

from helpers.cases import Case
from helpers.data import Cases
from helpers.experiments.experiment import Experiment
from helpers.experiments.runs import Run
from helpers.experiments.scores import Grading, score
from helpers.metrics.measure import Graded


class CaseAnswers(Experiment):
    """A kind that writes an answer to each of its cases."""

    data: Cases = Cases()

    def cases(self) -> tuple[Case, ...]:
        """Load the cases that are answered."""
        return self.data.cases()

    def about(self) -> dict[str, Any]:
        """The split is the one that is answered, whatever is learnt from."""
        return super().about() | self.data.about()

    def score(self, run: Run, grading: Grading) -> None:
        """Score the answers by all measures, and write the challenge's submission."""
        training, language = self.data.load().training_texts, self.data.language
        answers = run.answers.read()
        score(run, Graded(self.cases(), answers, training, language, grading.encoder))
