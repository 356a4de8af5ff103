"""Content hashes, and seals: what the lab wrote says itself whether it is still as it was written.

A seal is twelve hex digits of a JSON object's other entries, kept in the object. It tells a bit
that a disk has flipped, an edited digit, or a row from another file from what the lab wrote; it is
no signature: who wants to deceive can compute it, too.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helpers.files.errors import Damaged, LabError
from helpers.files.places import display_path
from helpers.files.reading import parse_json, read_content, read_json
from helpers.files.writing import write_json

SEAL = "seal"


def fingerprint(value: object) -> str:
    """Return twelve hex digits of a JSON-like value: equal content gives equal digits."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def file_hash(path: Path | str) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_tree(folder: Path, wanted: Callable[[str], bool] = bool) -> dict[str, str]:
    """Hash the files below a folder, all or those whose path in it is wanted, by that path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: file_hash(path) for name, path in named.items() if wanted(name)}


def with_seal(row: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """Return a JSON object with its seal.

    Args:
        place: what a row belongs to; in another place, its seal does not fit.
    """
    # As it will be read back: keys are texts, tuples are lists.
    plain = json.loads(json.dumps(dict(row), allow_nan=False))
    return plain | {SEAL: fingerprint([place, plain])}


def is_whole(row: object, place: str = "") -> bool:
    """True for an object whose seal fits."""
    if not isinstance(row, dict) or SEAL not in row:
        return False
    return row[SEAL] == fingerprint([place, {n: v for n, v in row.items() if n != SEAL}])


def write_sealed(path: Path | str, value: Mapping[str, Any]) -> Path:
    """Write a JSON object with its seal, whole."""
    return write_json(path, with_seal(value))


def read_sealed(path: Path | str) -> dict[str, Any]:
    """Read an object that `write_sealed` wrote, without its seal.

    Raises:
        Damaged: it is not there, or not as it was written.
    """
    try:
        value = read_json(path)
    except LabError:
        value = None
    if not is_whole(value):
        raise Damaged(
            f"{display_path(path)} is not as the lab wrote it: run the command again that made it, "
            "or delete it."
        )
    del value[SEAL]
    return value


def read_rows(path: Path, place: str) -> tuple[list[dict[str, Any]], int, bool]:
    """Read the sealed rows of a file to which the lab appends, one JSON object a line.

    Returns:
        the rows that are whole, without their seals; how many lines are damaged; whether the last
        line was still being written, or was left half-written by a kill, which is no damage.
    """
    *lines, end = read_content(path).split(b"\n") if path.exists() else [b""]
    found = [_row(line) for line in lines]
    rows = [row for row in [*found, _row(end)] if is_whole(row, place)]
    damaged = sum(not is_whole(row, place) for row in found)
    return [{n: v for n, v in row.items() if n != SEAL} for row in rows], damaged, bool(end)


def _row(line: bytes) -> Any:
    try:
        return parse_json(line.decode("utf-8"), "")
    except (LabError, UnicodeDecodeError):
        return None
