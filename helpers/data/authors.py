"""The author table of DermaVQA (df_userinfo.csv), and the weight it gives to an answer."""

import csv
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from helpers.data.records import FLAGS
from helpers.data.texts import quoted, shown, text_faults, without_path
from helpers.files import LabError, read_text

AUTHOR_FILE = "df_userinfo.csv"
COLUMNS = ("author_id", "validation_level", "rank_level")


class Author(NamedTuple):
    """A doctor's standing: validated as a physician ("md...") or not, and a rank ("unk" is 0)."""

    validation_level: str
    rank: int


def reference_weight(response: Mapping, authors: Mapping[str, Author] | None) -> float:
    """Compute the deltaBLEU weight of an answer, 0.6 to 1.0, as the challenge's scorer does.

    0.7 if the answer is complete (`completeness` is 1), else 0.6; 0.1 more for each of: the author
    is a validated physician, has rank 4 or more, gives the answer that most gave
    (`contains_freq_ans` is 1). It is 1 without an author table (Reddit) and for answers without the
    two flags (the IIYI train set).

    Raises:
        LabError: The author is not in the table: a guess would silently change the score.
    """
    if not authors or any(flag not in response for flag in FLAGS):
        return 1.0
    name = response.get("author_id", "")
    author = authors.get(name)
    if author is None:
        raise LabError(
            f"Author {quoted(name)} is not in the table of {len(authors)} authors: give the table "
            "of this data."
        )
    merits = (
        author.validation_level.startswith("md"),
        author.rank >= 4,
        response["contains_freq_ans"] == 1,
    )
    least = 0.7 if response["completeness"] == 1 else 0.6
    # Rounded, so that 0.7 + 0.1 is the number 0.8.
    return round(least + 0.1 * sum(merits), 1)


def read_authors(path: Path | str) -> dict[str, Author]:
    """Read the table {author id: Author}; its first fault is a `LabError` that names the line."""
    authors, faults = scan_authors(path)
    if faults:
        raise LabError(f"{path}: {faults[0]}; correct the file.")
    return authors


def scan_authors(path: Path | str) -> tuple[dict[str, Author], list[str]]:
    """Read the authors and list every fault; a table unreadable to its end yields no authors."""
    if not os.path.exists(path):
        raise LabError(f"{path} does not exist: check the path of the author table.")
    try:
        return scan_author_text(read_text(path, any_text=True))
    except LabError as error:
        return {}, [without_path(error, Path(path))]


def scan_author_text(text: str) -> tuple[dict[str, Author], list[str]]:
    """Read the authors from the text of a table; see `scan_authors`."""
    authors: dict[str, Author] = {}
    faults: list[str] = []
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        lacking = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if lacking:
            return authors, [f"the first line lacks the column {', '.join(lacking)}"]
        for row in rows:
            faults += [f"line {rows.line_num}: {message}" for message in _add(authors, row)]
    except csv.Error as error:
        return {}, [*faults, f"cannot be read as a table ({error})"]
    return authors, faults


def _add(authors: dict[str, Author], row: Mapping[str, str | None]) -> list[str]:
    """Add the author of one row, and list the faults of the row."""
    cells = {column: row[column] or "" for column in COLUMNS}
    name, level, rank = cells.values()
    if faults := list(text_faults(cells)):
        return faults
    if not name:
        return ["the author_id is blank"]
    if name in authors:
        return [f"author {shown(name)} is in the table twice"]
    known = re.fullmatch(r"level_([0-9]{1,9})|unk", rank)
    if known is None:
        # The author is still known, so that the answers are not faulted as well.
        authors[name] = Author(level, 0)
        return [f"rank_level is {quoted(rank)}, but `level_` and a number or `unk` was expected"]
    authors[name] = Author(level, int(known[1] or 0))
    return []
