"""Find the faults of single DermaVQA records and images; `checks` goes through whole folders."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from helpers.data.authors import AUTHOR_FILE, Author
from helpers.data.images import BadImage, open_image
from helpers.data.layout import Images, answers_expected
from helpers.data.records import (
    CASE_FIELDS,
    FLAGS,
    LANGUAGES,
    MOST_IMAGES,
    RESPONSE_FIELDS,
    clean_text,
    image_name_fault,
    image_names,
    missing_fields,
    numbered_responses,
    stopping_faults,
    usual_fields,
)
from helpers.data.texts import quoted
from helpers.files import LabError, text_fault


@dataclass(frozen=True)
class RecordFile:
    """One file under check, with what the checks of its records need."""

    path: Path
    split: str
    images: Images
    authors: Mapping[str, Author]
    needed: set[str] = field(default_factory=set)
    needed_in_response: set[str] = field(default_factory=set)

    @property
    def answered(self) -> bool:
        """Whether each case of the file should have references."""
        return answers_expected(self.split, self.path)


def with_needed_fields(kind: str, file: RecordFile, records: list[dict]) -> RecordFile:
    """Add the fields that the records must have: the format's own, and those that most have."""
    responses = [response for record in records for _, response in numbered_responses(record)]
    # `encounter_id` is checked with the types, `responses` only where answers are due.
    needed = usual_fields(records, CASE_FIELDS) - {"encounter_id", "responses"} | {"image_ids"}
    if kind == "iiyi":
        needed |= {"query_title_en", "query_content_en"}
    if file.answered:
        needed.add("responses")
    needed_in_response = usual_fields(responses, RESPONSE_FIELDS) | {"author_id", "content_en"}
    return replace(file, needed=needed, needed_in_response=needed_in_response)


def record_faults(file: RecordFile, record: object) -> Iterator[tuple[str, bool]]:
    """Find all that is wrong with one record, as (message, whether it is only a note)."""
    for message in stopping_faults(record):
        yield message, False
    if not isinstance(record, dict):
        return
    for message in missing_fields(record, file.needed, file.needed_in_response):
        yield message, False
    yield from _reference_faults(record, file.answered)
    for message in _author_faults(record, file.authors):
        yield message, False
    if file.images.on_disk:
        for message in _image_faults(record, file.images):
            yield message, False


def _reference_faults(record: dict, answered: bool) -> Iterator[tuple[str, bool]]:
    """Find blank answers, as (message, whether it is only a note).

    One that lacks only a translation is a note: published IIYI has some, and they are dropped.
    """
    responses = numbered_responses(record)
    if answered and record.get("responses") == []:
        yield "has no references: `responses` is empty", False
    for number, response in responses:
        given = [lang for lang in LANGUAGES if isinstance(response.get(f"content_{lang}"), str)]
        blank = [lang for lang in given if not clean_text(response, f"content_{lang}")]
        if blank:
            message = f"response {number} is blank in {', '.join(blank)}: it is no reference there"
            yield message, len(blank) < len(given)
    in_english = [response for _, response in responses if clean_text(response, "content_en")]
    if answered and responses and not in_english:
        yield "has no English reference: all its responses are blank", False


def _author_faults(record: dict, authors: Mapping[str, Author]) -> Iterator[str]:
    for number, response in numbered_responses(record):
        author = response.get("author_id")
        if authors and isinstance(author, str) and author not in authors:
            yield f"response {number}: author {quoted(author)} is not in {AUTHOR_FILE}"


def _image_faults(record: dict, images: Images) -> Iterator[str]:
    for name in image_names(record)[:MOST_IMAGES]:
        if image_name_fault(name) or text_fault(name):
            continue  # reported with the types, and not to be opened
        try:
            path = images.path(name)
        except LabError:
            yield f"image {quoted(name)} is a link that leads out of the data folder"
            continue
        if not os.path.isfile(path):
            yield f"image {quoted(name)} is not on disk"
        elif reason := find_image_fault(path):
            yield f"image {quoted(name)} cannot be used: {reason}"


def find_image_fault(path: Path) -> str | None:
    """Say why an image cannot be used; None if it can.

    All of it is decoded, and the checksums of a PNG are verified.
    """
    try:
        open_image(path)
    except BadImage as bad:
        return str(bad)
    return None


def file_notes(records: list[dict]) -> Iterator[str]:
    """Say what a whole file lacks in English, or in flags, as the published files do in places."""
    for part in ("title", "content"):
        name = f"query_{part}_en"
        texts = [record[name] for record in records if isinstance(record.get(name), str)]
        blank = sum(not clean_text({name: text}, name) for text in texts)
        if not any(name in record for record in records):
            yield f"no record has `{name}`: the patients' words are not in this file"
        elif blank:
            yield (
                f"{blank} of {len(records)} records have a blank `{name}`, which is kept as empty "
                "text"
            )
    responses = [response for record in records for _, response in numbered_responses(record)]
    with_flags = [response for response in responses if any(flag in response for flag in FLAGS)]
    if responses and not with_flags:
        yield f"no response has {' or '.join(FLAGS)}: all references of this file get weight 1"
