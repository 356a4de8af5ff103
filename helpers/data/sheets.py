"""Tables that a person writes beside images: a name and a text about it in each row, checked line
by line.
"""

import csv
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from helpers.data.layout import leads_out


def scan_sheet(
    path: Path, folder: Path, columns: tuple[str, str], take: Callable[[str, str], str]
) -> list[str]:
    """Read a table of CSV to its end and say all that is wrong with it; [] where there is no such
    file.

    Args:
        folder: the data folder, out of which the table must not lead.
        columns: what the first line calls the name and the text; other columns are left alone.
        take: is given the name and the text of each row, without blanks around; what it returns is
            wrong with them.
    """
    if not path.is_file():
        return []
    if leads_out(path, folder):
        return ["a link that leads out of the folder: put the table itself there"]
    faults: list[str] = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            for fault in _faults(file, columns, take):
                faults.append(fault)
    except UnicodeDecodeError as error:
        faults.append(f"not UTF-8 text ({error.reason})")
    except OSError as error:
        faults.append(f"cannot be read as a table ({error.strerror or error})")
    return faults


def composed(name: str) -> str:
    """A file name with each accent in its letter: some systems compose them, others do not."""
    return unicodedata.normalize("NFC", name)


def _faults(
    file: TextIO, columns: tuple[str, str], take: Callable[[str, str], str]
) -> Iterator[str]:
    # Strict: a quote left open would swallow the rest of the file without a word.
    rows, done = csv.DictReader(file, strict=True), 0
    try:
        header = rows.fieldnames or ()
        if lacking := [column for column in columns if column not in header]:
            yield f"the first line lacks the column {', '.join(lacking)}"
            return
        if doubled := [column for column in columns if header.count(column) > 1]:
            yield f"the first line has the column {', '.join(doubled)} twice"
            return
        done = rows.line_num
        for row in rows:
            done = rows.line_num
            if fault := _row_fault(row, columns, take):
                yield f"line {done}: {fault}"
    except csv.Error as error:
        yield f"line {done + 1}: cannot be read as a table ({error}): look for a double quote that is left open"


def _row_fault(row: dict, columns: tuple[str, str], take: Callable[[str, str], str]) -> str:
    name, text = ((row[column] or "").strip() for column in columns)
    if None in row:
        return (
            f"has more cells than the first line: put a {columns[1]} with commas into double quotes"
        )
    if not name:
        return f"the {columns[0]} is blank"
    if any(row[column] is None for column in columns):
        return (
            "has fewer cells than the first line: end it with a comma where there is nothing to say"
        )
    return take(name, text)
