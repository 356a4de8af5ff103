"""What the kinds share that fine-tune a model: what trains, and what their adapters say of it."""

from typing import Any, Literal

from helpers.data import TrainingCases
from helpers.experiments.experiment import Experiment
from helpers.experiments.runs import Run
from helpers.models.prompts import LlmPrompt, VlmPrompt
from helpers.models.refs import Llm, ModelRef
from helpers.settings.section import setting
from helpers.training.backends import Backend, backend_for
from helpers.training.recipe import LoraRecipe


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

    def fine_tune(self, run: Run, train: list[dict], valid: list[dict]) -> None:
        """Train on examples, or take the training up from the last checkpoint."""
        # Late: they load torch.
        from helpers.models.memory import forget_models
        from helpers.training.lora_sft import train_adapter

        forget_models()
        facts = train_adapter(
            self.model,
            train,
            valid,
            run.folder,
            recipe=self.recipe,
            card=self.card(),
            backend=self.backend,
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
