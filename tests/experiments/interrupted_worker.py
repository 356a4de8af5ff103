"""Fine-tune and answer at miniature size; `test_interruption.py` kills this process and starts it
again.
"""

import sys
from types import SimpleNamespace

from helpers.data import load_dataset
from helpers.experiments.answers import answer
from helpers.experiments.finetune import finetune
from helpers.settings.profiles import resolve

SETTINGS = {
    "SEED": 5,
    "DATASET": "pocket",
    "STEPS": 12,
    "BATCH": 2,
    "RANK": 4,
    "MAX_NEW_TOKENS": 24,
    "ANSWER_BATCH": 2,
    "ENCODER": "minilm",
}


def work(data_root: str):
    """The adapter's run and the answers' run, done or taken up again."""
    settings = SimpleNamespace(**resolve("pocket", SETTINGS | {"DATA_ROOT": data_root}))
    data = load_dataset(settings.DATASET, settings.DATA_ROOT)
    training = finetune(data, settings)
    return training, answer(data, settings, shots=1, adapter=training.folder / "adapter")


if __name__ == "__main__":
    work(sys.argv[1])
