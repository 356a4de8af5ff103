"""The pocket clinic's other data: simulated, in the files of the sets that they stand for.

`pocket_roco` stands for ROCO, `pocket_vqa_rad` for VQA-RAD (see `question_answers` for its other
splits), `pocket_pathology` for PathVQA, `pocket_nonsense` for Med-HALT's questions.
"""

from functools import lru_cache, partial
from pathlib import Path

from helpers.data.nonsense import scan_nonsense
from helpers.data.question_answers import LAYOUTS, scan_questions, ways
from helpers.data.roco import scan_roco
from helpers.data.scanned import scanned
from helpers.files import outputs_folder

FOLDER = "pocket_scans"


def build_part(part: str) -> Path:
    """Build all of it if it is missing, incomplete or outdated; return the folder of one part."""
    folder = outputs_folder() / FOLDER
    if not (folder / part).is_dir():
        _build_once.cache_clear()
    _build_once(folder)
    return folder / part


@lru_cache
def _build_once(folder: Path) -> None:
    from helpers.pocket.scans import build_scans  # late: it needs numpy and Pillow

    build_scans(folder)


vqa_rad = LAYOUTS["vqa_rad"]
DATASETS = {
    "pocket_roco": scanned(scan_roco, simulated=partial(build_part, "roco")),
    **ways("pocket_vqa_rad", vqa_rad, partial(build_part, "vqa_rad")),
    "pocket_pathology": scanned(
        partial(scan_questions, vqa_rad), simulated=partial(build_part, "pathology")
    ),
    "pocket_nonsense": scanned(scan_nonsense, simulated=partial(build_part, "nonsense")),
}
