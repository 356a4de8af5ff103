"""Exercise sheets: documents of a few worked items in one form, to pre-train the pocket's language
model on.

A sheet draws its own form (names and marks of the fields, gaps, a field that never changes), its
own task and its own way of answering, and keeps to them. Later items often ask again what an
earlier one asked, in the same or in other words, and have its answer. They are meant to teach going
by the examples: keeping to their form, ending where they end, and looking for the one that is most
alike; a model this small learns the first two at most. Many words are invented on the spot: they
can only be copied, not known. No sheet has the wording of a prompt of the lab or of the clinic's
doctors.
"""

import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import yaml

from helpers.pocket.conditions import load_conditions
from helpers.pocket.textbook import capital, patient_words, say

PATH = Path(__file__).with_name("exercises.yaml")
# How often an item asks again for what an earlier one of its sheet asked for, and in the very same
# words.
AGAIN, SAME_WORDS = 0.55, 0.3
ONSETS = [
    "b",
    "bl",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "ph",
    "pr",
    "qu",
    "r",
    "s",
    "sh",
    "sk",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "x",
    "y",
    "z",
] + [""]
VOWELS = ["a", "e", "i", "o", "u", "ai", "au", "ea", "ee", "ia", "io", "ou", "oo", "y"]
CODAS = ["", "", "", *["b", "d", "l", "m", "n", "ng", "nt", "r", "rm", "s", "sis", "st", "th", "x"]]


def sheets(*, seed: int = 0, count: int) -> list[str]:
    """`count` sheets of some 150 words each, the same for a seed; a larger `count` begins with the
    same ones.
    """
    rng = random.Random(f"exercises/{seed}")
    return [_sheet(rng) for _ in range(count)]


def _sheet(rng: random.Random) -> str:
    """One to seven items of one task in one form; what is asked again is answered again with the
    same words.
    """
    keys, ask, solve = rng.choices(
        (_cases, _facts, _sites, _inventions, _copies), (55, 10, 15, 15, 5)
    )[0](rng)
    item, between, style = *_form(rng), _style(rng)
    asked, answers, items = {}, {}, []
    for _ in range(rng.randint(1, 7)):
        key = rng.choice(list(asked)) if asked and rng.random() < AGAIN else rng.choice(keys)
        if key not in asked or rng.random() > SAME_WORDS:
            asked[key] = ask(key)
        if key not in answers:
            answers[key] = style(solve(key), key)
        items.append(item(asked[key], answers[key]))
    opening = [_opening(rng)] if rng.random() < 0.4 else []
    return between.join(["\n\n".join([*opening, items[0]]), *items[1:]])


# Each task gives what can be asked about, how it is asked, and what is answered.


def _cases(rng: random.Random) -> tuple[list, Callable, Callable]:
    """Which condition a made-up patient has: a later patient with the same condition has other
    complaints.
    """
    some, synonym = rng.sample(load_conditions(), 6), rng.random() < 0.3
    return (
        some,
        lambda condition: _complaint(rng, condition),
        lambda condition: rng.choice(condition.names) if synonym else condition.name,
    )


def _facts(rng: random.Random) -> tuple[list, Callable, Callable]:
    """One kind of fact about some conditions."""
    wanted = rng.choice(list(_words()["facts"]))
    questions = _words()["facts"][wanted]
    return (
        rng.sample(load_conditions(), 6),
        lambda condition: say(rng.choice(questions), condition, rng),
        lambda condition: say(f"{{{wanted}}}", condition, rng),
    )


def _sites(rng: random.Random) -> tuple[list, Callable, Callable]:
    """Complaints whose site decides, by a rule of this sheet that no textbook knows."""
    sites = sorted({site for condition in load_conditions() for site in condition.sites})
    names = [_name(rng) for _ in range(rng.randint(2, 4))]
    templates = [text for text in _words()["complaints"] if "site}" in text]
    return (
        rng.sample(sites, 6),
        lambda site: _complaint(rng, rng.choice(load_conditions()), templates, site=site),
        lambda site: rng.choice(names),
    )


def _inventions(rng: random.Random) -> tuple[list, Callable, Callable]:
    """Invented words, each with a partner that is invented as well or the name of a condition."""
    names = [_name(rng) for _ in range(rng.randint(2, 6))]

    def ask(key: str) -> str:
        template, condition = rng.choice(_words()["invented"]), rng.choice(load_conditions())
        return say(template, condition, rng, key=key, w1=_some_words(rng), w2=_some_words(rng))

    return [_some_words(rng) for _ in range(6)], ask, lambda key: rng.choice(names)


def _copies(rng: random.Random) -> tuple[list, Callable, Callable]:
    """The answer is the question itself, word for word."""
    texts = [
        _complaint(rng, rng.choice(load_conditions())) if rng.random() < 0.3 else _row(rng, 1, 6)
        for _ in range(6)
    ]
    return texts, lambda text: text, lambda text: text


def _complaint(
    rng: random.Random, condition, templates: list[str] | None = None, **fixed: str
) -> str:
    patient = patient_words(condition, rng) | fixed
    return say(rng.choice(templates or _words()["complaints"]), condition, rng, **patient)


def _style(rng: random.Random) -> Callable:
    """How a sheet answers: one of the ways of `styles` or an invented one, at times several, at
    times with advice.
    """

    def one() -> str:
        if rng.random() < 0.6:
            return rng.choice(_words()["styles"])
        before, after = (
            " ".join(_invented(rng) for _ in range(rng.choice((0, 1, 1, 2)))) for _ in range(2)
        )
        return capital(f"{before} {{x}} {after}".strip()) + rng.choice(("", ".", ".", "!", "?"))

    styles = [one() for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    advised = rng.choice((0, 0, 0.3, 1))

    def style(text: str, key) -> str:
        answer = rng.choice(styles).format(x=text, X=capital(text))
        if not isinstance(key, str) and rng.random() < advised:
            return f"{answer.rstrip('.')}. {say(rng.choice(_words()['advice']), key, rng)}"
        return answer

    return style


def _form(rng: random.Random) -> tuple[Callable, str]:
    """How an item of the sheet is written, and what stands between two items."""
    words, (inner, between) = _words(), rng.choice(_words()["gaps"])
    names = (
        rng.choice(words["fields"])
        if rng.random() < 0.6
        else [capital(_invented(rng)) for _ in range(2)]
    )
    mark, head = rng.choice(words["marks"]), ""
    if rng.random() < 0.7:
        known = rng.random() < 0.6
        name = rng.choice(words["constants"]["names"]) if known else capital(_some_words(rng))
        text = rng.choice(words["constants"]["texts"]) if known else _row(rng, 2, 6)
        head = mark.format(name=name) + text + inner

    def item(question: str, answer: str) -> str:
        return f"{head}{mark.format(name=names[0])}{question}{inner}{mark.format(name=names[1])}{answer}"

    return item, between


def _opening(rng: random.Random) -> str:
    """A sentence about the sheet, or one in invented words."""
    if rng.random() < 0.5:
        return " ".join(rng.sample(_words()["openings"], rng.randint(1, 2)))
    return capital(_row(rng, 3, 10)) + "."


def _name(rng: random.Random) -> str:
    """What an arbitrary rule may answer: a condition, or invented words."""
    return (
        rng.choice(rng.choice(load_conditions()).names) if rng.random() < 0.5 else _some_words(rng)
    )


def _some_words(rng: random.Random) -> str:
    return " ".join(_invented(rng) for _ in range(rng.choice((1, 1, 1, 2))))


def _row(rng: random.Random, fewest: int, most: int) -> str:
    return " ".join(_invented(rng) for _ in range(rng.randint(fewest, most)))


def _invented(rng: random.Random) -> str:
    """A word that nobody knows: one to three syllables, at times with a number."""
    syllables = rng.choice((1, 1, 2, 2, 3))
    word = "".join(
        rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(syllables)
    )
    return word + str(rng.randint(1, 99)) if rng.random() < 0.04 else word


@lru_cache
def _words() -> dict:
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))
