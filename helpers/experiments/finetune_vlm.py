"""The fine-tuning of a VLM on first images and answers of training cases (VisionQAries)."""

from typing import Any, ClassVar

from helpers.cases import Case
from helpers.data import TrainingCases
from helpers.experiments.runs import Run
from helpers.experiments.trainings import Training
from helpers.experiments.vlm_cases import (
    cases_to_learn,
    check_vlm,
    first_image,
    images_fingerprint,
    training_example,
)
from helpers.files import LabError
from helpers.models.prompts import VlmPrompt
from helpers.models.refs import ModelRef, Vlm
from helpers.training.recipe import VlmRecipe, check_trainable


class VlmTrainingCases(TrainingCases):
    """Fewer on the pocket profile, where a lesson takes a minute."""

    profiles: ClassVar = {"pocket": {"limit": 400}}


class FinetuneVlm(Training):
    """Fine-tune a VLM; the run holds `adapter/`: an adapter, or the whole model where the recipe
    trains the text tower.
    """

    version: ClassVar = 4
    needs_images: ClassVar = True
    said: ClassVar = frozenset({"PROMPT", "EPOCHS", "RECIPE"})
    data: VlmTrainingCases = VlmTrainingCases()
    model: Vlm = Vlm()
    prompt: VlmPrompt = VlmPrompt()
    recipe: VlmRecipe = VlmRecipe()

    def inputs(self) -> dict[str, Any]:
        """Also the images."""
        check_vlm(self.model)
        check_trainable(self.recipe, self.model)
        images = images_fingerprint([first_image(case) for case in self._train()])
        return super().inputs() | {"images": images}

    def check(self) -> None:
        """Refuse no epoch at all: that is the model as it is, which is asked anyway."""
        if not self.recipe.epochs:
            raise LabError("`epochs` is 0, but it must be above 0 for a VLM.")

    def label(self) -> str:
        """Say model, recipe, prompt and epochs."""
        model, trained = self.model.parameters()["MODEL"], self.recipe.way.said
        return f"{model} + {trained}, {self.said_of_stage()}"

    def said_of_stage(self) -> str:
        """Say prompt and epochs."""
        epochs = self.recipe.epochs
        length = f"{epochs:g} epoch{'' if epochs == 1 else 's'}"
        return f"{self.prompt.name}, {length if epochs else f'{self.recipe.steps} steps'}"

    def work(self, run: Run) -> None:
        """Train on images, questions and answers as they will be asked."""
        # Late: it loads torch.
        from helpers.models.processors import load_processor

        processor = load_processor(self.model)
        glued = self.recipe.slips == "authors"
        train, valid = (
            [training_example(processor, case, self.prompt.name, glued=glued) for case in cases]
            for cases in (self._train(), self._valid())
        )
        self.fine_tune(run, train, valid, base=self.base(run))

    def base(self, run: Run) -> ModelRef:
        """Return the model that the training begins with."""
        return self.model

    def _train(self) -> list[Case]:
        cases = cases_to_learn(self.data.load().split("train"), self.data.limit)
        if not cases:
            raise LabError(
                f"The data set {self.data.name!r} has no training case with an answer and an image "
                "on disk, so there is nothing to learn: choose another one as `dataset`, or put "
                "its images where the README says."
            )
        return cases

    def _valid(self) -> list[Case]:
        return cases_to_learn(self.data.validation())
