"""Write exercise sheets of worked items in one form, to pre-train the pocket's language model on.

A sheet draws its own form (names and marks of the fields, gaps, a field that never changes), its
own task and its own way of answering, and keeps to them. Later items often ask again what an
earlier one asked, in the same or in other words, and have its answer. They are meant to teach going
by the examples: keeping to their form, ending where they end, and looking for the one that is most
alike; a model this small learns the first two at most. Many words are invented on the spot: they
can only be copied, not known. No sheet has the wording of a prompt of the lab or of the clinic's
doctors.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from helpers.pocket.conditions import Condition, body_sites, capital, load_conditions
from helpers.pocket.phrases import patient_words, say

PATH = Path(__file__).with_name("exercises.yaml")
# How often an item asks again for what an earlier item of its sheet asked for: where only the sheet
# knows the answer, and where more is learnt from another condition.
AGAIN = 0.55
SELDOM_AGAIN = 0.2
# How often it does so in the very same words.
SAME_WORDS = 0.3
# The parts of invented syllables; "" is none, more than once where it is to be more frequent.
CONSONANTS = "b bl c ch d dr f fl g gr h j k kl l m n p ph pr qu r s sh sk st t th tr v w x y z"
ONSETS = [*CONSONANTS.split(), ""]
VOWELS = ["a", "e", "i", "o", "u", "ai", "au", "ea", "ee", "ia", "io", "ou", "oo", "y"]
ENDINGS = "b d l m n ng nt r rm s sis st th x"
CODAS = ["", "", "", *ENDINGS.split()]

# What an item asks about: a condition, or a text.
Key = Condition | str


@dataclass(frozen=True)
class _Task:
    """What can be asked about, how it is asked, and what is answered."""

    keys: Sequence[Key]
    ask: Callable[[Any], str]  # takes one of the keys, as `solve` does
    solve: Callable[[Any], str]
    again: float = AGAIN


def sheets(*, seed: int = 0, count: int) -> list[str]:
    """Write `count` sheets of some 150 words each, the same for a seed.

    A larger `count` begins with the same ones.
    """
    rng = random.Random(f"exercises/{seed}")
    return [_sheet(rng) for _ in range(count)]


def _sheet(rng: random.Random) -> str:
    """Write one to seven items of one task; what is asked again has the same answer."""
    tasks = (_cases, _findings, _facts, _sites, _inventions, _copies)
    make_task = rng.choices(tasks, (38, 30, 8, 10, 10, 4))[0]
    task = make_task(rng)
    write_item, between = _form(rng)
    write_answer = _style(rng)
    asked: dict[Key, str] = {}
    answers: dict[Key, str] = {}
    items = []
    for _ in range(rng.randint(1, 7)):
        repeats = bool(asked) and rng.random() < task.again
        key = rng.choice(list(asked)) if repeats else rng.choice(task.keys)
        if key not in asked or rng.random() > SAME_WORDS:
            asked[key] = task.ask(key)
        if key not in answers:
            answers[key] = write_answer(task.solve(key), key)
        items.append(write_item(asked[key], answers[key]))
    opening = [_opening(rng)] if rng.random() < 0.4 else []
    return between.join(["\n\n".join([*opening, items[0]]), *items[1:]])


def _cases(rng: random.Random) -> _Task:
    """Ask which condition a made-up patient has; the same condition has other complaints later."""
    return _named(rng, _words()["complaints"])


def _findings(rng: random.Random) -> _Task:
    """Ask which condition shows all that is found on a made-up patient's skin."""
    return _named(rng, _words()["findings"])


def _named(rng: random.Random, templates: Sequence[str]) -> _Task:
    """Ask for the condition of made-up patients."""
    some = rng.sample(load_conditions(), 6)
    synonym = rng.random() < 0.3

    def ask(condition: Condition) -> str:
        return _complaint(rng, condition, templates)

    def solve(condition: Condition) -> str:
        return rng.choice(condition.names) if synonym else condition.name

    return _Task(some, ask, solve, SELDOM_AGAIN)


def _facts(rng: random.Random) -> _Task:
    """Ask for one kind of fact about some conditions."""
    wanted = rng.choice(list(_words()["facts"]))
    questions = _words()["facts"][wanted]

    def ask(condition: Condition) -> str:
        return say(rng.choice(questions), condition, rng)

    def solve(condition: Condition) -> str:
        return say(f"{{{wanted}}}", condition, rng)

    return _Task(rng.sample(load_conditions(), 6), ask, solve)


def _sites(rng: random.Random) -> _Task:
    """Tell complaints whose site decides, by a rule of this sheet that no textbook knows."""
    sites = body_sites()
    names = [_name(rng) for _ in range(rng.randint(2, 4))]
    templates = [text for text in _words()["complaints"] if "site}" in text]

    def ask(site: str) -> str:
        return _complaint(rng, rng.choice(load_conditions()), templates, site=site)

    return _Task(rng.sample(sites, 6), ask, lambda site: rng.choice(names))


def _inventions(rng: random.Random) -> _Task:
    """Ask for the partner of an invented word: another one, or the name of a condition."""
    names = [_name(rng) for _ in range(rng.randint(2, 6))]

    def ask(key: str) -> str:
        template = rng.choice(_words()["invented"])
        condition = rng.choice(load_conditions())
        return say(template, condition, rng, key=key, w1=_some_words(rng), w2=_some_words(rng))

    return _Task([_some_words(rng) for _ in range(6)], ask, lambda key: rng.choice(names))


def _copies(rng: random.Random) -> _Task:
    """Ask for the question itself, word for word."""
    texts = []
    for _ in range(6):
        if rng.random() < 0.3:
            texts.append(_complaint(rng, rng.choice(load_conditions())))
        else:
            texts.append(_row(rng, 1, 6))
    return _Task(texts, lambda text: text, lambda text: text)


def _complaint(
    rng: random.Random,
    condition: Condition,
    templates: Sequence[str] | None = None,
    **fixed: str,
) -> str:
    """Write what a made-up patient with the condition complains of; `fixed` words are given."""
    patient = patient_words(condition, rng) | fixed
    return say(rng.choice(templates or _words()["complaints"]), condition, rng, **patient)


def _style(rng: random.Random) -> Callable[[str, Key], str]:
    """Draw how a sheet answers: known or invented ways, at times several, at times with advice."""
    styles = [_way_to_answer(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    advised = rng.choice((0, 0, 0.3, 1))

    def write_answer(text: str, key: Key) -> str:
        answer = rng.choice(styles).format(x=text, X=capital(text))
        if not isinstance(key, str) and rng.random() < advised:
            return f"{answer.rstrip('.')}. {say(rng.choice(_words()['advice']), key, rng)}"
        return answer

    return write_answer


def _way_to_answer(rng: random.Random) -> str:
    """Draw a template around the answer, one of `styles` or in invented words."""
    if rng.random() < 0.6:
        return rng.choice(_words()["styles"])
    before, after = (_invent_words(rng, rng.choice((0, 1, 1, 2))) for _ in range(2))
    return capital(f"{before} {{x}} {after}".strip()) + rng.choice(("", ".", ".", "!", "?"))


def _form(rng: random.Random) -> tuple[Callable[[str, str], str], str]:
    """Draw how an item of the sheet is written, and what stands between two items."""
    words = _words()
    inner, between = rng.choice(words["gaps"])
    if rng.random() < 0.6:
        names = rng.choice(words["fields"])
    else:
        names = [capital(_invent(rng)) for _ in range(2)]
    mark = rng.choice(words["marks"])
    head = ""
    if rng.random() < 0.7:
        known = rng.random() < 0.6
        name = rng.choice(words["constants"]["names"]) if known else capital(_some_words(rng))
        text = rng.choice(words["constants"]["texts"]) if known else _row(rng, 2, 6)
        head = mark.format(name=name) + text + inner
    before_question, before_answer = (mark.format(name=name) for name in names)

    def write_item(question: str, answer: str) -> str:
        return f"{head}{before_question}{question}{inner}{before_answer}{answer}"

    return write_item, between


def _opening(rng: random.Random) -> str:
    """Write a sentence about the sheet, or one in invented words."""
    if rng.random() < 0.5:
        return " ".join(rng.sample(_words()["openings"], rng.randint(1, 2)))
    return capital(_row(rng, 3, 10)) + "."


def _name(rng: random.Random) -> str:
    """Draw what an arbitrary rule may answer: a condition, or invented words."""
    if rng.random() < 0.5:
        return rng.choice(rng.choice(load_conditions()).names)
    return _some_words(rng)


def _some_words(rng: random.Random) -> str:
    return _invent_words(rng, rng.choice((1, 1, 1, 2)))


def _row(rng: random.Random, fewest: int, most: int) -> str:
    return _invent_words(rng, rng.randint(fewest, most))


def _invent_words(rng: random.Random, count: int) -> str:
    return " ".join(_invent(rng) for _ in range(count))


def _invent(rng: random.Random) -> str:
    """Invent a word: one to three syllables, at times with a number."""
    syllables = [_syllable(rng) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    word = "".join(syllables)
    return word + str(rng.randint(1, 99)) if rng.random() < 0.04 else word


def _syllable(rng: random.Random) -> str:
    return rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)


@lru_cache
def _words() -> dict[str, Any]:  # nested tables of texts
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))
