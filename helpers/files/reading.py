"""The one gate for files that a person, or another program, has written.

What comes through is text in UTF-8 without signs that no text has, and JSON of a bounded size and
depth, whose keys stand once and whose numbers are numbers. All else is a `LabError` of one
sentence; a file is only read, never changed.
"""

import json
import os
import re
import stat
from collections import Counter
from math import isfinite
from pathlib import Path
from typing import Any

from helpers.files.errors import LabError

MOST_BYTES = 1 << 29  # half a GB: a hundred times the largest file of the papers' data
INFINITY = float("inf")
TOO_LARGE = "holds a number that is too large"
DEEPEST = 64  # lists and objects in each other; data has six
# Control characters, but for tabs and ends of lines of all kinds.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
BROKEN = re.compile(r"[\ud800-\udfff]")
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def without_control(text: str) -> str:
    """Return a text that can be read again, with another sign for each control character.

    A model may say anything, and no file with such characters is read.
    """
    return CONTROL.sub(UNREADABLE, text)


def read_content(path: Path | str) -> bytes:
    """Read a file; what is no file, may not be read, or is too large is a `LabError`."""
    try:
        state = os.stat(path)
        if stat.S_ISDIR(state.st_mode):
            raise LabError(f"{path} is a folder, but a file was expected: name the file.")
        if not stat.S_ISREG(state.st_mode):  # to open a pipe would wait for ever
            raise LabError(f"{path} is no ordinary file: name a file with the data.")
        if state.st_size > MOST_BYTES:
            raise LabError(
                f"{path} has {state.st_size:,} bytes, but at most {MOST_BYTES:,} are read: split "
                "the file, or check that it is the one that is meant."
            )
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise LabError(f"{path} does not exist: check the path.") from None
    except PermissionError:
        raise LabError(f"{path} may not be read by this user: change its permissions.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with NUL in it
        reason = getattr(error, "strerror", None) or str(error)
        raise LabError(f"{path} cannot be read ({reason}): check the path.") from None


def read_text(path: Path | str, *, any_text: bool = False) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Args:
        any_text: let control characters through; for whoever names the place that has them.
    Raises:
        LabError: see `read_content`; also another encoding, which is named where that can be told,
            and a control character, with its line.
    """
    return decode(read_content(path), path, any_text=any_text)


def decode(content: bytes, name: Path | str, *, any_text: bool = False) -> str:
    """Decode the content of a text file of this name; see `read_text`."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise LabError(f"{name} is {encoding} text: save it as UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LabError(
            f"{name} is not UTF-8 text (line {line}, byte {error.start}): save it as UTF-8."
        ) from None
    if not any_text and (found := CONTROL.search(text)):
        line = text.count("\n", 0, found.start()) + 1
        raise LabError(f"{name}, line {line}, has {text_fault(found[0])}: delete it.")
    return text


def text_fault(text: str) -> str:
    """Say which sign of a text no text has; "" if there is none.

    Half of an emoji, as programs leave it that cut texts, can be neither written nor tokenized.
    """
    if text.isprintable():  # neither kind is: this is the quick way to tell
        return ""
    if found := BROKEN.search(text):
        return f"a broken character (U+{ord(found[0]):04X}, half of a surrogate pair)"
    if found := CONTROL.search(text):
        return f"the control character U+{ord(found[0]):04X}"
    return ""


def read_json(path: Path | str, *, any_text: bool = False) -> Any:
    """Read JSON. It may be anything within bounds: whoever reads it checks it.

    Args:
        any_text: let texts through that hold broken or control characters; for whoever names the
            record that has them.
    Raises:
        LabError: the file cannot be read, or holds no sound JSON; it names line and column where
            that can be told.
    """
    return parse_json(read_text(path, any_text=any_text), path, any_text=any_text)


def parse_json(text: str, name: Path | str, *, any_text: bool = False, line: int = 0) -> Any:
    """Read JSON from a text that came from a file of this name, or from one line of it; see
    `read_json`.
    """
    place = f"{name}, line {line}," if line else name
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        fault = _fault(value, texts=not any_text and not _is_plain(text))
        if fault == TOO_LARGE:
            json.loads(text, parse_float=_float)  # it names the number as the file has it
    except json.JSONDecodeError as error:
        raise LabError(
            f"{name} is not valid JSON: line {line or error.lineno}, column {error.colno}: "
            f"{error.msg}; correct the file."
        ) from None
    except _Unsound as error:
        raise LabError(f"{place} holds {error}: correct the file.") from None
    except RecursionError:
        raise LabError(f"{place} is nested too deeply to be data: correct the file.") from None
    except ValueError:  # Python's limit
        raise LabError(
            f"{place} holds a number of thousands of digits: correct the file."
        ) from None
    if fault:
        raise LabError(f"{place} {fault}: correct the file.")
    return value


def read_jsonl(path: Path | str) -> list[Any]:
    """Read a file of one JSON value a line; a missing file has no lines.

    A last line without a line break counts.

    Raises:
        LabError: see `read_json`; it names the line.
    """
    if not os.path.exists(path):
        return []
    lines = read_text(path).split("\n")
    if not lines[-1].strip():
        lines.pop()
    return [parse_json(line, path, line=number) for number, line in enumerate(lines, start=1)]


class _Unsound(ValueError):
    """What `json` lets through and nobody can rely on, in words."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        doubled = next(name for name, count in counts.items() if count > 1)
        raise _Unsound(f"an object that has the key {doubled[:40]!r} twice{_whose(pairs)}")
    return found


def _whose(pairs: list[tuple[str, Any]]) -> str:
    """Say of an object what its first short text is, by which a person may find it."""
    texts = [(name, value) for name, value in pairs if isinstance(value, str) and value]
    return f" (its {texts[0][0][:40]!r} is {texts[0][1][:40]!r})" if texts else ""


def _refuse(name: str) -> float:
    raise _Unsound(f"{name}, which is no number of JSON")


def _float(text: str) -> float:
    number = float(text)
    if abs(number) == INFINITY:
        raise _Unsound(f"the number {text[:40]}, which is too large")
    return number


def _is_plain(text: str) -> bool:
    """Whether no text in this JSON can have a fault: it has none itself, and escapes nothing."""
    return "\\" not in text and not text_fault(text)


def _fault(value: Any, texts: bool) -> str:
    """Say what is wrong with the depth, the numbers or the texts of a JSON value; "" if nothing is.

    Most of what is read are long rows of numbers: they are looked at as a whole.
    """
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            return "is nested too deeply to be data"
        below: list[Any] = []
        for one in level:
            kind = type(one)  # what JSON was read from has no subclasses
            if kind is dict:
                below += one.values()
                if texts:
                    below += one.keys()
            elif kind is list:
                below += one[:1] if _finite(one) else one
            elif kind is float and abs(one) == INFINITY:
                return TOO_LARGE
            elif kind is str and texts and (fault := text_fault(one)):
                return f"has {fault} in the text {one[:40]!r}"
        level = below
    return ""


def _finite(row: list[Any]) -> bool:
    """Whether these are numbers alone, whose sum tells that none of them is too large."""
    try:
        return isfinite(sum(row))
    except (TypeError, OverflowError):
        return False
