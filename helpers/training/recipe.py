"""Recipes of a fine-tuning: its numbers by name, with their bounds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from helpers.files import LabError
from helpers.models.refs import ModelRef
from helpers.settings.section import LARGEST_BATCH, Section, setting

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
UNFINISHED = ".adapter"  # where trained weights lie in a run's folder until their card is written
LARGEST_SEED = 2**32 - 1  # numpy takes no larger one
MANY = 1_000_000  # steps or tokens; more is a slip of the finger, and would fill the memory


@dataclass(frozen=True)
class Way:
    """What a named recipe of a VLM brings.

    Attributes:
        said: what is trained, as names of runs say it.
        rate: its own peak learning rate.
        trains: which part of the model learns.
    """

    said: str
    rate: float
    trains: Literal["adapter", "text tower", "connector"]


# The rates of "moondream" and "text" are those of moondream's Finetuning.ipynb at commit c64b09f
# (2024-04-02), which VisionQAries copied, with 8 examples a step and 2 epochs; that of "projection"
# is SkinGPT-4's.
WAYS = {
    "lora": Way("LoRA", 2e-4, "adapter"),
    "text": Way("whole text tower", 3e-5, "text tower"),
    "moondream": Way("moondream's recipe", 3e-5, "text tower"),
    "projection": Way("projection", 1e-4, "connector"),
}


class LoraRecipe(Section):
    """What determines a LoRA fine-tuning besides model and training examples.

    The optimiser is AdamW with a linear schedule and gradients clipped at 1.

    Rank, alpha and dropout are YuanAI's (section 3.3). They published no others and named Unsloth's
    defaults; the rest are those of Unsloth's Alpaca notebook for Llama-3 8B, but for its 8-bit
    AdamW, which is plain AdamW here: the adapter's states are small.
    """

    rank: int = setting(16, "rank of the adapter's matrices", ge=1, le=4096)
    alpha: int = setting(16, "the adapter's part is scaled by ALPHA / RANK", ge=1, le=65536)
    dropout: float = setting(0.0, "dropout inside the adapter", ge=0, lt=1)
    learning_rate: float = setting(2e-4, "peak learning rate", gt=0, allow_inf_nan=False)
    steps: int = setting(60, "optimiser steps", ge=0, le=MANY)
    epochs: float = setting(
        0.0,
        "passes over the training examples; above 0 it replaces STEPS",
        ge=0,
        le=10_000,
        allow_inf_nan=False,
    )
    batch: int = setting(
        2,
        "examples at once; lower it if the GPU has no room, and raise ACCUMULATION by as much",
        ge=1,
        le=LARGEST_BATCH,
        effect=False,
    )
    accumulation: int = setting(
        4, "batches per optimiser step", ge=1, le=LARGEST_BATCH, effect=False
    )
    warmup_steps: int = setting(5, "steps until the learning rate is at its peak", ge=0, le=MANY)
    weight_decay: float = setting(0.01, "weight decay of AdamW", ge=0, allow_inf_nan=False)
    max_length: int = setting(
        2048, "tokens of a training example; longer ones are cut at the end", ge=1, le=MANY
    )
    loss: Literal["completion", "whole"] = setting(
        "completion",
        "completion (answers only) or whole (prompts, too, as YuanAI and Med-Idefics did)",
    )
    checkpoint_seconds: float = setting(
        60.0, "seconds of training between two checkpoints; 0: every step", ge=0, effect=False
    )
    seed: int = setting(3407, "one seed for first weights, order and draws", ge=0, le=LARGEST_SEED)

    # The pocket model has 2 M parameters: another rate, and the batch in one piece.
    profiles: ClassVar = {
        "pocket": {
            "learning_rate": 0.006,
            "steps": 400,
            "batch": 8,
            "accumulation": 1,
            "max_length": 1024,
            "checkpoint_seconds": 15.0,
        },
        # About one pass over the real training posts, in some minutes on two cores.
        "laptop": {"learning_rate": 5e-4, "steps": 105},
        "a100": {"batch": 8, "accumulation": 1},
    }

    def model_post_init(self, context: Any) -> None:
        """Refuse a training of no step."""
        if not (self.steps or self.epochs):
            raise LabError("`steps` is 0, but it must be above 0, or `epochs` must be.")

    @property
    def examples_per_step(self) -> int:
        """How many examples one optimiser step learns from."""
        return self.batch * self.accumulation

    @property
    def peak_rate(self) -> float:
        """The learning rate at its peak."""
        return self.learning_rate

    @property
    def warmup(self) -> int:
        """Steps of transformers' own warm-up."""
        return self.warmup_steps

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

    def effective(self) -> dict[str, Any]:
        """Return the numbers that the result depends on.

        How a step's examples are cut into batches is none of them, so a training that found no room
        on the GPU goes on with a smaller batch and more accumulation.
        """
        found = super().effective() | {"examples_per_step": self.examples_per_step}
        found.pop("steps" if self.epochs else "epochs")
        return found

    def count_examples(self, available: int) -> int:
        """Return how many examples are learnt from in all, repetitions included."""
        if self.epochs:
            return max(1, round(self.epochs * available))
        return self.steps * self.examples_per_step

    def count_steps(self, available: int) -> int:
        """Return how many optimiser steps that makes."""
        return math.ceil(self.count_examples(available) / self.examples_per_step)


class VlmRecipe(LoraRecipe):
    """What determines the fine-tuning of a VLM, besides model and training examples.

    "lora" gives every linear layer of the text tower an adapter; "text" trains that tower whole;
    "moondream" does that in the manner of its authors: their rate, their schedule (see
    `moondream_rate`) and their optimiser, Adam in 8 bit with betas 0.9 and 0.95, epsilon 1e-6,
    neither weight decay nor clipping. "projection" trains nothing but what joins the towers, as
    SkinGPT-4 did.
    """

    recipe: Literal["lora", "text", "moondream", "projection"] = setting(
        "lora",
        "lora, text (the whole text tower), moondream (that, in its authors' manner) or projection "
        "(only what joins the towers)",
    )
    learning_rate: float = setting(
        0.0,
        "peak learning rate; 0: the recipe's own, as moondream's always is",
        ge=0,
        allow_inf_nan=False,
    )
    vision: Literal["frozen", "connector", "trained"] = setting(
        "frozen",
        "frozen; connector: what joins the vision tower to the text tower learns, too; trained: "
        "also the vision tower",
    )
    references: Literal["first", "all", "sampled"] = setting(
        "first", "which of several answers is learnt: first, all, or sampled (another each time)"
    )
    augmentation: Literal["none", "training"] = setting(
        "none", "none, or training: training images are rotated, mirrored and recoloured a little"
    )
    slips: Literal["none", "authors"] = setting(
        "none",
        "none, or authors: what went wrong in VisionQAries' code (prompts without spaces, "
        "validation images augmented, too)",
    )
    features: Literal["auto", "live", "precomputed"] = setting(
        "live",
        "live; precomputed: the frozen vision tower sees each image once; auto: that where it can "
        "be done",
        effect=False,
    )

    profiles: ClassVar = {
        "pocket": {"epochs": 4.0, "features": "auto"},
        "t4": {"epochs": 2.0},
        "a100": {"max_length": 4096},
    }

    def model_post_init(self, context: Any) -> None:
        """Refuse what a VLM cannot be trained with."""
        super().model_post_init(context)
        if self.features == "precomputed" and not self.precomputes:
            changing = "vision" if self.vision == "trained" else "augmentation"
            raise LabError(
                f"`features` is 'precomputed', but `{changing}` is {getattr(self, changing)!r}, so "
                "that images look different each time: set `features` to 'auto' or 'live'."
            )

    @property
    def way(self) -> Way:
        """What the named recipe brings."""
        return WAYS[self.recipe]

    @property
    def adapts(self) -> bool:
        """True if an adapter learns, and no weight of the model itself."""
        return self.way.trains == "adapter"

    @property
    def trains_text_tower(self) -> bool:
        """True if the text tower is trained whole, without an adapter."""
        return self.way.trains == "text tower"

    @property
    def trains_connector(self) -> bool:
        """True if what joins the towers learns, and the vision tower does not."""
        return self.vision == "connector" or self.way.trains == "connector"

    @property
    def peak_rate(self) -> float:
        """The learning rate at its peak; that of moondream's authors is part of their recipe."""
        own = self.way.rate
        return own if self.recipe == "moondream" else self.learning_rate or own

    @property
    def warmup(self) -> int:
        """Steps of transformers' own warm-up."""
        return 0 if self.recipe == "moondream" else self.warmup_steps

    @property
    def precomputes(self) -> bool:
        """True if features may be precomputed: the vision tower sees the same in every epoch."""
        return self.features != "live" and self.vision != "trained" and self.augmentation == "none"

    def effective(self) -> dict[str, Any]:
        """As of `LoraRecipe`; without an adapter, its numbers determine nothing."""
        without = () if self.adapts else ("rank", "alpha", "dropout")
        found = super().effective() | {"learning_rate": self.peak_rate}
        return {name: value for name, value in found.items() if name not in without}

    def optimiser(self) -> dict:
        """Return the optimiser as arguments of transformers' trainer."""
        if self.recipe != "moondream":
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
        return partial(moondream_rate, steps=steps) if self.recipe == "moondream" else None


def check_trainable(recipe: VlmRecipe, base: ModelRef) -> None:
    """Refuse to train a whole tower of 4-bit weights."""
    if recipe.trains_text_tower and base.quantization != "none":
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
