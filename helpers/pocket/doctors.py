"""What doctors answer: short opinions on one forum, long ones on the other, right or wrong, each in
an own style.
"""

import random
from collections import Counter
from dataclasses import dataclass

from helpers.pocket.conditions import Condition, by_id, capitals, load_sentences

VALIDATIONS = (
    ("", 5),
    ("md_validated", 4),
    ("md1_validated", 3),
    ("realid_validated", 2),
    ("md2_validated", 1),
)


@dataclass(frozen=True)
class Doctor:
    """One doctor of the forum: standing, skill (share of right answers), and how he or she writes."""

    id: str
    validation: str
    rank: str
    skill: float
    style: str
    wordy: float
    synonym: int
    habit: str


def staff(seed: int) -> list[Doctor]:
    """Forty doctors; the higher their standing, the more often they are right."""
    rng, styles, doctors = (
        random.Random(f"{seed}/doctors"),
        list(load_sentences()["doctors"]["styles"]),
        [],
    )
    for number in range(40):
        validation = rng.choices(*zip(*VALIDATIONS))[0]
        level = rng.choices((None, 0, 1, 2, 3, 4, 6), (2, 8, 6, 3, 5, 4, 1))[0]
        skill = (
            0.6
            + 0.12 * validation.startswith("md")
            + 0.04 * (level or 0)
            + rng.uniform(-0.05, 0.05)
        )
        doctors.append(
            Doctor(
                id=f"U{90000 + number}",
                validation=validation,
                rank="unk" if level is None else f"level_{level}",
                skill=min(skill, 0.95),
                style=styles[number % len(styles)],
                wordy=rng.choice((0.1, 0.25, 0.5)),
                synonym=rng.choice((0, 0, 1, 2)),
                habit=rng.choice(("full stop", "full stop", "no full stop", "lower case")),
            )
        )
    return doctors


def reply(doctor: Doctor, condition: Condition, rng: random.Random) -> dict:
    """One short answer: the doctor's own opinion, right or wrong, in the doctor's own style."""
    words, opinion = load_sentences()["doctors"], _opinion(condition, doctor.skill, rng)
    if rng.random() < 0.05:
        text = _by_habit(rng.choice(words["unhelpful"]), doctor.habit)
        return {"author_id": doctor.id, "content_en": text, "opinion": None, "advised": False}
    name = rng.choice((opinion.name, opinion.names[doctor.synonym % len(opinion.names)]))
    other = by_id()[rng.choice(opinion.look_alikes)].name
    # Who leaves the own style mostly writes the bare name.
    style = rng.choices((doctor.style, "bare", rng.choice(list(words["styles"]))), (6, 3, 1))[0]
    templates = words["hedges"] if rng.random() < 0.08 else words["styles"][style]
    text, advised = (
        _fill(rng.choice(templates), name=name, other=other),
        rng.random() < doctor.wordy,
    )
    if advised:
        text = (
            f"{text.rstrip('.')}{'' if text[-1] in '?!' else '.'} {_counsel(opinion, words, rng)}"
        )
    text = _by_habit(text, doctor.habit)
    return {"author_id": doctor.id, "content_en": text, "opinion": opinion.id, "advised": advised}


def long_reply(author: str, condition: Condition, rng: random.Random) -> str:
    """One long answer of an annotator: diagnosis, remarks, explanation, advice, and when to see a
    doctor.
    """
    words, opinion, aim = (
        load_sentences()["annotators"][author],
        _opinion(condition, 0.92, rng),
        rng.randint(60, 82),
    )
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
    spare += [
        (key, text)
        for key in ("explain", "advice")
        for text in rng.sample(getattr(opinion, key), 3)
    ]
    for key, sentence in rng.sample(spare, len(spare)):
        if sum(len(text.split()) for texts in parts.values() for text in texts) < aim:
            parts.setdefault(key, []).append(sentence)
    return " ".join(text for key in words["order"] for text in parts.get(key, []))


def with_flags(replies: list[dict]) -> list[dict]:
    """Replies as validation and test have them: 1 / 0.5 / 0 complete, and whether with the most
    frequent opinion.
    """
    opinions = Counter(reply["opinion"] for reply in replies if reply["opinion"])
    frequent = opinions.most_common(1)[0][0] if opinions else ""
    return [
        {
            "author_id": reply["author_id"],
            "content_en": reply["content_en"],
            "completeness": (1.0 if reply["advised"] else 0.5) if reply["opinion"] else 0.0,
            "contains_freq_ans": float(reply["opinion"] == frequent),
        }
        for reply in replies
    ]


def _opinion(condition: Condition, skill: float, rng: random.Random) -> Condition:
    """What a doctor of this skill takes the condition for: itself or one that looks like it."""
    if rng.random() < skill:
        return condition
    # Common things come to mind first.
    others = [by_id()[other] for other in condition.look_alikes]
    return rng.choices(others, [other.weight for other in others])[0]


def _counsel(opinion: Condition, words: dict, rng: random.Random) -> str:
    """What to do, mostly in three to six words, at times at length."""
    kind = rng.random()
    if kind < 0.15:
        return " ".join(rng.sample(opinion.advice, rng.choice((2, 2, 3))))
    if kind < 0.3:
        return rng.choice(opinion.advice)
    if kind < 0.5:
        return _fill(rng.choice(words["tests"]), test=rng.choice(_useful(opinion.tests)))
    return _fill(rng.choice(words["advice"]), treatment=rng.choice(_useful(opinion.treatments)))


def _by_habit(text: str, habit: str) -> str:
    """Not everybody ends with a full stop or begins with a capital letter, and scorers care."""
    text = text if habit == "full stop" else text.rstrip(".")
    return text[:1].lower() + text[1:] if habit == "lower case" and text[1:2].islower() else text


def _useful(items: tuple[str, ...]) -> list[str]:
    """Without "no treatment" and the like, which are no things to try or to order."""
    return [item for item in items if not item.startswith(("no ", "a careful"))]


def _fill(template: str, **values: str) -> str:
    """Fill a template that may name each value also with a capital letter."""
    return template.format(**values, **capitals(values))
