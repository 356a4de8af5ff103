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

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from helpers.models.captioning import caption_images
from helpers.models.captions import Captioner
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


def seconds(captioner: Captioner, paths: list[Path], name: str) -> float:
    """Seconds that it takes to caption images which are kept under a name."""
    started = time.perf_counter()
    found = caption_images(captioner, paths, name)
    assert len(found) == len(paths) and not any(caption.error for caption in found.values())
    return time.perf_counter() - started


def speed(captioner: Captioner, folder: Path) -> float:
    """How many times as fast batches are as one image at a time."""
    paths = write_images(folder, COMPARED)
    seconds(captioner, paths[:BATCH], "warm")
    alone = seconds(captioner.but(batch=1), paths, "alone")
    together = seconds(captioner, paths, "together")
    print(
        f"one by one {COMPARED / alone:.0f} images/s, in batches of {BATCH} "
        f"{COMPARED / together:.0f} images/s: {alone / together:.1f}x"
    )
    return alone / together


def growth(captioner: Captioner, folder: Path) -> float:
    """Megabytes that the process grows by from the first tenth of the images to all."""
    process, paths = psutil.Process(os.getpid()), write_images(folder, MANY)
    first = MANY // 10
    seconds(captioner, paths[:first], "many")
    before, started = process.memory_info().rss / 1e6, time.perf_counter()
    seconds(captioner, paths, "many")
    after, took = process.memory_info().rss / 1e6, time.perf_counter() - started
    print(
        f"{MANY} images: {before:.0f} MB after {first}, {after:.0f} MB at the end, "
        f"{(MANY - first) / took:.0f} images/s with decoding and writing"
    )
    return after - before


def main() -> int:
    """Measure, print, and return the exit status."""
    captioner = Captioner(name="pocket/blip", max_new_tokens=32, batch=BATCH)
    with tempfile.TemporaryDirectory() as outputs:
        os.environ["LAB_OUTPUTS"] = outputs  # where captions are kept
        folders = [Path(outputs) / name for name in ("few", "many")]
        for folder in folders:
            folder.mkdir()
        quicker, grown = speed(captioner, folders[0]), growth(captioner, folders[1])
    return 0 if quicker >= QUICKER and grown <= GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
