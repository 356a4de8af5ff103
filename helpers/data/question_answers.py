"""Radiology questions with one short answer each: VQA-RAD and SLAKE, as published.

Both are one JSON list for each split, and many questions are about one picture. All 203 pictures of
VQA-RAD's test set are training pictures, too. SLAKE's splits share none within a language, but 142
of the 180 test pictures of both languages together are training pictures of one of them: whoever
trains on both has seen them. So beside the published splits there is each data set split by picture
(`vqa_rad_by_image`, `slake_by_image`), the same in every language. A picture is the group of its
cases: intervals are clustered by it.

VQA-RAD: Lau et al. 2018, CC0; trainset.json and testset.json, pictures in the folder `images`.
SLAKE: Liu et al. 2021, CC BY 4.0; train.json, validate.json or validation.json, test.json, pictures
in the folder `imgs`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from helpers.cases import Case, Reference
from helpers.data.catalogue import DataFault, DataSource
from helpers.data.pictures import picture_fault
from helpers.data.records import named, read_records
from helpers.data.scanned import scanned
from helpers.data.splits import split_of
from helpers.data.texts import text_faults
from helpers.files import LabError

UNKNOWN_TYPE = "OTHER"
BY_IMAGE = {"train": 0.7, "valid": 0.15, "test": 0.15}
UNSEEN = {"train": 0.67, "test": 0.33}


@dataclass(frozen=True)
class Layout:
    """Where a data set's files lie, and what its fields are called.

    Attributes:
        files: split -> the names that its file may have, the first that is there is read.
        picture: the field with a picture's name below the folder `pictures`.
        kind: the field that says what a question asks for.
        language: the field with a question's language; "" where all are English.
    """

    files: dict[str, tuple[str, ...]]
    pictures: str
    picture: str
    kind: str
    language: str = ""


LAYOUTS = {
    "vqa_rad": Layout(
        {"train": ("trainset.json",), "test": ("testset.json",)},
        "images",
        "image_name",
        "question_type",
    ),
    "slake": Layout(
        {
            "train": ("train.json",),
            "valid": ("validate.json", "validation.json"),
            "test": ("test.json",),
        },
        "imgs",
        "img_name",
        "content_type",
        language="q_lang",
    ),
}


def leak(splits: dict[str, tuple[Case, ...]], split: str = "test") -> tuple[int, int]:
    """Count the pictures of a split, and those of them that are training pictures, too."""
    learnt = {case.group for case in splits.get("train", ())}
    asked = {case.group for case in splits[split]}
    return len(asked), len(asked & learnt)


def _files(layout: Layout, root: Path) -> dict[str, Path]:
    found = {
        split: path
        for split, names in layout.files.items()
        for path in [next((root / name for name in names if (root / name).is_file()), None)]
        if path
    }
    if not found:
        looked = ", ".join(name for names in layout.files.values() for name in names)
        raise LabError(f"{root} holds none of {looked}: name the folder with the published files.")
    return found


def scan_questions(layout: Layout, root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the published files; ids begin with the split, because numbers repeat in two files.

    Raises:
        LabError: none of the files is there, or one is no list.
    """
    for split, path in _files(layout, root).items():
        for number, record in enumerate(read_records(path), start=1):
            if fault := _fault(layout, root, record):
                yield DataFault(path.name, number, fault)
                continue
            if language and str(record.get(layout.language, "en")) != language:
                continue
            picture = str(record[layout.picture])
            yield Case(
                id=f"{split}-{number}",
                question=record["question"].strip(),
                images=(root / layout.pictures / picture,),
                references=(Reference(str(record["answer"]).strip()),),
                group=picture,
                split=split,
                question_type=str(record.get(layout.kind, "")).strip() or UNKNOWN_TYPE,
            )


def _fault(layout: Layout, root: Path, record: object) -> str:
    """Say why a record is no case; "" if it is one. An answer may be a number."""
    if not isinstance(record, dict):
        return f"is {named(record)}, but an object was expected"
    if fault := next(text_faults(record), None):
        return fault
    question, answer = record.get("question"), record.get("answer")
    if not isinstance(question, str) or not question.strip():
        return "has no question"
    if isinstance(answer, bool) or not isinstance(answer, (str, int)) or not str(answer).strip():
        return "has no answer"
    return picture_fault(record.get(layout.picture), root / layout.pictures, root)


def scan_unseen(layout: Layout, root: Path, language: str) -> Iterator[Case | DataFault]:
    """Read the published files so that no picture is in two splits, and no question leaves its own.

    About a third of the pictures is held out: of them the published test questions are asked, about
    the others the training questions are learnt. So what is learnt from the published training set
    can be asked the very same test questions: the difference is what the leak of pictures is worth.
    """
    for found in scan_questions(layout, root, language):
        if isinstance(found, DataFault) or split_of(found.group, UNSEEN) == found.split:
            yield found


Scan = Callable[[Layout, Path, str], Iterator[Case | DataFault]]
# Ending of a data set's name -> how the files are read, and which shares are split anew.
WAYS: dict[str, tuple[Scan, dict[str, float] | None]] = {
    "": (scan_questions, None),
    "_by_image": (scan_questions, BY_IMAGE),
    "_unseen": (scan_unseen, None),
}


def ways(
    name: str, layout: Layout, simulated: Callable[[], Path] | None = None
) -> dict[str, DataSource]:
    """Make the data sets of one layout: as published, by picture, and with unseen pictures."""
    return {
        name + ending: scanned(partial(scan, layout), shares=shares, simulated=simulated)
        for ending, (scan, shares) in WAYS.items()
    }


DATASETS = {
    ending: source
    for name, layout in LAYOUTS.items()
    for ending, source in ways(name, layout).items()
}
