"""The recipe of a text classifier that chooses a label, with or without options before it.

The paper (Yang & Yang 2024) trains sequence-classification LLMs by a Chain of Options, which breaks
a task into intermediate steps at the time of training. How its steps look is not published: the
variants here are our reading.
"""

from typing import ClassVar, Literal

from helpers.settings.section import LARGEST_BATCH, Section, setting
from helpers.training.recipe import LARGEST_SEED

# Options in the first steps of a chain; the last has as many as are asked with.
GROWING = (2, 5, 10)


class OptionsRecipe(Section):
    """What determines the training besides the model, the stories and their options.

    Every variant learns for as many steps of as many examples.
    """

    variant: Literal["chain", "yes_no", "options"] = setting(
        "chain",
        "chain (lists of options that grow), yes_no (one option at a time, then its class, then "
        "the best of all) or options (all at once)",
        parameter="CHAIN",
    )
    count: int = setting(
        5, "options that a model is given, the most probable first", parameter="OPTIONS", ge=1
    )
    whole: bool = setting(
        False,
        "whether the whole LLM learns, and no adapter",
        parameter="WHOLE_MODEL",
    )
    rank: int = setting(16, "rank of the adapter's matrices", ge=1, le=4096)
    alpha: int = setting(16, "the adapter's part is scaled by ALPHA / RANK", ge=1, le=65536)
    learning_rate: float = setting(2e-4, "peak learning rate", gt=0, allow_inf_nan=False)
    steps: int = setting(600, "optimiser steps", ge=1, le=1_000_000)
    batch: int = setting(
        16, "examples at once; lower it if the GPU has no room", ge=1, le=LARGEST_BATCH
    )
    max_length: int = setting(
        512,
        "tokens of a story with its options; longer stories lose their beginning",
        ge=8,
        le=1_000_000,
    )
    seed: int = setting(3407, "one seed for first weights, order and draws", ge=0, le=LARGEST_SEED)
    # The pocket model is so small that it is trained whole.
    profiles: ClassVar = {
        "pocket": {"whole": True, "learning_rate": 1e-3, "steps": 400},
        "laptop": {"whole": False, "learning_rate": 5e-4},
    }
