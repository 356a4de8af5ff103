"""The conditions of the pocket clinic and its sentences, read from `conditions.yaml` and checked."""

import random
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

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
    """One skin condition: its names, what an image of it shows, what its patients tell, what
    doctors know.
    """

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
    """All conditions of the file, checked: a fault is a `LabError` that names file, condition and
    value.
    """
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
    """The conditions by their id."""
    return {condition.id: condition for condition in load_conditions()}


def load_sentences(path: Path = PATH) -> dict:
    """What patients and doctors say: all `SECTIONS` of the file."""
    document = _document(path)
    missing = [name for name in SECTIONS if name not in document]
    if missing:
        raise LabError(f"{path.name} lacks the section {missing[0]!r}: restore the file.")
    return {name: value for name, value in document.items() if name != "conditions"}


def draw_told(condition: Condition, rng: random.Random) -> dict:
    """All that one patient with this condition could tell: age in years, sex, site, duration,
    complaints, history.
    """
    unit = rng.choice(condition.durations)
    told = {
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
        if not youngest <= told["age"] <= oldest or (told[key], told["sex"]) == (
            "pregnancy",
            "male",
        ):
            told[key] = otherwise
    if unit == "years" and int(told["duration"].split()[0]) > told["age"]:
        told["duration"] = f"{rng.randint(2, 11)} months"
    return told


def compatible(told: dict) -> list[str]:
    """The ids of all conditions whose patients could tell these facts; sex and tried treatments
    exclude none.
    """
    return [condition.id for condition in load_conditions() if _fits(condition, told)]


def _fits(condition: Condition, told: dict) -> bool:
    lists = {
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
    return "age" not in told or any(
        AGES[group][0] <= told["age"] <= AGES[group][1] for group in condition.ages
    )


@lru_cache
def _document(path: Path) -> dict:
    try:
        # The C loader reads the file in a tenth of the time, but not every build of PyYAML has it.
        document = yaml.load(
            path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
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


def _condition(row: dict, *, path: Path) -> Condition:
    """One row as a `Condition`: every field present, none unknown, texts as texts, lists as lists
    of texts.
    """
    name = row.get("id", "?") if isinstance(row, dict) else "?"
    row = (
        {("skin_class" if key == "class" else key): value for key, value in row.items()}
        if name != "?"
        else {}
    )
    types = {field.name: field.type for field in fields(Condition)}
    if odd := sorted(types.keys() ^ row.keys()):
        raise LabError(
            f"{path.name}, condition {name!r}: the field {odd[0]!r} is missing or unknown."
        )
    for key, kind in types.items():
        value = row[key]
        is_list = (
            isinstance(value, list) and value != [] and all(isinstance(item, str) for item in value)
        )
        if not (is_list if kind == tuple[str, ...] else isinstance(value, kind)):
            raise LabError(
                f"{path.name}, condition {name!r}: {key!r} holds {value!r}, which is not {kind}."
            )
    return Condition(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    )


def _check(condition: Condition, *, known: set[str], path: Path) -> None:
    """Refuse values outside their lists, and concepts that contradict the drawing."""
    told = load_sentences(path)["told"]
    allowed = {
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
        for item in (value,) if isinstance(value, str) else value:
            if item not in values:
                raise LabError(
                    f"{path.name}, condition {condition.id!r}: {key!r} must not hold {item!r}."
                )
    drawn = [condition.primary.capitalize(), SURFACE_CONCEPTS.get(condition.surface)]
    drawn += [COLOUR_CONCEPTS[colour] for colour in condition.colours]
    for concept in filter(None, drawn):
        if concept not in condition.concepts:
            raise LabError(
                f"{path.name}, condition {condition.id!r}: its concepts lack {concept!r}, which is "
                "drawn."
            )


def capitals(values: dict[str, str]) -> dict[str, str]:
    """The same values with a capital letter, under keys with a capital letter."""
    return {key.capitalize(): value[:1].upper() + value[1:] for key, value in values.items()}
