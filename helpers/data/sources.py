"""Load any data set by its name, in one form."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from helpers.cases import Case
from helpers.data.catalogue import data_folder, find_dataset
from helpers.files import LabError, fingerprint
from helpers.settings.section import Section, setting

if TYPE_CHECKING:
    from datasets import Dataset as HfDataset
    from datasets import DatasetDict

# Validation cases that draw the second loss curve: more would cost more time than they tell.
CURVE = 60


@dataclass(frozen=True)
class Dataset:
    """The cases of a data set, split by split, in one language."""

    name: str
    splits: dict[str, tuple[Case, ...]]
    language: str = "en"
    _fingerprints: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def split(self, name: str) -> tuple[Case, ...]:
        """Return the cases of one split; a split that is not there is a `LabError`."""
        if name not in self.splits:
            there = ", ".join(self.splits) or "none"
            raise LabError(f"The data set {self.name!r} has no split {name!r}: it has {there}.")
        return self.splits[name]

    @property
    def training(self) -> tuple[Case, ...]:
        """The training cases; none where a folder holds the split to be answered alone."""
        return self.splits.get("train", ())

    @property
    def training_texts(self) -> list[tuple[str, str]]:
        """Every answer of the training cases, with its case's id."""
        return [(case.id, answer.text) for case in self.training for answer in case.references]

    def to_hf(self) -> "DatasetDict":
        """Return the splits as Hugging Face `datasets`, a column for each field of a case."""
        from helpers.data.hf import to_hf  # late: `datasets` takes two seconds

        return to_hf(self.splits)

    @classmethod
    def from_hf(
        cls, name: str, found: "Mapping[str, HfDataset]", language: str = "en"
    ) -> "Dataset":
        """Make a data set of what `to_hf` gave, or what was saved of it and loaded again.

        Raises:
            LabError: a split has other columns.
        """
        from helpers.data.hf import from_hf

        return cls(name, from_hf(found), language)

    def fingerprint(self, split: str) -> str:
        """Compute twelve hex digits of a split's content: all fields, and images by name."""
        if split not in self._fingerprints:
            content = [case.content() for case in self.split(split)]
            self._fingerprints[split] = fingerprint(content)
        return self._fingerprints[split]


class Source(Section):
    """Which data set, and where it lies."""

    name: str = setting(
        "pocket",
        "pocket, iiyi, reddit, vqa_rad, photos (a folder of images) or another of the README",
        parameter="DATASET",
    )
    root: str = setting(
        "", "folder of the data set, if you have it on disk", parameter="DATA_ROOT", effect=False
    )
    language: Literal["en", "zh", "es"] = setting("en", "of questions and answers: en, zh or es")
    profiles: ClassVar = {
        "pocket": {"name": "pocket"},
        "laptop": {"name": "iiyi"},
        "t4": {"name": "iiyi"},
    }
    # Profile -> what is taken where its own data set cannot be had.
    instead: ClassVar = {"laptop": "pocket"}

    def load(self) -> Dataset:
        """Load the data set; once in a process, unless a file of it has changed since."""
        folder = data_folder(self.name, self.root)
        return _load_once(self, _stamp(folder))

    def has_images(self) -> bool:
        """Tell whether an image of any case is on disk."""
        splits = self.load().splits.values()
        return any(case.images_on_disk for split in splits for case in split)

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the data for readers."""
        return {"dataset": self.name, "language": self.language}


class Cases(Source):
    """The cases that are answered: of one split, or the first ones of it."""

    split: str = setting("valid", "which split is answered: train, valid or test", min_length=1)
    limit: int = setting(0, "answer at most so many cases; 0 for all", ge=0)
    profiles: ClassVar = {"pocket": {"limit": 60}}

    def cases(self) -> tuple[Case, ...]:
        """Load the cases."""
        cases = self.load().split(self.split)
        return cases[: self.limit] if self.limit else cases

    def in_words(self) -> str:
        """Say which cases these are, and of how many."""
        count, answered = len(self.load().split(self.split)), len(self.cases())
        which = f"all {count}" if answered == count else f"the first {answered} of {count}"
        return f"{self.name}, {self.split}: {which} cases"

    def identity(self) -> dict[str, Any]:
        """Identify the cases by their content, wherever they lie."""
        data = self.load().fingerprint(self.split)
        return {"data": data, "split": self.split, "limit": self.limit}

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the cases for readers."""
        return super().about() | {
            "split": self.split,
            "data_fingerprint": self.load().fingerprint(self.split),
        }


class TrainingCases(Source):
    """The cases that a model learns from, and that worked examples are chosen from."""

    limit: int = setting(
        0, "learn from at most so many cases; 0 for all", parameter="TRAIN_LIMIT", ge=0
    )

    def cases(self) -> tuple[Case, ...]:
        """Load the cases; none where a folder holds the split to be answered alone."""
        cases = self.load().training
        return cases[: self.limit] if self.limit else cases

    def validation(self) -> tuple[Case, ...]:
        """Load the cases that draw the second loss curve; none where there is no such split."""
        return self.load().splits.get("valid", ())[:CURVE]

    def as_cases(self, split: str = "train") -> Cases:
        """Return these cases, or those of `validation`, as ones whose images are captioned."""
        source = {name: getattr(self, name) for name in Source.model_fields}
        return Cases(**source, split=split, limit=self.limit if split == "train" else CURVE)

    def identity(self) -> dict[str, Any]:
        """Identify the training split by its content, wherever it lies."""
        return {"data": self.load().fingerprint("train"), "limit": self.limit}

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the cases for readers."""
        data = self.load().fingerprint("train")
        return super().about() | {"split": "train", "data_fingerprint": data}


def name_or_instead(
    profile: str, *, with_images: bool = False, section: type[Source] = Source
) -> str:
    """Return the name of a profile's data set, or of the one that is taken instead where it cannot
    be had, which is said.

    Args:
        with_images: without images on disk it cannot serve either.
        section: what has the data set's name.
    """
    name = section.of_profile(profile).name
    if profile not in section.instead or not (why := _why_not(name, with_images)):
        return name
    instead = section.instead[profile]
    print(f"The data set {name!r} {why}: {instead!r} is taken instead.")
    return instead


def _why_not(name: str, with_images: bool) -> str:
    """Say why a data set cannot serve here; "" if it can."""
    try:
        data_folder(name)
    except LabError:
        return "is not on this machine and could not be fetched"
    return "" if not with_images or Source(name=name).has_images() else "has no images here"


def _stamp(folder: Path) -> tuple:
    """Return what changes when a file of a folder does; of a link that leads nowhere, its own."""
    paths = sorted(folder.glob("*"))
    states = [path.stat() if os.path.exists(path) else path.lstat() for path in paths]
    return tuple((path.name, state.st_mtime_ns) for path, state in zip(paths, states))


@lru_cache(maxsize=8)
def _load_once(source: Source, stamp: tuple) -> Dataset:
    return load_dataset(source.name, source.root, language=source.language)


def load_dataset(name: str, root: Path | str = "", *, language: str = "en") -> Dataset:
    """Load a data set by name from its folder.

    The names are iiyi, reddit (the published DermaVQA data), pocket and pocket_reddit (the
    simulated clinic), and photos (a folder of the person's own images, all in the split "valid":
    see `photos.load_photos`). With `root` "" the texts are fetched, or the clinic is built, once
    under the outputs folder; photos need a folder. Sets of the hub (`hub_sets`) are read from a
    folder or, with "@" and a commit after the name, fetched. `language` is en, zh or es.

    Raises:
        LabError: The name is unknown, the folder is without the data, a record is unfit, or what is
            to be fetched cannot be.
    """
    source, folder = find_dataset(name), data_folder(name, root)
    return Dataset(name, source.load(folder, name, language), language)
