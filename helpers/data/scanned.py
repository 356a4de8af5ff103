"""Data sets whose module is one function: it reads a folder and says of each record what it is.

Such a function yields a `Case` (with its split) for each record that can be used and a `DataFault`
for each that cannot, so that what is loaded and what `check-data` lists are the same reading. A
record that cannot be used is left out, and the rest goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import DataFault, DataSource
from helpers.data.splits import split_by_group
from helpers.files import LabError

# Folder and language ("" for all) -> cases and faults, in the order of the files.
Scan = Callable[[Path, str], Iterator[Case | DataFault]]
ORDER = ("train", "valid", "test")


def scanned(
    scan: Scan,
    *,
    shares: Mapping[str, float] | None = None,
    simulated: Callable[[], Path] | None = None,
) -> DataSource:
    """Make a data set of a scan.

    Args:
        shares: split anew by groups, each split with its share of them; None keeps the splits that
            cases come with.
        simulated: builds a simulated set in that form, if it is not there, and returns its folder.
    """
    load, check = partial(_load, scan, shares), partial(_faults, scan)
    return DataSource(load, check, fetch=simulated, is_simulated=simulated is not None)


def _load(
    scan: Scan, shares: Mapping[str, float] | None, root: Path, name: str, language: str
) -> dict[str, tuple[Case, ...]]:
    """Load what can be used.

    Raises:
        LabError: what the scan raises of the folder as a whole, or there is nothing that can be
            used.
    """
    cases = [found for found in scan(root, language) if isinstance(found, Case)]
    if not cases:
        raise LabError(
            f"{root} has no case in language {language!r} that can be used: run `python -m helpers "
            f"check-data {name} {root}` to see every fault."
        )
    return split_by_group(cases, shares) if shares else _by_split(cases)


def _faults(scan: Scan, root: Path) -> Iterator[DataFault]:
    return (found for found in scan(root, "") if isinstance(found, DataFault))


def _by_split(cases: Iterable[Case]) -> dict[str, tuple[Case, ...]]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.split, []).append(case)
    return {split: tuple(found[split]) for split in ORDER if split in found}
