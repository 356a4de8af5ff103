"""Write what doctors answer: short opinions on one forum, long ones on the other.

They are right or wrong, and each doctor has a style.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from helpers.pocket.conditions import Condition, by_id, capitals, load_sentences

# Validation -> how often it is drawn.
VALIDATIONS = {
    "": 5,
    "md_validated": 4,
    "md1_validated": 3,
    "realid_validated": 2,
    "md2_validated": 1,
}
# Rank (None is unknown) -> how often it is drawn.
RANKS = {None: 2, 0: 8, 1: 6, 2: 3, 3: 5, 4: 4, 6: 1}


class Reply(TypedDict):
    """A short answer: its author and text, the condition it opines (or None), and if it advises."""

    author_id: str
    content_en: str
    opinion: str | None
    advised: bool


@dataclass(frozen=True)
class Doctor:
    """One doctor of the forum: standing, skill (share of right answers), and way of writing."""

    id: str
    validation: str
    rank: str
    skill: float
    style: str
    wordy: float
    synonym: int
    habit: str


def staff(seed: int) -> list[Doctor]:
    """Draw forty doctors; the higher their standing, the more often they are right."""
    rng = random.Random(f"{seed}/doctors")
    styles = list(load_sentences()["doctors"]["styles"])
    return [_doctor(f"U{90000 + place}", styles[place % len(styles)], rng) for place in range(40)]


def _doctor(doctor_id: str, style: str, rng: random.Random) -> Doctor:
    validation = rng.choices(list(VALIDATIONS), list(VALIDATIONS.values()))[0]
    level = rng.choices(list(RANKS), list(RANKS.values()))[0]
    standing = 0.12 * validation.startswith("md")
    skill = 0.6 + standing + 0.04 * (level or 0) + rng.uniform(-0.05, 0.05)
    return Doctor(
        id=doctor_id,
        validation=validation,
        rank="unk" if level is None else f"level_{level}",
        skill=min(skill, 0.95),
        style=style,
        wordy=rng.choice((0.1, 0.25, 0.5)),
        synonym=rng.choice((0, 0, 1, 2)),
        habit=rng.choice(("full stop", "full stop", "no full stop", "lower case")),
    )


def reply(doctor: Doctor, condition: Condition, rng: random.Random) -> Reply:
    """Write one short answer: the doctor's opinion, right or wrong, in the doctor's style."""
    words = load_sentences()["doctors"]
    opinion = _opinion(condition, doctor.skill, rng)
    if rng.random() < 0.05:
        text = _by_habit(rng.choice(words["unhelpful"]), doctor.habit)
        return {"author_id": doctor.id, "content_en": text, "opinion": None, "advised": False}
    name = rng.choice((opinion.name, opinion.names[doctor.synonym % len(opinion.names)]))
    other = by_id()[rng.choice(opinion.look_alikes)].name
    # A doctor who leaves the usual style mostly writes the bare name.
    any_style = rng.choice(list(words["styles"]))
    style = rng.choices((doctor.style, "bare", any_style), (6, 3, 1))[0]
    templates = words["hedges"] if rng.random() < 0.08 else words["styles"][style]
    text = _fill(rng.choice(templates), name=name, other=other)
    advised = rng.random() < doctor.wordy
    if advised:
        end = "" if text[-1] in "?!" else "."
        text = f"{text.rstrip('.')}{end} {_counsel(opinion, words, rng)}"
    text = _by_habit(text, doctor.habit)
    return {"author_id": doctor.id, "content_en": text, "opinion": opinion.id, "advised": advised}


def long_reply(author: str, condition: Condition, rng: random.Random) -> str:
    """Write one long answer: diagnosis, remarks, explanation, advice, when to see a doctor."""
    words = load_sentences()["annotators"][author]
    opinion = _opinion(condition, 0.92, rng)
    aim = rng.randint(60, 82)  # words
    values = {
        "name": opinion.name,
        "definition": opinion.definition,
        "cause": opinion.cause,
        "outlook": opinion.outlook,
        "clue": opinion.clue,
        "symptoms": " and ".join(rng.sample(opinion.symptoms, 2)),
        "treatment": rng.choice(_useful(opinion.treatments)),
        "test": rng.choice(_useful(opinion.tests)),
        "other": by_id()[rng.choice(opinion.look_alikes)].name,
    }
    parts = {key: [_fill(rng.choice(words[key]), **values)] for key in ("opening", "warning")}
    spare = [("remarks", _fill(text, **values)) for text in rng.sample(words["remarks"], 3)]
    spare += [("explain", text) for text in rng.sample(opinion.explain, 3)]
    spare += [("advice", text) for text in rng.sample(opinion.advice, 3)]
    for key, sentence in rng.sample(spare, len(spare)):
        if _count_words(parts) < aim:
            parts.setdefault(key, []).append(sentence)
    return " ".join(text for key in words["order"] for text in parts.get(key, []))


def _count_words(parts: Mapping[str, Sequence[str]]) -> int:
    return sum(len(text.split()) for texts in parts.values() for text in texts)


def with_flags(replies: Sequence[Reply]) -> list[dict[str, object]]:
    """Write replies as validation and test have them, with the two flags of `data.records`.

    Completeness is 1 with advice, 0.5 with an opinion alone, else 0; `contains_freq_ans` is 1 for
    the most frequent opinion.
    """
    opinions = Counter(reply["opinion"] for reply in replies if reply["opinion"])
    frequent = opinions.most_common(1)[0][0] if opinions else ""
    return [
        {
            "author_id": reply["author_id"],
            "content_en": reply["content_en"],
            "completeness": _completeness(reply),
            "contains_freq_ans": float(reply["opinion"] == frequent),
        }
        for reply in replies
    ]


def _completeness(reply: Reply) -> float:
    if not reply["opinion"]:
        return 0.0
    return 1.0 if reply["advised"] else 0.5


def _opinion(condition: Condition, skill: float, rng: random.Random) -> Condition:
    """Draw what a doctor of this skill takes the condition for: itself or a look-alike."""
    if rng.random() < skill:
        return condition
    # Common things come to mind first.
    others = [by_id()[other] for other in condition.look_alikes]
    return rng.choices(others, [other.weight for other in others])[0]


def _counsel(opinion: Condition, words: dict, rng: random.Random) -> str:
    """Write what to do, mostly in three to six words, at times at length."""
    kind = rng.random()
    if kind < 0.15:
        return " ".join(rng.sample(opinion.advice, rng.choice((2, 2, 3))))
    if kind < 0.3:
        return rng.choice(opinion.advice)
    if kind < 0.5:
        return _fill(rng.choice(words["tests"]), test=rng.choice(_useful(opinion.tests)))
    return _fill(rng.choice(words["advice"]), treatment=rng.choice(_useful(opinion.treatments)))


def _by_habit(text: str, habit: str) -> str:
    """Write a text by a doctor's habit of full stops and capital letters; scorers see them."""
    if habit != "full stop":
        text = text.rstrip(".")
    if habit == "lower case" and text[1:2].islower():
        text = text[:1].lower() + text[1:]
    return text


def _useful(items: Sequence[str]) -> list[str]:
    """Leave out "no treatment" and the like, which are no things to try or to order."""
    return [item for item in items if not item.startswith(("no ", "a careful"))]


def _fill(template: str, **values: str) -> str:
    """Fill a template that may name each value also with a capital letter."""
    return template.format(**values, **capitals(values))
