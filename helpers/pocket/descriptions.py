"""Write captions of a drawn image, brief or clinical, questions about it with answers, and legends.

Texts are made from the facts that an image was drawn from, and can be read back into facts. They
name what is seen, never a diagnosis; only a legend may name that. The words stand in
`descriptions.yaml`.
"""

import random
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from helpers.pocket.conditions import Condition, body_sites, capitals, join_words
from helpers.pocket.vocabulary import COLOUR_CONCEPTS, SURFACE_CONCEPTS

PATH = Path(__file__).with_name("descriptions.yaml")
STYLES = ("lay", "clinical")
# Concepts that an adjective of the first sentence names already.
BY_SURFACE = ("scaly", "crusted", "warty")


def describe(seen: Mapping, view: Mapping, *, site: str, style: str, rng: random.Random) -> str:
    """Describe one image.

    Args:
        seen: the facts it was drawn from, as `lesions.draw_seen` gives them.
        view: how it was photographed, as `skin.view` gives it.
        site: the body site that it shows.
        style: "lay" (one brief phrase after `prefix()`, lower case) or "clinical" (40 to 70 words).
        rng: decides the wording and nothing else.
    """
    return _lay(seen, view, site, rng) if style == "lay" else _clinical(seen, view, site, rng)


def prefix() -> str:
    """Return the words that every lay description begins with."""
    return load_words()["prefix"]


def questions(
    seen: Mapping, view: Mapping, *, site: str, rng: random.Random
) -> list[tuple[str, str]]:
    """Write one question and its answer for every attribute of an image, in random order."""
    values = _values(seen, view, site, rng)
    entries = load_words()["questions"].values()
    pairs = [(rng.choice(entry["ask"]), entry["answer"].format(**values)) for entry in entries]
    rng.shuffle(pairs)
    return pairs


def legend(
    condition: Condition, site: str, *, named: bool, general: bool, rng: random.Random
) -> tuple[str, str]:
    """Write a request and the legend of a figure.

    Args:
        named: whether the legend names the condition.
        general: whether the request asks for anything that can be seen, not for a legend.
    """
    words = load_words()["legends"]
    name = condition.name if rng.random() < 0.7 else rng.choice(condition.names)
    text = rng.choice(words["named"] if named else words["unnamed"])
    ask = rng.choice(words["ask_generally" if general else "ask"])
    return ask, text.format(site=site, name=name, **capitals({"name": name}))


def prompts() -> list[str]:
    """Return the short requests that a clinical description answers."""
    return load_words()["descriptions"]


def read_back(text: str, style: str) -> dict[str, Any]:  # texts, and a set of concepts
    """Read the facts that a description states: {fact: value, the first one named}.

    A clinical description also gives `concepts`, a set.
    """
    text = text.lower()
    found: dict[str, Any] = {}
    for fact, (pattern, values) in _readers(style).items():
        if match := pattern.search(text):
            found[fact] = values[match.group(0)]
    if style == "clinical":
        pattern, values = _finding_reader()
        found["concepts"] = {values[word] for word in pattern.findall(text)} | _stated(found)
    return found


@lru_cache
def load_words(path: Path = PATH) -> dict[str, Any]:  # nested tables of texts
    """Load all word tables and sentences of the file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _lay(seen: Mapping, view: Mapping, site: str, rng: random.Random) -> str:
    words = load_words()["lay"]
    adjectives = [words["surface"][seen["surface"]]] if rng.random() < 0.5 else []
    adjectives.append(words["colour"][seen["colour"]])
    number = rng.choice(words["number"][seen["number"]])
    lesions = " ".join([number, *adjectives, _noun(words, seen)])
    near = f"{words['close']} " if view["distance"] == "close" and rng.random() < 0.5 else ""
    sentence = rng.choice(words["sentences"]).format(lesions=lesions, site=site)
    return f"{prefix()} {near}{sentence}"


def _clinical(seen: Mapping, view: Mapping, site: str, rng: random.Random) -> str:
    words, values = load_words()["clinical"], _values(seen, view, site, rng)
    chosen = [rng.choice(words["main"])]
    for kind in rng.choice(words["orders"]):
        if kind == "findings" and not values["findings"]:
            kind = "nothing"
        chosen.append(rng.choice(words["sentences"][kind]))
    sentences = [text.format(**values) for text in chosen]
    return " ".join([*sentences, rng.choice(words["endings"])])


def _values(seen: Mapping, view: Mapping, site: str, rng: random.Random) -> dict[str, str]:
    """Return the clinical words for all facts of one image, by field name.

    Under a name with a capital letter, the words have one too.
    """
    words, single = load_words()["clinical"], seen["number"] == "single"
    plain: dict[str, str] = {
        fact: words[fact][seen[fact]]
        for fact in ("arrangement", "surface", "colour", "border", "skin_tone")
    }
    plain |= {fact: words[fact][view[fact]] for fact in ("hair", "light", "sharpness", "distance")}
    further = _further(seen)
    findings = [word for concept, word in words["findings"].items() if concept in further]
    plain |= {
        "site": site,
        "primary": _noun(words, seen),
        "number": rng.choice(words["number"][seen["number"]]),
        "verb": "is" if single else "are",
        "their": "its" if single else "their",
        "them": "it" if single else "them",
        "findings": join_words(findings),
        "count": words["count"][seen["number"]],
    }
    adjectives = [plain["surface"], plain["colour"], words["tinge"].get(seen["colour"], "")]
    if single and seen["arrangement"] != "ring":  # one lesion has no other arrangement
        plain["arrangement"] = words["arrangement"]["isolated"]
    else:
        adjectives.insert(0, plain["arrangement"])
    plain["lesions"] = f"{plain['number']} {', '.join(filter(None, adjectives))} {plain['primary']}"
    answers = capitals(plain)
    answers["Findings"] = answers["Findings"] or "Nothing else"
    return plain | answers


def _further(seen: Mapping) -> list[str]:
    """List the concepts that the first sentence does not name: no lesion, colour or surface."""
    named = {seen["primary"].capitalize(), COLOUR_CONCEPTS[seen["colour"]]}
    if seen["surface"] in BY_SURFACE:
        named.add(SURFACE_CONCEPTS[seen["surface"]])
    return [concept for concept in seen["concepts"] if concept not in named]


def _noun(words: Mapping, seen: Mapping) -> str:
    one, more = words["primary"][seen["primary"]]
    return one if seen["number"] == "single" else more


@lru_cache
def _readers(style: str) -> dict[str, tuple[re.Pattern, dict]]:
    """Return how each fact is found in a text: a pattern of all its words, and {word: value}."""
    tables = {
        fact: table
        for fact, table in load_words()[style].items()
        if isinstance(table, dict) and fact not in ("findings", "sentences", "tinge", "count")
    }
    tables["site"] = {site: site for site in body_sites()}
    return {fact: _reader(table) for fact, table in tables.items()}


@lru_cache
def _finding_reader() -> tuple[re.Pattern, dict]:
    return _reader(load_words()["clinical"]["findings"])


def _reader(table: Mapping) -> tuple[re.Pattern, dict]:
    """Compile a pattern that prefers the longest word, as "dark red" before "red"."""
    values = {}
    for value, words in table.items():
        for word in [words] if isinstance(words, str) else words:
            values[word] = value
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b"), values


def _stated(found: Mapping) -> set[str]:
    """Return the concepts that lesion, colour and surface of the first sentence stand for."""
    stated = {found["primary"].capitalize()} if "primary" in found else set()
    if "colour" in found:
        stated.add(COLOUR_CONCEPTS[found["colour"]])
    if found.get("surface") in BY_SURFACE:
        stated.add(SURFACE_CONCEPTS[found["surface"]])
    return stated
