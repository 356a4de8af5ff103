"""CSV tables that a person writes beside images: a name and a text about it in each row."""

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from helpers.data.layout import leads_out
from helpers.data.texts import text_faults, without_path
from helpers.files import LabError, read_text

# Takes the name and the text of a row; returns what is wrong with them, if anything.
TakeRow = Callable[[str, str], str | None]


def scan_sheet(path: Path, folder: Path, columns: tuple[str, str], take: TakeRow) -> list[str]:
    """Read a CSV table to its end, and list every fault; [] if there is no such file.

    Args:
        folder: the data folder, out of which the table must not lead.
        columns: what the first line calls the name and the text; other columns are left alone.
        take: is given the name and the text of each row, without white space around them; it
            returns what is wrong with them, or None.
    """
    if not os.path.isfile(path):
        return []
    if leads_out(path, folder):
        return ["a link that leads out of the folder: put the table itself there"]
    try:
        text = read_text(path, any_text=True)
    except LabError as error:
        return [without_path(error, path)]
    return list(_faults(text, columns, take))


def _faults(text: str, columns: tuple[str, str], take: TakeRow) -> Iterator[str]:
    # Strict: a quote left open would swallow the rest of the file without a word.
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    done = 0
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
        yield (
            f"line {done + 1}: cannot be read as a table ({error}): look for a double quote that "
            "is left open"
        )


def _row_fault(row: Mapping, columns: tuple[str, str], take: TakeRow) -> str | None:
    """Take one row, and say what is wrong with it; None if nothing is."""
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
    if fault := next(text_faults({column: row[column] for column in columns}), None):
        return fault
    return take(name, text)
