"""Load the conditions of the pocket clinic and its sentences from `conditions.yaml`, checked."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from helpers.files import LabError
from helpers.pocket.vocabulary import (
    AGES,
    ARRANGEMENTS,
    BORDERS,
    CLASSES,
    COLOUR_CONCEPTS,
    CONCEPTS,
    DURATIONS,
    LIVES,
    NUMBERS,
    PRIMARIES,
    SECTIONS,
    SURFACE_CONCEPTS,
    SURFACES,
)

PATH = Path(__file__).with_name("conditions.yaml")


@dataclass(frozen=True)
class Condition:
    """One skin condition: names, what images show, what patients tell, what doctors know."""

    id: str
    name: str
    synonyms: tuple[str, ...]
    skin_class: str
    weight: int
    concepts: tuple[str, ...]
    # Seen in the image only.
    primary: str
    colours: tuple[str, ...]
    surface: str
    borders: tuple[str, ...]
    arrangements: tuple[str, ...]
    numbers: tuple[str, ...]
    # Told by the patient.
    sites: tuple[str, ...]
    complaint: str
    itch: tuple[str, ...]
    pain: tuple[str, ...]
    durations: tuple[str, ...]
    ages: tuple[str, ...]
    triggers: tuple[str, ...]
    courses: tuple[str, ...]
    history: tuple[str, ...]
    # Known to doctors.
    look_alikes: tuple[str, ...]
    definition: str
    cause: str
    signs: str
    clue: str
    symptoms: tuple[str, ...]
    outlook: str
    treatments: tuple[str, ...]
    tests: tuple[str, ...]
    explain: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its synonyms, the name first."""
        return (self.name, *self.synonyms)


@lru_cache
def load_conditions(path: Path = PATH) -> tuple[Condition, ...]:
    """Load all conditions of the file; a fault is a `LabError` that names condition and value."""
    rows = _document(path).get("conditions")
    if not isinstance(rows, list) or not rows:
        raise LabError(f"{path.name} has no list `conditions`: restore the file.")
    conditions = tuple(_condition(row, path=path) for row in rows)
    known = {condition.id for condition in conditions}
    if len(known) < len(conditions):
        raise LabError(f"{path.name} uses an id twice: give every condition its own id.")
    for condition in conditions:
        _check(condition, known=known, path=path)
    return conditions


def by_id() -> dict[str, Condition]:
    """Return the conditions by their id."""
    return {condition.id: condition for condition in load_conditions()}


def load_sentences(path: Path = PATH) -> dict[str, Any]:  # nested tables of texts
    """Load what patients and doctors say: all `SECTIONS` of the file."""
    document = _document(path)
    missing = [name for name in SECTIONS if name not in document]
    if missing:
        raise LabError(f"{path.name} lacks the section {missing[0]!r}: restore the file.")
    return {name: value for name, value in document.items() if name != "conditions"}


def draw_told(condition: Condition, rng: random.Random) -> dict:
    """Draw all that one patient could tell: age in years, sex, site, duration, complaints, ..."""
    unit = rng.choice(condition.durations)
    told: dict[str, Any] = {
        "age": rng.randint(*AGES[rng.choice(condition.ages)]),
        "sex": rng.choice(("female", "male")),
        "complaint": condition.complaint,
        "site": rng.choice(condition.sites),
        "duration": f"{rng.randint(2, DURATIONS[unit])} {unit}",
        "itch": rng.choice(condition.itch),
        "pain": rng.choice(condition.pain),
        "trigger": rng.choice((*condition.triggers, "unknown")),
        "course": rng.choice(condition.courses),
        "history": rng.choice((*condition.history, "healthy")),
        "tried": rng.choice(list(load_sentences()["told"]["tried"])),
    }
    for key, otherwise in (("history", "healthy"), ("trigger", "unknown")):
        youngest, oldest = LIVES.get(told[key], (0, 99))
        has_age = youngest <= told["age"] <= oldest
        if not has_age or (told[key] == "pregnancy" and told["sex"] == "male"):
            told[key] = otherwise
    if unit == "years" and int(told["duration"].split()[0]) > told["age"]:
        told["duration"] = f"{rng.randint(2, 11)} months"
    return told


def compatible(told: Mapping) -> list[str]:
    """List the ids of all conditions whose patients could tell these facts.

    Sex and tried treatments exclude none.
    """
    return [condition.id for condition in load_conditions() if _fits(condition, told)]


def _fits(condition: Condition, told: Mapping) -> bool:
    lists: dict[str, tuple[str, ...]] = {
        "site": condition.sites,
        "complaint": (condition.complaint,),
        "itch": condition.itch,
        "pain": condition.pain,
        "trigger": (*condition.triggers, "unknown"),
        "course": condition.courses,
        "history": (*condition.history, "healthy"),
    }
    if any(told[key] not in values for key, values in lists.items() if key in told):
        return False
    if "duration" in told and told["duration"].split()[1] not in condition.durations:
        return False
    if "age" not in told:
        return True
    spans = [AGES[group] for group in condition.ages]
    return any(youngest <= told["age"] <= oldest for youngest, oldest in spans)


@lru_cache
def _document(path: Path) -> dict[str, Any]:
    """Read the file, of whose content only the outermost form is checked."""
    # The C loader reads the file in a tenth of the time, but not every build of PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except FileNotFoundError:
        raise LabError(f"{path} does not exist: check the path.") from None
    except yaml.YAMLError as error:
        raise LabError(
            f"{path.name} is not valid YAML ({' '.join(str(error).split())}): correct the file."
        ) from None
    if not isinstance(document, dict):
        raise LabError(
            f"{path.name} must be a mapping with the key `conditions`: restore the file."
        )
    return document


def _condition(row: object, *, path: Path) -> Condition:
    """Make a `Condition` of one row: every field present, none unknown, each of its type."""
    fields = dict(row) if isinstance(row, dict) and "id" in row else {}
    name = fields.get("id", "?")
    if "class" in fields:  # a keyword of Python, so the field has another name
        fields["skin_class"] = fields.pop("class")
    types = get_type_hints(Condition)
    if odd := sorted(types.keys() ^ fields.keys()):
        raise LabError(
            f"{path.name}, condition {name!r}: the field {odd[0]!r} is missing or unknown."
        )
    values: dict[str, Any] = {}
    for key, kind in types.items():
        value = fields[key]
        is_right = _is_list_of_texts(value) if kind == tuple[str, ...] else isinstance(value, kind)
        if not is_right:
            raise LabError(
                f"{path.name}, condition {name!r}: {key!r} holds {value!r}, which is not {kind}."
            )
        values[key] = tuple(value) if isinstance(value, list) else value
    return Condition(**values)


def _is_list_of_texts(value: object) -> bool:
    """Tell whether a value is a list of at least one text and nothing else."""
    return isinstance(value, list) and value != [] and all(isinstance(one, str) for one in value)


def _check(condition: Condition, *, known: set[str], path: Path) -> None:
    """Check that values are in their lists, and that concepts agree with the drawing."""
    told = load_sentences(path)["told"]
    allowed: dict[str, Collection[str]] = {
        "skin_class": CLASSES,
        "concepts": CONCEPTS,
        "primary": PRIMARIES,
        "colours": tuple(COLOUR_CONCEPTS),
        "surface": SURFACES,
        "borders": BORDERS,
        "arrangements": ARRANGEMENTS,
        "numbers": NUMBERS,
        "durations": tuple(DURATIONS),
        "ages": tuple(AGES),
        "complaint": told["complaint"],
        "itch": told["itch"],
        "pain": told["pain"],
        "triggers": told["trigger"],
        "courses": told["course"],
        "history": told["history"],
        "look_alikes": known - {condition.id},
    }
    for key, values in allowed.items():
        value = getattr(condition, key)
        items = [value] if isinstance(value, str) else value
        if odd := [item for item in items if item not in values]:
            raise LabError(
                f"{path.name}, condition {condition.id!r}: {key!r} must not hold {odd[0]!r}."
            )
    drawn = [condition.primary.capitalize()]
    if condition.surface in SURFACE_CONCEPTS:
        drawn.append(SURFACE_CONCEPTS[condition.surface])
    drawn += [COLOUR_CONCEPTS[colour] for colour in condition.colours]
    if lacking := [concept for concept in drawn if concept not in condition.concepts]:
        raise LabError(
            f"{path.name}, condition {condition.id!r}: its concepts lack {lacking[0]!r}, which is "
            "drawn."
        )


def body_sites() -> list[str]:
    """Return all body sites of the conditions, in the order of the alphabet."""
    return sorted({site for condition in load_conditions() for site in condition.sites})


def capital(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]


def capitals(values: Mapping[str, str]) -> dict[str, str]:
    """Return the same values with a capital letter, under keys with a capital letter."""
    return {key.capitalize(): capital(value) for key, value in values.items()}


def join_words(items: Sequence[str]) -> str:
    """Join items as in a sentence: a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
