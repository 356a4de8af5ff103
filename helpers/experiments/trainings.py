"""What the kinds share that fine-tune a model: what trains, and what their adapters say of it."""

from collections.abc import Sequence
from typing import Any, Literal

from helpers.data import TrainingCases
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.experiment import Experiment
from helpers.experiments.runs import Run
from helpers.files import LabError
from helpers.models.prompts import LlmPrompt, VlmPrompt
from helpers.models.refs import Llm, ModelRef
from helpers.settings.section import setting
from helpers.training.backends import Backend, backend_for
from helpers.training.recipe import LoraRecipe


def in_stages(stages: Sequence[Experiment | GivenAdapter]) -> Experiment:
    """Put trainings one after the other, each going on from what the one before it has made; return
    the last one, from which all are found.

    Args:
        stages: of a kind that has a `start`; the first one may be an adapter that is there.
    Raises:
        LabError: an adapter stands anywhere but first, or nothing is trained.
    """
    last: Experiment | GivenAdapter | None = None
    for stage in stages:
        if isinstance(stage, GivenAdapter):
            if last is not None:
                raise LabError(
                    "An adapter that is there goes on from no stage before it: put it first."
                )
            last = stage
        else:
            last = stage if last is None else stage.but(start=last)
    if not isinstance(last, Experiment):
        raise LabError("Stages were asked for, but none of them trains: add a training.")
    return last


class Training(Experiment):
    """A kind whose run holds `adapter/`: an adapter, or a whole model."""

    data: TrainingCases = TrainingCases()
    model: ModelRef = Llm()
    prompt: LlmPrompt | VlmPrompt = LlmPrompt()
    recipe: LoraRecipe = LoraRecipe()
    backend: Literal["auto", "unsloth", "peft"] = setting(
        "auto", "auto, unsloth or peft: what trains", effect=False
    )

    def inputs(self) -> dict[str, Any]:
        """Also what trains: another backend gives other numbers."""
        return super().inputs() | {"backend": self.trained_by().name}

    def about(self) -> dict[str, Any]:
        """Also that it makes a fine-tuned model."""
        return super().about() | {"tuned": True}

    def trained_by(self) -> Backend:
        """Find what trains, and why."""
        return backend_for(self.backend, self.model, self.recipe)

    def fine_tune(
        self, run: Run, train: list[dict], valid: list[dict], *, base: ModelRef | None = None
    ) -> None:
        """Train on examples, or take the training up from the last checkpoint.

        Args:
            base: the model with the adapter that the training goes on from; None: without one.
        """
        # Late: they load torch.
        from helpers.models.memory import forget_models
        from helpers.training.lora_sft import train_adapter

        forget_models()
        facts = train_adapter(
            base or self.model,
            train,
            valid,
            run.folder,
            recipe=self.recipe,
            card=self.card(),
            backend=self.trained_by().name,
        )
        run.save(**facts)

    def card(self) -> dict[str, str]:
        """Return what the adapter says of itself."""
        return {
            "model": self.model.parameters()["MODEL"],
            "weights": self.model.fingerprint_weights(),
            "data": self.data.load().fingerprint("train"),
            "prompt": self.prompt.identity()["prompt"],
        }
