"""What all kinds share whose result is an answer to each case of a split: one grader."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from helpers.cases import Case
from helpers.data import Cases, is_simulated
from helpers.experiments.experiment import Experiment
from helpers.experiments.runs import Run
from helpers.experiments.scores import Grading, score
from helpers.metrics.measure import Graded

EXAMPLES = 3  # cases that a record shows, as in YuanAI's Table 4


def draw_examples(cases: Sequence[Case]) -> list[Case]:
    """Draw by lot the cases that a record shows, the same ones for all runs."""
    return random.Random(0).sample(cases, min(EXAMPLES, len(cases)))


class CaseAnswers(Experiment):
    """A kind that writes an answer to each of its cases."""

    data: Cases = Cases()

    def cases(self) -> tuple[Case, ...]:
        """Load the cases that are answered."""
        return self.data.cases()

    def about(self) -> dict[str, Any]:
        """The split is the one that is answered, whatever is learnt from."""
        return super().about() | self.data.about()

    def examples(self, run: Run) -> list[dict[str, str]]:
        """Return the first cases that ask and are answered by a doctor, with a run's answers.

        Of simulated data only: records may be shared, and posts are those of patients.
        """
        if not is_simulated(self.data.name):
            return []
        answers = run.answers.read()
        asked = [case for case in self.cases() if case.question and case.references]
        return [
            {
                "patient": case.question,
                "answer": answers[case.id].text,
                "doctor": case.references[0].text,
            }
            for case in asked[:EXAMPLES]
        ]

    def score(self, run: Run, grading: Grading) -> None:
        """Score the answers by all measures, and write the challenge's submission."""
        training, language = self.data.load().training_texts, self.data.language
        answers = run.answers.read()
        score(run, Graded(self.cases(), answers, training, language, grading.encoder))


class OptionAnswers(CaseAnswers):
    """A kind whose answers are options."""

    def score(self, run: Run, grading: Grading) -> None:
        """Score the options."""
        score_options(self, run, grading)


def score_options(kind: CaseAnswers, run: Run, grading: Grading) -> None:
    """Score answers that are options: they are held against labels, and not against words."""
    cases = [replace(case, references=()) for case in kind.cases()]
    score(run, Graded(cases, run.answers.read(), (), kind.data.language, grading.encoder))
