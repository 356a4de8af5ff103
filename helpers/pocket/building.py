"""Build what the lab makes up: into a folder whole or not at all, found again as it was built."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from helpers.files import (
    Damaged,
    LabError,
    fingerprint,
    full_disk_told,
    hash_tree,
    lock_file,
    move_into_place,
    read_sealed,
    set_aside,
    workshop,
    write_sealed,
)


def build_whole(
    folder: Path,
    summary: str,
    wanted: Mapping[str, Any],
    parts: Collection[str],
    write: Callable[[Path], Mapping[str, int]],
) -> dict[str, Any]:
    """Write simulated data to `folder`, or find them there; return what the folder holds.

    One that is not as it was built is kept beside: somebody may have changed it by intention. An
    older version is replaced whole.

    Args:
        summary: name of the file that says what a folder holds, with a hash of its content.
        wanted: version, seed and sizes; a folder that says the same is left as it is.
        parts: names of what else a folder holds; one that holds anything else is not touched.
        write: fills an empty folder, and returns counts.
    Raises:
        LabError: the folder holds anything else.
    """
    lock = folder.with_name(f".{folder.name}.lock")  # another process may be building it
    with full_disk_told(folder), lock_file(lock):
        return _find(folder, summary, wanted, parts) or _build(folder, summary, wanted, write)


def _build(
    folder: Path,
    summary: str,
    wanted: Mapping[str, Any],
    write: Callable[[Path], Mapping[str, int]],
) -> dict[str, Any]:
    """Build beside the place, and move there."""
    with workshop(folder) as made, workshop(folder) as aside:
        counts = write(made)
        found = dict(wanted) | dict(counts) | {"content": fingerprint(hash_tree(made))}
        write_sealed(made / summary, found)
        if folder.exists():
            folder.rename(aside / "old")
        move_into_place(made, folder)
    return found


def _find(
    folder: Path, summary: str, wanted: Mapping[str, Any], parts: Collection[str]
) -> dict[str, Any]:
    """Find the very same in its place; {} if it has to be built."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    # What is found may be deleted, so it has to be ours and nothing else.
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if not folder.is_dir() or not names <= {summary, *parts}:
        raise LabError(
            f"{folder} holds something that is no pocket clinic: name a new or an empty folder."
        )
    found = _read_whole(folder, summary)
    if not found:
        kept = set_aside(folder).name
        print(f"The clinic is not as it was built: it is built again, and was kept as {kept}.")
    return found if {key: found.get(key) for key in wanted} == wanted else {}


def _read_whole(folder: Path, summary: str) -> dict[str, Any]:
    """Read the summary of a folder; {} if any file is not as it was built."""
    try:
        found = read_sealed(folder / summary)
    except Damaged:
        return {}
    content = fingerprint(hash_tree(folder, lambda name: name != summary))
    return found if found.get("content") == content else {}
