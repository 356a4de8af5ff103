"""Write the images of the pocket clinic, drawn from the facts of its cases, and oracle captions."""

import csv
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from helpers.files import write_json, write_text
from helpers.files.workers import map_in_workers
from helpers.pocket import descriptions, lesions
from helpers.pocket.skin import view

# What is known of a case or of one of its images, as facts.json holds it.
Facts = dict[str, Any]


def with_views(facts: Facts, names: Sequence[str], seed: int) -> Facts:
    """Add to a case's facts how each of its images was taken."""
    return facts | {"images": {name: view(_image_seed(seed, name)) for name in names}}


def _image_seed(seed: int | str, name: str) -> int:
    """Draw an image's seed by its name: richer drawings later must change no case and no word."""
    return random.Random(f"{seed}/{name}").getrandbits(32)


def write_images(
    folder: Path, facts: Mapping[str, Facts], images: Mapping[Path, Facts], seed: int
) -> None:
    """Write the facts of all cases, the images drawn from them, and oracle captions."""
    write_json(folder / "facts.json", facts)
    draw_all_files(images, seed)
    _describe(folder, images, seed)


def draw_all_files(drawn: Mapping[Path, Facts], seed: int | str) -> None:
    """Draw and save images from their facts; each has a seed by its name."""
    jobs = [(facts, _image_seed(seed, path.name)) for path, facts in drawn.items()]
    made = map_in_workers(draw_file, jobs)
    for path, content in tqdm(zip(drawn, made), "images", len(drawn), leave=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def draw_file(job: tuple[Facts, int]) -> bytes:
    """Draw an image as a file; made of bare pixels, so it carries no metadata."""
    facts, seed = job
    drawn = lesions.draw(facts["seen"], skin_tone=facts["skin_tone"], site=_site(facts), seed=seed)
    file = io.BytesIO()
    drawn.save(file, "JPEG", quality=88)
    return file.getvalue()


def _describe(folder: Path, images: Mapping[Path, Facts], seed: int) -> None:
    """Write oracle captions, which say what each image really shows, into captions.csv."""
    rows = [("image", "caption")]
    for path, facts in images.items():
        caption = descriptions.describe(
            facts["seen"],
            facts["images"][path.name],
            site=_site(facts),
            style="clinical",
            rng=random.Random(f"{seed}/{path.name}/words"),
        )
        rows.append((path.name, caption))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(folder / "captions.csv", text.getvalue())


def _site(facts: Facts) -> str:
    """Return the body site of a case: one that is told is not among what is seen."""
    return facts["seen"].get("site") or facts["told"]["site"]
