"""The data sets that come with the lab: DermaVQA as published, the simulated clinic in the same two
formats, and photos: a folder of the person's own images.
"""

from functools import lru_cache, partial
from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import DataSource
from helpers.data.checks import folder_faults, photo_faults
from helpers.data.dermavqa import check_language, load_splits
from helpers.data.download import fetch
from helpers.data.photos import load_photos
from helpers.files import outputs_folder


def build_clinic(kind: str) -> Path:
    """Build the clinic if it is missing, incomplete or outdated; return its folder of a format."""
    folder = outputs_folder() / "pocket"
    if not (folder / kind).is_dir():
        _build_once.cache_clear()
    _build_once(folder)
    return folder / kind


@lru_cache
def _build_once(folder: Path) -> None:
    from helpers.pocket import clinic  # late: it needs numpy and Pillow, other data does not

    clinic.build(folder)


def _load_photos(folder: Path, name: str, language: str) -> dict[str, tuple[Case, ...]]:
    check_language(language)
    return load_photos(folder)


def _published(kind: str) -> DataSource:
    return DataSource(
        partial(load_splits, kind), partial(folder_faults, kind), fetch=partial(fetch, kind)
    )


def _simulated(kind: str) -> DataSource:
    """The clinic is simulated, but in the real formats."""
    return DataSource(
        partial(load_splits, kind),
        partial(folder_faults, kind),
        fetch=partial(build_clinic, kind),
        is_simulated=True,
    )


DATASETS = {
    "iiyi": _published("iiyi"),
    "reddit": _published("reddit"),
    "pocket": _simulated("iiyi"),
    "pocket_reddit": _simulated("reddit"),
    "photos": DataSource(_load_photos, photo_faults),
}
