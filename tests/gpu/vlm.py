"""What a T4 would do with VLMs, by Unsloth and by PEFT, on any CUDA machine without network.

Run `python tests/gpu/vlm.py --out figures.json`. For SmolVLM, Qwen3-VL-8B and Idefics2-8B it writes
a checkpoint of the published shape with random weights in nf4 (2 to 7 GB of disk each, one at a
time, in the temporary folder), then trains an adapter with each backend and answers a batch with
images, each in a process of its own, in float16 and with the GPU's memory capped at 15 GB. Random
weights cost what real ones cost. A faster GPU than a T4 shows the ratio of the backends and the
memory, not a T4's seconds.

`--tiny` does the same with tiny models on whatever there is (tests run it on the CPU, where Unsloth
trains no VLM and is left out); `--models` names some of them. Status 1 if a part
failed.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.gpu.parts import WORDS, as_on_a_t4, even_seconds, in_its_own_process
from tests.gpu.vlm_checkpoints import SHAPES, TINY, write_checkpoint

PARTS = ("unsloth", "peft", "answers")
ANSWERED, NEW_TOKENS, MAX_SIDE = 4, 64, 512  # as the T4's profile has it


def main() -> int:
    """Measure all models and parts, or the one named, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="where the figures go, as JSON")
    parser.add_argument(
        "--tiny", action="store_true", help="tiny models, on the CPU where there is no GPU"
    )
    parser.add_argument("--cap", type=float, default=15.0, help="GPU memory in GB of 10^9 bytes")
    parser.add_argument("--steps", type=int, default=6, help="optimiser steps of 2 x 4 examples")
    parser.add_argument(
        "--models", nargs="+", choices=SHAPES, default=list(SHAPES), help="which of them"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        arguments.out.write_text(json.dumps(measure(arguments)))
        return 0
    figures = {"tiny": arguments.tiny, "cap_gb": arguments.cap}
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as scratch:
            arguments.folder = Path(scratch)
            figures[name] = all_parts(name, arguments)
        # At once: a later model's failure costs no earlier one.
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")
    measured = [figures[name][part] for name in arguments.models for part in PARTS]
    return 1 if any("error" in part for part in measured) else 0


def all_parts(name: str, arguments: argparse.Namespace) -> dict:
    """Measure one model."""
    import torch

    shape = (TINY if arguments.tiny else SHAPES)[name]
    figures = {"checkpoint_gb": write_checkpoint(arguments.folder / "model", name, shape)}
    for part in PARTS:
        if part == "unsloth" and not torch.cuda.is_available():
            figures[part] = {"left_out": "Unsloth trains no VLM without a GPU"}
        else:
            figures[part] = in_its_own_process(__file__, part, arguments, "--models", name)
        print(f"{name:9} {part:8} {json.dumps(figures[part])}", flush=True)
    return figures


def measure(arguments: argparse.Namespace) -> dict:
    """Measure one part in this process."""
    if arguments.part == "unsloth":
        import unsloth  # noqa: F401  (before torch and transformers, which it patches)
    from helpers.models import loading as models
    from helpers.models import vlm as vision_models
    from helpers.training import unsloth_worker

    work = answers if arguments.part == "answers" else training
    return as_on_a_t4(lambda: work(arguments), arguments, (models, vision_models, unsloth_worker))


def training(arguments: argparse.Namespace) -> dict:
    """Measure seconds per step of the T4 profile's recipe, once it runs evenly."""
    from helpers.models.refs import ModelRef
    from helpers.training.lora_sft import train_adapter
    from helpers.training.recipe import VlmRecipe
    from helpers.training.unsloth_worker import train as train_with_unsloth_here

    folder = arguments.folder / f"run-{arguments.part}"
    recipe = VlmRecipe(steps=arguments.steps)
    base = ModelRef(str(arguments.folder / "model"), quantization="nf4", max_side=MAX_SIDE)
    rows = texts(arguments.folder, 16)
    folder.mkdir()
    if arguments.part == "peft":
        card = {"model": "random", "weights": "random"}
        facts = train_adapter(base, rows, [], folder, recipe=recipe, card=card, backend="peft")
    else:  # in this process, whose memory is measured
        facts = train_with_unsloth_here(base, rows, [], folder, recipe, lambda report: None)
    log = json.loads((folder / "training.json").read_text())
    seconds = [entry["seconds"] for entry in log]
    return {
        "even_seconds_per_step": round(even_seconds(seconds), 3),
        "seconds_to_first_step": seconds[0],
        "losses": [round(entry["loss"], 3) for entry in log if "loss" in entry],
        **facts,
    }


def answers(arguments: argparse.Namespace) -> dict:
    """Measure tokens per second of one batch of answers, the second time it is asked."""
    from PIL import Image

    from helpers.models.base import ImagePrompt
    from helpers.models.refs import ModelRef
    from helpers.models.vlm import load_vlm

    model = load_vlm(
        ModelRef(str(arguments.folder / "model"), quantization="nf4", max_side=MAX_SIDE)
    )
    rows = texts(arguments.folder, ANSWERED)
    asked = {
        row["id"]: ImagePrompt(Image.open(row["image"]).convert("RGB"), row["question"])
        for row in rows
    }
    for _ in range(2):
        started = time.perf_counter()
        made = list(model.answer_batch(asked, max_new_tokens=NEW_TOKENS))
        seconds = time.perf_counter() - started
    tokens = sum(answer.tokens for answer in made)
    return {
        "images": len(made),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 1),
    }


def texts(scratch: Path, count: int) -> list[dict]:
    """Make texts as long as DermaVQA's with title and content, with images of different sizes."""
    from PIL import Image

    from helpers.models.processors import completion, load_processor, turn_text
    from helpers.models.refs import ModelRef

    processor = load_processor(ModelRef(str(scratch / "model")))
    draw = random.Random(0)
    rows = []
    (scratch / "images").mkdir(exist_ok=True)
    for number in range(count):
        path, size = scratch / "images" / f"{number}.jpg", (640 + 16 * number, 480)
        Image.frombytes("RGB", (16, 12), draw.randbytes(16 * 12 * 3)).resize(size).save(path)
        question, answer = (" ".join(draw.choices(WORDS, k=length)) for length in (60, 45))
        rows.append(
            {
                "id": str(number),
                "image": str(path),
                "question": question,
                "prompt": turn_text(processor, question),
                "completions": [completion(processor, question, answer)],
            }
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
