"""How the lines of a record stay short: what is the same is said once, numbers have few digits."""

import json
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

DIGITS = 7  # that numbers keep: one more than it takes for tables to print the same
ONE_DIGIT = set(range(10))
# Where no more than one in so many numbers is not 0, their places are told.
FEW = 5
# A column of few different numbers is these, in their order, and a text: of each row, the character
# whose place here is that of its number there.
CHARACTERS = string.digits + string.ascii_letters


def same(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entries that are the same in all rows."""
    first, *others = rows or [{}]
    return {n: v for n, v in first.items() if all(n in row and row[n] == v for row in others)}


def usual(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the most frequent value of each entry that all rows have."""
    found = {}
    for name in rows[0] if rows else ():
        if all(name in row for row in rows):
            texts = Counter(json.dumps(row[name]) for row in rows)
            found[name] = json.loads(texts.most_common(1)[0][0])
    return found


def unlike(values: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that are not the same in `common`."""
    return {n: v for n, v in values.items() if n not in common or common[n] != v}


def without_seed(parameters: dict[str, Any]) -> dict[str, Any]:
    """Leave the seed open, which the run's line says: then runs of other seeds have the same."""
    return parameters | ({"SEED": None} if "SEED" in parameters else {})


def with_seed(parameters: dict[str, Any], seed: int) -> dict[str, Any]:
    """Put a run's seed where `without_seed` left it open."""
    return parameters | ({"SEED": seed} if parameters.get("SEED", seed) is None else {})


def short(value: Any) -> Any:
    """Return a value whose floats have few digits, and none where they are whole."""
    if isinstance(value, float):
        number = float(f"{value:.{DIGITS}g}")
        return int(number) if number.is_integer() else number
    if isinstance(value, Mapping):
        return {name: short(part) for name, part in value.items()}
    return [short(part) for part in value] if isinstance(value, (list, tuple)) else value


def as_columns(columns: np.ndarray) -> list[Any]:
    """Return the columns of an array, each as its numbers, or shorter: as one where all are the
    same; as the places of each number where all but few are 0; as a text where each is one digit,
    which is read in a third of the time, or one of a few numbers.
    """
    found = [short(column) for column in columns.T.tolist()]
    return [_as_column(column) for column in found]


def _as_column(numbers: list[Any]) -> Any:
    if len(set(numbers)) == 1:
        return numbers[0]
    if FEW * sum(map(bool, numbers)) < len(numbers):
        return _places(numbers)
    if set(numbers) <= ONE_DIGIT:
        return "".join(map(str, numbers))
    different = sorted(set(numbers))
    if len(different) > min(len(CHARACTERS), len(numbers) / 2):
        return numbers
    written = dict(zip(different, CHARACTERS))
    return [different, "".join(written[number] for number in numbers)]


def _places(numbers: list[Any]) -> dict[str, list[int]]:
    """Return the places of each number but 0, under the number as a text."""
    found: dict[str, list[int]] = {}
    for place, number in enumerate(numbers):
        if number:
            found.setdefault(str(number), []).append(place)
    return found


def as_array(columns: Sequence[Any], rows: int) -> np.ndarray:
    """Return the array (rows, k) that `as_columns` was given."""
    whole = [_numbers(column, rows) for column in columns]
    return np.array([[float(number) for number in column] for column in whole]).T


def _numbers(column: Any, rows: int) -> list[Any]:
    if _has_few_numbers(column):
        numbers = dict(zip(CHARACTERS, column[0]))
        return [numbers[character] for character in column[1]]
    if isinstance(column, dict):
        found = [0.0] * rows
        for number, places in column.items():
            for place in places:
                found[place] = float(number)
        return found
    return list(column) if isinstance(column, (list, str)) else [column] * rows


def _has_few_numbers(column: Any) -> bool:
    return isinstance(column, list) and isinstance(column[0], list)


def check_columns(columns: Sequence[Any], rows: int) -> None:
    """Raise where `as_array` would; it takes a tenth of the time."""
    for column in columns:
        if _has_few_numbers(column):
            different, text = column
            sum(different)
            if len(text) != rows or text.strip(CHARACTERS[: len(different)]):
                raise ValueError(f"characters for {rows} cases that are others, or not so many")
            continue
        if isinstance(column, dict):
            places = [place for found in column.values() for place in found]
            ordered = all(found == sorted(found) for found in column.values())
            if not places or not ordered or len({*places} & {*range(rows)}) < len(places):
                raise ValueError(f"places not among {rows} cases, doubled, or not in their order")
            sum(map(float, column))
            continue
        if isinstance(column, str):
            if len(column) != rows or column.strip("0123456789"):
                raise ValueError(f"{len(column)} digits for {rows} cases, or other characters")
            continue
        numbers = column if isinstance(column, list) else [column] * rows
        if len(numbers) != rows:
            raise ValueError(f"{len(numbers)} numbers for {rows} cases")
        sum(numbers)
