"""Load a folder of a person's own photos as a data set: no JSON and no references.

Every image in the folder is a case, and so is every sub-folder with images. At most a table of
questions belongs to them. No image is opened here.
"""

import os
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from helpers.cases import Case
from helpers.data.given_captions import GIVEN_FILE
from helpers.data.layout import IMAGE_SUFFIXES, check_folder, leads_out, list_entries
from helpers.data.sheets import scan_sheet
from helpers.data.texts import composed, quoted
from helpers.files import LabError, text_fault

QUESTIONS_FILE = "questions.csv"
COLUMNS = ("id", "question")
ONLY_SPLIT = "valid"
# What systems and network drives leave in folders, besides hidden files: of no interest to anyone.
LITTER = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir")

# Why something in the folder is no part of a case.
NO_IMAGE = "no image by its suffix"
LEADS_OUT = "a link that leads out of the folder or nowhere"
NO_IMAGES_IN_IT = "a folder without images directly in it"
TOO_DEEP = "a folder in a sub-folder, which is not looked into"
NO_FILE = "neither a file nor a folder"


@dataclass(frozen=True)
class Album:
    """The images of each case by its id, and what the folder holds besides, as (name, reason)."""

    cases: dict[str, tuple[Path, ...]]
    left_out: tuple[tuple[str, str], ...]


def load_photos(root: Path) -> dict[str, tuple[Case, ...]]:
    """Load the photos of a folder as cases without references, all in the split "valid".

    An image's id is its file name without suffix (with it, where another file or sub-folder would
    have the same id), a sub-folder's its name. Cases, and the images of one, are in natural
    order: IMG_2 before IMG_10. Hidden files, what systems leave behind, and links that lead out of
    the folder are left out. A table questions.csv with the columns id and question may ask
    something about some cases; the others have no question.

    Raises:
        LabError: The folder has no images or cannot be read, or the table has a fault.
    """
    album = read_album(root)
    if fault := next(iter(name_faults(album).values()), None):
        raise LabError(f"In {root}, {fault}.")
    questions, faults = scan_questions(root, album)
    if faults:
        command = f"python -m helpers check-data photos {shlex.quote(str(root))}"
        raise LabError(
            f"{root / QUESTIONS_FILE}: {faults[0]}; correct the file, `{command}` names every "
            "fault of it."
        )
    cases = [
        Case(case_id, question=questions.get(case_id, ""), images=paths, split=ONLY_SPLIT)
        for case_id, paths in album.cases.items()
    ]
    return {ONLY_SPLIT: tuple(cases)}


def read_album(root: Path) -> Album:
    """List the images of the folder and its sub-folders, one level deep; no file is opened."""
    check_folder("photos", root)
    images, folders, left_out = _sort_entries(root, root)
    cases = {}
    for folder in folders:
        inside, deeper, other = _sort_entries(folder, root)
        if inside:
            cases[folder.name] = tuple(inside)
            left_out += other
            left_out += [(f"{folder.name}/{path.name}", TOO_DEEP) for path in deeper]
        else:
            left_out.append((folder.name, NO_IMAGES_IN_IT))
    cases |= _single_images(images, folders)
    if not cases:
        raise LabError(
            f"{root} holds no photos, neither directly nor in sub-folders: files that end in "
            f"{', '.join(IMAGE_SUFFIXES)} were looked for; check the path."
        )
    ordered = sorted(cases, key=natural_key)
    return Album({case_id: cases[case_id] for case_id in ordered}, tuple(left_out))


def _single_images(images: list[Path], folders: list[Path]) -> dict[str, tuple[Path, ...]]:
    """Make each image that lies directly in the folder a case, with an id of its own."""
    names = {path.name for path in (*images, *folders)}
    same_stem = Counter(path.stem for path in images)
    cases: dict[str, tuple[Path, ...]] = {}
    for path in images:
        is_free = same_stem[path.stem] == 1 and path.stem not in names
        # No two images have the same name with suffix, so ids never clash.
        cases[path.stem if is_free else path.name] = (path,)
    return cases


def scan_questions(root: Path, album: Album) -> tuple[dict[str, str], list[str]]:
    """Read the questions by case id, and list every fault of their table.

    An image may be named with its suffix too, as a person reads it in the folder.

    Returns: (questions, faults); ({}, []) if there is no table.
    """
    # Some systems compose the accents of file names, others do not.
    known = {
        composed(paths[0].name): case_id
        for case_id, paths in album.cases.items()
        if paths[0].parent == root
    }
    known |= {composed(case_id): case_id for case_id in album.cases}
    questions: dict[str, str] = {}

    def take(name: str, question: str) -> str | None:
        case_id = known.get(composed(name))
        if case_id is None:
            return f"{quoted(name)} is no image and no sub-folder with images"
        if case_id in questions:
            return f"{quoted(name)} is in the table twice"
        questions[case_id] = question
        return None

    faults = scan_sheet(root / QUESTIONS_FILE, root, COLUMNS, take)
    return questions, faults


def name_faults(album: Album) -> dict[str, str]:
    """Find names that are no text, as old archives leave them: {case id: what is wrong}.

    The answer to such a case could not be written to a text file, or not be read back.
    """
    faults = {}
    for case_id in album.cases:
        if any("\ud800" <= sign <= "\udfff" for sign in case_id):
            faults[case_id] = f"the name {case_id!a} is not UTF-8 text: rename it"
        elif fault := text_fault(case_id):
            faults[case_id] = f"the name {quoted(case_id)} has {fault}: rename it"
    return faults


def natural_key(name: str) -> tuple[list[int | str], str]:
    """Return a key that sorts names as people do: numbers by value, letters whatever their case."""
    parts = re.split(r"(\d+)", name)
    return ([int(part) if part.isdecimal() else part.casefold() for part in parts], name)


def _sort_entries(folder: Path, root: Path) -> tuple[list[Path], list[Path], list[tuple[str, str]]]:
    """Sort what a folder holds into images, folders, and what is left out as (name, reason).

    All three are in natural order.
    """
    images: list[Path] = []
    folders: list[Path] = []
    left_out: list[tuple[str, str]] = []
    tables = (root / QUESTIONS_FILE, root / GIVEN_FILE)
    for entry in _list_entries(folder):
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name.casefold() in LITTER or path in tables:
            continue
        if reason := _reason_to_leave_out(entry, path, root):
            left_out.append((path.relative_to(root).as_posix(), reason))
        elif entry.is_dir():
            folders.append(path)
        else:
            images.append(path)
    return images, folders, left_out


def _reason_to_leave_out(entry: os.DirEntry, path: Path, root: Path) -> str | None:
    """Say why a visible thing in a folder is no part of a case; None if it may be."""
    # A link to the folder itself would show all its images a second time, as one case.
    if entry.is_symlink() and (leads_out(path, root) or not path.exists() or path.samefile(root)):
        return LEADS_OUT
    if entry.is_dir():
        return None
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return NO_IMAGE
    return None if entry.is_file() else NO_FILE


def _list_entries(folder: Path) -> list[os.DirEntry]:
    """List a folder in natural order; one that cannot be read is a `LabError`."""
    return sorted(list_entries(folder), key=lambda entry: natural_key(entry.name))
