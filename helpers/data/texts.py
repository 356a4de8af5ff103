"""Texts of a person's data: what is wrong with one, and how one is shown in a sentence."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from helpers.files import LabError, one_line, text_fault

LONGEST_SHOWN = 60  # letters of a text that a sentence quotes; ids and file names have fewer


def quoted(text: str) -> str:
    """Return a text in quotes: what no font shows is escaped, and a long one is cut."""
    if len(text) <= LONGEST_SHOWN:
        return repr(text)
    return f"{text[:LONGEST_SHOWN]!r}... ({len(text):,} letters)"


def shown(name: str) -> str:
    """Return an id or a file name as it is if a line has room for it, else `quoted`."""
    return name if name.isprintable() and len(name) <= LONGEST_SHOWN else quoted(name)


def composed(name: str) -> str:
    """Return a name in Unicode form NFC: some systems compose accents, others do not."""
    return unicodedata.normalize("NFC", name)


def same_name(name: str) -> str:
    """Return what is equal for names that a person takes for the same one: white space around
    them, and how accents are written, make no difference.
    """
    return composed(name.strip())


def text_faults(holder: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence for each field of a JSON object in which some text has a sign no text has.

    The names of fields, and fields that nobody knows, are looked at too: they may reach a record.
    """
    for name, value in holder.items():
        if fault := text_fault(name):
            yield f"the name {quoted(name)} of a field has {fault}"
        elif fault := _fault_within(value):
            yield f"`{name[:LONGEST_SHOWN]}` has {fault}"


def _fault_within(value: object) -> str:
    """Say what is wrong with the first faulty text of a JSON value; "" if none is."""
    if isinstance(value, str):
        return text_fault(value)
    parts: list[object] = []
    if isinstance(value, list):
        parts = value
    elif isinstance(value, dict):
        parts = [*value, *value.values()]
    return next(filter(None, map(_fault_within, parts)), "")


def without_path(error: LabError, path: Path) -> str:
    """Return what an error says of a file, for a list that names the file beside it."""
    return str(error).removeprefix(one_line(str(path))).lstrip(", ").removesuffix(".")
