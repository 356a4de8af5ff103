"""Odd files, drawn by hypothesis: a sound document in which a few things are not as they should be.

Without LAB_FUZZ_EXAMPLES the same few are drawn every time; with it, that many for each test, at
random (`--hypothesis-seed` draws the same ones again).
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from helpers.files import LabError, text_fault

EXAMPLES = int(os.environ.get("LAB_FUZZ_EXAMPLES", "0"))
LONGEST_SENTENCE = 2000
done: Counter[str] = Counter()  # "documents" and "calls", for whoever runs many


def fuzz(examples: int) -> Callable:
    """How many odd files a test is given."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def outcome(call: Callable[[], Any], *paths: Path) -> tuple[Any, str]:
    """Call what reads files: it returns a value, or raises a `LabError` of one sentence, and the
    files are as they were. Return both, one of them empty.
    """
    before = [path.read_bytes() for path in paths]
    done["calls"] += 1
    value, sentence = None, ""
    try:
        value = call()
    except LabError as error:
        sentence = str(error)
        check_line(sentence)
        assert sentence.strip()
    assert [path.read_bytes() for path in paths] == before
    return value, sentence


def check_line(line: str) -> None:
    """A line that a person reads: short, without a traceback or anything that moves a cursor."""
    assert len(line) < LONGEST_SENTENCE and len(line.splitlines()) <= 1, line[:300]
    assert "Traceback" not in line and 'File "' not in line, line[:300]
    assert not text_fault(line) and line.encode("utf-8"), ascii(line[:300])


# Texts, and values of all kinds

NASTY = [
    *("", " ", "\ud83d", "a\udc00", "\0", "\x1b[2J", "\x9b2J", "\u202eabc\u2066", "\u2028", "\r\n"),
    *("\ufeff", "x" * 5000, "x y " * 2000, "\U0001f9b6\u200d\U0001f9d1", "e\u0301" * 9, "\u00a0"),
    *(
        "../a",
        "/etc/passwd",
        "C:\\x",
        "a/../../b",
        "a\\..\\..\\b",
        "link",
        "~nobody/x",
        "%s{0}$(x)",
    ),
    *("<eos>", "</s>", "<|endoftext|>", "<image>", "<unk>", "### Response:\n", "[removed]", "ENC1"),
    *("=1+1", "'", '"', '"",', "\\ud83d", "nan", "-1", "1e999", "level_4", "level_" + "9" * 5000),
]
texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=12))
NUMBERS = [0, -1, 10**18, 2**63, 10**400, -(10**4000), 1e308, -0.0, 5e-324, float("nan")]
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats())
# What no value of Python can be written as: stands in a document as a text, and is put in later.
RAW = [
    *("1e999", "-1e400", "9" * 5000, "Infinity", '{"a": 1, "a": 2}', "[" * 200 + "]" * 200),
    *("[" * 90_000, "01", "'a'", '"\\ud83d"', '"\\ud83d\\ude00"', '"\\u0000"', '"\t"', "truee", ""),
]
raw = st.integers(0, len(RAW) - 1).map(lambda number: f"@raw:{number}@")
leaves = st.one_of(texts, numbers, st.booleans(), st.none(), raw)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key or index) in a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], (dict, list)):
            found += places(value[key])
    return found


@st.composite
def changed(draw: st.DrawFn, sound: Any, most: int = 3) -> Any:
    """A JSON value in which a few parts are replaced, dropped, doubled or renamed."""
    value = deepcopy(sound)
    for _ in range(draw(st.integers(0, most))):
        there = places(value) if isinstance(value, (dict, list)) else []
        if not there:
            return draw(values)
        holder, key = there[draw(st.integers(0, len(there) - 1))]
        what = draw(st.sampled_from(["value", "text", "drop", "key", "double", "wrap"]))
        if what in ("value", "text"):
            holder[key] = draw(values if what == "value" else texts)
        elif what == "drop":
            del holder[key]
        elif what == "wrap":
            holder[key] = draw(st.sampled_from([[holder[key]], {"a": holder[key]}]))
        elif isinstance(holder, dict):
            holder[draw(texts)] = holder[key] if what == "double" else holder.pop(key)
        else:
            holder.insert(0, deepcopy(holder[key]))
    return value


@st.composite
def as_bytes(draw: st.DrawFn, text: str) -> bytes:
    """A text as the bytes of a file, of which a few may be wrong."""
    encoding = draw(st.sampled_from(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-32", "latin-1"]))
    content = bytearray(text.encode(encoding, "backslashreplace"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(content)))
        what = draw(st.sampled_from(["cut", "set", "insert", "drop"]))
        if what == "cut":
            del content[at:]
        elif what == "drop":
            del content[at : at + 8]
        else:
            end = at + 1 if what == "set" else at
            content[at:end] = draw(st.binary(min_size=1, max_size=3))
    done["documents"] += 1
    return bytes(content)


def as_json(value: Any) -> str:
    """A value as JSON, with what only a text can say put in its place."""
    text = json.dumps(value, ensure_ascii=True)
    return re.sub(r'"@raw:(\d+)@"', lambda found: RAW[int(found[1])], text)


@st.composite
def json_files(draw: st.DrawFn, sound: Any) -> bytes:
    """The bytes of a JSON file made from a sound value."""
    return draw(as_bytes(as_json(draw(changed(sound)))))


@st.composite
def jsonl_files(draw: st.DrawFn, sound: list) -> bytes:
    """The bytes of a file of one JSON value a line."""
    rows = draw(changed(sound))
    lines = [as_json(row) for row in rows] if isinstance(rows, list) else [as_json(rows)]
    return draw(as_bytes("\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n", "{"]))))


@st.composite
def csv_files(draw: st.DrawFn, sound: list[list[str]]) -> bytes:
    """The bytes of a table, with and without quotes."""
    rows = draw(changed(sound))
    ends = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quote = draw(st.sampled_from(["", '"']))
    cells = [row if isinstance(row, list) else [row] for row in rows]
    lines = [",".join(f"{quote}{_cell(cell)}{quote}" for cell in row) for row in cells]
    return draw(as_bytes(ends.join(lines)))


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode("utf-8")
