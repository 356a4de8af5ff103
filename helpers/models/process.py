"""What a process that works with models does first."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from helpers.files import disable_statistics

# Libraries that log and warn of what a reader of a notebook can do nothing about.
CHATTY = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "huggingface_hub",
    "peft",
    "torch",
    "torch.utils._pytree",  # has a level of its own
    "transformers",
    "trl",
    "unsloth",
    "unsloth_zoo",
)


def prepare_process() -> None:
    """Silence usage statistics, and the chatter of libraries, which would put times and process ids
    into outputs; bound what a library keeps in memory.

    Warnings of other modules, a person's own among them, are shown as ever.
    """
    disable_statistics()
    os.environ |= {
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    # oneDNN keeps what it has made for each shape of a product, of a thousand if it is let, and
    # batches come in ever new lengths: a training on a CPU grew by gigabytes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # "Loading weights", at every load


@contextmanager
def without_load_report() -> Iterator[None]:
    """Silence transformers' table of weights that do not fit, where this is meant or said in one
    sentence of ours.
    """
    from transformers.utils import logging as chatter

    before = chatter.get_verbosity()
    chatter.set_verbosity_error()
    try:
        yield
    finally:
        chatter.set_verbosity(before)
