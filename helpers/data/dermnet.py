"""Dermnet's pictures as they are passed on: `train` and `test`, in each a folder for each class.

`dermnet_23` labels a picture with its folder's name, `dermnet` with one of SkinGPT-4's 15 classes
or "Others" (`dermnet.yaml`). Any tree of this form can be read as `dermnet_23`.
"""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import DataFault
from helpers.data.layout import IMAGE_SUFFIXES
from helpers.data.pictures import picture_fault
from helpers.data.scanned import scanned
from helpers.files import LabError, read_text, text_fault

SPLITS = {"train": ("train",), "valid": ("valid", "validation"), "test": ("test",)}

# A folder's name -> its label; "" where it has none.
Label = Callable[[str], str]


def scan_class_folders(label: Label, root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the pictures of the splits that a folder has.

    Raises:
        LabError: there is no split.
    """
    for split, folder in _splits(root).items():
        yield from _read(label, root, split, folder)


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
