"""Where cases come from: every data set by its name, in one form."""

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
        """The cases of one split; a split that is not there is a `LabError`."""
        if name not in self.splits:
            there = ", ".join(self.splits) or "none"
            raise LabError(f"The data set {self.name!r} has no split {name!r}: it has {there}.")
        return self.splits[name]

    def fingerprint(self, split: str) -> str:
        """Twelve hex digits of all texts, weights and image names of a split, wherever it lies on
        disk.
        """
        return fingerprint([case.content() for case in self.split(split)])


def load_dataset(name: str, root: Path | str = "", *, language: str = "en") -> Dataset:
    """Load a data set by name from its folder.

    The names are iiyi, reddit (the published DermaVQA data), pocket and pocket_reddit (the
    simulated clinic), and photos (a folder of the person's own images, all in the split "valid":
    see `photos.load_photos`). With `root` "" the texts are fetched, or the clinic is built, once
    under the outputs folder; photos need a folder. `language` is en, zh or es.
    Raises `LabError` for an unknown name, a folder without the data and the first record that is
    unfit.
    """
    folder = data_folder(name, root)
    if FORMATS[name] == "photos":
        dermavqa.check_language(language)
        return Dataset(name, photos.load_photos(folder), language)
    splits = dermavqa.load_splits(FORMATS[name], folder, name=name, language=language)
    return Dataset(name, splits, language)


def data_folder(name: str, root: Path | str = "") -> Path:
    """The folder of a data set; with `root` "" the clinic is built, or the published texts are
    fetched, if need be.
    """
    if name not in FORMATS:
        raise LabError(f"The data set {name!r} is unknown: choose one of {', '.join(FORMATS)}.")
    if str(root):
        return Path(root).expanduser()
    if name == "photos":
        raise LabError(
            "The data set 'photos' was asked for without its folder: set DATA_ROOT to a folder of "
            "pictures."
        )
    if name in POCKET:
        return _pocket_folder(FORMATS[name])
    return fetch(name)


def _pocket_folder(kind: str) -> Path:
    """The pocket folder of a format; a clinic that is not there, not whole or of an older version
    is built.
    """
    from helpers.pocket import clinic  # late: only the pocket data needs it

    clinic.build(outputs_folder() / "pocket")
    return outputs_folder() / "pocket" / kind
