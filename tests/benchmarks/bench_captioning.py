"""Captioning with pocket/blip: batches against one image at a time, and memory over 10,000
images.

Run as a script; status 1 if batches are less than three times as fast, or memory grows. All figures
are of one run, so compare them as ratios.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

from helpers.models.captioning import Captioner, caption_images, open_captioner
from helpers.models.captions import CaptionStore
from helpers.pocket.conditions import load_conditions
from helpers.pocket.lesions import draw

COMPARED, MANY, BATCH = 160, 10_000, 32
QUICKER, GROWTH = 3.0, 60.0  # times; megabytes between 1,000 and 10,000 images


def write_images(folder: Path, count: int) -> list[Path]:
    """As many different images: some drawn ones, each under many names with a few bytes behind
    its end.
    """
    drawn = []
    for number, condition in enumerate(load_conditions()):
        path = folder / f"drawn {number}.jpg"
        draw(condition, skin_tone=1 + number % 6, seed=number, size=192).save(path)
        drawn.append(path.read_bytes())
    paths = []
    for number in range(count):
        paths.append(folder / f"{number}.jpg")
        paths[-1].write_bytes(drawn[number % len(drawn)] + b"%d" % number)
    return paths


def seconds(captioner: Captioner, paths: list[Path], store: Path, batch: int) -> float:
    started = time.perf_counter()
    found = caption_images(captioner, paths, CaptionStore(store), batch_size=batch)
    assert len(found) == len(paths) and not any(caption.error for caption in found.values())
    return time.perf_counter() - started


def speed(captioner: Captioner, folder: Path) -> float:
    paths = write_images(folder, COMPARED)
    seconds(captioner, paths[:BATCH], folder / "warm.jsonl", BATCH)
    alone = seconds(captioner, paths, folder / "alone.jsonl", 1)
    together = seconds(captioner, paths, folder / "together.jsonl", BATCH)
    print(
        f"one by one {COMPARED / alone:.0f} images/s, in batches of {BATCH} "
        f"{COMPARED / together:.0f} images/s: {alone / together:.1f}x"
    )
    return alone / together


def growth(captioner: Captioner, folder: Path) -> float:
    """Megabytes that the process grows by from the first thousand images to all."""
    process, paths = psutil.Process(os.getpid()), write_images(folder, MANY)
    seconds(captioner, paths[:1000], folder / "many.jsonl", BATCH)
    before, started = process.memory_info().rss / 1e6, time.perf_counter()
    seconds(captioner, paths, folder / "many.jsonl", BATCH)
    after, took = process.memory_info().rss / 1e6, time.perf_counter() - started
    print(
        f"{MANY} images: {before:.0f} MB after 1,000, {after:.0f} MB at the end, "
        f"{(MANY - 1000) / took:.0f} images/s with decoding and writing"
    )
    return after - before


def main() -> int:
    captioner = open_captioner(
        "pocket/blip", prompt="auto", max_new_tokens=32, quantization="none", allow_upload=False
    )
    model = captioner.open()
    captioner = Captioner(
        captioner.name, captioner.weights, captioner.text, captioner.max_new_tokens, lambda: model
    )
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        quicker, grown = speed(captioner, Path(first)), growth(captioner, Path(second))
    return 0 if quicker >= QUICKER and grown <= GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
