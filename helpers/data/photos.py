"""A folder of a person's own photos as a data set: no JSON and no references, at most a table of
questions.

Every image in the folder is a case, and so is every sub-folder with images. No image is
opened here.
"""

import os
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from helpers.cases import Case
from helpers.data.given_captions import GIVEN_FILE
from helpers.data.layout import check_folder, leads_out
from helpers.data.sheets import composed, scan_sheet
from helpers.files import LabError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".gif", ".bmp", ".tif", ".tiff")
QUESTIONS_FILE = "questions.csv"
COLUMNS = ("id", "question")
SPLIT = "valid"
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
    """What a folder of photos holds: the images of each case by its id, and what is left out as
    (name, reason).
    """

    cases: dict[str, tuple[Path, ...]]
    left_out: tuple[tuple[str, str], ...]


def load_photos(root: Path) -> dict[str, tuple[Case, ...]]:
    """The photos of a folder as cases, all of them in one split named "valid", without references.

    An image's id is its file name without suffix (with it, where another file or sub-folder would
    have the same id), a sub-folder's its name. Cases, and the images of one, are in natural
    order: IMG_2 before IMG_10. Hidden files, what systems leave behind, and links that lead out of
    the folder are left out. A table questions.csv with the columns id and question may ask
    something about some cases; the others have no question.
    Raises `LabError` for a folder without images, an unreadable one and a faulty table.
    """
    album = read_album(root)
    for fault in name_faults(album).values():
        raise LabError(f"In {root}, {fault}.")
    questions, faults = scan_questions(root, album)
    if faults:
        command = f"python -m helpers check-data photos {shlex.quote(str(root))}"
        raise LabError(
            f"{root / QUESTIONS_FILE}: {faults[0]}; correct the file, `{command}` names every "
            "fault of it."
        )
    return {
        SPLIT: tuple(
            Case(case_id, question=questions.get(case_id, ""), images=paths, split=SPLIT)
            for case_id, paths in album.cases.items()
        )
    }


def read_album(root: Path) -> Album:
    """Look through the folder and its sub-folders, one level deep; no file is opened."""
    check_folder("photos", root)
    images, folders, left_out = _sorted_out(root, root)
    names = [path.name for path in (*images, *folders)]
    cases = {}
    for folder in folders:
        inside, deeper, other = _sorted_out(folder, root)
        if inside:
            cases[folder.name] = tuple(inside)
            left_out += [*other, *((f"{folder.name}/{path.name}", TOO_DEEP) for path in deeper)]
        else:
            left_out.append((folder.name, NO_IMAGES_IN_IT))
    taken = Counter(path.stem for path in images)
    for path in images:
        # A name with suffix is no other's, so ids can't meet.
        alone = taken[path.stem] == 1 and path.stem not in names
        cases[path.stem if alone else path.name] = (path,)
    if not cases:
        raise LabError(
            f"{root} holds no photos, neither directly nor in sub-folders: files that end in "
            f"{', '.join(SUFFIXES)} were looked for; check the path."
        )
    ordered = sorted(cases, key=natural_key)
    return Album({case_id: cases[case_id] for case_id in ordered}, tuple(left_out))


def scan_questions(root: Path, album: Album) -> tuple[dict[str, str], list[str]]:
    """The questions by case id, and every fault of their table; ({}, []) where there is none.

    An image may be named with its suffix too, as a person reads it in the folder.
    """
    # Some systems compose the accents of file names, others do not.
    known = {
        composed(paths[0].name): case_id
        for case_id, paths in album.cases.items()
        if paths[0].parent == root
    }
    known |= {composed(case_id): case_id for case_id in album.cases}
    questions: dict[str, str] = {}

    def take(name: str, question: str) -> str:
        case_id = known.get(composed(name))
        if case_id is None:
            return f"{name!r} is no image and no sub-folder with images"
        if case_id in questions:
            return f"{name!r} is in the table twice"
        questions[case_id] = question
        return ""

    faults = scan_sheet(root / QUESTIONS_FILE, root, COLUMNS, take)
    return questions, faults


def name_faults(album: Album) -> dict[str, str]:
    """By case id, what is wrong with names that no text file can hold, as old archives leave them.

    The answer to such a case could not be written.
    """
    return {
        case_id: f"the name {case_id!a} is not UTF-8 text: rename it"
        for case_id in album.cases
        if any("\ud800" <= sign <= "\udfff" for sign in case_id)
    }


def natural_key(name: str) -> tuple:
    """A key that sorts names as people do: their numbers by value, small and capital letters alike."""
    parts = re.split(r"(\d+)", name)
    return ([int(part) if part.isdecimal() else part.casefold() for part in parts], name)


def _sorted_out(folder: Path, root: Path) -> tuple[list[Path], list[Path], list[tuple[str, str]]]:
    """The images and the folders of one folder in natural order, and what is left out as (name,
    reason).
    """
    images, folders, left_out = [], [], []
    tables = (root / QUESTIONS_FILE, root / GIVEN_FILE)
    for entry in _entries(folder):
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name.casefold() in LITTER or path in tables:
            continue
        if reason := _left_out(entry, path, root):
            left_out.append((path.relative_to(root).as_posix(), reason))
        else:
            (folders if entry.is_dir() else images).append(path)
    return images, folders, left_out


def _left_out(entry: os.DirEntry, path: Path, root: Path) -> str:
    """Why a visible thing in a folder is no part of a case, or "" where it may be."""
    # A link to the folder itself would show all its images a second time, as one case.
    if entry.is_symlink() and (leads_out(path, root) or not path.exists() or path.samefile(root)):
        return LEADS_OUT
    if entry.is_dir():
        return ""
    if path.suffix.lower() not in SUFFIXES:
        return NO_IMAGE
    return "" if entry.is_file() else NO_FILE


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: natural_key(entry.name))
    except OSError as error:
        raise LabError(
            f"{folder} cannot be read ({error.strerror}): change its permissions or move it away."
        ) from None
