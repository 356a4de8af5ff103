"""Worked examples for few-shot prompts: which training cases, and how many fit into the context."""

import random
from collections.abc import Callable

from helpers.cases import Case
from helpers.files import LabError
from helpers.prompts import asked

CHOICES = ("random", "fixed")


def choose_shots(case: Case, pool: list[Case], *, count: int, choice: str, seed: int) -> list[Case]:
    """Draw `count` training cases as worked examples for `case`.

    Args:
        pool: training cases with a question and an answer; `case` itself is never drawn.
        count: number of shots, 0 or more.
        choice: "random" draws anew for each case, "fixed" takes the same for all; YuanAI tried both (section 3.4).
        seed: with the case's id it determines the draw, whatever order the cases come in.
    Raises:
        LabError: an unknown choice, or more shots than the pool has cases.
    """
    if choice not in CHOICES:
        raise LabError(f"SHOT_CHOICE is {choice!r}, but it must be one of {', '.join(CHOICES)}.")
    pool = [other for other in pool if other.id != case.id]  # the training split itself may be what is answered
    if not 0 <= count <= len(pool):
        raise LabError(
            f"SHOTS asks for {count} worked examples, but there are {len(pool)} training cases with a "
            f"question and an answer: ask for 0 to {len(pool)}."
        )
    key = f"{seed}:{case.id}" if choice == "random" else f"{seed}"
    return random.Random(key).sample(pool, count)


def shot_pool(train: list[Case]) -> list[Case]:
    """The training cases that can serve as examples or training records: those with a question and an answer."""
    return [case for case in train if asked(case).strip() and case.references]


def as_pairs(shots: list[Case]) -> list[tuple[str, str]]:
    """Question and first reference answer of each shot."""
    return [(asked(case), case.references[0].text) for case in shots]


def drop_until_fits(shots: list, fits: Callable[[list], bool]) -> list:
    """Drop whole shots, the first ones first, until the prompt fits; a question is never cut."""
    while shots and not fits(shots):
        shots = shots[1:]
    return shots
