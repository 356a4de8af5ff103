"""Captions that came with the data: the table captions.csv, with the columns image,caption.

It names an image by its path relative to the data folder (`ann/IMG_1.jpg`), or by its bare file
name if only one image of the data set has it.
"""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from helpers.data.sheets import scan_sheet
from helpers.data.texts import composed, quoted
from helpers.files import LabError

GIVEN_FILE = "captions.csv"
COLUMNS = ("image", "caption")


def scan_given_captions(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Read the captions by image name as the table has it, and list every fault.

    Returns: (captions, faults); ({}, []) if there is no table.
    """
    captions: dict[str, str] = {}
    known: set[str] = set()

    def take(name: str, caption: str) -> str | None:
        if _plain(name) in known:
            return f"{quoted(name)} is in the table twice"
        known.add(_plain(name))
        captions[name] = caption
        return None

    faults = scan_sheet(folder / GIVEN_FILE, folder, COLUMNS, take)
    if not captions and not faults and (folder / GIVEN_FILE).is_file():
        faults.append("no row follows the first line")
    return captions, faults


def read_given_captions(folder: Path) -> dict[str, str]:
    """Read the captions by image name as the table has it.

    Raises:
        LabError: There is no table, or it has a fault.
    """
    if not (folder / GIVEN_FILE).is_file():
        raise LabError(
            f"Given captions were asked for, but there is no {GIVEN_FILE} in the data folder: "
            "write one with the columns image,caption, or name a captioner."
        )
    captions, faults = scan_given_captions(folder)
    if faults:
        command = f"python -m helpers check-data NAME {shlex.quote(str(folder))}"
        raise LabError(
            f"{folder / GIVEN_FILE}: {faults[0]}; correct the file, `{command}` (NAME is the "
            "data set) names every fault of it."
        )
    return captions


def match_given_captions(folder: Path, paths: Iterable[Path]) -> dict[Path, str]:
    """Find the caption of each image by its path relative to the folder, else by its file name.

    Args:
        paths: all images that a bare name could mean, not only those whose captions are wanted.

    Returns: caption by path; "" if there is none, or a blank one.

    Raises:
        LabError: There is no table, it has a fault, or a bare file name fits several images.
    """
    captions, paths = read_given_captions(folder), list(dict.fromkeys(paths))
    if several := ambiguous_names(captions, folder, paths):
        name, fitting = next(iter(several.items()))
        raise LabError(f"{folder / GIVEN_FILE}: {ambiguity(name, fitting)}.")
    names = _names_by_image(captions, folder, paths)
    return {path: captions.get(name, "") for path, name in names.items()}


def ambiguous_names(
    captions: Iterable[str], folder: Path, paths: Iterable[Path]
) -> dict[str, list[str]]:
    """Find the bare file names of a table that fit several images.

    Returns: {name: those images, relative to the folder}.
    """
    paths = list(paths)
    bare = _bare_names(captions, folder, paths)
    fitting: dict[str, dict[str, None]] = {}
    for path in paths:
        if name := bare.get(_plain(path.name)):
            fitting.setdefault(name, {})[_relative(path, folder)] = None
    return {name: list(images) for name, images in fitting.items() if len(images) > 1}


def ambiguity(name: str, fitting: list[str]) -> str:
    """Say in words that a name is ambiguous, and what to do about it."""
    shown = " and ".join(map(quoted, fitting[:2]))
    return (
        f"{quoted(name)} fits {len(fitting)} images, {shown} among them: write the path relative "
        "to the folder instead"
    )


def names_without_image(captions: Iterable[str], folder: Path, paths: Iterable[Path]) -> list[str]:
    """List the names of a table that fit none of the images."""
    captions = list(captions)
    found = set(_names_by_image(captions, folder, paths).values())
    return [name for name in captions if name not in found]


def _names_by_image(
    captions: Iterable[str], folder: Path, paths: Iterable[Path]
) -> dict[Path, str]:
    """Find the name by which the table calls each image, "" if it does not."""
    captions, paths = list(captions), list(paths)
    whole = {_plain(name): name for name in captions}
    bare = _bare_names(captions, folder, paths)
    return {
        path: whole.get(_plain(_relative(path, folder))) or bare.get(_plain(path.name), "")
        for path in paths
    }


def _bare_names(captions: Iterable[str], folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Find the names of a table that are not the path of an image, in the form compared."""
    # An image that lies directly in the folder has no longer path: its bare name means it alone.
    whole = {_plain(_relative(path, folder)) for path in paths}
    return {_plain(name): name for name in captions if _plain(name) not in whole}


def _relative(path: Path, folder: Path) -> str:
    """Return a path relative to the folder, with slashes; one outside it stays as it is.

    No link is followed.
    """
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _plain(name: str) -> str:
    """Return a name in the form that is compared: Windows writes backslashes between folders."""
    return composed(name).replace("\\", "/").removeprefix("./")
