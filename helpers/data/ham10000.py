"""HAM10000 (Tschandl et al. 2018, not for commercial use): pictures of seven kinds of skin lesions,
taken through a dermatoscope.

The table `HAM10000_metadata.csv` (some copies leave ".csv" out) has a row for each picture; the
pictures lie in `HAM10000_images_part_1` and `_2`, or all in `images`. Some lesions have several
pictures: a lesion is the group of its cases, and no lesion is in two splits. The table has no
split: lesions are split by their name (70, 15, 15 %).

A case's label is the full name of `dx`; its context is what the table says of the patient.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from helpers.cases import Case
from helpers.data.catalogue import DataFault
from helpers.data.csv_rows import read_csv
from helpers.data.pictures import picture_fault
from helpers.data.scanned import scanned
from helpers.data.texts import quoted, same_name, text_faults
from helpers.files import LabError

FILES = ("HAM10000_metadata.csv", "HAM10000_metadata")
FOLDERS = ("HAM10000_images_part_1", "HAM10000_images_part_2", "images")
LESION, PICTURE, DIAGNOSIS = "lesion_id", "image_id", "dx"
AGE, SEX, SITE = "age", "sex", "localization"
NEEDED = (LESION, PICTURE, DIAGNOSIS, AGE, SEX, SITE)
SHARES = {"train": 0.7, "valid": 0.15, "test": 0.15}
# dx -> label.
LESIONS = {
    "akiec": "actinic keratosis",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}
SEXES = ("male", "female")
UNKNOWN = ("", "unknown")
OLDEST = 120  # years


def scan_ham10000(root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the table; pictures have no language, labels are English.

    Raises:
        LabError: the table is missing or another one.
    """
    path = next((root / name for name in FILES if (root / name).is_file()), None)
    if path is None:
        raise LabError(f"{root} holds no {FILES[0]}: name the folder with the table.")
    folders = [root / name for name in FOLDERS if (root / name).is_dir()]
    if not folders:
        yield DataFault(path.name, 0, f"no folder {' or '.join(FOLDERS)}", is_note=True)
    seen: set[str] = set()
    labels: dict[str, str] = {}  # of lesions
    for number, row in enumerate(read_csv(path, NEEDED, any_text=True), start=1):
        report = partial(DataFault, path.name, number, case_id=row[PICTURE])
        if fault := _fault(row, seen) or picture_fault(_name(row), root, root):
            yield report(fault)
            continue
        picture = _picture(_name(row), folders or [root / FOLDERS[-1]])
        if fault := picture_fault(picture.name, picture.parent, root):
            yield report(fault)
            continue
        seen.add(same_name(row[PICTURE]))
        lesion, label = row[LESION].strip(), LESIONS[row[DIAGNOSIS].strip()]
        if labels.setdefault(lesion, label) != label:
            message = f"calls the lesion {lesion} {label}, a row before it {labels[lesion]}"
            yield report(message, is_note=True)
        yield Case(
            row[PICTURE].strip(),
            context=_patient(row),
            images=(picture,),
            label=label,
            group=lesion,
        )


def _name(row: dict[str, str]) -> str:
    return f"{row[PICTURE].strip()}.jpg"


def _picture(name: str, folders: list[Path]) -> Path:
    """Return where a picture is, or where it is expected."""
    places = [folder / name for folder in folders]
    return next((place for place in places if place.is_file()), places[0])


def _patient(row: dict[str, str]) -> str:
    """Say what is known of the patient, such as "Male, 80 years, scalp."; "" if nothing is."""
    age = row[AGE].strip()
    years = "" if age.lower() in UNKNOWN else f"{float(age):g} years"
    facts = [row[SEX].strip().lower(), years, row[SITE].strip().lower()]
    words = ", ".join(fact for fact in facts if fact not in UNKNOWN)
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _fault(row: dict[str, str], seen: set[str]) -> str:
    """Say why a row is no case; "" if it may be one. `seen`: pictures of rows before it."""
    if fault := next(text_faults({name: row[name] for name in NEEDED}), None):
        return fault
    if blank := [name for name in (PICTURE, LESION, DIAGNOSIS) if not row[name].strip()]:
        return f"has no {blank[0]}"
    if same_name(row[PICTURE]) in seen:
        return f"has the {PICTURE} of a row before it"
    diagnosis = row[DIAGNOSIS].strip()
    if diagnosis not in LESIONS:
        return f"has the {DIAGNOSIS} {quoted(diagnosis)}, which is none of {', '.join(LESIONS)}"
    if row[SEX].strip().lower() not in (*SEXES, *UNKNOWN):
        return f"has the {SEX} {quoted(row[SEX])}, which is none of {', '.join(SEXES)}, unknown"
    return "" if _is_age(row[AGE].strip()) else f"has the {AGE} {quoted(row[AGE])}, no age in years"


def _is_age(text: str) -> bool:
    if text.lower() in UNKNOWN:
        return True
    try:
        return 0 <= float(text) <= OLDEST
    except ValueError:
        return False


DATASETS = {"ham10000": scanned(scan_ham10000, shares=SHARES)}
