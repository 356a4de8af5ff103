"""Write the pocket clinic's other data, each in the files of the data set that it stands for.

`roco`: captions of drawn scans. `vqa_rad`: questions about scans, with the leak of the published
split: every picture of the test set is a training picture. `pathology`: questions about slides of a
microscope, which nothing was learnt from. `nonsense`: Med-HALT's kind of questions.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from helpers.files import file_hash, write_json, write_text
from helpers.files.workers import map_in_workers
from helpers.pocket import microscopy, nonsense, radiology
from helpers.pocket.building import build_whole
from helpers.pocket.radiology_texts import caption
from helpers.pocket.radiology_texts import questions as scan_questions

# Raised by hand when the files of a seed change; drawings have versions of their own.
VERSION = 1
SUMMARY = "scans.json"
PARTS = ("roco", "vqa_rad", "pathology", "nonsense")
# Captions by split; scans and slides that questions are about.
SIZES = {"train": 2000, "validation": 200, "test": 200, "scans": 480, "slides": 80}
SPLITS = ("train", "validation", "test")
ASKED = 7  # questions about a picture: every picture can be asked as many
IN_TEST = (1, 2)  # of them, about every other picture
NONSENSE = 120
FIRST_ID = 90000  # no id of the real data
# Facts and seed -> image.
Draw = Callable[..., Image.Image]


def build_scans(
    folder: Path, *, seed: int = 7, sizes: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Write all of this seed to `folder`, whole or not at all, and return how much it holds.

    Args:
        sizes: by the names of `SIZES`, which are taken unless given.

    Raises:
        LabError: the folder holds anything else.
    """
    files = (radiology.PATH, microscopy.PATH, nonsense.PATH)
    words = "-".join(file_hash(path)[:6] for path in files)
    version = f"{VERSION}-{radiology.VERSION}-{microscopy.VERSION}-{words}"
    made = dict(sizes or SIZES)
    wanted = {"version": version, "seed": seed, "sizes": made}
    return build_whole(folder, SUMMARY, wanted, PARTS, partial(_write, seed, made))


def _write(seed: int, sizes: Mapping[str, int], folder: Path) -> Counter[str]:
    captions = _write_captions(folder / "roco", seed, sizes)
    asked = _write_scan_questions(folder / "vqa_rad", seed, sizes["scans"])
    slides = _write_slide_questions(folder / "pathology", seed, sizes["slides"])
    unreal = _write_nonsense(folder / "nonsense", seed)
    return Counter(captions=captions, questions=asked, slide_questions=slides, nonsense=unreal)


def _write_captions(folder: Path, seed: int, sizes: Mapping[str, int]) -> int:
    """Write captions in the folders and files of ROCO."""
    number = FIRST_ID
    for split in SPLITS:
        lines, pictures = [], {}
        for _ in range(sizes[split]):
            number += 1
            rng = random.Random(f"{seed}/caption/{number}")
            scan = radiology.plan_scan(rng)
            pictures[f"ROCO_{number}.jpg"] = scan
            lines.append(f"ROCO_{number}\t{caption(scan, rng)}\n")
        write_text(folder / split / "radiology" / "captions.txt", "".join(lines))
        _draw_all(folder / split / "radiology" / "images", radiology.draw, pictures, seed)
    return number - FIRST_ID


def _write_scan_questions(folder: Path, seed: int, scans: int) -> int:
    """Write questions in the files of VQA-RAD: each picture has some in both."""
    train, test, pictures = [], [], {}
    for number in range(1, scans + 1):
        rng = random.Random(f"{seed}/questions/{number}")
        scan = radiology.plan_scan(rng)
        name = f"scan{FIRST_ID + number}.jpg"
        pictures[name] = scan
        asked = _rows(islice(scan_questions(scan, rng), ASKED), name, scan.organ.upper())
        held = IN_TEST[number % 2]
        test += asked[:held]
        train += asked[held:]
    _write_questions(folder, {"trainset.json": train, "testset.json": test})
    _draw_all(folder / "images", radiology.draw, pictures, seed)
    return len(train) + len(test)


def _write_slide_questions(folder: Path, seed: int, slides: int) -> int:
    """Write questions about slides; there is but a test set."""
    test, pictures = [], {}
    for number in range(1, slides + 1):
        rng = random.Random(f"{seed}/slides/{number}")
        slide = microscopy.plan_slide(rng)
        name = f"slide{FIRST_ID + number}.jpg"
        pictures[name] = slide
        test += _rows(islice(microscopy.questions(slide, rng), 4), name, "TISSUE")
    _write_questions(folder, {"testset.json": test})
    _draw_all(folder / "images", microscopy.draw, pictures, seed)
    return len(test)


def _rows(asked: Iterable[Mapping[str, str]], picture: str, organ: str) -> list[dict[str, str]]:
    return [{"image_name": picture, "image_organ": organ, **one} for one in asked]


def _write_questions(folder: Path, files: Mapping[str, Sequence[dict]]) -> None:
    """Write question files, numbered as VQA-RAD numbers them."""
    for name, rows in files.items():
        numbered = [{"qid": place, **row} for place, row in enumerate(rows, start=1)]
        write_json(folder / name, numbered)


def _write_nonsense(folder: Path, seed: int) -> int:
    """Write questions in Med-HALT's table, whose options are a dictionary of Python."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "question", "options"))
    found = list(nonsense.nonsense_questions(NONSENSE, random.Random(f"{seed}/nonsense")))
    for number, (question, options) in enumerate(found, start=1):
        writer.writerow((f"unreal-{number}", question, repr(options)))
    write_text(folder / "reasoning_fake.csv", text.getvalue())
    return len(found)


def _draw_all(folder: Path, draw: Draw, pictures: Mapping[str, Any], seed: int) -> None:
    """Draw and save pictures by name; made of bare pixels, so they carry no metadata."""
    jobs = [(facts, f"{seed}/{name}") for name, facts in pictures.items()]
    folder.mkdir(parents=True)
    for name, content in zip(pictures, map_in_workers(partial(_draw_file, draw), jobs)):
        (folder / name).write_bytes(content)


def _draw_file(draw: Draw, job: tuple[Any, str]) -> bytes:
    facts, seed = job
    file = io.BytesIO()
    draw(facts, seed=random.Random(seed).getrandbits(32)).save(file, "JPEG", quality=90)
    return file.getvalue()
