"""Write drawings with the condition of each, and patients' stories, as a person would collect them.

`conditions`: a folder for each of 26 conditions in `train`, `valid` and `test`, put together from
several sources as such sets are: some pictures are there twice, saved anew in another size, and
some of the training pictures are copies of pictures of the other splits. `facts.json` has the skin
tone of each.
`stories`: a table of stories with condition and picture, and the pictures; stories do not say to
which split they belong. Conditions of the former are as frequent as in the clinic, of the latter
all alike.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.files import file_hash, write_json, write_text
from helpers.pocket import lesions
from helpers.pocket.building import build_whole
from helpers.pocket.clinic_images import draw_all_files
from helpers.pocket.conditions import PATH as CONDITIONS
from helpers.pocket.conditions import load_conditions
from helpers.pocket.stories import write_story

# Raised by hand when the files of a seed change; drawings and conditions have own versions.
VERSION = 2
SUMMARY = "diagnosis.json"
PARTS = ("conditions", "stories")
# Pictures by split, and stories of each condition.
SIZES = {"train": 2000, "valid": 300, "test": 600, "stories": 150}
PICTURES = (1, 1, 2)  # how many a story may have
COPIED, LEAKED = 0.08, 0.05  # shares of training pictures; of pictures of the other splits
COPY_SIDE = 80  # pixels


def build_diagnosis_sets(
    folder: Path, *, seed: int = 7, sizes: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Write both sets of this seed to `folder`, whole or not at all; return how much they hold.

    Args:
        sizes: by the names of `SIZES`, which are taken unless given.
    Raises:
        LabError: the folder holds anything else.
    """
    made = dict(sizes or SIZES)
    version = f"{VERSION}-{lesions.VERSION}-{file_hash(CONDITIONS)[:8]}"
    wanted = {"version": version, "seed": seed, "sizes": made}
    return build_whole(folder, SUMMARY, wanted, PARTS, partial(_write, seed, made))


def _write(seed: int, sizes: Mapping[str, int], folder: Path) -> Counter[str]:
    pictures = _write_conditions(folder / "conditions", seed, sizes)
    rows = _write_stories(folder / "stories", seed, sizes["stories"])
    return Counter(pictures=pictures, rows=rows)


def _write_conditions(folder: Path, seed: int, sizes: Mapping[str, int]) -> int:
    """Write the folders of pictures; return how many there are."""
    conditions = load_conditions()
    weights = [one.weight for one in conditions]
    drawn: dict[Path, dict] = {}
    for split in ("train", "valid", "test"):
        for number in range(sizes[split]):
            rng = random.Random(f"{seed}/conditions/{split}/{number}")
            condition = rng.choices(conditions, weights)[0]
            seen = lesions.draw_seen(condition, rng) | {"site": rng.choice(condition.sites)}
            name = f"drawing-{len(drawn):04}.jpg"  # also decides what is drawn
            path = folder / split / condition.name / name
            drawn[path] = {"seen": seen, "skin_tone": seen["skin_tone"]}
    draw_all_files(drawn, f"{seed}/conditions")
    rng = random.Random(f"{seed}/copies")
    shares = {"train": COPIED, "valid": LEAKED, "test": LEAKED}
    copied = [path for path in drawn if rng.random() < shares[path.parts[-3]]]
    for number, path in enumerate(copied):
        copy = folder / "train" / path.parts[-2] / f"photo-{number:04}.jpg"
        _save_again(path, copy)
        drawn[copy] = drawn[path]
    facts = {
        path.relative_to(folder).as_posix(): {"skin_tone": one["skin_tone"]}
        for path, one in drawn.items()
    }
    write_json(folder / "facts.json", facts)
    return len(drawn)


def _save_again(path: Path, copy: Path) -> None:
    """Write a picture in another size, and with more losses."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as image:
        image.resize((COPY_SIDE, COPY_SIDE)).save(copy, "JPEG", quality=70)


def _write_stories(folder: Path, seed: int, each: int) -> int:
    """Write the table of stories and their pictures; return how many rows there are."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("story", "condition", "image"))
    drawn: dict[Path, dict] = {}
    for number in range(each):
        for condition in load_conditions():
            rng = random.Random(f"{seed}/stories/{condition.id}/{number}")
            story = write_story(condition, rng)
            for place in range(rng.choice(PICTURES)):
                name = f"{condition.id}-{number:03}-{place}.jpg"
                table.writerow((story.text, condition.name, name))
                drawn[folder / "images" / name] = {
                    "seen": story.seen,
                    "skin_tone": story.seen["skin_tone"],
                }
    write_text(folder / "stories.csv", text.getvalue())
    draw_all_files(drawn, f"{seed}/stories")
    return len(drawn)
