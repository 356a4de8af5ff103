"""Which data sets there are: each module of this folder that reads some declares them as DATASETS.

A new data set is one module, with no change elsewhere.
"""

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from helpers.cases import Case
from helpers.data.texts import shown
from helpers.files import LabError, one_line


@dataclass(frozen=True)
class DataFault:
    """A fault (or a note) about one record of a file; record 0 is the file as a whole."""

    file: str
    record: int
    message: str
    case_id: str = ""
    is_note: bool = False

    def __str__(self) -> str:
        place = self.file + (f", record {self.record}" if self.record else "")
        place += f" ({shown(self.case_id)})" if self.case_id else ""
        # Names and texts come from a person's files: nothing of them may move a terminal's cursor.
        return one_line(f"{place}: {'note: ' if self.is_note else ''}{self.message}")


@dataclass(frozen=True)
class DataSource:
    """How a data set is read.

    Attributes:
        load: folder, name (for the advice in errors) and language -> cases by split.
        fetch: brings the data set to its own folder, if it is not there, and returns that; None
            where a person must name a folder.
        check: finds every fault and note in a folder.
        is_simulated: True where no image is one of a patient.
        fetch_commit: brings what the hub has at a commit to its own folder, if it is not there, and
            returns that: names may end in "@" and a commit; None where there are no revisions.
    """

    load: Callable[[Path, str, str], dict[str, tuple[Case, ...]]]
    check: Callable[[Path], Iterator[DataFault]]
    fetch: Callable[[], Path] | None = None
    is_simulated: bool = False
    fetch_commit: Callable[[str], Path] | None = None


@lru_cache
def list_datasets() -> dict[str, DataSource]:
    """List all data sets by name."""
    found: dict[str, DataSource] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        loaded = importlib.import_module(f"{__package__}.{module.name}")
        found |= getattr(loaded, "DATASETS", {})
    return found


def find_dataset(name: str) -> DataSource:
    """Find how a data set is read; its name may end in "@" and a revision.

    Raises:
        LabError: the name is unknown, or the data set has no revisions.
    """
    known = list_datasets()
    own, at, _ = name.partition("@")
    if own not in known:
        raise LabError(f"The data set {name!r} is unknown: choose one of {', '.join(known)}.")
    if at and known[own].fetch_commit is None:
        raise LabError(
            f"The data set {name!r} was asked for at a revision, but it has none: name it {own!r}."
        )
    return known[own]


def is_simulated(name: str) -> bool:
    """True if no image of a data set is one of a patient."""
    return find_dataset(name).is_simulated


def data_folder(name: str, root: Path | str = "") -> Path:
    """Return the folder of a data set; with `root` "" it is fetched or built if it is not there.

    Raises:
        LabError: it cannot be had without a folder, or is asked for at a revision and in a folder.
    """
    source = find_dataset(name)
    own, at, revision = name.partition("@")
    if str(root) and at:
        raise LabError(
            f"The data set {name!r} was asked for at a revision and in a folder, which may hold "
            f"another one: name it {own!r}, or leave `root` empty."
        )
    if str(root):
        return Path(os.path.expanduser(root))  # leaves the home of nobody, "~nouser", as it is
    if source.fetch_commit and at:
        return source.fetch_commit(revision)
    if source.fetch is None:
        commit = f", or name it {own}@COMMIT, with the 40 digits of a commit of the hub"
        raise LabError(
            f"The data set {name!r} was asked for without its folder: set `root` to a folder "
            f"that holds it{commit if source.fetch_commit else ''}."
        )
    return source.fetch()
