"""Fitzpatrick17k (Groh et al. 2021, CC BY-NC-SA 3.0): pictures of 114 skin conditions with the skin
type of each.

The table `fitzpatrick17k.csv` is published, the pictures are not: they lie in the folder `images`
by their hash. There is no published split; cases are split by their hash (70, 15, 15 %).
"""

from collections.abc import Iterator
from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import DataFault
from helpers.data.csv_rows import read_csv
from helpers.data.pictures import picture_fault
from helpers.data.scanned import scanned
from helpers.data.texts import text_faults

FILE = "fitzpatrick17k.csv"
HASH, TYPE, LABEL, CHECKED = "md5hash", "fitzpatrick_scale", "label", "qc"
NEEDED = (HASH, TYPE, LABEL, CHECKED)
WRONG = "3 Wrongly labelled"  # what two dermatologists said of 17 pictures
SHARES = {"train": 0.7, "valid": 0.15, "test": 0.15}


def skin_types(root: Path) -> dict[str, int]:
    """Read the Fitzpatrick skin type of each case, 1 to 6; where it is unknown (-1) there is none.

    Returns: {case id: skin type}.
    """
    rows = read_csv(root / FILE, NEEDED)
    return {row[HASH]: int(row[TYPE]) for row in rows if row[TYPE] in set("123456")}


def scan_fitzpatrick17k(root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the table, without the pictures that are known to be labelled wrongly.

    Raises:
        LabError: the table is missing or another one.
    """
    seen: set[str] = set()
    for number, row in enumerate(read_csv(root / FILE, NEEDED, any_text=True), start=1):
        pictures, picture = root / "images", f"{row[HASH]}.jpg"
        if fault := _fault(row, seen) or picture_fault(picture, pictures, root):
            yield DataFault(FILE, number, fault)
        elif row[CHECKED] == WRONG:
            yield DataFault(FILE, number, "dermatologists call its label wrong", is_note=True)
        else:
            yield Case(row[HASH], images=(pictures / picture,), label=row[LABEL].strip())
        seen.add(row[HASH])


def _fault(row: dict[str, str], seen: set[str]) -> str:
    """Say why a row cannot be used; "" if it can."""
    if fault := next(text_faults({name: row[name] for name in NEEDED}), None):
        return fault
    if not row[HASH].strip():
        return f"has no {HASH}"
    if row[HASH] in seen:
        return f"has the {HASH} of a row before it"
    return "" if row[LABEL].strip() else "has no label"


DATASETS = {"fitzpatrick17k": scanned(scan_fitzpatrick17k, shares=SHARES)}
