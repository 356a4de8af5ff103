"""ROCO (Pelka et al. 2018): radiology pictures of open-access articles with their captions.

As published: `train`, `validation` and `test`, in each `radiology/captions.txt`, a line for each
picture (its id, a tab, its caption), and the pictures in `radiology/images`, which are fetched from
the articles one by one: some are always missing. A case has no question; its reference is the
caption.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from helpers.cases import Case, Reference
from helpers.data.catalogue import DataFault
from helpers.data.pictures import picture_fault
from helpers.data.scanned import scanned
from helpers.files import LabError, read_text, text_fault

FOLDERS = {"train": Path("train"), "valid": Path("validation"), "test": Path("test")}
CAPTIONS, PICTURES = Path("radiology") / "captions.txt", Path("radiology") / "images"
ID = re.compile(r"ROCO_\d+")


def scan_roco(root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the captions of the splits that a folder has, and note how many pictures are missing.

    Most captions are English; which are not is not said, so a language is not asked for.

    Raises:
        LabError: no split is there.
    """
    for split in _splits(root):
        missing = total = 0
        for found in _read(root, split):
            yield found
            if isinstance(found, Case):
                total += 1
                missing += not found.images_on_disk
        if missing:
            place = FOLDERS[split] / PICTURES
            message = f"{missing} of {total} captions have no picture in {place}"
            yield DataFault(str(FOLDERS[split] / CAPTIONS), 0, message, is_note=True)


def _splits(root: Path) -> list[str]:
    found = [split for split, folder in FOLDERS.items() if (root / folder / CAPTIONS).is_file()]
    if not found:
        looked = ", ".join(str(folder / CAPTIONS) for folder in FOLDERS.values())
        raise LabError(f"{root} holds none of {looked}: name the folder above the splits.")
    return found


def _read(root: Path, split: str) -> Iterator[Case | DataFault]:
    path, pictures = root / FOLDERS[split] / CAPTIONS, root / FOLDERS[split] / PICTURES
    seen: set[str] = set()
    for number, line in enumerate(read_text(path, any_text=True).split("\n"), start=1):
        if not line.strip():
            continue
        name, _, caption = line.partition("\t")
        picture = f"{name}.jpg"
        if fault := _fault(name, caption, seen) or picture_fault(picture, pictures, root):
            yield DataFault(str(path.relative_to(root)), number, fault)
            continue
        seen.add(name)
        references = (Reference(caption.strip()),)
        yield Case(name, images=(pictures / picture,), references=references, split=split)


def _fault(name: str, caption: str, seen: set[str]) -> str:
    """Say why a line is no caption; "" if it is one."""
    if not ID.fullmatch(name):
        return "does not begin with an id of ROCO and a tab"
    if not caption.strip():
        return "has no caption"
    if fault := text_fault(caption):
        return f"has {fault} in its caption"
    return f"has the id {name} of a line before it" if name in seen else ""


DATASETS = {"roco": scanned(scan_roco)}
