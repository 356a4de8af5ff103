"""Write drawings of skin without patients' words, in the files of two data sets of pictures.

`skincon`: SKINCON's table of concepts, a row for each picture, a few of them to be left out.
`dermnet`: a folder for each class in `train` and `test`, as Dermnet is passed on.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import yaml

from helpers.files import file_hash, read_text, write_text
from helpers.pocket import lesions
from helpers.pocket.building import build_whole
from helpers.pocket.clinic_images import draw_all_files
from helpers.pocket.conditions import PATH as CONDITIONS
from helpers.pocket.conditions import Condition, load_conditions
from helpers.pocket.vocabulary import CONCEPTS

FOLDERS = Path(__file__).with_name("dermnet_folders.yaml")
# Raised by hand when the files of a seed change; drawings and conditions have own versions.
VERSION = 1
SUMMARY = "skin.json"
PARTS = ("skincon", "dermnet")
# Pictures with concepts, and with classes by split.
SIZES = {"concepts": 1500, "train": 1500, "test": 300}
EXCLUDED = 0.05  # share of pictures that those who annotated them leave out
TABLE = "annotations_fitzpatrick17k.csv"
LEFT_OUT = "Do not consider this image"

Drawn = dict[str, Any]  # what `draw_file` draws


def build_skin_sets(
    folder: Path, *, seed: int = 7, sizes: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Write both sets of this seed to `folder`, whole or not at all; return how much they hold.

    Args:
        sizes: by the names of `SIZES`, which are taken unless given.
    Raises:
        LabError: the folder holds anything else.
    """
    words = "-".join(file_hash(path)[:6] for path in (CONDITIONS, FOLDERS))
    made = dict(sizes or SIZES)
    wanted = {"version": f"{VERSION}-{lesions.VERSION}-{words}", "seed": seed, "sizes": made}
    return build_whole(folder, SUMMARY, wanted, PARTS, partial(_write, seed, made))


@lru_cache
def class_folders() -> dict[str, str]:
    """Read Dermnet's folder of each class of conditions."""
    found: dict[str, str] = yaml.safe_load(read_text(FOLDERS))
    return found


def _write(seed: int, sizes: Mapping[str, int], folder: Path) -> Counter[str]:
    _write_concepts(folder / "skincon", seed, sizes["concepts"])
    for split in ("train", "test"):
        _write_classes(folder / "dermnet" / split, f"{seed}/{split}", sizes[split])
    return Counter(concepts=sizes["concepts"], classes=sizes["train"] + sizes["test"])


def _write_concepts(folder: Path, seed: int, count: int) -> None:
    """Write SKINCON's table, and the pictures."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("", "ImageID", *CONCEPTS, LEFT_OUT))
    pictures = {}
    for number in range(count):
        rng = random.Random(f"{seed}/concepts/{number}")
        name, drawn = f"drawing{number:05}.jpg", _plan(rng)
        pictures[folder / "images" / name] = drawn
        shown = [int(concept in drawn["seen"]["concepts"]) for concept in CONCEPTS]
        table.writerow((number, name, *shown, int(rng.random() < EXCLUDED)))
    write_text(folder / TABLE, text.getvalue())
    draw_all_files(pictures, seed)


def _write_classes(folder: Path, seed: str, count: int) -> None:
    """Write pictures into the folder of their class."""
    pictures = {}
    for number in range(count):
        drawn = _plan(random.Random(f"{seed}/{number}"))
        pictures[folder / class_folders()[drawn["class"]] / f"drawing-{number}.jpg"] = drawn
    draw_all_files(pictures, seed)


def _plan(rng: random.Random) -> Drawn:
    """Draw what a picture shows; conditions are as frequent as in the clinic."""
    conditions = load_conditions()
    condition: Condition = rng.choices(conditions, [one.weight for one in conditions])[0]
    seen = lesions.draw_seen(condition, rng) | {"site": rng.choice(condition.sites)}
    return {"seen": seen, "skin_tone": seen["skin_tone"], "class": condition.skin_class}
