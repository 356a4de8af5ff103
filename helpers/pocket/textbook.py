"""Write textbook prose about the clinic's conditions, to pre-train its tiny language models on.

It knows the words and how they hang together (complaint, image, condition, treatment), but
neither a case of the clinic nor the way its doctors answer: that is left for fine-tuning to teach.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from helpers.pocket.conditions import (
    Condition,
    body_sites,
    by_id,
    capital,
    compatible,
    draw_told,
    join_words,
    load_conditions,
    load_sentences,
)
from helpers.pocket.lesions import draw_seen
from helpers.pocket.vocabulary import COLOUR_CONCEPTS, SURFACE_CONCEPTS


def passages(*, seed: int = 0, count: int) -> list[str]:
    """Write `count` paragraphs of some 70 words each, the same for a seed.

    A larger `count` begins with the same ones.
    """
    weights = {
        _monograph: 30,
        _vignette: 34,
        _comparison: 12,
        _by_complaint: 6,
        _by_site: 6,
        _by_treatment: 5,
        _by_finding: 5,
        _everyday: 2,
    }
    rng = random.Random(f"textbook/{seed}")
    texts = []
    for _ in range(count):
        write = rng.choices(list(weights), list(weights.values()))[0]
        texts.append(write(rng))
    return texts


def _monograph(rng: random.Random) -> str:
    """Write facts of one condition: usually the definition first, the others in any order."""
    condition = rng.choice(load_conditions())
    facts = _words()["facts"]
    kinds = rng.sample(list(facts), rng.randint(5, 8))
    if rng.random() < 0.7:
        kinds = ["definition"] + [kind for kind in kinds if kind != "definition"]
    # The first sentence has to say what all the others call "it".
    first = rng.choice([text for text in facts[kinds[0]] if "ame}" in text or "{any}" in text])
    sentences = [say(first, condition, rng)]
    sentences += [_fact(kind, condition, rng) for kind in kinds[1:]]
    return " ".join(sentences)


def _vignette(rng: random.Random) -> str:
    """Write about one patient in textbook manner: what followed, at times general remarks."""
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
    """Draw a made-up patient in words, and one look-alike to weigh against."""
    words = _words()
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
        "a_thing": "a rash" if told["complaint"] == "rash" else "a growth",
        "other": rng.choice(other.names),
        "other_signs": other.signs,
        "other_clue": other.clue,
    }


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
    findings = _words()["findings"]
    more = [word.lower() for word in seen["concepts"] if word in findings and word not in drawn]
    extra = f" with {join_words(rng.sample(more, min(len(more), 2)))}" if more else ""
    surface = "" if seen["surface"] in ("smooth", "blistered") else f"{seen['surface']} "
    number, plural = "a single", ""
    if seen["number"] != "single":
        number, plural = seen["number"], _words()["plurals"].get(seen["primary"], "s")
    return f"{number} {surface}{seen['colour']} {seen['primary']}{plural}{extra}"


def _comparison(rng: random.Random) -> str:
    """Write about two conditions that look alike, and how they differ."""
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
    frame = rng.choice(("In", "With", "As for"))
    sentences = [opening]
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
    return " ".join(sentences)


def _by_complaint(rng: random.Random) -> str:
    """Write which conditions fit some told facts, and about one of them more closely."""
    phrases = _words()
    told = draw_told(rng.choice(load_conditions()), rng)
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
            f"{capital(complaint)} occur together in {join_words(names)}.",
            f"The combination of {complaint} fits {join_words(names)}.",
            f"Several conditions explain {complaint}, among them {join_words(names)}.",
        )
    )
    closer = by_id()[rng.choice(ids)]
    facts = [_fact(kind, closer, rng) for kind in ("definition", "signs", "clue", "treatment")]
    return " ".join([opening, *facts])


def _by_site(rng: random.Random) -> str:
    """Write about what is common at one body site."""
    site = rng.choice(body_sites())
    here = [condition for condition in load_conditions() if site in condition.sites]
    here = rng.sample(here, min(len(here), 4))
    names = join_words([condition.name for condition in here])
    other_names = join_words([rng.choice(condition.names) for condition in here])
    opening = rng.choice(
        (
            f"The {site} is a common site of {names}.",
            f"On the {site} one meets {names}.",
            f"Problems of the {site} include {other_names}.",
        )
    )
    return " ".join([opening, *(_sign_or_clue(condition, rng) for condition in here)])


def _sign_or_clue(condition: Condition, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return f"{capital(condition.name)} shows {condition.signs}."
    return f"{capital(condition.clue)} would speak for {rng.choice(condition.names)}."


def _by_treatment(rng: random.Random) -> str:
    """Write about one remedy and what it is used for."""
    condition = rng.choice(load_conditions())
    remedy = rng.choice(condition.treatments)
    users = join_words([one.name for one in load_conditions() if remedy in one.treatments])
    opening = rng.choice(
        (
            f"{capital(remedy)} is used in {users}.",
            f"In {users}, doctors recommend {remedy}.",
            f"{capital(users)}: here {remedy} belongs to the standard of care.",
        )
    )
    kinds = ["definition", *rng.sample(("outlook", "tests", "cause", "signs"), 2)]
    facts = [_fact(kind, condition, rng) for kind in kinds]
    return " ".join([opening, *facts, rng.choice(_words()["common"])])


def _by_finding(rng: random.Random) -> str:
    """Write what a finding is, and in which conditions it is seen."""
    finding = rng.choice(list(_words()["findings"]))
    having = [condition for condition in load_conditions() if finding in condition.concepts]
    meaning = _words()["findings"][finding]
    word = finding.lower()
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
    sentences = [
        opening,
        where.format(join_words([condition.name for condition in some])),
        f"In {some[0].name}, the skin shows {some[0].signs}.",
        _fact("clue", some[0], rng),
        rng.choice(_words()["common"]),
    ]
    return " ".join(sentences)


def _everyday(rng: random.Random) -> str:
    return " ".join(rng.sample(_words()["common"], 4))


def _words() -> dict[str, Any]:  # nested tables of texts
    return load_sentences()["textbook"]


def _fact(kind: str, condition: Condition, rng: random.Random) -> str:
    """Write one fact of a condition in one of its phrasings."""
    return say(rng.choice(_words()["facts"][kind]), condition, rng)


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
    words = _words()
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
