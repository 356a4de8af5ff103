"""What the stages of a training learn from, as the profiles have it (Med-Idefics, section 5.1).

With SkinGPT-4's data and prompts instead ("concepts", then "disease") they are its two steps.
"""

from typing import ClassVar, TypeVar

from helpers.experiments.experiment import Experiment
from helpers.models.prompts import VlmPromptName
from helpers.settings.section import Section, setting

AnyExperiment = TypeVar("AnyExperiment", bound=Experiment)


class CaptionStage(Section):
    """What the first stage learns from: captions of images."""

    name: str = setting("pocket_roco", "data set of captions", parameter="STAGE_1_DATASET")
    root: str = setting(
        "", "its folder, if you have it on disk", parameter="STAGE_1_ROOT", effect=False
    )
    limit: int = setting(
        0, "learn from at most so many captions; 0 for all", parameter="STAGE_1_LIMIT", ge=0
    )
    epochs: float = setting(
        3.0, "passes over the captions", parameter="STAGE_1_EPOCHS", gt=0, le=10_000
    )
    learning_rate: float = setting(
        0.001, "peak learning rate", parameter="STAGE_1_RATE", gt=0, allow_inf_nan=False
    )
    prompt: VlmPromptName = setting(
        "caption", "prompt of the first stage, as PROMPT has them", parameter="STAGE_1_PROMPT"
    )
    profiles: ClassVar = {
        "pocket": {"limit": 400},
        "t4": {"name": "roco", "learning_rate": 1e-5},
    }

    def of(self, stage: AnyExperiment) -> AnyExperiment:
        """Return a stage that learns from this."""
        return stage.but(
            {
                "DATASET": self.name,
                "DATA_ROOT": self.root,
                "TRAIN_LIMIT": self.limit,
                "EPOCHS": self.epochs,
                "LEARNING_RATE": self.learning_rate,
                "PROMPT": self.prompt,
            }
        )


class QuestionStage(CaptionStage):
    """What the second stage learns from: questions about images, with their answers."""

    name: str = setting(
        "pocket_vqa_rad_by_image", "data set of questions", parameter="STAGE_2_DATASET"
    )
    root: str = setting(
        "", "its folder, if you have it on disk", parameter="STAGE_2_ROOT", effect=False
    )
    limit: int = setting(
        0, "learn from at most so many questions; 0 for all", parameter="STAGE_2_LIMIT", ge=0
    )
    epochs: float = setting(
        2.0, "passes over the questions", parameter="STAGE_2_EPOCHS", gt=0, le=10_000
    )
    learning_rate: float = setting(
        0.001, "peak learning rate", parameter="STAGE_2_RATE", gt=0, allow_inf_nan=False
    )
    prompt: VlmPromptName = setting(
        "brief", "prompt of the second stage, as PROMPT has them", parameter="STAGE_2_PROMPT"
    )
    profiles: ClassVar = {
        "pocket": {"limit": 400},
        "t4": {"name": "vqa_rad_by_image", "learning_rate": 1e-4},
    }
