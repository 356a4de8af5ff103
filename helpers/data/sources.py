"""Load any data set by its name, in one form."""

from dataclasses import dataclass
from pathlib import Path

from helpers.cases import Case
from helpers.data import dermavqa, photos
from helpers.data.download import fetch
from helpers.files import LabError, fingerprint, outputs_folder

# Data set -> the format it is in. The pocket data is simulated, but in the real formats.
FORMATS = {
    "iiyi": "iiyi",
    "reddit": "reddit",
    "pocket": "iiyi",
    "pocket_reddit": "reddit",
    "photos": "photos",
}
POCKET = ("pocket", "pocket_reddit")


@dataclass(frozen=True)
class Dataset:
    """The cases of a data set, split by split, in one language."""

    name: str
    splits: dict[str, tuple[Case, ...]]
    language: str = "en"

    def split(self, name: str) -> tuple[Case, ...]:
        """Return the cases of one split; a split that is not there is a `LabError`."""
        if name not in self.splits:
            there = ", ".join(self.splits) or "none"
            raise LabError(f"The data set {self.name!r} has no split {name!r}: it has {there}.")
        return self.splits[name]

    def fingerprint(self, split: str) -> str:
        """Compute twelve hex digits of a split's content: all fields, and images by name."""
        return fingerprint([case.content() for case in self.split(split)])


def load_dataset(name: str, root: Path | str = "", *, language: str = "en") -> Dataset:
    """Load a data set by name from its folder.

    The names are iiyi, reddit (the published DermaVQA data), pocket and pocket_reddit (the
    simulated clinic), and photos (a folder of the person's own images, all in the split "valid":
    see `photos.load_photos`). With `root` "" the texts are fetched, or the clinic is built, once
    under the outputs folder; photos need a folder. `language` is en, zh or es.

    Raises:
        LabError: The name is unknown, the folder is without the data, or a record is unfit.
    """
    folder = data_folder(name, root)
    if FORMATS[name] == "photos":
        dermavqa.check_language(language)
        return Dataset(name, photos.load_photos(folder), language)
    splits = dermavqa.load_splits(FORMATS[name], folder, name=name, language=language)
    return Dataset(name, splits, language)


def data_folder(name: str, root: Path | str = "") -> Path:
    """Return the folder of a data set.

    With `root` "", the published texts are fetched, or the clinic is built, if they are not there.
    """
    if name not in FORMATS:
        raise LabError(f"The data set {name!r} is unknown: choose one of {', '.join(FORMATS)}.")
    if str(root):
        return Path(root).expanduser()
    if name == "photos":
        raise LabError(
            "The data set 'photos' was asked for without its folder: set `root` to a folder of "
            "images."
        )
    if name in POCKET:
        return _build_pocket(FORMATS[name])
    return fetch(name)


def _build_pocket(kind: str) -> Path:
    """Build the clinic if it is missing, incomplete or outdated; return its folder of a format."""
    from helpers.pocket import clinic  # late: it needs numpy and Pillow, other data does not

    clinic.build(outputs_folder() / "pocket")
    return outputs_folder() / "pocket" / kind
