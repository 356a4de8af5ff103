"""What the lab's trainer saves in first stages, Med-Idefics' captions of scans and SkinGPT-4's
concepts, against a plain transformers Trainer with the same collator, model, examples and number of
steps.

`python tests/benchmarks/bench_stages.py [EPOCHS]`, without them each stage's own. Compare the
ratios, not the seconds: features of a frozen tower are computed once, which pays where the tower
(and not a text tower that learns) is most of the work.
"""

import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from transformers import Trainer, TrainingArguments

from helpers.data import load_dataset
from helpers.experiments.stage import Stage
from helpers.experiments.vlm_cases import training_example
from helpers.models.process import prepare_process
from helpers.models.processors import load_processor
from helpers.models.vlm import load_vlm
from helpers.training.lora_sft import train_adapter
from helpers.training.vlm_examples import encode, live_collator
from helpers.training.vlm_sft import make_trainable

CAPTIONS = 2000
# What is learnt -> the stage's settings, as the studies have them.
STAGES = {
    "captions of scans (pocket/idefics2, its text tower learns)": {
        "DATASET": "pocket_roco",
        "PROMPT": "caption",
        "EPOCHS": 3.0,
    },
    "concepts (pocket/skingpt4, its projection learns)": {
        "MODEL": "pocket/skingpt4",
        "RECIPE": "projection",
        "DATASET": "pocket_skincon_held_out",
        "PROMPT": "concepts",
        "EPOCHS": 6.0,
        "LEARNING_RATE": 0.05,
    },
}


def main() -> None:
    """Print the seconds of both ways, and their ratio, for each stage."""
    prepare_process()
    for name, changes in STAGES.items():
        asked = {"EPOCHS": float(sys.argv[1])} if len(sys.argv) > 1 else {}
        stage = Stage.of_profile("pocket", changes | asked)
        processor = load_processor(stage.model)
        cases = load_dataset(stage.data.name).split("train")[:CAPTIONS]
        rows = [training_example(processor, case, stage.prompt.name, glued=False) for case in cases]
        ours, plain = ours_takes(stage, rows), plain_takes(stage, rows)
        print(
            f"{name}, {len(rows)} x {stage.recipe.epochs:g}: plain Trainer {plain:.0f} s, the "
            f"lab's {ours:.0f} s: {plain / ours:.2f} times as fast"
        )


def ours_takes(stage: Stage, rows: list[dict]) -> float:
    """Seconds of the lab's training, the look at all images included."""
    card = {"model": "", "weights": "", "data": "", "prompt": ""}
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        train_adapter(
            stage.model, rows, [], Path(scratch), recipe=stage.recipe, card=card, backend="peft"
        )
        return time.perf_counter() - started


def plain_takes(stage: Stage, rows: list[dict]) -> float:
    """Seconds of a plain Trainer, which opens the images batch by batch."""
    started = time.perf_counter()
    loaded, recipe = load_vlm(stage.model), stage.recipe
    choices = encode(loaded.processor, rows, recipe, recipe.max_length).choices
    with tempfile.TemporaryDirectory() as scratch:
        Trainer(
            make_trainable(loaded.model, recipe),
            TrainingArguments(
                scratch,
                per_device_train_batch_size=recipe.examples_per_step,
                num_train_epochs=recipe.epochs,
                learning_rate=recipe.learning_rate,
                warmup_steps=recipe.warmup_steps,
                save_strategy="no",
                report_to=[],
                remove_unused_columns=False,
                use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=[one[0] for one in choices],
            data_collator=live_collator(loaded.processor),
        ).train()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
