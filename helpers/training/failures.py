"""What a training that broke off tells a person: what to lower and by how much, or to free disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.files import WorkFailed, disk_full
from helpers.training.recipe import LoraRecipe, VlmRecipe

# Also of errors that came from another process as text, and of a CPU.
NO_ROOM = ("outofmemory", "out of memory", "can't allocate memory")


@contextmanager
def explain_failures(recipe: LoraRecipe, folder: Path) -> Iterator[None]:
    """Turn a full memory and a full disk into one sentence each.

    What was trained is kept: a later call goes on from the last checkpoint.
    """
    try:
        yield
    except Exception as error:
        sentence = disk_full(error, folder) or explain_no_room(error, recipe)
        if not sentence:
            raise
        raise WorkFailed(sentence) from None


def explain_no_room(error: BaseException, recipe: LoraRecipe) -> str | None:
    """Word an error that says that memory ran out; None for any other."""
    text = f"{type(error).__name__}: {error}".lower()
    if not any(sign in text for sign in NO_ROOM):
        return None
    return f"The training has no room in memory{_memory_in_use()}: {what_to_lower(recipe)}"


def what_to_lower(recipe: LoraRecipe) -> str:
    """Advise a smaller batch with as many examples per step; where it is 1, shorter examples."""
    if recipe.batch > 1:
        return _smaller_batch(recipe)
    if not isinstance(recipe, VlmRecipe):
        half = max(1, recipe.max_length // 2)
        return (
            f"lower `max_length` from {recipe.max_length} to {half}, or choose a smaller `model`."
        )
    if recipe.trains_text_tower:
        return (
            "set `recipe` to 'lora', which trains far fewer numbers, or choose a smaller `model`."
        )
    return (
        "set `quantization` to 'nf4' if it is not, lower `max_side`, or choose a smaller `model`."
    )


def _smaller_batch(recipe: LoraRecipe) -> str:
    batch = max(size for size in range(1, recipe.batch) if recipe.batch % size == 0)
    accumulation = recipe.examples_per_step // batch
    return (
        f"lower `batch` from {recipe.batch} to {batch} and raise `accumulation` from "
        f"{recipe.accumulation} to {accumulation}, which is the same training; it goes on where it "
        "stopped."
    )


def _memory_in_use() -> str:
    """Say how much of the GPU's memory is in use, by whomever."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    free, total = torch.cuda.mem_get_info()
    return f" ({(total - free) / 1e9:.1f} of {total / 1e9:.1f} GB of the GPU are in use)"
