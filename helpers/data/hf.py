"""Cases as Hugging Face `datasets`: Arrow files that are mapped and not read, on disk or streamed.

Columns are those of `Case`; pictures stay files, named by their paths. What rows of the hub hold as
pictures is written once, each under the hash of its content, so that equal pictures are one file
and memory stays flat however many rows there are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.cases import Case, Reference
from helpers.data.question_answers import UNKNOWN_TYPE
from helpers.files import LabError, one_line, write_bytes

if TYPE_CHECKING:
    from datasets import Dataset as HfDataset
    from datasets import DatasetDict, Features

PICTURES = "images"
SIGNS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"RI": ".webp", b"BM": ".bmp"}


@dataclass(frozen=True)
class Form:
    """What the columns of a published set are called; "" where it has none.

    Attributes:
        group: a column that names what rows share; where there is none, rows share their picture.
    """

    picture: str = "image"
    question: str = "question"
    answer: str = "answer"
    group: str = ""


FORMS = {
    "flaviagiammarino/vqa-rad": Form(),
    "flaviagiammarino/path-vqa": Form(),
    "eltorio/ROCOv2-radiology": Form(question="", answer="caption"),
}


COMMIT = re.compile(r"[0-9a-f]{40}")


def stream_hub(repo: str, revision: str, split: str) -> Iterable[Mapping[str, Any]]:
    """Stream the rows of a set of the hub, pictures as they are stored.

    Args:
        repo: one of `FORMS`.
        revision: a commit, so that the same rows come again.
    Raises:
        LabError: another repository, a revision that may move, or the hub cannot be reached.
    """
    if repo not in FORMS:
        raise LabError(f"{repo!r} was asked for, but rows of {', '.join(FORMS)} are known.")
    if not COMMIT.fullmatch(revision):
        raise LabError(
            f"`revision` is {revision[:60]!r}, but a branch or tag may move: name a commit, 40 "
            "digits, from the page of the data set."
        )
    from datasets import Image, load_dataset

    try:
        rows = load_dataset(repo, revision=revision, split=split, streaming=True)
    except (OSError, ValueError) as error:
        reason = one_line(str(error))[:200]
        raise LabError(
            f"The split {split!r} of {repo} could not be fetched ({reason}): check the network, or "
            "read the set from a local folder."
        ) from None
    return rows.cast_column(FORMS[repo].picture, Image(decode=False))


def to_hf(splits: Mapping[str, Iterable[Case]]) -> "DatasetDict":
    """Return splits of cases as `datasets`, with Arrow files in the cache of that library."""
    from datasets import DatasetDict

    return DatasetDict({split: _to_hf(list(cases)) for split, cases in splits.items()})


def from_hf(found: Mapping[str, "HfDataset"]) -> dict[str, tuple[Case, ...]]:
    """Return the cases of what `to_hf` gave, or what was saved of it and loaded again.

    Raises:
        LabError: a split has other columns.
    """
    wanted = set(Case.__dataclass_fields__)
    for split, rows in found.items():
        if lacking := sorted(wanted - set(rows.column_names)):
            raise LabError(
                f"The split {split!r} lacks the column {', '.join(lacking)}: cases are read from "
                "what `to_hf` wrote; rows of another form go through `cases_of_rows`."
            )
    return {split: tuple(map(_case, rows)) for split, rows in found.items()}


def cases_of_rows(
    rows: Iterable[Mapping[str, Any]], form: Form, folder: Path, split: str
) -> Iterator[Case]:
    """Yield a case for each row of a published set, its picture written below a folder.

    Args:
        rows: with pictures as they are stored ({"bytes": ..., "path": ...}): load the set with
            `streaming=True` and cast its column of pictures to `datasets.Image(decode=False)`.
        split: of all these rows; ids begin with it.
    Raises:
        LabError: a row has no picture, or neither question nor answer.
    """
    for number, row in enumerate(rows, start=1):
        picture = _write_picture(row.get(form.picture), folder, f"row {number} of {split!r}")
        question = str(row[form.question]).strip() if form.question else ""
        answer = str(row[form.answer]).strip() if form.answer else ""
        if not (question or answer):
            raise LabError(f"Row {number} of {split!r} has neither question nor answer.")
        yield Case(
            id=f"{split}-{number}",
            question=question,
            images=(picture,),
            references=(Reference(answer),) if answer else (),
            group=str(row[form.group]) if form.group else picture.stem,
            split=split,
            question_type=UNKNOWN_TYPE if form.question else "",
        )


def save_rows(
    rows: Iterable[Mapping[str, Any]], form: Form, folder: Path, split: str
) -> "HfDataset":
    """Write the cases of rows as they come into an Arrow file below a folder; return it mapped.

    Memory does not grow with the rows; the file is there whole or not at all.
    """
    from datasets import Dataset
    from datasets.arrow_writer import ArrowWriter

    folder.mkdir(parents=True, exist_ok=True)
    written, unfinished = folder / f"{split}.arrow", folder / f"{split}.arrow.part"
    with ArrowWriter(path=str(unfinished), features=_features()) as writer:
        for case in cases_of_rows(rows, form, folder, split):
            writer.write(_row(case))
        writer.finalize()
    unfinished.replace(written)
    found: HfDataset = Dataset.from_file(str(written))
    return found


def _to_hf(cases: list[Case]) -> "HfDataset":
    from datasets import Dataset

    columns: dict[str, list] = {name: [] for name in Case.__dataclass_fields__}
    for case in cases:
        for name, value in _row(case).items():
            columns[name].append(value)
    return Dataset.from_dict(columns, features=_features())


def _row(case: Case) -> dict[str, Any]:
    return asdict(case) | {"images": [str(path) for path in case.images]}


def _case(row: Mapping[str, Any]) -> Case:
    return Case(
        **{
            **row,
            "images": tuple(map(Path, row["images"])),
            "references": tuple(Reference(**one) for one in row["references"]),
            "concepts": tuple(row["concepts"]),
        }
    )


def _features() -> "Features":
    from datasets import Features, List, Value

    text = Value("string")
    reference = {"text": text, "weight": Value("float64"), "author": text}
    lists = {"images": List(text), "references": List(reference), "concepts": List(text)}
    return Features({name: lists.get(name, text) for name in Case.__dataclass_fields__})


def _write_picture(stored: Any, folder: Path, place: str) -> Path:
    content = stored.get("bytes") if isinstance(stored, Mapping) else None
    if not content:
        raise LabError(
            f"{place[:1].upper()}{place[1:]} has no picture: cast the column with pictures to "
            "`datasets.Image(decode=False)`."
        )
    path = folder / PICTURES / f"{sha256(content).hexdigest()[:32]}{SIGNS.get(content[:2], '.jpg')}"
    if not path.exists():
        write_bytes(path, content)
    return path
