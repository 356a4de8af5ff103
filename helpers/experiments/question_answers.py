"""Short answers of a VLM to questions about images (Med-Idefics): as it is, or after stages of
training.
"""

from typing import ClassVar

from helpers.data import Cases, is_simulated
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.case_answers import draw_examples
from helpers.experiments.runs import Run
from helpers.experiments.stage import QUESTIONS, BriefPrompt, Stage, StageVlm
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.models.decoding import VlmDecoding


class Questions(Cases):
    """Questions of the test split: nothing is chosen by it."""

    profiles: ClassVar = {name: one | {"split": "test"} for name, one in QUESTIONS.items()}
    instead: ClassVar = {}


class BriefDecoding(VlmDecoding):
    """Answers are cut where the paper cut them."""

    profiles: ClassVar = {"pocket": {"max_new_tokens": 20}, "t4": {"max_new_tokens": 20}}


class QuestionAnswers(VlmAnswers):
    """Answers of a VLM to questions with one short right answer each."""

    version: ClassVar = 1
    data: Questions = Questions()
    model: StageVlm = StageVlm()
    prompt: BriefPrompt = BriefPrompt()
    decoding: BriefDecoding = BriefDecoding()
    adapter: Stage | GivenAdapter | None = None

    def label(self) -> str:
        """Also say with which instruction it is asked, where it was trained with another one."""
        trained_with = self.adapter.prompt.name if isinstance(self.adapter, Stage) else ""
        other = trained_with not in ("", self.prompt.name)
        return f"{super().label()}{f', asked: {self.prompt.name}' if other else ''}"

    def work(self, run: Run) -> None:
        """Answer what is not answered yet; the record also shows some answers."""
        super().work(run)
        run.save(examples=self.examples(run))

    def examples(self, run: Run) -> list[dict[str, str]]:
        """Return a run's answers to some cases, drawn by lot and the same for all runs, because a
        table may be sorted by what it shows. Of simulated data only.
        """
        if not is_simulated(self.data.name):
            return []
        answers, drawn = run.answers.read(), draw_examples(self.cases())
        return [{"case": case.id, "answer": answers[case.id].text} for case in drawn]
