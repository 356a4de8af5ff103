"""What a captioner may say of a drawn image: brief everyday words, clinical sentences, and
answers to questions.

Texts are made from the facts that an image was drawn from, and can be read back into facts. They
name what is seen, never a diagnosis. The words stand in `descriptions.yaml`.
"""

import random
import re
from functools import lru_cache
from pathlib import Path

import yaml

from helpers.pocket.conditions import COLOUR_CONCEPTS, SURFACE_CONCEPTS, capitals, load_conditions

PATH = Path(__file__).with_name("descriptions.yaml")
STYLES = ("lay", "clinical")
# Concepts that an adjective of the first sentence names already.
BY_SURFACE = ("scaly", "crusted", "warty")


def describe(seen: dict, view: dict, *, site: str, style: str, rng: random.Random) -> str:
    """Describe one image.

    Args:
        seen: the facts it was drawn from, as `lesions.draw_seen` gives them.
        view: how it was photographed: distance, light, sharpness, hair, as `lesions.view` gives
            them.
        site: the body site that it shows.
        style: "lay" (one brief phrase after `prefix()`, lower case) or "clinical" (40 to 70 words).
        rng: decides the wording and nothing else.
    """
    return _lay(seen, view, site, rng) if style == "lay" else _clinical(seen, view, site, rng)


def prefix() -> str:
    """The words that every lay description begins with."""
    return load_words()["prefix"]


def questions(seen: dict, view: dict, *, site: str, rng: random.Random) -> list[tuple[str, str]]:
    """One question and its answer for every attribute that can be asked for, in any order."""
    values = _values(seen, view, site, rng)
    entries = load_words()["questions"].values()
    pairs = [(rng.choice(entry["ask"]), entry["answer"].format(**values)) for entry in entries]
    rng.shuffle(pairs)
    return pairs


def prompts() -> list[str]:
    """The short requests that a clinical description answers."""
    return load_words()["descriptions"]


def read_back(text: str, style: str) -> dict:
    """The facts that a description states: fact -> value, the first one named; `concepts` is a set."""
    text, found = text.lower(), {}
    for fact, (pattern, values) in _readers(style).items():
        if match := pattern.search(text):
            found[fact] = values[match.group(0)]
    if style == "clinical":
        pattern, values = _finding_reader()
        found["concepts"] = {values[word] for word in pattern.findall(text)} | _stated(found)
    return found


@lru_cache
def load_words(path: Path = PATH) -> dict:
    """All word tables and sentences of the file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def sites() -> list[str]:
    """All body sites of the clinic, in the order of the alphabet."""
    return sorted({site for condition in load_conditions() for site in condition.sites})


def _lay(seen: dict, view: dict, site: str, rng: random.Random) -> str:
    words = load_words()["lay"]
    adjectives = [words["surface"][seen["surface"]]] if rng.random() < 0.5 else []
    adjectives.append(words["colour"][seen["colour"]])
    lesions = " ".join(
        [rng.choice(words["number"][seen["number"]]), *adjectives, _noun(words, seen)]
    )
    near = f"{words['close']} " if view["distance"] == "close" and rng.random() < 0.5 else ""
    return f"{prefix()} {near}{rng.choice(words['sentences']).format(lesions=lesions, site=site)}"


def _clinical(seen: dict, view: dict, site: str, rng: random.Random) -> str:
    words, values = load_words()["clinical"], _values(seen, view, site, rng)
    sentences = words["sentences"]
    chosen = [rng.choice(words["main"])]
    for kind in rng.choice(words["orders"]):
        chosen.append(
            rng.choice(
                sentences["nothing" if kind == "findings" and not values["findings"] else kind]
            )
        )
    return " ".join([text.format(**values) for text in chosen] + [rng.choice(words["endings"])])


def _values(seen: dict, view: dict, site: str, rng: random.Random) -> dict[str, str]:
    """The clinical words for all facts of one image, by field name; under a capital key with a
    capital letter.
    """
    words, single = load_words()["clinical"], seen["number"] == "single"
    plain = {
        fact: words[fact][seen[fact]]
        for fact in ("arrangement", "surface", "colour", "border", "skin_tone")
    }
    plain |= {fact: words[fact][view[fact]] for fact in ("hair", "light", "sharpness", "distance")}
    further = _further(seen)
    plain |= {
        "site": site,
        "primary": _noun(words, seen),
        "number": rng.choice(words["number"][seen["number"]]),
        "verb": "is" if single else "are",
        "their": "its" if single else "their",
        "them": "it" if single else "them",
        "findings": _list(
            [word for concept, word in words["findings"].items() if concept in further]
        ),
        "count": words["count"][seen["number"]],
    }
    alone = (
        single and seen["arrangement"] != "ring"
    )  # one lesion has no arrangement, unless it is a ring itself
    plain["arrangement"] = words["arrangement"]["isolated"] if alone else plain["arrangement"]
    arranged = "" if alone else plain["arrangement"]
    adjectives = [
        arranged,
        plain["surface"],
        plain["colour"],
        words["tinge"].get(seen["colour"], ""),
    ]
    plain["lesions"] = f"{plain['number']} {', '.join(filter(None, adjectives))} {plain['primary']}"
    answers = capitals(plain)
    answers["Findings"] = answers["Findings"] or "Nothing else"
    return plain | answers


def _further(seen: dict) -> list[str]:
    """The concepts that the first sentence does not name: neither lesion, colour nor such a
    surface.
    """
    named = {seen["primary"].capitalize(), COLOUR_CONCEPTS[seen["colour"]]}
    if seen["surface"] in BY_SURFACE:
        named.add(SURFACE_CONCEPTS[seen["surface"]])
    return [concept for concept in seen["concepts"] if concept not in named]


def _noun(words: dict, seen: dict) -> str:
    one, more = words["primary"][seen["primary"]]
    return one if seen["number"] == "single" else more


def _list(items: list[str]) -> str:
    """a, b and c."""
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else "".join(items)


@lru_cache
def _readers(style: str) -> dict[str, tuple[re.Pattern, dict]]:
    """How each fact is found in a text: a pattern of all its words, and word -> value."""
    tables = {
        fact: table
        for fact, table in load_words()[style].items()
        if isinstance(table, dict) and fact not in ("findings", "sentences", "tinge", "count")
    }
    return {
        fact: _reader(table)
        for fact, table in (tables | {"site": {site: site for site in sites()}}).items()
    }


@lru_cache
def _finding_reader() -> tuple[re.Pattern, dict]:
    return _reader(load_words()["clinical"]["findings"])


def _reader(table: dict) -> tuple[re.Pattern, dict]:
    """A pattern that takes the longest word where several fit, as "dark red" before "red"."""
    values = {
        word: value
        for value, words in table.items()
        for word in ([words] if isinstance(words, str) else words)
    }
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b"), values


def _stated(found: dict) -> set[str]:
    """The concepts that lesion, colour and surface of the first sentence stand for."""
    stated = {found["primary"].capitalize()} if "primary" in found else set()
    if "colour" in found:
        stated.add(COLOUR_CONCEPTS[found["colour"]])
    if found.get("surface") in BY_SURFACE:
        stated.add(SURFACE_CONCEPTS[found["surface"]])
    return stated
