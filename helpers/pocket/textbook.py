"""Write textbook prose about the clinic's conditions, to pre-train its tiny language models on.

It knows the words and how they hang together (complaint, image, condition, treatment), but
neither a case of the clinic nor the way its doctors answer: that is left for fine-tuning to teach.
"""

import random

from helpers.pocket.conditions import (
    Condition,
    body_sites,
    by_id,
    capital,
    compatible,
    draw_told,
    join_words,
    load_conditions,
)
from helpers.pocket.phrases import patient_words, say, textbook_words


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
    facts = textbook_words()["facts"]
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
    words, patient = textbook_words(), patient_words(condition, rng)
    templates = [
        rng.choice(words["vignettes"]),
        *rng.sample(words["follow_ups"], rng.randint(1, 3)),
    ]
    sentences = [say(template, condition, rng, **patient) for template in templates]
    if rng.random() < 0.5:
        sentences.append(_fact(rng.choice(list(words["facts"])), condition, rng))
    return " ".join(sentences)


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
            for text in textbook_words()["facts"][kind]
            if "ame}" not in text and "{any}" not in text and not text.startswith("It ")
        ]
        for condition in (first, second):
            text = say(rng.choice(texts), condition, rng)
            sentences.append(f"{frame} {condition.name}, {text[0].lower()}{text[1:]}")
    return " ".join(sentences)


def _by_complaint(rng: random.Random) -> str:
    """Write which conditions fit some told facts, and about one of them more closely."""
    phrases = textbook_words()
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
    return " ".join([opening, *facts, rng.choice(textbook_words()["common"])])


def _by_finding(rng: random.Random) -> str:
    """Write what a finding is, and in which conditions it is seen."""
    finding = rng.choice(list(textbook_words()["findings"]))
    having = [condition for condition in load_conditions() if finding in condition.concepts]
    meaning = textbook_words()["findings"][finding]
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
        rng.choice(textbook_words()["common"]),
    ]
    return " ".join(sentences)


def _everyday(rng: random.Random) -> str:
    return " ".join(rng.sample(textbook_words()["common"], 4))


def _fact(kind: str, condition: Condition, rng: random.Random) -> str:
    """Write one fact of a condition in one of its phrasings."""
    return say(rng.choice(textbook_words()["facts"][kind]), condition, rng)
