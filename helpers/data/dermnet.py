"""Dermnet's pictures as they are passed on: `train` and `test`, in each a folder for each class.

`dermnet_23` labels a picture with its folder's name, `dermnet` with one of SkinGPT-4's 15 classes
or "Others" (`dermnet.yaml`). Any tree of this form can be read as `dermnet_23`.

What is learnt from a picture, its reference, is what a person noted of it in `notes.csv` in that
folder, with the columns `picture` (such as `train/Eczema Photos/a.jpg`) and `note`; of a picture
without a note it is a sentence with its label.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from helpers.cases import Case, Reference
from helpers.data.catalogue import DataFault
from helpers.data.csv_rows import read_csv
from helpers.data.layout import IMAGE_SUFFIXES, leads_out
from helpers.data.pictures import picture_fault
from helpers.data.scanned import scanned
from helpers.data.texts import composed, text_faults
from helpers.files import LabError, read_text, text_fault

SPLITS = {"train": ("train",), "valid": ("valid", "validation"), "test": ("test",)}
NOTES = "notes.csv"
PICTURE, NOTE = "picture", "note"
OTHERS = "Others"  # the label of what is in none of the 15 classes
NO_WORDS = re.compile(r"\b(?:photos|pictures)\b", re.IGNORECASE)  # of a folder's name

# A folder's name -> its label; "" where it has none.
Label = Callable[[str], str]


@dataclass(frozen=True)
class Note:
    """What a person wrote of a picture, and in which row of the table."""

    row: int
    text: str


def diagnosis_sentence(label: str) -> str:
    """Say in one sentence what a picture is labelled with: SkinGPT-4's second step learns these.

    The paper's second step learns doctors' notes. It publishes none, Dermnet has none, and how a
    class was put into words is not said: this wording is ours. The label is in small letters;
    "Photos" and "pictures", which end names of folders, are left out.
    """
    if label == OTHERS:
        return "The skin disease in this image is of another class."
    name = " ".join(NO_WORDS.sub("", label).split()) or label
    return f"The skin disease in this image is {name.lower()}."


def scan_class_folders(label: Label, root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the pictures of the splits that a folder has; sentences with labels are English.

    Raises:
        LabError: there is no split, or `notes.csv` is no such table.
    """
    splits = _splits(root)
    notes, faults = _read_notes(root)
    yield from faults
    for split, folder in splits.items():
        for found in _read(label, root, split, folder):
            yield _with_text(found, notes) if isinstance(found, Case) else found
    for picture, note in notes.items():  # those that are left
        yield DataFault(NOTES, note.row, "names no picture that can be used", picture)


def _with_text(case: Case, notes: dict[str, Note]) -> Case:
    """Give a case what is learnt from it; its note is taken out of the others."""
    note = notes.pop(_plain(case.id), None)
    return replace(
        case, references=(Reference(note.text if note else diagnosis_sentence(case.label)),)
    )


def _read_notes(root: Path) -> tuple[dict[str, Note], list[DataFault]]:
    """Read the notes by their pictures' paths below the folder; {} where there are none."""
    path, notes, faults = root / NOTES, dict[str, Note](), list[DataFault]()
    if not path.is_file():
        return notes, faults
    if leads_out(path, root):
        return notes, [DataFault(NOTES, 0, "is a link that leads out of the folder")]
    for number, row in enumerate(read_csv(path, (PICTURE, NOTE), any_text=True), start=1):
        picture = _plain(row[PICTURE])
        if fault := _note_fault(row, picture, notes):
            faults.append(DataFault(NOTES, number, fault, row[PICTURE]))
        else:
            notes[picture] = Note(number, row[NOTE].strip())
    return notes, faults


def _note_fault(row: dict[str, str], picture: str, notes: dict[str, Note]) -> str:
    """Say why a row is no note of a picture; "" if it may be one."""
    if None in row:
        return "has more cells than the first line: put a note with commas into double quotes"
    if fault := next(text_faults(row), None):
        return fault
    if not row[NOTE].strip():
        return "has no note"
    if not picture:
        return "names no picture"
    return "has the picture of a row before it" if picture in notes else ""


def _plain(picture: str) -> str:
    """Return a path in the form that is compared: Windows writes backslashes between folders."""
    return composed(picture.strip()).replace("\\", "/").removeprefix("./")


@lru_cache
def major_classes() -> dict[str, str]:
    """Read SkinGPT-4's class of each folder, by the folder's name in small letters."""
    import yaml

    text = read_text(Path(__file__).with_suffix(".yaml"))
    return {_folded(folder): name for folder, name in yaml.safe_load(text).items()}


def major_class(folder: str) -> str:
    """Return SkinGPT-4's class of a folder of Dermnet, "" for a folder that Dermnet has not."""
    return major_classes().get(_folded(folder), "")


def own_name(folder: str) -> str:
    """Return the folder's name itself as a label."""
    return " ".join(folder.split())


def _folded(folder: str) -> str:
    return own_name(folder).casefold()


def _splits(root: Path) -> dict[str, str]:
    found = {
        split: name for split, names in SPLITS.items() for name in names if (root / name).is_dir()
    }
    if not found:
        raise LabError(
            f"{root} holds no folder train or test with a folder for each class: name the folder "
            "above them."
        )
    return found


def _read(label: Label, root: Path, split: str, folder: str) -> Iterator[Case | DataFault]:
    for place in sorted(path for path in (root / folder).iterdir() if path.is_dir()):
        shown = f"{folder}/{place.name}"
        if fault := text_fault(place.name) or picture_fault(place.name, root / folder, root):
            yield DataFault(folder, 0, f"a class folder {fault}")
        elif not label(place.name):
            yield DataFault(shown, 0, "is no class of Dermnet: rename it, or read `dermnet_23`")
        else:
            for name in sorted(os.listdir(place)):
                fault = _file_fault(name, place, root)
                yield (
                    DataFault(shown, 0, fault)
                    if fault
                    else Case(
                        f"{shown}/{name}",
                        images=(place / name,),
                        label=label(place.name),
                        split=split,
                    )
                )


def _file_fault(name: str, place: Path, root: Path) -> str:
    """Say why a file of a class folder is no picture; "" if it may be one."""
    if fault := text_fault(name) or picture_fault(name, place, root):
        return f"a file {fault}"
    if Path(name).suffix.lower() not in IMAGE_SUFFIXES:
        return f"{name} is no image by its name"
    return ""


DATASETS = {
    name: scanned(partial(scan_class_folders, label))
    for name, label in {"dermnet": major_class, "dermnet_23": own_name}.items()
}
