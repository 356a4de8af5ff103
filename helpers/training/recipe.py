"""Recipes of a fine-tuning: its numbers by name, with their bounds."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from helpers.files import LabError
from helpers.models.refs import ModelRef

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
UNFINISHED = ".adapter"  # where trained weights lie in a run's folder until their card is written
# How a step's examples are cut into batches, and whether features are computed before the training
# or during it, does not change the result.
NO_EFFECT = ("batch", "accumulation", "features")


@dataclass(frozen=True)
class LoraRecipe:
    """What determines a LoRA fine-tuning besides model and training examples.

    The optimiser is AdamW with a linear schedule and gradients clipped at 1.

    Rank, alpha and dropout are YuanAI's (section 3.3). They published no others and named Unsloth's
    defaults; the rest are those of Unsloth's Alpaca notebook for Llama-3 8B, but for its 8-bit
    AdamW, which is plain AdamW here: the adapter's states are small.

    Attributes:
        steps: optimiser steps of `batch * accumulation` examples.
        epochs: above 0 it replaces `steps`: so many passes over the examples.
        batch: examples that go through the model at once; memory grows with it, the result does
            not depend on it.
        max_length: in tokens; longer examples are cut at the end.
        loss: "completion" learns the answers only; "whole" the prompts, too, as the paper's
            notebook did.
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
        self._check("steps", self.steps > 0 or self.epochs > 0, "above 0, or `epochs` must be")
        self._check("dropout", 0 <= self.dropout < 1, "at least 0 and below 1")
        self._check("loss", self.loss in ("completion", "whole"), "'completion' or 'whole'")

    def _check(self, name: str, valid: bool, wanted: str) -> None:
        value = getattr(self, name)
        if not valid or (isinstance(value, float) and not math.isfinite(value)):
            raise LabError(f"`{name}` is {value!r}, but it must be {wanted}.")

    @property
    def examples_per_step(self) -> int:
        """How many examples one optimiser step learns from."""
        return self.batch * self.accumulation

    def optimiser(self) -> dict:
        """Return the optimiser as arguments of transformers' trainer."""
        return {
            "lr_scheduler_type": "linear",
            "weight_decay": self.weight_decay,
            "max_grad_norm": 1.0,
        }

    def rate(self, steps: int) -> Callable[[int], float] | None:
        """Return step -> share of the learning rate, or None for transformers' own schedule."""
        return None

    def determines(self) -> dict:
        """Return the numbers that the result depends on.

        `batch` is none of them, so a training that found no room on the GPU goes on with a smaller
        one and more accumulation.
        """
        # A run's id is a hash of these names and numbers.
        numbers = asdict(self) | {"records_per_step": self.examples_per_step}
        return {name: value for name, value in numbers.items() if name not in NO_EFFECT}

    def count_examples(self, available: int) -> int:
        """Return how many examples are learnt from in all, repetitions included."""
        if self.epochs:
            return max(1, round(self.epochs * available))
        return self.steps * self.examples_per_step

    def count_steps(self, available: int) -> int:
        """Return how many optimiser steps that makes."""
        return math.ceil(self.count_examples(available) / self.examples_per_step)


@dataclass(frozen=True)
class VlmRecipe(LoraRecipe):
    """What determines the fine-tuning of a VLM, besides model and training examples.

    Attributes:
        trained: "lora" gives every linear layer of the text tower an adapter; "text" trains that
            tower whole.
        vision: "frozen", or "trained": the vision tower and what joins it to the text tower, too.
        schedule: "linear" as in `LoraRecipe`, or "moondream" (see `moondream_rate`), which brings
            its optimiser: Adam in 8 bit with betas 0.9 and 0.95, epsilon 1e-6, neither weight decay
            nor clipping.
        references: which of a case's answers are learnt: "first", "all" (an example each), or one
            "sampled" anew each time that the case comes by.
        augmentation: "none" or "training" (see `augmentation`), of training images.
        slips: "none", or "authors": validation images are augmented, too, as VisionQAries' code
            did. (Their other slip, a prompt without spaces, is in the examples' prompts.)
        features: "live"; "precomputed": the vision tower sees each image once, before the
            training; "auto": that where it can be done.
        max_side: pixels; the processor is asked for no larger images, which caps their tokens.
            0 leaves it as it is.
    """

    trained: str = "lora"
    vision: str = "frozen"
    schedule: str = "linear"
    references: str = "first"
    augmentation: str = "none"
    slips: str = "none"
    features: str = "auto"
    max_side: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in VLM_CHOICES.items():
            self._check(name, getattr(self, name) in values, " or ".join(map(repr, values)))
        self._check("loss", self.loss == "completion", "'completion' for a VLM")
        if self.features == "precomputed" and not self.precomputes:
            changing = "`vision`" if self.vision == "trained" else "`augmentation`"
            value = self.vision if self.vision == "trained" else self.augmentation
            raise LabError(
                f"`features` is 'precomputed', but {changing} is {value!r}, so that images look "
                "different each time: set `features` to 'auto' or 'live'."
            )

    def determines(self) -> dict:
        """As of `LoraRecipe`; without an adapter, its numbers determine nothing."""
        without = ("rank", "alpha", "dropout") if self.trained == "text" else ()
        return {name: value for name, value in super().determines().items() if name not in without}

    @property
    def precomputes(self) -> bool:
        """True if features may be precomputed: the vision tower sees the same in every epoch."""
        return self.features != "live" and self.vision == "frozen" and self.augmentation == "none"

    def optimiser(self) -> dict:
        """Return the optimiser as arguments of transformers' trainer."""
        if self.schedule == "linear":
            return super().optimiser()
        return {
            "optim": "adamw_bnb_8bit",
            "adam_beta1": 0.9,
            "adam_beta2": 0.95,
            "adam_epsilon": 1e-6,
            "weight_decay": 0.0,
            "max_grad_norm": 0.0,
        }

    def rate(self, steps: int) -> Callable[[int], float] | None:
        """Return step -> share of the learning rate, or None for transformers' own schedule."""
        return partial(moondream_rate, steps=steps) if self.schedule == "moondream" else None


VLM_CHOICES = {
    "trained": ("lora", "text"),
    "vision": ("frozen", "trained"),
    "schedule": ("linear", "moondream"),
    "references": ("first", "all", "sampled"),
    "augmentation": ("none", "training"),
    "slips": ("none", "authors"),
    "features": ("auto", "live", "precomputed"),
}
# Named recipes. The rates of "moondream" and "text" are those of moondream's Finetuning.ipynb at
# commit c64b09f (2024-04-02), which VisionQAries copied, with 8 examples a step and 2 epochs.
VLM_RECIPES = {
    "lora": {"trained": "lora", "learning_rate": 2e-4},
    "text": {"trained": "text", "learning_rate": 3e-5},
    "moondream": {
        "trained": "text",
        "schedule": "moondream",
        "learning_rate": 3e-5,
        "warmup_steps": 0,
    },
}


def check_trainable(recipe: VlmRecipe, base: ModelRef) -> None:
    """Refuse to train a whole tower of 4-bit weights."""
    if recipe.trained == "text" and base.quantization != "none":
        raise LabError(
            f"The text tower of {base.id!r} is to be trained whole, but `quantization` is "
            f"{base.quantization!r}: 4-bit weights cannot be; set it to 'none', or `recipe` to "
            "'lora'."
        )


def moondream_rate(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step (from 0), as moondream's notebook has it.

    It climbs from 0.1 to 1 over the first tenth, then falls along a cosine. The notebook does not
    stretch that cosine over what is left, so it ends at 0.122 and not at 0.1.
    """
    done = step / steps
    if done < 0.1:
        return 0.1 + 0.9 * done / 0.1
    return 0.1 + 0.9 * (1 + math.cos(math.pi * (done - 0.1))) / 2
