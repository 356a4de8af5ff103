"""Rows of CSV tables as others publish them."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from helpers.files import LabError, read_text


def read_csv(
    path: Path | str, needed: Sequence[str] = (), *, any_text: bool = False
) -> Iterator[dict[str, str]]:
    """Read each row of a table by the names in its first line; a cell that is missing is "".

    Args:
        needed: columns that the table must have.
        any_text: see `read_text`; for whoever names the row that has unfit characters.
    Raises:
        LabError: see `read_text`; also a column that is missing, or a double quote left open.
    """
    text = read_text(path, any_text=any_text)
    # Strict: a quote left open would swallow the rest of the file without a word.
    rows = csv.DictReader(io.StringIO(text, newline=""), restval="", strict=True)
    try:
        if lacking := [name for name in needed if name not in (rows.fieldnames or ())]:
            raise LabError(
                f"{path} lacks the column {', '.join(lacking)}: check that it is the right table."
            )
        yield from rows
    except csv.Error as error:
        raise LabError(
            f"{path} cannot be read as a table ({error}): look for a double quote that is left "
            "open."
        ) from None
