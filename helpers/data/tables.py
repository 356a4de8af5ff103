"""Tables about a data set, as plain rows; notebooks show them with pandas."""

from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import data_folder
from helpers.data.dermavqa import FACTS_FILE, read_facts
from helpers.data.sources import Dataset


def table_1(dataset: Dataset) -> list[dict]:
    """Count cases, images and references, one row per split, as YuanAI's Table 1 does.

    "with image" counts the cases that list one, "image on disk" those with a file here: their
    pull of Reddit had 310 train cases, 271 with an image.
    """
    return [_row(split, cases) for split, cases in dataset.splits.items()]


def skin_tones(name: str, root: Path | str = "") -> dict[str, int]:
    """Read the skin tone of each case, 1 (palest) to 6 (darkest); {} if the data has none.

    Returns: {case id: skin tone}.
    """
    path = data_folder(name, root) / FACTS_FILE
    facts = read_facts(path) if path.exists() else {}
    return {case_id: fact["skin_tone"] for case_id, fact in facts.items() if "skin_tone" in fact}


def _row(split: str, cases: tuple[Case, ...]) -> dict:
    references = sum(len(case.references) for case in cases)
    return {
        "split": split,
        "all cases": len(cases),
        "with image": sum(bool(case.images) for case in cases),
        "image on disk": sum(bool(case.images_on_disk) for case in cases),
        "images": sum(len(case.images) for case in cases),
        "references": references,
        "references per case": round(references / len(cases), 2) if cases else 0.0,
    }
