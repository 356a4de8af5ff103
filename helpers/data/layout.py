"""The layout of the published DermaVQA folders: the file of each split, and the images."""

import os
from dataclasses import dataclass
from pathlib import Path

from helpers.data.texts import quoted
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
IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".heic",
    ".heif",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
)
# download_data.py names a file by the last three letters of its address, so "peg" and "ebp" are
# JPEG and WebP.
DERMAVQA_SUFFIXES = (*IMAGE_SUFFIXES, ".peg", ".ebp")


@dataclass(frozen=True)
class Images:
    """The images of one split that are on disk, and the folder where others are expected.

    `found` has each image twice: by its full name and by its name without suffix.
    """

    root: Path
    folder: Path
    found: dict[str, Path]
    on_disk: bool

    def path(self, name: str) -> Path:
        """Return the file of an image name, or the place where it is expected.

        A name whose file is a link out of the data folder is a `LabError`: the id of an image,
        which whoever made the data could choose, must not show a file from elsewhere. A linked
        image folder is the person's own doing.
        """
        if name in self.found:
            return self.found[name]
        has_suffix = Path(name).suffix.lower() in DERMAVQA_SUFFIXES
        path = self.folder / (name if has_suffix else f"{name}.jpg")
        if leads_out(path, self.root) and leads_out(path, self.folder):
            raise LabError(
                f"Image {quoted(name)} is a link that leads out of {self.root}: put the image "
                "itself there."
            )
        return path


def accepted_files(kind: str, language: str = "en") -> dict[str, tuple[str, ...]]:
    """Return the accepted file names of each split, best first."""
    names = dict(FILES[kind])
    if kind == "iiyi" and language == "es":
        names["test"] = (SPANISH_TEST, *names["test"])
    return names


def split_files(kind: str, root: Path, language: str = "en") -> dict[str, Path]:
    """Find the file to load for each split; a folder with none of them is a `LabError`."""
    files: dict[str, Path] = {}
    for split, path in all_files(kind, root, language):
        files.setdefault(split, path)
    return files


def all_files(kind: str, root: Path, language: str = "es") -> list[tuple[str, Path]]:
    """Find every file with an accepted name, best first, as (split, path).

    The default language accepts the most names. A folder without any such file is a `LabError`.
    """
    check_folder(kind, root)
    accepted = accepted_files(kind, language)
    named = [(split, root / name) for split, names in accepted.items() for name in names]
    found = [(split, path) for split, path in named if os.path.exists(path)]
    if not found:
        looked_for = ", ".join(path.name for _, path in named)
        raise LabError(
            f"{root} holds no {kind} data: none of {looked_for} is in it{_hint(kind, root)}."
        )
    return found


def check_folder(kind: str, root: Path) -> None:
    """Check that the root is a folder; anything else is a `LabError`."""
    if not os.path.isdir(root):
        state = "is a file" if os.path.exists(root) else "does not exist"
        raise LabError(
            f"{root} {state}, but the folder with the {kind} data was expected: check the path."
        )


def answers_expected(split: str, path: Path) -> bool:
    """Tell whether the cases of a file need references: all but a test set or input-only file."""
    return split != "test" and "input" not in path.name


def index_images(kind: str, root: Path, split: str) -> Images:
    """List each folder where images of a split may lie; no file is opened."""
    possible = [root / pattern.format(split=split) for pattern in IMAGE_FOLDERS]
    folders = [folder for folder in possible if os.path.isdir(folder)]
    found: dict[str, Path] = {}
    for folder in [*folders, root]:
        for name in _image_files(folder, root):
            found.setdefault(name, folder / name)
            found.setdefault(Path(name).stem, folder / name)
    expected = folders[0] if folders else root / DEFAULT_FOLDER[kind].format(split=split)
    return Images(root=root, folder=expected, found=found, on_disk=bool(folders or found))


def leads_out(path: Path, folder: Path) -> bool:
    """Tell whether a path ends outside a folder once its links are followed, or is a circle."""
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # RuntimeError: how Python 3.11 and 3.12 report a circle
        return True


def _image_files(folder: Path, root: Path) -> list[str]:
    """List the names of the images in a folder, without links that lead out of it and the root."""

    def is_inside(entry: os.DirEntry) -> bool:
        path = folder / entry.name
        return not entry.is_symlink() or not (leads_out(path, root) and leads_out(path, folder))

    entries = list_entries(folder)
    images = [entry for entry in entries if entry.name.lower().endswith(DERMAVQA_SUFFIXES)]
    return sorted(entry.name for entry in images if entry.is_file() and is_inside(entry))


def list_entries(folder: Path) -> list[os.DirEntry]:
    """List what is in a folder; one that cannot be read is a `LabError`."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise LabError(
            f"{folder} cannot be read ({error.strerror}): change its permissions or move it away."
        ) from None


def _hint(kind: str, root: Path) -> str:
    if (root / kind).is_dir():
        return f"; it has a folder `{kind}`, pass that one"
    return "; check the path"
