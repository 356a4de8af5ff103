"""Fill phrasings of the textbook with facts of a condition, and put made-up patients into words."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from helpers.pocket.conditions import (
    Condition,
    by_id,
    capital,
    draw_told,
    join_words,
    load_sentences,
)
from helpers.pocket.descriptions import load_words
from helpers.pocket.lesions import draw_seen
from helpers.pocket.vocabulary import COLOUR_CONCEPTS, SURFACE_CONCEPTS


def patient_words(condition: Condition, rng: random.Random) -> dict[str, str]:
    """Draw a made-up patient in words, and one look-alike to weigh against."""
    words = textbook_words()
    told = draw_told(condition, rng)
    seen = draw_seen(condition, rng)
    other = by_id()[rng.choice(condition.look_alikes)]
    return {
        "person": _person(told),
        "picture": _image_words(seen, rng),
        "itch": words["itch"][told["itch"]],
        "pain": words["pain"][told["pain"]],
        "site": told["site"],
        "duration": told["duration"],
        "course": words["courses"][told["course"]],
        "trigger": words["triggers"][told["trigger"]],
        "arrangement": seen["arrangement"],
        "border": seen["border"],
        "findings": _findings(seen, rng),
        "a_thing": "a rash" if told["complaint"] == "rash" else "a growth",
        "other": rng.choice(other.names),
        "other_signs": other.signs,
        "other_clue": other.clue,
    }


def _findings(seen: Mapping, rng: random.Random) -> str:
    """List all concepts that an image shows, in any order."""
    words = load_words()["clinical"]["findings"]
    found = [words[concept] for concept in seen["concepts"]]
    return join_words(rng.sample(found, len(found)))


def _person(told: Mapping) -> str:
    """Write age and sex: "an 8-year-old girl"."""
    age, is_adult = told["age"], told["age"] >= 18
    if told["sex"] == "female":
        noun = "woman" if is_adult else "girl"
    else:
        noun = "man" if is_adult else "boy"
    article = "an" if str(age)[0] == "8" or age in (11, 18) else "a"
    return f"{article} {age}-year-old {noun}"


def _image_words(seen: Mapping, rng: random.Random) -> str:
    """Write what an image shows: number, surface, colour, lesion, and at most two findings."""
    drawn = (
        seen["primary"].capitalize(),
        SURFACE_CONCEPTS.get(seen["surface"]),
        COLOUR_CONCEPTS[seen["colour"]],
    )
    findings = textbook_words()["findings"]
    more = [word.lower() for word in seen["concepts"] if word in findings and word not in drawn]
    extra = f" with {join_words(rng.sample(more, min(len(more), 2)))}" if more else ""
    surface = "" if seen["surface"] in ("smooth", "blistered") else f"{seen['surface']} "
    number, plural = "a single", ""
    if seen["number"] != "single":
        number, plural = seen["number"], textbook_words()["plurals"].get(seen["primary"], "s")
    return f"{number} {surface}{seen['colour']} {seen['primary']}{plural}{extra}"


def textbook_words() -> dict[str, Any]:  # nested tables of texts
    return load_sentences()["textbook"]


def say(template: str, condition: Condition, rng: random.Random, **more: str) -> str:
    """Fill one phrasing with facts of a condition; only what it names is drawn.

    A field with a capital letter gets its text with one. `more` are texts for fields of the
    caller, which go before those of the condition.
    """
    choices = _choices(condition, rng)
    filled = {}
    for field in re.findall(r"{(\w+)}", template):
        key = field.lower()
        if key in more:
            text = more[key]
        elif key in choices:
            text = choices[key]()
        else:  # a plain text of the condition
            text = getattr(condition, key)
        filled[field] = text if key == field else capital(text)
    return template.format(**filled)


def _choices(condition: Condition, rng: random.Random) -> dict[str, Callable[[], str]]:
    """Return functions that draw the text of a field, by field."""
    words = textbook_words()
    return {
        "any": lambda: rng.choice(condition.names),
        "synonym": lambda: rng.choice(condition.synonyms),
        "group": lambda: condition.skin_class.lower(),
        "one": lambda: rng.choice(condition.treatments),
        "remedy": lambda: rng.choice(_without_none(condition.treatments)),
        "symptoms": lambda: join_words(rng.sample(condition.symptoms, 2)),
        "treatments": lambda: _some(condition.treatments, rng),
        "tests": lambda: _some(_without_none(condition.tests), rng),
        "site": lambda: rng.choice(condition.sites),
        "sites": lambda: _some([f"the {site}" for site in condition.sites], rng),
        "ages": lambda: join_words([words["people"][age] for age in condition.ages]),
        "itch": lambda: words["itch"][rng.choice(condition.itch)],
        "duration": lambda: rng.choice(condition.durations),
        "pain": lambda: words["pain"][rng.choice(condition.pain)],
        "trigger": lambda: words["triggers"][rng.choice(condition.triggers)],
        "others": lambda: _some([by_id()[other].name for other in condition.look_alikes], rng),
    }


def _without_none(texts: Sequence[str]) -> list[str]:
    """Leave out "no treatment" and the like."""
    return [text for text in texts if not text.startswith("no ")]


def _some(items: Sequence[str], rng: random.Random) -> str:
    """Draw one to three of the items, joined in words."""
    return join_words(rng.sample(items, rng.randint(1, min(3, len(items)))))
