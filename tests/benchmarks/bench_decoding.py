"""10,000 photos opened one after the other: how fast, and whether the memory stays that of a few.

Run `python tests/benchmarks/bench_decoding.py`. Status 1 if the process grows by 50 MB or more
between the 1,000th and the 10,000th image, or if decoding in the background makes a working
consumer slower.
"""

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from helpers.data.images import BadImage, open_image, open_images

IMAGES, DISTINCT, SIZE = 10_000, 100, (1200, 900)
LONGEST, AHEAD = 384, 32
WARM, MOST_GROWTH = 1_000, 50  # images; MB
SAMPLE, WORK = (
    300,
    0.005,
)  # images, and the seconds for which a consumer waits for its accelerator with each
LEAST_GAIN = 1.0


def main() -> int:
    """Measure, print, and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        paths = photos(Path(folder))
        on_disk = sum(path.stat().st_size for path in paths[:DISTINCT]) / 1e6
        print(
            f"{IMAGES} names of {DISTINCT} photos of {SIZE[0]} x {SIZE[1]} pixels, {on_disk:.0f} "
            "MB on disk"
        )
        growth = growth_of_memory(paths)
        alone = rate(one_by_one(paths[:SAMPLE]))
        ahead = rate(open_images(paths[:SAMPLE], max_side=LONGEST, ahead=AHEAD))
    print(
        f"a consumer that works {1000 * WORK:.0f} ms on each: {alone:.0f} images a second one by "
        f"one, {ahead:.0f} decoded in the background: {ahead / alone:.2f} times as many (at least "
        f"{LEAST_GAIN:.2f} wanted)"
    )
    return 0 if growth < MOST_GROWTH and ahead / alone >= LEAST_GAIN else 1


def photos(folder: Path) -> list[Path]:
    """The paths of all images: few files, each under many names."""
    from PIL import Image

    for number in range(DISTINCT):
        # A gradient with a little noise compresses about as a photo of skin does.
        image = Image.linear_gradient("L").rotate(3.6 * number).resize(SIZE)
        noise = Image.effect_noise((SIZE[0] // 4, SIZE[1] // 4), 30).resize(SIZE)
        Image.merge("RGB", (image, Image.blend(image, noise, 0.5), noise)).save(
            folder / f"{number}.jpg", quality=90
        )
    for number in range(DISTINCT, IMAGES):
        (folder / f"{number}.jpg").hardlink_to(folder / f"{number % DISTINCT}.jpg")
    return [folder / f"{number}.jpg" for number in range(IMAGES)]


def growth_of_memory(paths: list[Path]) -> float:
    """By how many MB the peak of the process grows after the first images; it prints what it
    measures.
    """
    process, peak, warm = psutil.Process(), 0.0, 0.0
    started = time.perf_counter()
    for number, (path, image) in enumerate(
        open_images(paths, max_side=LONGEST, ahead=AHEAD), start=1
    ):
        if isinstance(image, BadImage) or max(image.size) != LONGEST:
            raise AssertionError(
                f"{path.name} did not come as an image of {LONGEST} pixels: {image}"
            )
        peak = max(peak, process.memory_info().rss / 1e6)
        if number == WARM:
            warm = peak
    seconds = time.perf_counter() - started
    print(
        f"peak memory: {warm:.0f} MB after {WARM} images, {peak:.0f} MB after {number} "
        f"(growth under {MOST_GROWTH} MB wanted)"
    )
    print(f"a consumer that does nothing: {number / seconds:.0f} images a second")
    return peak - warm


def one_by_one(paths: list[Path]) -> Iterable:
    """The same images without background: each is decoded when it is asked for."""
    return ((path, open_image(path, max_side=LONGEST)) for path in paths)


def rate(images: Iterable) -> float:
    """How many images a second a consumer gets through that waits a little with each."""
    started, count = time.perf_counter(), 0
    for _ in images:
        time.sleep(WORK)
        count += 1
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
