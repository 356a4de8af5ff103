"""The LoRA fine-tuning of an LLM on training questions and first answers (YuanAI, section 3.3)."""

from typing import Any, ClassVar

from helpers.cases import Case
from helpers.data import TrainingCases
from helpers.experiments.captions import captions_of, read_case_texts
from helpers.experiments.experiment import Experiment, run_id
from helpers.experiments.llm_prompts import training_examples
from helpers.experiments.runs import Run
from helpers.experiments.trainings import Training
from helpers.files import LabError
from helpers.models.captions import NONE, PromptCaptions
from helpers.models.prompts import LlmPrompt
from helpers.models.refs import Llm
from helpers.models.shots import shot_pool
from helpers.training.recipe import LoraRecipe


class Finetune(Training):
    """Fine-tune an LLM by LoRA; the run holds `adapter/`."""

    version: ClassVar = 4
    data: TrainingCases = TrainingCases()
    model: Llm = Llm()
    prompt: LlmPrompt = LlmPrompt()
    recipe: LoraRecipe = LoraRecipe()
    captions: PromptCaptions = PromptCaptions()

    def effective(self) -> dict[str, Any]:
        """Captions have an effect where they stand in the training examples."""
        found = super().effective()
        if self.captions.where != "training" or self.captions.name == NONE:
            del found["captions"]
        return found

    def needs(self) -> dict[str, Experiment]:
        """Also the captions in the training examples, and in those of the second loss curve."""
        found = super().needs()
        if "captions" in self.effective():
            found |= self._captions("train")
            if any(case.images for case in self.data.validation()):
                found |= {f"valid_{name}": one for name, one in self._captions("valid").items()}
        return found

    def inputs(self) -> dict[str, Any]:
        """Also the captions in the training examples."""
        if self.model.is_remote:
            raise LabError(
                f"`model` is {self.model.name!r}, but no model behind an API can be fine-tuned "
                "here: name another."
            )
        self._train()
        needs = self.needs()
        captions = {"captions": run_id(needs["captions"])} if "captions" in needs else {}
        return super().inputs() | captions

    def label(self) -> str:
        """Say the model and that it is tuned."""
        return f"{self.model.parameters()['MODEL']} + LoRA"

    def work(self, run: Run) -> None:
        """Train the adapter; validation answers draw the second loss curve only."""
        train, valid = self._train(), shot_pool(self.data.validation())
        self.fine_tune(
            run,
            self._examples(train, run.needs.get("captions")),
            self._examples(valid, run.needs.get("valid_captions")),
        )

    def _train(self) -> list[Case]:
        cases = shot_pool(self.data.cases())
        if not cases:
            raise LabError(
                f"The data set {self.data.name!r} has no training case with both a question and an "
                "answer, so there is nothing to learn: choose another one as `dataset`."
            )
        return cases

    def _captions(self, split: str) -> dict[str, Experiment]:
        return dict(captions_of(self.captions, self.data.as_cases(split), self.profile))

    def _examples(self, cases: list[Case], captioned: Run | None) -> list[dict]:
        captions = read_case_texts(captioned, cases)
        return training_examples(self.model, cases, self.prompt, captions)
