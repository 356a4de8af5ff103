"""What is fine-tuned, and the numbers of it by name."""

import math
from dataclasses import asdict, dataclass

from helpers.files import LabError

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LARGE_MODEL = 1_000_000_000  # parameters
UNFINISHED = ".adapter"  # where trained weights lie in a run's folder until their card is written


@dataclass(frozen=True)
class BaseModel:
    """The model that is fine-tuned: `pocket/<name>`, a folder or a hub id, with its commit, and "none" or "nf4"."""

    model_id: str
    revision: str = ""
    quantization: str = "none"

    def __post_init__(self) -> None:
        if self.quantization not in ("none", "nf4"):
            raise LabError(f"QUANTIZATION is {self.quantization!r}, but it must be 'none' or 'nf4'.")


@dataclass(frozen=True)
class LoraRecipe:
    """What determines a LoRA fine-tuning besides model and records; AdamW with a linear schedule and clipping at 1.

    Rank, alpha and dropout are YuanAI's (section 3.3). They published no others and named Unsloth's defaults; the
    rest are those of Unsloth's Alpaca notebook for Llama-3 8B, but for its 8-bit AdamW, which is plain AdamW here:
    the adapter's states are small.

    Attributes:
        steps: optimiser steps of `batch * accumulation` records.
        epochs: above 0 it replaces `steps`: so many passes over the records.
        batch: records that go through the model at once; memory grows with it, the result does not depend on it.
        max_length: in tokens; longer records are cut at the end.
        loss: "completion" learns the answers only; "whole" the prompts, too, as the paper's notebook did.
    """

    rank: int = 16
    alpha: int = 16
    dropout: float = 0.0
    learning_rate: float = 2e-4
    steps: int = 60
    epochs: float = 0.0
    batch: int = 2
    accumulation: int = 4
    warmup_steps: int = 5
    weight_decay: float = 0.01
    max_length: int = 2048
    loss: str = "completion"
    seed: int = 3407

    def __post_init__(self) -> None:
        for name in ("rank", "alpha", "batch", "accumulation", "max_length", "learning_rate"):
            self._check(name, getattr(self, name) > 0, "above 0")
        for name in ("epochs", "warmup_steps", "weight_decay", "seed"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check("steps", self.steps > 0 or self.epochs > 0, "above 0, or EPOCHS must be")
        self._check("dropout", 0 <= self.dropout < 1, "at least 0 and below 1")
        self._check("loss", self.loss in ("completion", "whole"), "'completion' or 'whole'")

    def _check(self, name: str, valid: bool, wanted: str) -> None:
        value = getattr(self, name)
        if not valid or isinstance(value, float) and not math.isfinite(value):
            raise LabError(f"{name.upper()} is {value!r}, but it must be {wanted}.")

    @property
    def records_per_step(self) -> int:
        """Records that one optimiser step learns from."""
        return self.batch * self.accumulation

    def determines(self) -> dict:
        """The numbers that the result depends on: how a step's records are cut into batches is none of them.

        So a training that found no room on the GPU goes on with a smaller batch and more accumulation.
        """
        numbers = asdict(self) | {"records_per_step": self.records_per_step}
        return {name: value for name, value in numbers.items() if name not in ("batch", "accumulation")}

    def records_of(self, available: int) -> int:
        """How many records are learnt from in all, repetitions included."""
        return max(1, round(self.epochs * available)) if self.epochs else self.steps * self.records_per_step

    def steps_of(self, available: int) -> int:
        """How many optimiser steps that makes."""
        return math.ceil(self.records_of(available) / self.records_per_step)


def recomputes_activations(device: str, parameters: int) -> bool:
    """Whether activations are computed anew for the backward pass instead of kept (activation checkpointing).

    That costs a third more time. It pays where they do not fit beside the weights: models of billions of
    parameters on one GPU. A small model has the room, and so has a CPU.
    """
    return device == "cuda" and parameters > LARGE_MODEL
