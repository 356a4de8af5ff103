"""What trains an adapter, and why: Unsloth where there is a CUDA GPU, PEFT anywhere else.

The start cell and the doctor ask this module, so it loads no torch.
"""

from dataclasses import dataclass
from importlib.util import find_spec

from helpers.files import LabError
from helpers.models.devices import choose_device, device_for
from helpers.models.moondream.processor import MODEL_TYPE
from helpers.models.refs import ModelRef
from helpers.training.recipe import LoraRecipe, VlmRecipe

BACKENDS = ("auto", "unsloth", "peft")


@dataclass(frozen=True)
class Backend:
    """What trains, and why: printed by the start cell and kept in `run.json`."""

    name: str
    reason: str


def choose_backend(asked: str) -> Backend:
    """Pick what trains: for "auto" Unsloth if it is installed and has a CUDA GPU, PEFT if not.

    Raises:
        LabError: an unknown name, or Unsloth is asked for and not installed.
    """
    if asked not in BACKENDS:
        raise LabError(f"`backend` is {asked!r}, but it must be one of: {', '.join(BACKENDS)}.")
    installed = find_spec("unsloth") is not None
    if asked == "unsloth" and not installed:
        raise LabError(
            "`backend` is 'unsloth', but unsloth is not installed: install it, or set `backend` to "
            "'auto'."
        )
    if asked != "auto":
        return Backend(asked, "asked for by name")
    if choose_device().name != "cuda":
        return Backend("peft", "there is no CUDA GPU; Unsloth's kernels are made for one")
    if not installed:
        return Backend("peft", "unsloth is not installed")
    return Backend("unsloth", "there is a CUDA GPU, where it is faster than PEFT alone")


def backend_for(asked: str, base: ModelRef, recipe: LoraRecipe) -> Backend:
    """Pick what trains this model by this recipe: PEFT also where Unsloth cannot do it.

    Raises:
        LabError: Unsloth is asked for by name, and cannot do it.
    """
    chosen = choose_backend(asked)
    if chosen.name != "unsloth":
        return chosen
    if asked == "unsloth":
        check_unsloth(base, recipe)
        return chosen
    reason = why_not_unsloth(base, recipe)
    return Backend("peft", reason) if reason else chosen


def check_unsloth(base: ModelRef, recipe: LoraRecipe) -> None:
    """Refuse a training that Unsloth cannot do."""
    if reason := why_not_unsloth(base, recipe):
        raise LabError(f"`backend` is 'unsloth', but {reason}: set `backend` to 'peft'.")


def _trained_whole(recipe: VlmRecipe) -> str:
    return "the text tower" if recipe.trains_text_tower else "what joins the towers"


def why_not_unsloth(base: ModelRef, recipe: LoraRecipe) -> str | None:
    """Say why Unsloth cannot do this training, as part of a sentence; None where it can."""
    if not isinstance(recipe, VlmRecipe):
        return None
    if recipe.vision == "connector":
        return "Unsloth adapts the text tower alone or the vision tower, too, and no part between"
    if not recipe.adapts:
        return f"Unsloth trains adapters here, and `recipe` trains {_trained_whole(recipe)} whole"
    device = choose_device()
    if device.name != "cuda":
        return "Unsloth trains VLMs on a CUDA GPU only, and there is none"
    # Late: it loads torch, and only a training of a VLM on a GPU comes here.
    from helpers.models.processors import vlm_type

    model_type = vlm_type(base)
    if model_type == MODEL_TYPE:
        return "Unsloth does not know moondream2"
    if device_for(model_type, device) != device:
        return "Gemma 3 needs float32 on this GPU"
    return None
