"""Cases as Hugging Face `datasets`: Arrow files that are mapped and not read, on disk or streamed.

Columns are those of `Case`; pictures stay files, named by their paths. What rows of the hub hold as
pictures is written once, each under the hash of its content, so that equal pictures are one file
and memory stays flat however many rows there are. A row that is no case is left out and listed
beside the file (see `hub_sets` for the sets that are read so).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.cases import Case, Reference
from helpers.data.catalogue import DataFault
from helpers.data.hub import Form
from helpers.data.question_answers import UNKNOWN_TYPE
from helpers.files import (
    LabError,
    list_some,
    sync_folder,
    sync_tree,
    text_fault,
    write_bytes,
    write_sealed,
)

if TYPE_CHECKING:
    from datasets import Dataset as HfDataset
    from datasets import DatasetDict, Features

PICTURES, ARROW, LEFT_OUT = "images", "{}.arrow", "{}.left_out.json"  # the last two: of a split
SIGNS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"RI": ".webp", b"BM": ".bmp"}


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
                "what `to_hf` wrote; rows of another form go through `scan_rows`."
            )
    return {split: tuple(map(_case, rows)) for split, rows in found.items()}


def scan_rows(
    rows: Iterable[Mapping[str, Any]],
    form: Form,
    folder: Path,
    split: str,
    *,
    file: str = "",
    before: int = 0,
) -> Iterator[Case | DataFault]:
    """Yield a case for each row of a published set, its picture written below a folder, and a fault
    for each that has no picture, no text, or a text with a sign that no text has.

    Args:
        rows: with pictures as they are stored ({"bytes": ..., "path": ...}): load the set with
            `streaming=True` and cast its column of pictures to `datasets.Image(decode=False)`.
        split: of all these rows; ids begin with it.
        file: from which they come, for faults; "" for the split.
        before: rows of the split that come before them, in other files.
    Raises:
        LabError: rows have other columns, or pictures in another form.
    """
    for number, row in enumerate(rows, start=1):
        if fault := row_fault(row, form, file or f"The split {split!r}"):
            yield DataFault(file or split, number, fault)
            continue
        picture = _write_picture(row[form.picture]["bytes"], folder)
        answer = _text(row, form.answer)
        yield Case(
            id=f"{split}-{before + number}",
            question=_text(row, form.question),
            images=(picture,),
            references=(Reference(answer),) if answer else (),
            group=str(row[form.group]) if form.group else picture.stem,
            split=split,
            question_type=UNKNOWN_TYPE if form.question else "",
        )


def row_fault(row: Mapping[str, Any], form: Form, place: str) -> str:
    """Say why a row is no case; "" if it is one.

    Args:
        place: where it stands; errors begin with it.
    Raises:
        LabError: it has other columns, or its picture is in another form: so will be all others.
    """
    check_columns(row, form, place)
    stored, texts = row[form.picture], [_text(row, form.question), _text(row, form.answer)]
    if stored is not None and not isinstance(stored, Mapping):
        raise LabError(
            f"{place} holds {type(stored).__name__} in the column {form.picture}, but pictures as "
            "they are stored were expected: cast it to `datasets.Image(decode=False)`."
        )
    if not (stored and stored.get("bytes")):
        return "has no picture"
    if not any(texts):
        return "has neither question nor answer"
    if fault := next(filter(None, map(text_fault, texts)), ""):
        return f"has {fault} in its question or answer"
    return ""


def check_columns(there: Iterable[str], form: Form, place: str) -> None:
    """Refuse rows that lack a column of a form, as a `LabError` that names it and the place."""
    there = list(there)
    if lacking := [column for column in form.columns if column not in there]:
        raise LabError(
            f"{place} lacks the column {', '.join(lacking)} (it has {list_some(there) or 'none'}): "
            "name the data set that it is of."
        )


def save_found(found: Iterable[Case | DataFault], folder: Path, split: str) -> "HfDataset":
    """Write cases as they come into an Arrow file below a folder; return it mapped.

    Memory does not grow with the cases; the file is there whole or not at all. Faults are listed
    in a file beside it, which is written before.
    """
    from datasets import Dataset
    from datasets.arrow_writer import ArrowWriter

    folder.mkdir(parents=True, exist_ok=True)
    written, unfinished = folder / ARROW.format(split), folder / f".{ARROW.format(split)}.part"
    faults = []
    try:
        with ArrowWriter(path=str(unfinished), features=_features()) as writer:
            for one in found:
                if isinstance(one, DataFault):
                    faults.append(asdict(one))
                else:
                    writer.write(_row(one))
            writer.finalize()
        write_sealed(folder / LEFT_OUT.format(split), {"rows": faults})
        sync_tree(unfinished)
        unfinished.replace(written)
        sync_folder(folder)
    finally:
        unfinished.unlink(missing_ok=True)
    mapped: HfDataset = Dataset.from_file(str(written))
    return mapped


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


def _text(row: Mapping[str, Any], column: str) -> str:
    """Return the text of a column; "" where a form has no such column, or a row nothing in it."""
    value = row[column] if column else None
    return "" if value is None else str(value).strip()


def _write_picture(content: bytes, folder: Path) -> Path:
    path = folder / PICTURES / f"{sha256(content).hexdigest()[:32]}{SIGNS.get(content[:2], '.jpg')}"
    if not path.exists():
        write_bytes(path, content)
    return path
