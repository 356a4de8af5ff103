"""What a process that works with models does first."""

import logging
import os
import warnings

from helpers.files import disable_statistics


def prepare_process() -> None:
    """Silence usage statistics, and library chatter that would put times and process ids into
    outputs.
    """
    disable_statistics()
    os.environ |= {
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    warnings.filterwarnings("ignore")
    for name in (
        "transformers",
        "torch",
        "torch.utils._pytree",
        "bitsandbytes",
        "trl",
        "peft",
        "datasets",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # "Loading weights", at every load
