"""A stage of a training in several: it goes on from what the stage before it has made (Med-Idefics:
captions first, then questions).
"""

from typing import Any, ClassVar

from helpers.experiments.adapters import GivenAdapter, with_adapter
from helpers.experiments.finetune_vlm import FinetuneVlm, VlmTrainingCases
from helpers.experiments.runs import Run
from helpers.files import LabError
from helpers.models.prompts import VlmPrompt
from helpers.models.refs import ModelRef, Vlm
from helpers.training.backends import Backend
from helpers.training.recipe import VlmRecipe

# The data set of questions by profile; its published split leaks.
QUESTIONS: dict[str, dict[str, Any]] = {
    "pocket": {"name": "pocket_vqa_rad_by_image"},
    "laptop": {"name": "pocket_vqa_rad_by_image"},
    "t4": {"name": "vqa_rad_by_image"},
}


class StageRecipe(VlmRecipe):
    """Med-Idefics' recipe (section 5.1): QLoRA of text tower and connector, 2 x 8 examples a step.

    A pocket model is so small that its text tower and connector are trained whole.
    """

    profiles: ClassVar = {
        "pocket": {
            "recipe": "text",
            "vision": "connector",
            "learning_rate": 0.001,
            "warmup_steps": 20,
            "features": "auto",
        },
        "t4": {
            "vision": "connector",
            "rank": 8,
            "alpha": 8,
            "dropout": 0.1,
            "batch": 2,
            "accumulation": 8,
            "warmup_steps": 50,
        },
    }


class StageVlm(Vlm):
    """Med-Idefics fine-tuned Idefics2, images never cut into tiles."""

    profiles: ClassVar = {
        "pocket": {"name": "pocket/idefics2"},
        "t4": {"name": "HuggingFaceM4/idefics2-8b", "quantization": "nf4", "max_side": 980},
        "a100": {"name": "HuggingFaceM4/idefics2-8b", "quantization": "nf4", "max_side": 980},
    }


class BriefPrompt(VlmPrompt):
    """Questions that are to be answered briefly."""

    profiles: ClassVar = {"pocket": {"name": "brief"}, "t4": {"name": "brief"}}


class StageCases(VlmTrainingCases):
    """Questions about images, split by image."""

    profiles: ClassVar = {name: one | {"limit": 0} for name, one in QUESTIONS.items()}
    instead: ClassVar = {}


class Stage(FinetuneVlm):
    """Fine-tune a VLM as `FinetuneVlm` does, from its weights or from an earlier stage.

    `start` is the stage before this one, or an adapter that is there; None begins with the model as
    it is.
    """

    version: ClassVar = 1
    said: ClassVar = FinetuneVlm.said | {"TRAIN_LIMIT"}
    data: StageCases = StageCases()
    model: StageVlm = StageVlm()
    prompt: BriefPrompt = BriefPrompt()
    recipe: StageRecipe = StageRecipe()
    start: "Stage | GivenAdapter | None" = None

    def inputs(self) -> dict[str, Any]:
        """Refuse stages of two models."""
        if isinstance(self.start, Stage) and self.start.model != self.model:
            raise LabError(
                f"A stage of {self.model.name!r} was to go on from one of "
                f"{self.start.model.name!r}: all stages train one model."
            )
        return super().inputs()

    def trained_by(self) -> Backend:
        """As of any training; a later stage goes on by PEFT."""
        if self.start is None:
            return super().trained_by()
        if self.backend == "unsloth":
            raise LabError(
                "`backend` is 'unsloth', but that begins adapters and goes on from none here: set "
                "`backend` to 'peft'."
            )
        return Backend("peft", "a later stage goes on from what is there")

    def about(self) -> dict[str, Any]:
        """Also all stages in words: parameters are those of the last one."""
        return super().about() | {"stages": self.label()}

    def label(self) -> str:
        """Say the stages, one after the other."""
        if not isinstance(self.start, Stage):
            return super().label()
        return f"{self.start.label()}, then {self.said_of_stage()}"

    def said_of_stage(self) -> str:
        """Say prompt and data, epochs, and of how many cases where not of all."""
        prompt, _, length = super().said_of_stage().partition(", ")
        of = f" of {self.data.limit} cases" if self.data.limit else ""
        return f"{prompt} ({self.data.name}), {length}{of}"

    def base(self, run: Run) -> ModelRef:
        """Return the model with what it goes on from."""
        return with_adapter(self.model, self.start, run, need="start")
