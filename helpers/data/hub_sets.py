"""PathVQA, ROCOv2 and VQA-RAD as Hugging Face's hub publishes them: in a folder, or at a commit.

`path_vqa` (He et al. 2020), `roco_v2` (Rückert et al. 2024: captions, no questions) and
`vqa_rad_hub` (Lau et al. 2018) are read from a folder with their parquet files, anywhere below it,
whose names begin with the split (`data/train-00000-of-00003-abc.parquet`); with "@" and a commit
after the name, such as `path_vqa@<40 digits>`, their rows are streamed from the hub. Either way
they are written once into `hub/` of the outputs folder, a split after the other, each an Arrow file
that is there whole or not at all, and mapped from there on (see `hf`). That folder can be named in
place of the one with parquet files: on a machine without a network, for one.

A picture is the group of its cases; the published splits are kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from helpers.cases import Case
from helpers.data.catalogue import DataFault, DataSource
from helpers.data.hf import (
    ARROW,
    LEFT_OUT,
    PICTURES,
    from_hf,
    row_fault,
    save_found,
    scan_rows,
)
from helpers.data.hub import FORMS, Form, check_commit, stream_hub
from helpers.data.parquet import SPLITS, count_rows, find_parts, lacking_parts, read_rows, relative
from helpers.data.scanned import ORDER
from helpers.data.texts import without_path
from helpers.files import (
    Damaged,
    LabError,
    delete_unfinished,
    display_path,
    fingerprint,
    full_disk_told,
    lock_file,
    outputs_folder,
    read_sealed,
)

Found = Iterator[Case | DataFault]


@dataclass(frozen=True)
class HubSet:
    """A set of the hub.

    Attributes:
        splits: as the hub calls them; there are no others.
    """

    name: str
    repo: str
    splits: tuple[str, ...] = tuple(SPLITS)

    @property
    def form(self) -> Form:
        """What its columns are called."""
        return FORMS[self.repo]


def _load(asked: HubSet, root: Path, name: str, language: str) -> dict[str, tuple[Case, ...]]:
    """Load the rows that can be used, from parquet files or from what was made of such.

    Raises:
        LabError: another language than English; neither kind of file is there; a parquet file is
            damaged or has other columns; no row can be used.
    """
    if language not in ("", "en"):
        raise LabError(
            f"The data set {name!r} was asked for in the language {language!r}, but it is in "
            "English: set `language` to en."
        )
    found = _mapped(root if _is_converted(root) else _convert(asked, root))
    if not found:
        raise LabError(
            f"{root} has no row that can be used: run `python -m helpers check-data {asked.name} "
            f"{root}` to see every fault."
        )
    return found


def _faults(asked: HubSet, root: Path) -> Iterator[DataFault]:
    """Find the rows that are left out, in parquet files or while they were converted, the files
    that cannot be read, and, as notes, how many files a split lacks.

    Raises:
        LabError: no such file is there.
    """
    if _is_converted(root):
        for split in _converted_splits(root):
            rows = read_sealed(root / LEFT_OUT.format(split))["rows"]
            yield from (DataFault(**row) for row in rows)
        return
    for split, parts in find_parts(root).items():
        if lacking := lacking_parts(split, parts):
            yield DataFault(relative(parts[0], root), 0, lacking, is_note=True)
        for path in parts:
            yield from _file_faults(asked.form, path, relative(path, root))


def _file_faults(form: Form, path: Path, name: str) -> Iterator[DataFault]:
    try:
        for number, row in enumerate(read_rows(path, form), start=1):
            if fault := row_fault(row, form, str(path)):
                yield DataFault(name, number, fault)
    except LabError as error:
        yield DataFault(name, 0, without_path(error, path))


def _convert(asked: HubSet, root: Path) -> Path:
    """Convert parquet files, unless that is done, and return the folder with the result.

    Its name changes when one of them does, by name, size or time; they are only read.
    """
    found = find_parts(root)
    states = [(path, path.stat()) for parts in found.values() for path in parts]
    files = [[relative(path, root), state.st_size, state.st_mtime_ns] for path, state in states]
    columns = [sorted(Case.__dataclass_fields__), asdict(asked.form)]
    place = _place(asked, fingerprint([columns, files]))
    _write(
        place,
        {
            split: partial(_scan_parts, asked, root, split, parts, place)
            for split, parts in found.items()
        },
    )
    return place


def _scan_parts(asked: HubSet, root: Path, split: str, parts: Sequence[Path], to: Path) -> Found:
    counts = [count_rows(path, asked.form) for path in parts]
    with _bar(f"converting {asked.name}, {split}", sum(counts)) as bar:
        for number, path in enumerate(parts):
            rows, name = read_rows(path, asked.form), relative(path, root)
            before = sum(counts[:number])
            for found in scan_rows(rows, asked.form, to, split, file=name, before=before):
                yield found
                bar.update()


def _fetch(asked: HubSet, commit: str) -> Path:
    """Fetch the rows of the hub at a commit, unless that is done, and return their folder.

    What is interrupted goes on with the split where it was.

    Raises:
        LabError: it is no commit, the hub cannot be reached, or its rows have other columns.
    """
    check_commit(commit)
    place = _place(asked, commit[:12])
    _write(
        place,
        {SPLITS[split]: partial(_stream, asked, commit, split, place) for split in asked.splits},
    )
    return place


def _stream(asked: HubSet, commit: str, split: str, to: Path) -> Found:
    rows = stream_hub(asked.repo, commit, split)
    with _bar(f"fetching {asked.name}, {SPLITS[split]}", rows.total) as bar:
        for found in scan_rows(rows, asked.form, to, SPLITS[split]):
            yield found
            bar.update()


def _bar(words: str, total: int | None) -> Any:
    from tqdm.auto import tqdm

    return tqdm(desc=words, total=total, unit="row", leave=False)


def _place(asked: HubSet, digits: str) -> Path:
    return outputs_folder() / "hub" / f"{asked.name}-{digits}"


def _write(place: Path, scans: Mapping[str, Callable[[], Found]]) -> None:
    """Write the splits that are not there yet, one process at a time."""
    if set(scans) <= set(_converted_splits(place)):
        return
    with full_disk_told(place), lock_file(place.with_name(f".{place.name}.lock")):
        delete_unfinished(place / PICTURES)
        for split, scan in scans.items():
            if split not in _converted_splits(place):
                save_found(scan(), place, split)


def _is_converted(folder: Path) -> bool:
    return bool(_converted_splits(folder))


def _converted_splits(folder: Path) -> list[str]:
    return [split for split in ORDER if (folder / ARROW.format(split)).is_file()]


def _mapped(folder: Path) -> dict[str, tuple[Case, ...]]:
    """Return the cases of Arrow files, by split; their pictures lie beside these, wherever the
    folder has been moved.
    """
    from datasets import Dataset

    try:
        found = from_hf(
            {
                split: Dataset.from_file(str(folder / ARROW.format(split)))
                for split in _converted_splits(folder)
            }
        )
    except (OSError, ValueError, LabError):
        raise Damaged(
            f"{display_path(folder)} is not as this version of the lab writes it: delete the "
            "folder, and it is made again."
        ) from None
    return {
        split: tuple(
            replace(case, images=tuple(folder / PICTURES / path.name for path in case.images))
            for case in cases
        )
        for split, cases in found.items()
        if cases
    }


SETS = (
    HubSet("path_vqa", "flaviagiammarino/path-vqa"),
    HubSet("roco_v2", "eltorio/ROCOv2-radiology"),
    HubSet("vqa_rad_hub", "flaviagiammarino/vqa-rad", splits=("train", "test")),
)
DATASETS = {
    one.name: DataSource(
        partial(_load, one), partial(_faults, one), fetch_commit=partial(_fetch, one)
    )
    for one in SETS
}
