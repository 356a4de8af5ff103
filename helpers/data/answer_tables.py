"""Tables of answers with one truth each, as people and papers keep them: JSON or CSV."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from helpers.data.csv_rows import read_csv
from helpers.data.records import named
from helpers.files import LabError, read_json

NEEDED = ("true_answer", "predicted_answer")
OPTIONAL = ("image",)  # what several rows are about


def read_answer_table(path: Path | str) -> list[dict[str, str]]:
    """Read a table of answers: a CSV file with a first line of names, or a JSON list of objects.

    Returns: one dictionary for each row with `true_answer` and `predicted_answer`, and `image`
        where all rows have it; numbers are read as their text, other columns are left alone.
    Raises:
        LabError: no such file, a row without one of the two, or no row at all.
    """
    rows = list(_rows(Path(path)))
    if not rows:
        raise LabError(f"{path} holds no answer: a row has {' and '.join(NEEDED)}.")
    kept = [name for name in OPTIONAL if all(row.get(name) for row in rows)]
    return [
        {name: _text(path, number, row, name) for name in (*NEEDED, *kept)}
        for number, row in enumerate(rows, start=1)
    ]


def _rows(path: Path) -> Iterator[Mapping[str, object]]:
    if path.suffix.lower() == ".csv":
        yield from read_csv(path, NEEDED)
        return
    found = read_json(path)
    if not isinstance(found, list):
        raise LabError(f"{path} holds {named(found)}, but a list of rows was expected.")
    for number, row in enumerate(found, start=1):
        if not isinstance(row, dict):
            raise LabError(f"{path}, row {number}, is {named(row)}, but an object was expected.")
        yield row


def _text(path: Path | str, number: int, row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise LabError(
            f"{path}, row {number}, has no text or number {name!r}: every row needs "
            f"{' and '.join(NEEDED)}."
        )
    return str(value)
