"""Tables about a data set, as plain rows; notebooks show them with pandas."""

from helpers.cases import Case
from helpers.datasets import Dataset


def table_1(dataset: Dataset) -> list[dict]:
    """One row per split: cases, cases with pictures, pictures and references (YuanAI, Table 1, for any data).

    "with picture" counts the cases that list one, "picture on disk" those with a file here: their pull of
    Reddit had 310 train cases, 271 with a picture.
    """
    return [_row(split, cases) for split, cases in dataset.splits.items()]


def _row(split: str, cases: tuple[Case, ...]) -> dict:
    references = sum(len(case.references) for case in cases)
    return {
        "split": split,
        "all cases": len(cases),
        "with picture": sum(bool(case.images) for case in cases),
        "picture on disk": sum(bool(case.pictures) for case in cases),
        "pictures": sum(len(case.images) for case in cases),
        "references": references,
        "references per case": round(references / len(cases), 2) if cases else 0.0,
    }
