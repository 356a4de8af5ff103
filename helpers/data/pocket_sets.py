"""The pocket clinic's other data: simulated, in the files of the sets that they stand for.

Drawings of scans and slides: `pocket_roco` stands for ROCO, `pocket_vqa_rad` for VQA-RAD (see
`question_answers` for its other splits), `pocket_pathology` for PathVQA; `pocket_nonsense` for
Med-HALT's questions. Drawings of skin: `pocket_skincon` and `pocket_skincon_held_out` for SKINCON,
`pocket_dermnet` for Dermnet in SkinGPT-4's classes, `pocket_conditions` for a tree of folders by
condition, `pocket_stories` for patients' stories with images.
"""

from functools import lru_cache, partial
from pathlib import Path

from helpers.data.dermnet import major_class, own_name, scan_class_folders
from helpers.data.nonsense import scan_nonsense
from helpers.data.question_answers import LAYOUTS, scan_questions, ways
from helpers.data.roco import scan_roco
from helpers.data.scanned import scanned
from helpers.data.skincon import HELD_OUT, scan_skincon
from helpers.data.stories import SHARES, scan_stories
from helpers.files import outputs_folder

SCANS, SKIN, DIAGNOSIS = "pocket_scans", "pocket_skin", "pocket_diagnosis"


def build_part(of: str, part: str) -> Path:
    """Build all of `SCANS`, `SKIN` or `DIAGNOSIS` if it is missing, incomplete or outdated; return
    the folder of one part.
    """
    folder = outputs_folder() / of
    if not (folder / part).is_dir():
        _build_once.cache_clear()
    _build_once(of, folder)
    return folder / part


@lru_cache
def _build_once(of: str, folder: Path) -> None:
    # Late: they need numpy and Pillow.
    from helpers.pocket.diagnosis_sets import build_diagnosis_sets
    from helpers.pocket.scans import build_scans
    from helpers.pocket.skin_sets import build_skin_sets

    builders = {SCANS: build_scans, SKIN: build_skin_sets, DIAGNOSIS: build_diagnosis_sets}
    builders[of](folder)


vqa_rad = LAYOUTS["vqa_rad"]
scans, skin, diagnosis = (partial(partial, build_part, of) for of in (SCANS, SKIN, DIAGNOSIS))
DATASETS = {
    "pocket_roco": scanned(scan_roco, simulated=scans("roco")),
    **ways("pocket_vqa_rad", vqa_rad, scans("vqa_rad")),
    "pocket_pathology": scanned(partial(scan_questions, vqa_rad), simulated=scans("pathology")),
    "pocket_nonsense": scanned(scan_nonsense, simulated=scans("nonsense")),
    "pocket_skincon": scanned(scan_skincon, simulated=skin("skincon")),
    "pocket_skincon_held_out": scanned(scan_skincon, shares=HELD_OUT, simulated=skin("skincon")),
    "pocket_dermnet": scanned(partial(scan_class_folders, major_class), simulated=skin("dermnet")),
    "pocket_conditions": scanned(
        partial(scan_class_folders, own_name), simulated=diagnosis("conditions")
    ),
    "pocket_stories": scanned(scan_stories, shares=SHARES, simulated=diagnosis("stories")),
}
