"""Textbook prose about the conditions of the pocket clinic, to pre-train its tiny language models
on.

It knows the words and how they hang together (complaint, image, condition, treatment), but
neither a case of the clinic nor the way its doctors answer: that is left for fine-tuning to teach.
"""

import random
import re
from collections.abc import Sequence

from helpers.pocket.conditions import (
    COLOUR_CONCEPTS,
    SURFACE_CONCEPTS,
    Condition,
    by_id,
    compatible,
    draw_told,
    load_conditions,
    load_sentences,
)
from helpers.pocket.lesions import draw_seen


def passages(*, seed: int = 0, count: int) -> list[str]:
    """`count` paragraphs of some 70 words each, the same for a seed; a larger `count` begins with
    the same ones.
    """
    kinds = (
        _monograph,
        _vignette,
        _comparison,
        _by_complaint,
        _by_site,
        _by_treatment,
        _by_finding,
        _everyday,
    )
    weights = (30, 34, 12, 6, 6, 5, 5, 2)
    rng = random.Random(f"textbook/{seed}")
    return [rng.choices(kinds, weights)[0](rng) for _ in range(count)]


def _monograph(rng: random.Random) -> str:
    """Some facts of one condition: usually the definition first, the others in any order."""
    condition = rng.choice(load_conditions())
    facts = _words()["facts"]
    kinds = rng.sample(list(facts), rng.randint(5, 8))
    if rng.random() < 0.7:
        kinds = ["definition"] + [kind for kind in kinds if kind != "definition"]
    # The first sentence has to say what all the others call "it".
    first = rng.choice([text for text in facts[kinds[0]] if "ame}" in text or "{any}" in text])
    return " ".join(
        [say(first, condition, rng), *(_fact(kind, condition, rng) for kind in kinds[1:])]
    )


def _vignette(rng: random.Random) -> str:
    """One patient in textbook manner, with what followed and at times with general remarks."""
    condition = rng.choice(load_conditions())
    words, patient = _words(), patient_words(condition, rng)
    templates = [
        rng.choice(words["vignettes"]),
        *rng.sample(words["follow_ups"], rng.randint(1, 3)),
    ]
    sentences = [say(template, condition, rng, **patient) for template in templates]
    if rng.random() < 0.5:
        sentences.append(_fact(rng.choice(list(words["facts"])), condition, rng))
    return " ".join(sentences)


def patient_words(condition: Condition, rng: random.Random) -> dict[str, str]:
    """A made-up patient in words, and one look-alike to weigh against."""
    words, told, seen = _words(), draw_told(condition, rng), draw_seen(condition, rng)
    sexes = ("girl", "woman") if told["sex"] == "female" else ("boy", "man")
    vowel = "n" if str(told["age"])[0] == "8" or told["age"] in (11, 18) else ""
    other = by_id()[rng.choice(condition.look_alikes)]
    return {
        "person": f"a{vowel} {told['age']}-year-old {sexes[told['age'] >= 18]}",
        "picture": _image_words(seen, rng),
        "itch": words["itch"][told["itch"]],
        "pain": words["pain"][told["pain"]],
        "site": told["site"],
        "duration": told["duration"],
        "course": words["courses"][told["course"]],
        "trigger": words["triggers"][told["trigger"]],
        "arrangement": seen["arrangement"],
        "a_thing": "a rash" if told["complaint"] == "rash" else "a growth",
        "other": rng.choice(other.names),
        "other_signs": other.signs,
        "other_clue": other.clue,
    }


def _image_words(seen: dict, rng: random.Random) -> str:
    """What an image shows: number, surface, colour and lesion, with at most two findings more."""
    drawn = (
        seen["primary"].capitalize(),
        SURFACE_CONCEPTS.get(seen["surface"]),
        COLOUR_CONCEPTS[seen["colour"]],
    )
    more = [
        word.lower()
        for word in seen["concepts"]
        if word in _words()["findings"] and word not in drawn
    ]
    extra = f" with {_list(rng.sample(more, min(len(more), 2)))}" if more else ""
    surface = "" if seen["surface"] in ("smooth", "blistered") else seen["surface"] + " "
    single = seen["number"] == "single"
    ending = "" if single else _words()["plurals"].get(seen["primary"], "s")
    return f"{'a single' if single else seen['number']} {surface}{seen['colour']} {seen['primary']}{ending}{extra}"


def _comparison(rng: random.Random) -> str:
    """Two conditions that look alike, and what tells them apart."""
    first = rng.choice(load_conditions())
    second = by_id()[rng.choice(first.look_alikes)]
    opening = rng.choice(
        (
            f"{capital(first.name)} and {second.name} can look alike.",
            f"How is {first.name} told from {second.name}?",
            f"The distinction between {rng.choice(first.names)} and {rng.choice(second.names)} "
            "matters for treatment.",
            f"{capital(rng.choice(first.names))} may be mistaken for {second.name}.",
        )
    )
    kinds = rng.sample(
        ("signs", "clue", "symptoms", "cause", "sites", "treatment", "feeling"), rng.randint(2, 3)
    )
    frame, sentences = rng.choice(("In", "With", "As for")), []
    for kind in kinds:
        # After "In eczema," a sentence must neither name the disease again nor say "it".
        texts = [
            text
            for text in _words()["facts"][kind]
            if "ame}" not in text and "{any}" not in text and not text.startswith("It ")
        ]
        for condition in (first, second):
            text = say(rng.choice(texts), condition, rng)
            sentences.append(f"{frame} {condition.name}, {text[0].lower()}{text[1:]}")
    return " ".join([opening, *sentences])


def _by_complaint(rng: random.Random) -> str:
    """Which conditions fit some told facts, and one of them more closely."""
    phrases, told = _words(), draw_told(rng.choice(load_conditions()), rng)
    keys = rng.sample(("site", "itch", "pain", "trigger", "duration", "age"), 2)
    ids = compatible({key: told[key] for key in keys})
    words = {
        "site": f"a problem on the {told['site']}",
        "age": f"an age of {told['age']} years",
        "itch": phrases["itch"][told["itch"]],
        "pain": phrases["pain"][told["pain"]],
        "trigger": f"an onset after {phrases['triggers'][told['trigger']]}",
        "duration": f"a duration of {told['duration']}",
    }
    complaint = f"{words[keys[0]]} and {words[keys[1]]}"
    names = [by_id()[name].name for name in rng.sample(ids, min(len(ids), 5))]
    opening = rng.choice(
        (
            f"{capital(complaint)} occur together in {_list(names)}.",
            f"The combination of {complaint} fits {_list(names)}.",
            f"Several conditions explain {complaint}, among them {_list(names)}.",
        )
    )
    closer = by_id()[rng.choice(ids)]
    return " ".join(
        [
            opening,
            *(_fact(kind, closer, rng) for kind in ("definition", "signs", "clue", "treatment")),
        ]
    )


def _by_site(rng: random.Random) -> str:
    """What is common at one body site."""
    site = rng.choice(sorted({site for condition in load_conditions() for site in condition.sites}))
    here = [condition for condition in load_conditions() if site in condition.sites]
    here = rng.sample(here, min(len(here), 4))
    opening = rng.choice(
        (
            f"The {site} is a common site of {_list([c.name for c in here])}.",
            f"On the {site} one meets {_list([c.name for c in here])}.",
            f"Problems of the {site} include {_list([rng.choice(c.names) for c in here])}.",
        )
    )
    details = [
        f"{capital(c.name)} shows {c.signs}."
        if rng.random() < 0.5
        else f"{capital(c.clue)} would speak for {rng.choice(c.names)}."
        for c in here
    ]
    return " ".join([opening, *details])


def _by_treatment(rng: random.Random) -> str:
    """One remedy and what it is used for."""
    condition = rng.choice(load_conditions())
    remedy = rng.choice(condition.treatments)
    users = [c.name for c in load_conditions() if remedy in c.treatments]
    opening = rng.choice(
        (
            f"{capital(remedy)} is used in {_list(users)}.",
            f"In {_list(users)}, doctors recommend {remedy}.",
            f"{capital(_list(users))}: here {remedy} belongs to the standard of care.",
        )
    )
    kinds = ["definition", *rng.sample(("outlook", "tests", "cause", "signs"), 2)]
    return " ".join(
        [opening, *(_fact(kind, condition, rng) for kind in kinds), rng.choice(_words()["common"])]
    )


def _by_finding(rng: random.Random) -> str:
    """What a finding is, and in which conditions it is seen."""
    finding = rng.choice(list(_words()["findings"]))
    having = [condition for condition in load_conditions() if finding in condition.concepts]
    meaning, word = _words()["findings"][finding], finding.lower()
    opening = rng.choice(
        (
            f"{finding} means {meaning}.",
            f"In dermatology, {meaning} is called {word}.",
            f"The word {word} describes {meaning}.",
        )
    )
    some = rng.sample(having, min(len(having), 4))
    where = rng.choice(
        ("It is seen in {}.", "Conditions with it are {}.", "It belongs to the picture of {}.")
    )
    about = [f"In {some[0].name}, the skin shows {some[0].signs}.", _fact("clue", some[0], rng)]
    return " ".join(
        [
            opening,
            where.format(_list([c.name for c in some])),
            *about,
            rng.choice(_words()["common"]),
        ]
    )


def _everyday(rng: random.Random) -> str:
    return " ".join(rng.sample(_words()["common"], 4))


def _words() -> dict:
    return load_sentences()["textbook"]


def _fact(kind: str, condition: Condition, rng: random.Random) -> str:
    """One fact of a condition in one of its phrasings."""
    return say(rng.choice(_words()["facts"][kind]), condition, rng)


def say(template: str, condition: Condition, rng: random.Random, **more: str) -> str:
    """Fill one phrasing with facts of a condition; only what it names is drawn."""
    words = _words()
    values = {
        "any": lambda: rng.choice(condition.names),
        "synonym": lambda: rng.choice(condition.synonyms),
        "group": lambda: condition.skin_class.lower(),
        "one": lambda: rng.choice(condition.treatments),
        "remedy": lambda: rng.choice(
            [text for text in condition.treatments if not text.startswith("no ")]
        ),
        "symptoms": lambda: _list(rng.sample(condition.symptoms, 2)),
        "treatments": lambda: _some(condition.treatments, rng),
        "tests": lambda: _some(
            [text for text in condition.tests if not text.startswith("no ")], rng
        ),
        "site": lambda: rng.choice(condition.sites),
        "sites": lambda: _some([f"the {site}" for site in condition.sites], rng),
        "ages": lambda: _list([words["people"][age] for age in condition.ages]),
        "itch": lambda: words["itch"][rng.choice(condition.itch)],
        "duration": lambda: rng.choice(condition.durations),
        "pain": lambda: words["pain"][rng.choice(condition.pain)],
        "trigger": lambda: words["triggers"][rng.choice(condition.triggers)],
        "others": lambda: _some([by_id()[other].name for other in condition.look_alikes], rng),
    } | {key: lambda value=value: value for key, value in more.items()}
    filled = {}
    for field in re.findall(r"{(\w+)}", template):
        key = field.lower()
        # What is no choice is a plain text of the condition.
        text = values[key]() if key in values else getattr(condition, key)
        filled[field] = text if key == field else capital(text)
    return template.format(**filled)


def _some(items: Sequence[str], rng: random.Random) -> str:
    """One to three of the items, as a list in words."""
    return _list(rng.sample(items, rng.randint(1, min(3, len(items)))))


def _list(items: list[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
