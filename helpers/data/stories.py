"""Patients' stories with the condition of each (as Yang & Yang 2024 collected them), and a picture
where there is one.

The table `stories.csv` has the columns `story`, `condition` and `image`, a path below the folder
`images`; `image` may be left out or empty, and so may `story` beside an image. Rows with the same
story, or the same image, are one group, which no split cuts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from helpers.cases import Case, Reference
from helpers.data.catalogue import DataFault
from helpers.data.csv_rows import read_csv
from helpers.data.dermnet import diagnosis_sentence
from helpers.data.pictures import picture_fault
from helpers.data.scanned import scanned
from helpers.data.texts import text_faults
from helpers.files import fingerprint

FILE = "stories.csv"
STORY, CONDITION, IMAGE = "story", "condition", "image"
SHARES = {"train": 0.6, "valid": 0.15, "test": 0.25}


def scan_stories(root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the table; stories have no language that the table would say.

    Raises:
        LabError: the table is missing, or has no stories or conditions.
    """
    found = list(_read(root))
    groups = _groups([one for one in found if isinstance(one, Case)])
    for one in found:
        yield replace(one, group=groups[one.id]) if isinstance(one, Case) else one


def _read(root: Path) -> Iterator[Case | DataFault]:
    """Read the rows, which do not know their groups yet."""
    seen: set[str] = set()
    for number, row in enumerate(read_csv(root / FILE, (STORY, CONDITION), any_text=True), start=1):
        if fault := _fault(root, row):
            yield DataFault(FILE, number, fault)
            continue
        case = _case(root, number, row)
        if not case.images:
            yield DataFault(FILE, number, "has no image: only its story is read", is_note=True)
        elif not case.images_on_disk:
            yield DataFault(FILE, number, "has an image that is not on disk", is_note=True)
        if not case.context:
            yield DataFault(FILE, number, "has no story: only its image is read", is_note=True)
        key = f"{row.get(IMAGE)}|{case.context}"
        if key in seen:
            yield DataFault(FILE, number, "repeats a row before it")
            continue
        seen.add(key)
        yield case


def _fault(root: Path, row: dict[str, str]) -> str:
    """Say why a row cannot be used; "" if it can."""
    if None in row:
        return "has more cells than the first line: put a story with commas into double quotes"
    if fault := next(text_faults(row), None):
        return fault
    if not row[CONDITION].strip():
        return "has no condition"
    image = (row.get(IMAGE) or "").strip()
    if not image and not row[STORY].strip():
        return "has neither a story nor an image"
    return picture_fault(image, root / "images", root) if image else ""


def _case(root: Path, number: int, row: dict[str, str]) -> Case:
    story, image = row[STORY].strip(), (row.get(IMAGE) or "").strip()
    label = " ".join(row[CONDITION].split())
    return Case(
        id=f"story-{number:05}",
        context=story,
        images=(root / "images" / image,) if image else (),
        references=(Reference(diagnosis_sentence(label)),),
        label=label,
    )


def _groups(cases: Sequence[Case]) -> dict[str, str]:
    """Return the group of each case by its id: it is called by what its first case tells or shows.

    Cases are in one group, too, if it takes others between them to link them.
    """
    first = list(range(len(cases)))  # of each case, one before it in its group, or itself
    seen: dict[str | Path, int] = {}

    def find_first(place: int) -> int:
        while first[place] != place:
            place = first[place]
        return place

    for place, case in enumerate(cases):
        shares: list[str | Path] = [*case.images, *([case.context] if case.context else [])]
        for shared in shares:
            ends = find_first(place), find_first(seen.setdefault(shared, place))
            first[max(ends)] = min(ends)
    names = [
        f"story {fingerprint(case.context)}" if case.context else f"image {case.images[0].name}"
        for case in cases
    ]
    return {case.id: names[find_first(place)] for place, case in enumerate(cases)}


DATASETS = {"stories": scanned(scan_stories, shares=SHARES)}
