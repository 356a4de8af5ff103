"""What it saves that a frozen vision tower sees each image once: live and precomputed features.

`python tests/benchmarks/bench_vision_sft.py`, for both pocket models. Compare the ratio, not the
seconds.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from helpers.data import load_dataset
from helpers.models.processors import completion, load_processor, turn_text
from helpers.models.prompts import vlm_question
from helpers.models.refs import ModelRef
from helpers.training.lora_sft import train_adapter
from helpers.training.recipe import VlmRecipe

EXAMPLES, EPOCHS = 40, 6


def main() -> None:
    """Print seconds and final losses of both ways, and their ratio."""
    for model in ("pocket/llava", "pocket/idefics2"):
        found = {way: training(model, way) for way in ("live", "precomputed")}
        apart = max(
            abs(one - other) for one, other in zip(found["live"][1], found["precomputed"][1])
        )
        ratio = found["live"][0] / found["precomputed"][0]
        print(
            f"{model}: live {found['live'][0]:.1f} s, precomputed {found['precomputed'][0]:.1f} s "
            f"(the look included), {ratio:.2f} times as fast; losses differ by {apart:.1e} at most"
        )


def training(model: str, features: str) -> tuple[float, list[float]]:
    """Seconds of a training and its losses."""
    processor = load_processor(ModelRef(model))
    rows = []
    for case in load_dataset("pocket").split("train")[:EXAMPLES]:
        question = vlm_question(case, "P1")
        answers = [completion(processor, question, reference.text) for reference in case.references]
        rows.append(
            {
                "id": case.id,
                "image": str(case.images_on_disk[0]),
                "prompt": turn_text(processor, question),
                "completions": answers,
            }
        )
    recipe = VlmRecipe(
        steps=0, epochs=EPOCHS, batch=8, accumulation=1, learning_rate=1e-3, features=features
    )
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        card = {"model": model, "weights": "", "data": "", "prompt": ""}
        train_adapter(
            ModelRef(model), rows, [], Path(scratch), recipe=recipe, card=card, backend="peft"
        )
        seconds = time.perf_counter() - started
        log = json.loads((Path(scratch) / "training.json").read_text())
    return seconds, [entry["loss"] for entry in log if "loss" in entry]


if __name__ == "__main__":
    main()
