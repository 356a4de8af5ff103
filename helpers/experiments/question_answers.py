"""Short answers of a VLM to questions about images (Med-Idefics): as it is, or after stages of
training.
"""

from typing import ClassVar

from helpers.data import Cases
from helpers.experiments.adapters import GivenAdapter
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
