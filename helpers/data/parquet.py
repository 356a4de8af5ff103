"""Parquet files of a set of the hub, as they are fetched: found below a folder, checked, and read.

The name of each begins with its split, and mostly says which part of it the file is
(`data/train-00000-of-00003-abc.parquet`). They are only read, a few rows at a time.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.data.hf import check_columns
from helpers.data.hub import Form
from helpers.data.scanned import ORDER
from helpers.files import LabError, one_line

# What the hub calls a split -> what it is called here. A file's name may begin with either.
SPLITS = {"train": "train", "validation": "valid", "test": "test"}
NAME = re.compile(r"(train|validation|valid|test)(?:[-_.].*)?\.parquet")
PART = re.compile(r"[a-z]+-\d+-of-(\d+)(?=[-.])")  # "train-00000-of-00003": the first of three
AT_ONCE = 50  # rows in memory: with pictures of 1 MB, 50 MB
BUFFER = 1 << 20  # bytes that are read at a time, where it would be the pictures of 1,000 rows


def find_parts(root: Path) -> dict[str, list[Path]]:
    """Find the parquet files of each split, in their order.

    Raises:
        LabError: there are none, or two are the same part of a split, as of two revisions.
    """
    if not root.is_dir():
        raise LabError(
            f"{root} is no folder, but one with a set of the hub was expected: check the path."
        )
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(root.rglob("*.parquet")):
        if not (name := NAME.fullmatch(path.name)) or not path.is_file():
            continue
        part = match[0] if (match := PART.match(path.name)) else path.name
        parts = found.setdefault(SPLITS.get(name[1], name[1]), {})
        if part in parts:
            raise LabError(
                f"{root} holds {relative(parts[part], root)} and {relative(path, root)}, which are "
                "the same part of a split: name a folder with one of them."
            )
        parts[part] = path
    if not found:
        raise LabError(
            f"{root} was to hold a set of the hub, but has no parquet file whose name begins with "
            f"{', '.join(SPLITS)}: name the folder into which its files were fetched."
        )
    splits = [split for split in ORDER if split in found]
    return {split: [path for _, path in sorted(found[split].items())] for split in splits}


def lacking_parts(split: str, parts: Sequence[Path]) -> str:
    """Say how many parts of a split are here, if by their names there are more; "" if not."""
    numbered = [part for path in parts if (part := PART.match(path.name))]
    total = max((int(part[1]) for part in numbered), default=0)
    if len(numbered) >= total:
        return ""
    return f"{len(numbered)} of {total} parquet files of the split {split!r} are here"


def relative(path: Path, root: Path) -> str:
    """Return the path of a file in a folder, with slashes."""
    return path.relative_to(root).as_posix()


def count_rows(path: Path, form: Form) -> int:
    """Count the rows of a file, without reading them.

    Raises:
        LabError: it is damaged, or lacks a column.
    """
    with _opened(path, form) as file:
        return int(file.metadata.num_rows)


def read_rows(path: Path, form: Form) -> Iterator[Mapping[str, Any]]:
    """Read the rows of a file, pictures as they are stored.

    Raises:
        LabError: it is damaged, or lacks a column.
    """
    with _opened(path, form) as file:
        for rows in file.iter_batches(batch_size=AT_ONCE, columns=list(form.columns)):
            yield from rows.to_pylist()


@contextmanager
def _opened(path: Path, form: Form) -> Iterator[Any]:
    """Open a file; an error of the library that reads it, here or later, is a `LabError`."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            check_columns(file.schema_arrow.names, form, str(path))
            yield file
    except (OSError, ValueError, ArrowException) as error:
        reason = one_line(str(error))[:200].removesuffix(".")
        raise LabError(
            f"{path} cannot be read as a parquet file ({reason}): fetch it again."
        ) from None
