"""Write patients' stories: what someone tells of a skin problem in a few sentences.

A story tells more than a post of the forum, and may fit one condition alone. Some mislead: all that
is told in them, but the site, age and sex, is what patients with a look-alike tell.
"""

import random
from dataclasses import dataclass

from helpers.pocket import lesions
from helpers.pocket.conditions import Condition, by_id, draw_told
from helpers.pocket.patients import write_content

MISLEADING = 0.15  # share of stories
TELLING = 0.7  # how often each fact is told
THEIR_OWN = ("age", "sex", "site")  # facts that nobody mistakes


@dataclass(frozen=True)
class Story:
    """One patient's story.

    Attributes:
        text: what is told; nothing that only an image shows.
        condition: what the patient has.
        told_as: the condition whose patients tell such things; another one if the story misleads.
        seen: what images of this patient show, with the site.
    """

    text: str
    condition: Condition
    told_as: Condition
    seen: dict


def write_story(condition: Condition, rng: random.Random) -> Story:
    """Write the story of a patient with a condition."""
    told_as = condition
    if rng.random() < MISLEADING:
        told_as = by_id()[rng.choice(condition.look_alikes)]
    own = draw_told(condition, rng)
    possible = draw_told(told_as, rng) | {name: own[name] for name in THEIR_OWN}
    told = {name: value for name, value in possible.items() if rng.random() < TELLING}
    seen = lesions.draw_seen(condition, rng) | {"site": own["site"]}
    return Story(write_content(told, "reddit", rng), condition, told_as, seen)
