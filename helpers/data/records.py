"""The form of a DermaVQA record: one table of fields that the loader and the checker share.

A record is one encounter of a JSON list (DermaVQA, IIYI and Reddit; Yim et al.). The functions here
say what is wrong with one record and never raise: the loader stops at the first sentence, the
checker lists them all.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from helpers.data.texts import quoted, text_faults
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
FACT_FIELDS = {"label": "text", "group": "text", "concepts": "texts", "skin_tone": "tone"}

KINDS = {
    "text": "text",
    "share": "a number from 0 to 1",
    "tone": "a whole number from 1 to 6",
    "texts": "a list of texts",
    "objects": "a list of objects",
}
# The published data stays far below these: ids of 8 letters, 15 images in a case.
LONGEST_ID = 200  # letters
MOST_IMAGES = 1000  # of one case
LONGEST_IMAGE_NAME = 250  # bytes: with a suffix, what file systems take
LONGEST_NUMBER = 20  # digits of a number that a sentence repeats
# What Reddit shows in place of a text that its author or a moderator took down.
TAKEN_DOWN = ("[removed]", "[deleted]")


def read_records(path: Path) -> list:
    """Read the list that a JSON file holds, its items unchecked; no list is a `LabError`.

    Texts may hold what no text has: `stopping_faults` names the record.
    """
    records = read_json(path, any_text=True)
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
    """Yield what prevents loading: no usable id, a field of a wrong type, an image that cannot lie
    in the folder, a text that can be neither written nor tokenized.
    """
    if not isinstance(record, dict):
        yield f"is {named(record)}, but an object with fields was expected"
        return
    yield from _id_faults(record)
    yield from wrong_types(record, CASE_FIELDS)
    yield from text_faults({n: value for n, value in record.items() if n != "responses"})
    for number, response in numbered_responses(record):
        for message in (*wrong_types(response, RESPONSE_FIELDS), *text_faults(response)):
            yield f"response {number}: {message}"
    yield from _image_name_faults(image_names(record))


def _id_faults(record: dict) -> Iterator[str]:
    if "encounter_id" not in record:
        yield "has no `encounter_id`"
    elif isinstance(record["encounter_id"], str) and not case_id_of(record):
        yield "has a blank `encounter_id`"
    elif len(case_id_of(record)) > LONGEST_ID:
        letters = f"{len(case_id_of(record)):,} letters"
        yield f"`encounter_id` has {letters}, but at most {LONGEST_ID} were expected"


def _image_name_faults(names: list[str]) -> Iterator[str]:
    if len(names) > MOST_IMAGES:
        yield f"lists {len(names):,} images, but at most {MOST_IMAGES:,} were expected in a case"
    yield from filter(None, map(image_name_fault, names[:MOST_IMAGES]))


def image_name_fault(name: str) -> str:
    """Say why an image name names no place in a folder; "" if it does."""
    if leaves_folder(name):
        return f"image name {quoted(name)} leaves the image folder"
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_IMAGE_NAME:
        return f"image name {quoted(name)} is longer than the name of a file can be"
    return ""


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
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= 1 if kind == "share" else kind == "tone" and value in range(1, 7)


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
        digits = str(value)
        return f"the number {digits[:LONGEST_NUMBER]}{'...' * (len(digits) > LONGEST_NUMBER)}"
    kinds: dict[type, str] = {str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)
