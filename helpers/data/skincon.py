"""SKINCON (Daneshjou et al. 2022): which of 48 clinical concepts dermatologists saw in pictures of
Fitzpatrick17k and DDI.

A table for each source, a row for each picture, 1 or 0 for each concept. The last column says that
a picture is not to be considered: such rows are left out, as SkinGPT-4 did (3,230 of 3,690 of
Fitzpatrick17k remain). Only annotations are published together; pictures lie in the folder
`images`, by the names in the table.

What is learnt from a picture, its reference, is a sentence with its concepts. `skincon_held_out` is
the same pictures with a fifth held out; no split is published.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from helpers.cases import Case, Reference
from helpers.data.catalogue import DataFault
from helpers.data.csv_rows import read_csv
from helpers.data.pictures import picture_fault
from helpers.data.scanned import scanned
from helpers.files import LabError

FILES = {"fitzpatrick17k": "annotations_fitzpatrick17k.csv", "ddi": "annotations_ddi.csv"}
PICTURE, EXCLUDED = "ImageID", "Do not consider this image"
NEEDED = (PICTURE, EXCLUDED)
NO_CONCEPTS = ("", *NEEDED)  # columns; the first one counts rows
ONLY_SPLIT = "train"  # the authors publish no split
HELD_OUT = {"train": 0.8, "test": 0.2}
# Concepts whose names in the table are no words for a sentence.
IN_WORDS = {
    "Brown(Hyperpigmentation)": "brown (hyperpigmentation)",
    "White(Hypopigmentation)": "white (hypopigmentation)",
    "Flat topped": "flat-topped",
}


def concept_sentence(concepts: tuple[str, ...]) -> str:
    """Say in one sentence which concepts a picture shows: SkinGPT-4's first step learns these.

    The paper says that concepts were put into words, and not how: this wording is ours.
    """
    names = [IN_WORDS.get(name, name[:1].lower() + name[1:]) for name in concepts]
    return f"The image shows: {', '.join(names) or 'none of the concepts looked for'}."


def scan_skincon(root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read all tables that a folder has; pictures have no language, sentences are English.

    Raises:
        LabError: there is no table, or one lacks a column.
    """
    tables = [(source, root / file) for source, file in FILES.items() if (root / file).is_file()]
    if not tables:
        raise LabError(f"{root} holds none of {', '.join(FILES.values())}: name their folder.")
    for source, path in tables:
        seen: set[str] = set()
        for number, row in enumerate(read_csv(path, NEEDED), start=1):
            report = partial(DataFault, path.name, number, case_id=row[PICTURE])
            if fault := _fault(root, row, seen):
                yield report(fault)
            elif row[EXCLUDED] == "1":
                yield report("is excluded by those who annotated it", is_note=True)
            else:
                yield _case(root, source, row)
            seen.add(row[PICTURE])


def _case(root: Path, source: str, row: dict[str, str]) -> Case:
    picture = row[PICTURE]
    concepts = tuple(name for name in row if name not in NO_CONCEPTS and row[name] == "1")
    return Case(
        id=f"{source}-{Path(picture).stem}",
        images=(root / "images" / picture,),
        references=(Reference(concept_sentence(concepts)),),
        concepts=concepts,
        split=ONLY_SPLIT,
    )


def _fault(root: Path, row: dict[str, str], seen: set[str]) -> str:
    """Say why a row is no picture's; "" if it is one."""
    if fault := picture_fault(row[PICTURE], root / "images", root):
        return fault
    if row[PICTURE] in seen:
        return f"has the picture {row[PICTURE]!r} of a row before it"
    odd = [
        name for name, value in row.items() if name not in ("", PICTURE) and value not in ("0", "1")
    ]
    return f"has neither 0 nor 1 for {odd[0]!r}" if odd else ""


DATASETS = {
    "skincon": scanned(scan_skincon),
    "skincon_held_out": scanned(scan_skincon, shares=HELD_OUT),
}
