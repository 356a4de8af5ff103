"""Where the published DermaVQA folders keep their files: which JSON is which split, and where
images lie.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from helpers.files import LabError

# Per split, the accepted names; the first that is there is loaded. Reddit's `train.json` is what
# the challenge's download_data.py writes: it has the patients' texts, which `*_answersonly.json`
# has not.
FILES = {
    "iiyi": {
        "train": ("train.json",),
        "valid": ("valid_ht.json", "valid_ht_v2.json", "valid.json", "valid_inputonly.json"),
        "test": ("test_ht.json", "test.json", "input.json"),
    },
    "reddit": {
        "train": ("train.json", "train_answersonly.json"),
        "valid": ("valid.json", "valid_answersonly.json", "valid_inputonly.json"),
        "test": ("test.json", "test_answersonly.json", "input.json"),
    },
}
# Published beside test_ht.json, with better Spanish and the same cases.
SPANISH_TEST = "test_ht_spanishtestsetcorrected.json"

IMAGE_FOLDERS = ("images_final/images_{split}", "images_{split}", "images")
DEFAULT_FOLDER = {"iiyi": "images_final/images_{split}", "reddit": "images"}
# download_data.py names a file by the last three letters of its address, so "peg" and "ebp" are
# JPEG and WebP.
IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".gif",
    ".webp",
    ".heic",
    ".heif",
    ".bmp",
    ".tif",
    ".tiff",
    ".peg",
    ".ebp",
)


@dataclass(frozen=True)
class Images:
    """The images of one split on disk: by full name and by name without suffix, and where others
    belong.
    """

    root: Path
    folder: Path
    found: dict[str, Path]
    on_disk: bool

    def path(self, name: str) -> Path:
        """The file of an image name; where it is not on disk, the place where it is expected.

        A name whose file is a link out of the data folder is a `LabError`: the id of an image,
        which whoever made the data could choose, must not show a file from elsewhere. A linked
        image folder is the person's own doing.
        """
        if name in self.found:
            return self.found[name]
        path = self.folder / (
            name if Path(name).suffix.lower() in IMAGE_SUFFIXES else f"{name}.jpg"
        )
        if leads_out(path, self.root) and leads_out(path, self.folder):
            raise LabError(
                f"Image {name!r} is a link that leads out of {self.root}: put the image itself "
                "there."
            )
        return path


def accepted_files(kind: str, language: str = "en") -> dict[str, tuple[str, ...]]:
    """The accepted file names of each split, best first."""
    names = dict(FILES[kind])
    if kind == "iiyi" and language == "es":
        names["test"] = (SPANISH_TEST, *names["test"])
    return names


def split_files(kind: str, root: Path, language: str = "en") -> dict[str, Path]:
    """The file to load for each split that is there; a folder with none of them is a `LabError`."""
    check_folder(kind, root)
    names = accepted_files(kind, language)
    present = {
        split: [root / name for name in names[split] if (root / name).exists()] for split in names
    }
    files = {split: paths[0] for split, paths in present.items() if paths}
    if not files:
        looked_for = ", ".join(name for split in names.values() for name in split)
        raise LabError(
            f"{root} holds no {kind} data: none of {looked_for} is in it{_hint(kind, root)}."
        )
    return files


def all_files(kind: str, root: Path) -> list[tuple[str, Path]]:
    """Every file with an accepted name, as (split, path), also those that another file goes before."""
    split_files(kind, root, "es")
    names = accepted_files(kind, "es")
    return [
        (split, root / name) for split in names for name in names[split] if (root / name).exists()
    ]


def check_folder(kind: str, root: Path) -> None:
    """Refuse a root that is no folder."""
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise LabError(
            f"{root} {state}, but the folder with the {kind} data was expected: check the path."
        )


def answers_expected(split: str, path: Path) -> bool:
    """Whether the cases of a file should have references: a test set and an input-only file need
    not.
    """
    return split != "test" and "input" not in path.name


def index_images(kind: str, root: Path, split: str) -> Images:
    """Look once through each folder where images of a split may lie; no file is opened."""
    folders = [root / pattern.format(split=split) for pattern in IMAGE_FOLDERS]
    folders = [folder for folder in folders if folder.is_dir()]
    found: dict[str, Path] = {}
    for folder in [*folders, root]:
        for name in _image_files(folder, root):
            found.setdefault(name, folder / name)
            found.setdefault(Path(name).stem, folder / name)
    expected = folders[0] if folders else root / DEFAULT_FOLDER[kind].format(split=split)
    return Images(root=root, folder=expected, found=found, on_disk=bool(folders or found))


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a path, once all its links are followed, ends outside a folder; a link in a circle
    does too.
    """
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # RuntimeError: how Python 3.11 and 3.12 report a circle
        return True


def _image_files(folder: Path, root: Path) -> list[str]:
    """The names of the images in a folder, without links that lead out of it and of the data
    folder.
    """
    with os.scandir(folder) as entries:
        names = [
            (entry.name, entry.is_symlink())
            for entry in entries
            if entry.name.lower().endswith(IMAGE_SUFFIXES) and entry.is_file()
        ]
    return sorted(
        name
        for name, linked in names
        if not (linked and leads_out(folder / name, root) and leads_out(folder / name, folder))
    )


def _hint(kind: str, root: Path) -> str:
    return (
        f"; it has a folder `{kind}`, pass that one"
        if (root / kind).is_dir()
        else "; check the path"
    )
