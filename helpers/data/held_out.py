"""IIYI's training posts alone, a quarter of their authors held out: for questions that its 56
validation posts cannot decide, and for choosing a recipe without looking at those.

What one person posted is on one side only, and is a group: doctors post many cases at once.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import DataSource
from helpers.data.checks import folder_faults
from helpers.data.dermavqa import load_splits
from helpers.data.download import fetch
from helpers.data.layout import split_files
from helpers.data.records import read_records
from helpers.data.splits import split_by_group
from helpers.files import LabError

FORMAT = "iiyi"
SHARES = {"valid": 0.25, "train": 0.75}


def load_held_out(root: Path, name: str, language: str) -> dict[str, tuple[Case, ...]]:
    """Load the training posts as two splits, "train" and "valid", their authors as groups.

    Raises:
        LabError: the folder has no training posts, or a record cannot be loaded.
    """
    cases = load_splits(FORMAT, root, name, language).get("train")
    if not cases:
        raise LabError(
            f"{root} has no train.json, of which {name!r} would hold a part out: add the file, or "
            "name another data set."
        )
    authors = _authors(split_files(FORMAT, root, language)["train"])
    return split_by_group((replace(case, group=authors[case.id]) for case in cases), SHARES)


def _authors(path: Path) -> dict[str, str]:
    """Read who posted each case; "" where that is not said."""
    records = read_records(path)
    return {record["encounter_id"]: str(record.get("author_id") or "") for record in records}


DATASETS = {
    "iiyi_held_out": DataSource(
        load_held_out, partial(folder_faults, FORMAT), fetch=partial(fetch, FORMAT)
    )
}
