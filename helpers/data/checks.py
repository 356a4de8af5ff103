"""Every fault of a data set folder at once: what `python -m helpers check-data NAME PATH` prints.

A *fault* is something that stops loading, loses data or would make a score wrong. A *note* says
what the folder has not, where the published data is like that too and loading copes with it.
Images are opened one at a time, so that thousands of them need the memory of one.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from helpers.data import photos
from helpers.data.authors import AUTHOR_FILE, Author, scan_authors
from helpers.data.dermavqa import FACTS_FILE, facts_faults
from helpers.data.given_captions import (
    GIVEN_FILE,
    ambiguity,
    ambiguous_names,
    scan_given_captions,
    strangers,
)
from helpers.data.images import BadImage, open_image
from helpers.data.layout import (
    IMAGE_FOLDERS,
    Images,
    all_files,
    answers_expected,
    index_images,
)
from helpers.data.records import (
    CASE_FIELDS,
    FLAGS,
    LANGUAGES,
    RESPONSE_FIELDS,
    case_id_of,
    clean_text,
    image_names,
    leaves_folder,
    missing_fields,
    numbered_responses,
    read_records,
    stopping_faults,
    usual_fields,
)
from helpers.data.sources import FORMATS, data_folder
from helpers.files import LabError, read_json


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong (or, as a note, worth knowing) in a file; record 0 is the file as a
    whole.
    """

    file: str
    record: int
    message: str
    case_id: str = ""
    is_note: bool = False

    def __str__(self) -> str:
        place = self.file + (f", record {self.record}" if self.record else "")
        place += f" ({self.case_id})" if self.case_id else ""
        return f"{place}: {'note: ' if self.is_note else ''}{self.message}"


@dataclass(frozen=True)
class _Place:
    """One file under check, with what the checks of its records need to know."""

    path: Path
    split: str
    images: Images
    authors: dict[str, Author]
    needed: set[str] = field(default_factory=set)
    needed_in_response: set[str] = field(default_factory=set)

    @property
    def answered(self) -> bool:
        """Whether each case of the file should have references."""
        return answers_expected(self.split, self.path)


def check_data(name: str, root: Path | str = "") -> list[Fault]:
    """Every fault and note of a data set folder, file by file; it never stops at the first.

    Only what leaves nothing to check is a `LabError`: an unknown name, no folder, a folder without
    the data.
    """
    folder = data_folder(name, root)
    if FORMATS[name] == "photos":
        return list(_photo_faults(folder))
    return list(_folder_faults(FORMATS[name], folder, all_files(FORMATS[name], folder)))


def _folder_faults(kind: str, root: Path, files: list[tuple[str, Path]]) -> Iterator[Fault]:
    table = root / AUTHOR_FILE
    authors, messages = scan_authors(table) if table.exists() else ({}, [])
    yield from (Fault(AUTHOR_FILE, 0, message) for message in messages)
    if kind == "iiyi" and not table.exists():
        yield Fault(AUTHOR_FILE, 0, "is not there: all references get weight 1", is_note=True)
    seen: dict[str, tuple[str, str, int]] = {}
    without_images, on_disk = [], set()
    for split, path in files:
        place = _Place(path, split, index_images(kind, root, split), authors)
        if not place.images.on_disk:
            without_images.append(path.name)
        on_disk.update(place.images.found.values())
        yield from _file_faults(kind, place, seen)
    if without_images:
        folders = " or ".join(pattern.format(split="SPLIT") for pattern in IMAGE_FOLDERS)
        message = f"no images on disk (no folder {folders}), so none were checked"
        yield Fault(", ".join(without_images), 0, message, is_note=True)
    if (root / FACTS_FILE).exists():
        yield from _facts_faults(root / FACTS_FILE, seen)
    yield from _recorded_faults(root, sorted(on_disk))


def _photo_faults(root: Path) -> Iterator[Fault]:
    """A folder of photos: every image that cannot be used, the table of questions, and what is
    left out.
    """
    album = photos.read_album(root)
    names = photos.name_faults(album)
    for case_id, paths in album.cases.items():
        if case_id in names:
            yield Fault(_printable(case_id), 0, names[case_id])
        for path in paths:
            if reason := find_image_fault(path):
                name = _printable(path.relative_to(root).as_posix())
                yield Fault(name, 0, f"cannot be used: {_printable(reason)}", _printable(case_id))
    yield from (
        Fault(photos.QUESTIONS_FILE, 0, message)
        for message in photos.scan_questions(root, album)[1]
    )
    yield from _recorded_faults(root, [path for paths in album.cases.values() for path in paths])
    by_reason: dict[str, list[str]] = {}
    for name, reason in album.left_out:
        by_reason.setdefault(reason, []).append(_printable(name))
    for reason, left_out in by_reason.items():
        yield Fault(_first_of(left_out), 0, f"left out ({len(left_out)}): {reason}", is_note=True)


def _recorded_faults(root: Path, images: Collection[Path]) -> Iterator[Fault]:
    """The table of captions, if there is one, held against the images on disk."""
    captions, faults = scan_given_captions(root)
    yield from (Fault(GIVEN_FILE, 0, message) for message in faults)
    for name, fitting in ambiguous_names(captions, root, images).items():
        yield Fault(GIVEN_FILE, 0, _printable(ambiguity(name, fitting)))
    # The published texts come without images: there no name could be held against any.
    if unknown := strangers(captions, root, images) if images else []:
        message = (
            f"{len(unknown)} of {len(captions)} captions are of no image here: {_first_of(unknown)}"
        )
        yield Fault(GIVEN_FILE, 0, message, is_note=True)


def _first_of(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _printable(name: str) -> str:
    """A file name as a terminal can show it: one that is not UTF-8 text would stop the printing."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _file_faults(
    kind: str, place: _Place, seen: dict[str, tuple[str, str, int]]
) -> Iterator[Fault]:
    try:
        items = read_records(place.path)
    except (LabError, OSError) as error:
        yield Fault(place.path.name, 0, str(error).removeprefix(f"{place.path} "))
        return
    if not items:
        yield Fault(place.path.name, 0, "holds no records")
        return
    records = [item for item in items if isinstance(item, dict)]
    place = _with_needed_fields(kind, place, records)
    for number, item in enumerate(items, start=1):
        case_id = case_id_of(item)
        for message, is_note in _record_faults(place, item):
            yield Fault(place.path.name, number, message, case_id, is_note)
        yield from _doubled(place, number, case_id, seen)
    yield from (
        Fault(place.path.name, 0, message, is_note=True) for message in _file_notes(records)
    )


def _with_needed_fields(kind: str, place: _Place, records: list[dict]) -> _Place:
    """The place with the fields that its records must have: the format's own, and those that most
    have.
    """
    responses = [response for record in records for _, response in numbered_responses(record)]
    # `encounter_id` is checked with the types, `responses` only where answers are due.
    needed = usual_fields(records, CASE_FIELDS) - {"encounter_id", "responses"} | {"image_ids"}
    needed |= {"query_title_en", "query_content_en"} if kind == "iiyi" else set()
    needed |= {"responses"} if place.answered else set()
    needed_in_response = usual_fields(responses, RESPONSE_FIELDS) | {"author_id", "content_en"}
    return _Place(place.path, place.split, place.images, place.authors, needed, needed_in_response)


def _record_faults(place: _Place, record: object) -> Iterator[tuple[str, bool]]:
    """All that is wrong with one record, as (message, is it only a note)."""
    for message in stopping_faults(record):
        yield message, False
    if not isinstance(record, dict):
        return
    for message in missing_fields(record, place.needed, place.needed_in_response):
        yield message, False
    yield from _reference_faults(record, place.answered)
    for message in _author_faults(record, place.authors):
        yield message, False
    if place.images.on_disk:
        for message in _image_faults(record, place.images):
            yield message, False


def _reference_faults(record: dict, answered: bool) -> Iterator[tuple[str, bool]]:
    """Blank answers. One that lacks only a translation is a note: published IIYI has some, and they
    are dropped.
    """
    responses = numbered_responses(record)
    if answered and record.get("responses") == []:
        yield "has no references: `responses` is empty", False
    for number, response in responses:
        given = [lang for lang in LANGUAGES if isinstance(response.get(f"content_{lang}"), str)]
        blank = [lang for lang in given if not clean_text(response, f"content_{lang}")]
        if blank:
            translated = len(blank) < len(given)
            yield (
                f"response {number} is blank in {', '.join(blank)}: it is no reference there",
                translated,
            )
    if (
        answered
        and responses
        and not any(clean_text(response, "content_en") for _, response in responses)
    ):
        yield "has no English reference: all its responses are blank", False


def _author_faults(record: dict, authors: dict[str, Author]) -> Iterator[str]:
    for number, response in numbered_responses(record):
        author = response.get("author_id")
        if authors and isinstance(author, str) and author not in authors:
            yield f"response {number}: author {author!r} is not in {AUTHOR_FILE}"


def _image_faults(record: dict, images: Images) -> Iterator[str]:
    for name in image_names(record):
        if leaves_folder(name):
            continue  # said with the types, and not to be opened
        try:
            path = images.path(name)
        except LabError:
            yield f"image {name!r} is a link that leads out of the data folder"
            continue
        if not path.is_file():
            yield f"image {name!r} is not on disk"
        elif reason := find_image_fault(path):
            yield f"image {name!r} cannot be used: {reason}"


def find_image_fault(path: Path) -> str:
    """Why an image cannot be used, or "" where it can: all of it is decoded, and a PNG's checksums
    are verified.
    """
    try:
        open_image(path)
    except BadImage as bad:
        return str(bad)
    return ""


def _doubled(
    place: _Place, number: int, case_id: str, seen: dict[str, tuple[str, str, int]]
) -> Iterator[Fault]:
    """An id that came before, in this file or another split; other files of the same split hold the
    same cases.
    """
    if not case_id:
        return
    split, file, record = seen.setdefault(case_id, (place.split, place.path.name, number))
    if file == place.path.name and record != number:
        yield Fault(file, number, f"the id is doubled: record {record} has it too", case_id)
    elif split != place.split:
        message = (
            f"the id is doubled: record {record} of {file} has it too, so a case is in two splits"
        )
        yield Fault(place.path.name, number, message, case_id)


def _file_notes(records: list[dict]) -> Iterator[str]:
    """What a whole file lacks in English, or in flags, as the published files do in places."""
    for part in ("title", "content"):
        name = f"query_{part}_en"
        blank = sum(
            isinstance(record.get(name), str) and not clean_text(record, name) for record in records
        )
        if not any(name in record for record in records):
            yield f"no record has `{name}`: the patients' words are not in this file"
        elif blank:
            yield f"{blank} of {len(records)} records have a blank `{name}`, which is kept as empty text"
    responses = [response for record in records for _, response in numbered_responses(record)]
    if responses and not any(flag in response for response in responses for flag in FLAGS):
        yield f"no response has {' or '.join(FLAGS)}: all references of this file get weight 1"


def _facts_faults(path: Path, seen: dict[str, tuple[str, str, int]]) -> Iterator[Fault]:
    try:
        facts = read_json(path)
    except (LabError, OSError) as error:
        yield Fault(path.name, 0, str(error).removeprefix(f"{path} "))
        return
    yield from (Fault(path.name, 0, message) for message in facts_faults(facts))
    if isinstance(facts, dict):
        strangers = [case_id for case_id in facts if case_id not in seen]
        yield from (
            Fault(path.name, 0, f"{case_id} is no case of this folder") for case_id in strangers
        )
