"""Med-HALT's nonsense questions (Pal et al. 2023, `reasoning_fake.csv`): exam questions about what
cannot be, to which the only right answer is to say so.

No answer comes with them. Their options stand in `context`, one a line; among them are some that
admit defeat.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import DataFault
from helpers.data.csv_rows import read_csv
from helpers.data.scanned import scanned
from helpers.data.texts import text_faults
from helpers.files import LabError

FILE = "reasoning_fake.csv"
NEEDED = ("id", "question", "options")
LONGEST_OPTIONS = 20_000  # letters; the longest published ones have 2,500
QUESTION_TYPE = "NONSENSE"
ONLY_SPLIT = "test"  # nothing is learnt from them


def scan_nonsense(root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the table; there is but English.

    Raises:
        LabError: the file is missing or no such table, or another language is asked for.
    """
    if language not in ("", "en"):
        raise LabError(f"Med-HALT's questions are English, but {language!r} was asked for.")
    seen: set[str] = set()
    for number, row in enumerate(read_csv(root / FILE, NEEDED, any_text=True), start=1):
        options = _options(row["options"])
        if fault := _fault(row, options, seen):
            yield DataFault(FILE, number, fault, row["id"])
        else:
            yield Case(
                row["id"],
                row["question"].strip(),
                "\n".join(options),
                split=ONLY_SPLIT,
                question_type=QUESTION_TYPE,
            )
        seen.add(row["id"])


def _fault(row: dict[str, str], options: list[str], seen: set[str]) -> str:
    """Say why a row is no question; "" if it is one."""
    texts = {name: row[name] for name in NEEDED}
    if not all(text.strip() for text in texts.values()):
        return f"lacks one of {', '.join(NEEDED)}"
    if fault := next(text_faults(texts), None):
        return fault
    if row["id"] in seen:
        return "has the id of a row before it"
    return "" if options else "has options that cannot be read"


def _options(text: str) -> list[str]:
    """Read options, which the file holds as a dictionary of Python; [] if it is none of texts."""
    try:
        found = ast.literal_eval(text) if len(text) <= LONGEST_OPTIONS else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    texts = list(found.values()) if isinstance(found, dict) else []
    return texts if all(isinstance(one, str) for one in texts) else []


DATASETS = {"med_halt_fake": scanned(scan_nonsense)}
