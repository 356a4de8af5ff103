"""What a training that broke off tells a person: which setting to lower and by how much, or to free
some disk.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.files import WorkFailed, disk_full
from helpers.training.recipe import LoraRecipe, VlmRecipe

NO_ROOM = ("outofmemory", "out of memory", "can't allocate memory")


@contextmanager
def explain_failures(recipe: LoraRecipe, folder: Path) -> Iterator[None]:
    """Turn a full memory and a full disk into one sentence each; a later call goes on from the last
    checkpoint.
    """
    try:
        yield
    except Exception as error:
        sentence = disk_full(error, folder) or no_room(error, recipe)
        if not sentence:
            raise
        raise WorkFailed(sentence) from None


def no_room(error: BaseException, recipe: LoraRecipe) -> str:
    """The sentence for an error that says that memory ran out, and "" for any other."""
    text = f"{type(error).__name__}: {error}".lower()
    if not any(sign in text for sign in NO_ROOM):
        return ""
    return f"The training has no room in memory{_memory()}: {smaller(recipe)}"


def smaller(recipe: LoraRecipe) -> str:
    """What to lower: the batch, with the same records per step, and where that is 1 the length of a
    record.
    """
    if recipe.batch == 1 and isinstance(recipe, VlmRecipe):
        if recipe.trained == "text":
            return (
                "set VLM_RECIPE to 'lora', which trains far fewer numbers, or choose a smaller VLM."
            )
        return "set VLM_QUANTIZATION to 'nf4' if it is not, lower PICTURE_SIDE, or choose a smaller VLM."
    if recipe.batch == 1:
        half = max(1, recipe.max_length // 2)
        return f"lower MAX_LENGTH from {recipe.max_length} to {half}, or choose a smaller MODEL."
    batch = max(size for size in range(1, recipe.batch) if recipe.batch % size == 0)
    return (
        f"lower {recipe.setting('batch')} from {recipe.batch} to {batch} and raise "
        f"{recipe.setting('accumulation')} from {recipe.accumulation} to "
        f"{recipe.records_per_step // batch}, which is the same training; it goes on where it "
        "stopped."
    )


def _memory() -> str:
    """How much of the GPU's memory is in use, by whomever."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    free, total = torch.cuda.mem_get_info()
    return f" ({(total - free) / 1e9:.1f} of {total / 1e9:.1f} GB of the GPU are in use)"
