"""What a DermaVQA record must look like: one table of fields that the loader and the checker share.

A record is one encounter of a JSON list (DermaVQA, IIYI and Reddit; Yim et al.). The functions here
say what is wrong with one record and never raise: the loader stops at the first sentence, the
checker lists them all.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from helpers.files import LabError, read_json

LANGUAGES = ("en", "zh", "es")
FLAGS = ("completeness", "contains_freq_ans")
QUERY_FIELDS = tuple(
    f"query_{part}_{language}" for part in ("title", "content") for language in LANGUAGES
)

# Field -> kind. A field that is not named here is left alone: the published files may grow.
CASE_FIELDS = {
    "encounter_id": "text",
    "author_id": "text",
    "image_ids": "texts",
    "responses": "objects",
    **dict.fromkeys(QUERY_FIELDS, "text"),
}
RESPONSE_FIELDS = {
    "author_id": "text",
    **{f"content_{language}": "text" for language in LANGUAGES},
    **dict.fromkeys(FLAGS, "share"),
}
FACT_FIELDS = {"label": "text", "concepts": "texts"}

KINDS = {
    "text": "text",
    "share": "a number from 0 to 1",
    "texts": "a list of texts",
    "objects": "a list of objects",
}
# What Reddit leaves where a post was taken down.
TAKEN_DOWN = ("[removed]", "[deleted]")


def read_records(path: Path) -> list:
    """The list that a JSON file holds, its items unchecked; a file with no list is a `LabError`."""
    records = read_json(path)
    if not isinstance(records, list):
        raise LabError(
            f"{path} holds {named(records)}, but a list of records was expected; correct the file."
        )
    return records


def clean_text(holder: dict, field: str) -> str:
    """The text of a field as published; "" where it is blank, absent, not text or taken down on
    Reddit.
    """
    text = holder.get(field)
    if not isinstance(text, str) or not text.strip() or text.strip().lower() in TAKEN_DOWN:
        return ""
    return text


def stopping_faults(record: object) -> Iterator[str]:
    """What makes a record unfit for loading: no id, a field of another type, an image outside the
    folder.
    """
    if not isinstance(record, dict):
        yield f"is {named(record)}, but an object with fields was expected"
        return
    if "encounter_id" not in record:
        yield "has no `encounter_id`"
    elif isinstance(record["encounter_id"], str) and not case_id_of(record):
        yield "has a blank `encounter_id`"
    yield from wrong_types(record, CASE_FIELDS)
    for number, response in numbered_responses(record):
        for message in wrong_types(response, RESPONSE_FIELDS):
            yield f"response {number}: {message}"
    for name in image_names(record):
        if leaves_folder(name):
            yield f"image name {name!r} leaves the image folder"


def wrong_types(holder: dict, fields: dict[str, str]) -> Iterator[str]:
    """A sentence for each field (and each item of a list) whose type is not the one in the table."""
    for field, kind in fields.items():
        if field not in holder:
            continue
        value = holder[field]
        if kind in ("texts", "objects") and isinstance(value, list):
            item_kind, item_type = ("text", str) if kind == "texts" else ("an object", dict)
            for number, item in enumerate(value, start=1):
                if not isinstance(item, item_type):
                    yield f"`{field}` item {number} is {named(item)}, but {item_kind} was expected"
        elif not fits(value, kind):
            yield f"`{field}` is {named(value)}, but {KINDS[kind]} was expected"


def fits(value: object, kind: str) -> bool:
    """Whether a value that is no list is of the kind; NaN is no share, and neither is true or
    false.
    """
    if kind == "text":
        return isinstance(value, str)
    return (
        kind == "share"
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= 1
    )


def missing_fields(record: dict, needed: set[str], needed_in_response: set[str]) -> Iterator[str]:
    """A sentence for each needed field that a record or one of its responses lacks."""
    for field in sorted(needed - record.keys()):
        yield f"has no `{field}`"
    for number, response in numbered_responses(record):
        for field in sorted(needed_in_response - response.keys()):
            yield f"response {number} has no `{field}`"


def usual_fields(holders: list[dict], fields: dict[str, str]) -> set[str]:
    """The fields that more than half of the holders have: where they are missing, something was
    lost.
    """
    counts = Counter(field for holder in holders for field in holder if field in fields)
    return {field for field, count in counts.items() if 2 * count > len(holders)}


def languages_of(records: list[dict]) -> tuple[str, ...]:
    """The languages in which some record or response has a text field."""
    keys = {key for record in records for key in record}
    keys |= {
        key for record in records for _, response in numbered_responses(record) for key in response
    }
    stems = ("query_title", "query_content", "content")
    return tuple(
        language for language in LANGUAGES if any(f"{stem}_{language}" in keys for stem in stems)
    )


def numbered_responses(record: dict) -> list[tuple[int, dict]]:
    """The responses that are objects, each with its place in the list, counted from 1."""
    responses = record.get("responses")
    responses = responses if isinstance(responses, list) else []
    return [
        (number, item) for number, item in enumerate(responses, start=1) if isinstance(item, dict)
    ]


def image_names(record: dict) -> list[str]:
    """The image names that are text."""
    names = record.get("image_ids")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def leaves_folder(name: str) -> bool:
    """Whether an image name is no place inside a folder: absolute, with `..`, with a drive, or
    blank.
    """
    # The Windows rules take both kinds of slash and drives, so they refuse the more; data travels.
    path = PureWindowsPath(name.strip())
    return not path.parts or bool(path.anchor) or ".." in path.parts or "\0" in name


def case_id_of(record: object) -> str:
    """The id of a record, or "" where it has none that is text with something in it."""
    case_id = record.get("encounter_id") if isinstance(record, dict) else None
    return case_id if isinstance(case_id, str) and case_id.strip() else ""


def named(value: object) -> str:
    """A JSON value by its kind, in words, with the value where it is short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"the number {value}"
    return {str: "text", list: "a list", dict: "an object"}.get(type(value), type(value).__name__)
