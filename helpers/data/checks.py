"""Find every fault of a data set folder at once, as `python -m helpers check-data` prints them.

A *fault* is something that stops loading, loses data or would make a score wrong. A *note* says
what the folder lacks, where the published data lacks it too and loading copes with that.
Images are opened one at a time, so that thousands of them need the memory of one.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

from helpers.data import photos
from helpers.data.authors import AUTHOR_FILE, scan_authors
from helpers.data.catalogue import DataFault, data_folder, find_dataset
from helpers.data.dermavqa import FACTS_FILE, facts_faults
from helpers.data.given_captions import (
    GIVEN_FILE,
    ambiguity,
    ambiguous_names,
    names_without_image,
    scan_given_captions,
)
from helpers.data.layout import IMAGE_FOLDERS, all_files, index_images
from helpers.data.record_checks import (
    RecordFile,
    file_notes,
    find_image_fault,
    record_faults,
    with_needed_fields,
)
from helpers.data.records import case_id_of, read_records
from helpers.data.texts import same_name, shown, without_path
from helpers.files import LabError, list_some, read_json

MOST_FAULTS = 20  # of one record that are listed; of more, only their number is said
# Case id in the form compared -> the split, the file and the record where it came first.
Seen = dict[str, tuple[str, str, int]]


def check_data(name: str, root: Path | str = "") -> list[DataFault]:
    """Find every fault and note of a data set folder, file by file; never stop at the first.

    Raises:
        LabError: There is nothing to check: an unknown name, no folder, or none of the data in it.
    """
    return list(find_dataset(name).check(data_folder(name, root)))


def folder_faults(kind: str, root: Path) -> Iterator[DataFault]:
    """Find every fault of a folder in one of DermaVQA's two formats."""
    # A folder without any of the files is told of at once.
    return _folder_faults(kind, root, all_files(kind, root))


def _folder_faults(kind: str, root: Path, files: Sequence[tuple[str, Path]]) -> Iterator[DataFault]:
    table = root / AUTHOR_FILE
    authors, messages = scan_authors(table) if table.exists() else ({}, [])
    yield from _about_file(AUTHOR_FILE, messages)
    if kind == "iiyi" and not table.exists():
        yield DataFault(AUTHOR_FILE, 0, "is not there: all references get weight 1", is_note=True)
    seen: Seen = {}
    without_images: list[str] = []
    on_disk: set[Path] = set()
    for split, path in files:
        file = RecordFile(path, split, index_images(kind, root, split), authors)
        if not file.images.on_disk:
            without_images.append(path.name)
        on_disk.update(file.images.found.values())
        yield from _file_faults(kind, file, seen)
    if without_images:
        folders = " or ".join(pattern.format(split="<split>") for pattern in IMAGE_FOLDERS)
        message = f"no images on disk (no folder {folders}), so none were checked"
        yield DataFault(", ".join(without_images), 0, message, is_note=True)
    if (root / FACTS_FILE).exists():
        yield from _facts_faults(root / FACTS_FILE, seen)
    yield from _caption_faults(root, sorted(on_disk))


def photo_faults(root: Path) -> Iterator[DataFault]:
    """Find the faults of a folder of photos: unusable images, its tables, and what is left out."""
    album = photos.read_album(root)
    names = photos.name_faults(album)
    for case_id, paths in album.cases.items():
        if case_id in names:
            yield DataFault(shown(case_id), 0, names[case_id])
        for path in paths:
            if reason := find_image_fault(path):
                name = shown(path.relative_to(root).as_posix())
                yield DataFault(name, 0, f"cannot be used: {reason}", case_id)
    _, messages = photos.scan_questions(root, album)
    yield from _about_file(photos.QUESTIONS_FILE, messages)
    yield from _caption_faults(root, [path for paths in album.cases.values() for path in paths])
    yield from _left_out_notes(album)


def _left_out_notes(album: photos.Album) -> Iterator[DataFault]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in album.left_out:
        by_reason.setdefault(reason, []).append(shown(name))
    for reason, names in by_reason.items():
        message = f"left out ({len(names)}): {reason}"
        yield DataFault(list_some(names), 0, message, is_note=True)


def _caption_faults(root: Path, images: Collection[Path]) -> Iterator[DataFault]:
    """Check the table of captions, if there is one, against the images on disk."""
    captions, messages = scan_given_captions(root)
    yield from _about_file(GIVEN_FILE, messages)
    for name, fitting in ambiguous_names(captions, root, images).items():
        yield DataFault(GIVEN_FILE, 0, ambiguity(name, fitting))
    if not images:
        return  # the published texts come without images, so no name could match one
    if unknown := names_without_image(captions, root, images):
        names = list_some([shown(name) for name in unknown])
        message = f"{len(unknown)} of {len(captions)} captions are of no image here: {names}"
        yield DataFault(GIVEN_FILE, 0, message, is_note=True)


def _about_file(
    name: str, messages: Sequence[str] | Iterator[str], *, is_note: bool = False
) -> Iterator[DataFault]:
    for message in messages:
        yield DataFault(name, 0, message, is_note=is_note)


def _file_faults(kind: str, file: RecordFile, seen: Seen) -> Iterator[DataFault]:
    name = file.path.name
    try:
        items = read_records(file.path)
    except LabError as error:
        yield DataFault(name, 0, without_path(error, file.path))
        return
    if not items:
        yield DataFault(name, 0, "holds no records")
        return
    records = [item for item in items if isinstance(item, dict)]
    file = with_needed_fields(kind, file, records)
    for number, item in enumerate(items, start=1):
        case_id = case_id_of(item)
        found = record_faults(file, item)
        for message, is_note in islice(found, MOST_FAULTS):
            yield DataFault(name, number, message, case_id, is_note)
        if more := sum(1 for _ in found):
            yield DataFault(name, number, f"has {more:,} faults more", case_id)
        yield from _doubled(file, number, case_id, seen)
    yield from _about_file(name, file_notes(records), is_note=True)


def _doubled(file: RecordFile, number: int, case_id: str, seen: Seen) -> Iterator[DataFault]:
    """Report an id that came before, in this file or in another split.

    Other files of the same split hold the same cases, so those may share ids.
    """
    if not case_id:
        return
    name = file.path.name
    here = (file.split, name, number)
    first_split, first_name, first = seen.setdefault(same_name(case_id), here)
    if first_name == name and first != number:
        yield DataFault(name, number, f"the id is doubled: record {first} has it too", case_id)
    elif first_split != file.split:
        message = (
            f"the id is doubled: record {first} of {first_name} has it too, so a case is in two "
            "splits"
        )
        yield DataFault(name, number, message, case_id)


def _facts_faults(path: Path, seen: Seen) -> Iterator[DataFault]:
    try:
        facts = read_json(path, any_text=True)
    except LabError as error:
        yield DataFault(path.name, 0, without_path(error, path))
        return
    yield from _about_file(path.name, facts_faults(facts))
    if isinstance(facts, dict):
        unknown = [case_id for case_id in facts if same_name(case_id) not in seen]
        messages = [f"{shown(case_id)} is no case of this folder" for case_id in unknown]
        yield from _about_file(path.name, messages)
