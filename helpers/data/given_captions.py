"""Captions that came from elsewhere: the table captions.csv of a data folder, with the columns
image,caption.

It names an image by its path relative to the folder (`ann/IMG_1.jpg`), or by its bare file name,
where only one image of the data set has it.
"""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from helpers.data.sheets import composed, scan_sheet
from helpers.files import LabError

GIVEN_FILE = "captions.csv"
COLUMNS = ("image", "caption")


def scan_given_captions(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The captions by the image's name as the table has it, and every fault; ({}, []) where there
    is no table.
    """
    captions: dict[str, str] = {}
    known: set[str] = set()

    def take(name: str, caption: str) -> str:
        if _plain(name) in known:
            return f"{name!r} is in the table twice"
        known.add(_plain(name))
        captions[name] = caption
        return ""

    faults = scan_sheet(folder / GIVEN_FILE, folder, COLUMNS, take)
    if not captions and not faults and (folder / GIVEN_FILE).is_file():
        faults.append("no row follows the first line")
    return captions, faults


def read_given_captions(folder: Path) -> dict[str, str]:
    """The captions by the image's name as the table has it.

    Raises:
        LabError: there is no table, or a fault in it.
    """
    if not (folder / GIVEN_FILE).is_file():
        raise LabError(
            f"CAPTIONER is 'recorded', but there is no {GIVEN_FILE} in the data folder: write "
            "one with the columns image,caption, or name a captioner."
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
    """The caption of each image, found by its path relative to the folder, else by its bare file
    name.

    Args:
        paths: all images that a bare name could mean, not only those whose captions are wanted.
    Returns: caption by path; "" where none is recorded, or a blank one.
    Raises:
        LabError: no table, a fault in it, or a bare file name that fits several of the images.
    """
    captions, paths = read_given_captions(folder), list(dict.fromkeys(paths))
    if several := ambiguous_names(captions, folder, paths):
        name, fitting = next(iter(several.items()))
        raise LabError(f"{folder / GIVEN_FILE}: {ambiguity(name, fitting)}.")
    return {path: captions.get(name, "") for path, name in _named(captions, folder, paths).items()}


def ambiguous_names(
    captions: Iterable[str], folder: Path, paths: Iterable[Path]
) -> dict[str, list[str]]:
    """The bare file names of a table that fit several images: name -> those images, relative to
    the folder.
    """
    paths = list(paths)
    bare = _bare_names(captions, folder, paths)
    fitting: dict[str, dict[str, None]] = {}
    for path in paths:
        if name := bare.get(_plain(path.name)):
            fitting.setdefault(name, {})[_relative(path, folder)] = None
    return {name: list(images) for name, images in fitting.items() if len(images) > 1}


def ambiguity(name: str, fitting: list[str]) -> str:
    """What is wrong with an ambiguous name and what to do, in words."""
    shown = " and ".join(repr(image) for image in fitting[:2])
    return f"{name!r} fits {len(fitting)} images, {shown} among them: write the path relative to the folder instead"


def strangers(captions: Iterable[str], folder: Path, paths: Iterable[Path]) -> list[str]:
    """The names of a table that fit none of the images."""
    captions = list(captions)
    found = set(_named(captions, folder, paths).values())
    return [name for name in captions if name not in found]


def _named(captions: Iterable[str], folder: Path, paths: Iterable[Path]) -> dict[Path, str]:
    """The name in the table that each image goes by, "" where none is."""
    captions, paths = list(captions), list(paths)
    whole, bare = {_plain(name): name for name in captions}, _bare_names(captions, folder, paths)
    return {
        path: whole.get(_plain(_relative(path, folder))) or bare.get(_plain(path.name), "")
        for path in paths
    }


def _bare_names(captions: Iterable[str], folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    """The names of a table that are no path of an image: what a bare file name is looked up in."""
    # An image that lies directly in the folder has no longer name, so its bare name is no other
    # image's.
    whole = {_plain(_relative(path, folder)) for path in paths}
    return {_plain(name): name for name in captions if _plain(name) not in whole}


def _relative(path: Path, folder: Path) -> str:
    """A path relative to the folder, with slashes; one that lies elsewhere as it is. No link is
    followed.
    """
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _plain(name: str) -> str:
    """A name as it is compared: Windows writes backslashes between folders."""
    return composed(name).replace("\\", "/").removeprefix("./")
