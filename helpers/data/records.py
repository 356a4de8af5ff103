"""The form of a DermaVQA record: one table of fields that the loader and the checker share.

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
# What Reddit shows in place of a text that its author or a moderator took down.
TAKEN_DOWN = ("[removed]", "[deleted]")


def read_records(path: Path) -> list:
    """Read the list that a JSON file holds, its items unchecked; no list is a `LabError`."""
    records = read_json(path)
    if not isinstance(records, list):
        raise LabError(
            f"{path} holds {named(records)}, but a list of records was expected; correct the file."
        )
    return records


def clean_text(holder: dict, field: str) -> str:
    """Return the text of a field as published; "" if it is blank, absent, no text or taken down."""
    text = holder.get(field)
    if not isinstance(text, str):
        return ""
    bare = text.strip()
    return "" if not bare or bare.lower() in TAKEN_DOWN else text


def stopping_faults(record: object) -> Iterator[str]:
    """Yield what prevents loading: no id, a field of a wrong type, an image outside the folder."""
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
    """Yield a sentence for each field (or item of a list) whose type is not that of the table."""
    for field, kind in fields.items():
        if field not in holder:
            continue
        value = holder[field]
        if kind in ("texts", "objects") and isinstance(value, list):
            yield from _wrong_items(field, kind, value)
        elif not _fits(value, kind):
            yield f"`{field}` is {named(value)}, but {KINDS[kind]} was expected"


def _wrong_items(field: str, kind: str, items: list) -> Iterator[str]:
    expected: type = str if kind == "texts" else dict
    in_words = "text" if kind == "texts" else "an object"
    for number, item in enumerate(items, start=1):
        if not isinstance(item, expected):
            yield f"`{field}` item {number} is {named(item)}, but {in_words} was expected"


def _fits(value: object, kind: str) -> bool:
    """Tell whether a value that is no list is of a kind; NaN, true and false are no shares."""
    if kind == "text":
        return isinstance(value, str)
    if kind != "share" or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= 1


def missing_fields(record: dict, needed: set[str], needed_in_response: set[str]) -> Iterator[str]:
    """Yield a sentence for each needed field that a record or one of its responses lacks."""
    for field in sorted(needed - record.keys()):
        yield f"has no `{field}`"
    for number, response in numbered_responses(record):
        for field in sorted(needed_in_response - response.keys()):
            yield f"response {number} has no `{field}`"


def usual_fields(holders: list[dict], fields: dict[str, str]) -> set[str]:
    """Find the fields that more than half of the holders have: one without it has lost it."""
    counts = Counter(field for holder in holders for field in holder if field in fields)
    return {field for field, count in counts.items() if 2 * count > len(holders)}


def languages_of(records: list[dict]) -> tuple[str, ...]:
    """Find the languages in which some record or response has a text field."""
    keys: set[str] = set()
    for record in records:
        keys.update(record)
        for _, response in numbered_responses(record):
            keys.update(response)
    stems = ("query_title", "query_content", "content")
    return tuple(
        language for language in LANGUAGES if any(f"{stem}_{language}" in keys for stem in stems)
    )


def numbered_responses(record: dict) -> list[tuple[int, dict]]:
    """Return the responses that are objects, each with its place in the list, counted from 1."""
    responses = record.get("responses")
    if not isinstance(responses, list):
        return []
    return [(place, item) for place, item in enumerate(responses, 1) if isinstance(item, dict)]


def image_names(record: dict) -> list[str]:
    """Return the image names of a record that are text."""
    names = record.get("image_ids")
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str)]


def leaves_folder(name: str) -> bool:
    """Tell whether an image name is no place in a folder: absolute, blank, with `..` or a drive."""
    # The Windows rules take both kinds of slash and drives, so they refuse the more; data travels.
    path = PureWindowsPath(name.strip())
    return not path.parts or bool(path.anchor) or ".." in path.parts or "\0" in name


def case_id_of(record: object) -> str:
    """Return the id of a record, or "" if it has no id, a blank one or one that is not text."""
    case_id = record.get("encounter_id") if isinstance(record, dict) else None
    return case_id if isinstance(case_id, str) and case_id.strip() else ""


def named(value: object) -> str:
    """Say in words what kind of JSON value this is, with the value if it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    kinds: dict[type, str] = {str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)
