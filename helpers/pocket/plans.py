"""Plan the cases of a clinic: its condition, the patient who asks, and what tells it apart."""

import random
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from helpers.files import LabError
from helpers.pocket.conditions import Condition, load_conditions

SPLITS = ("train", "valid", "test")
MOST = 36**3 - 1  # cases; so many have an id of their own (see `base36`)
# How often a patient with a condition that a patient had before is that very one, who asks again.
ASKS_AGAIN = 0.1


@dataclass(frozen=True)
class CasePlan:
    """A case that is to be written.

    Attributes:
        number: it is told apart by; from 1 on, in all splits.
        patient: the number of the case in which the patient asked first.
        rng: a random stream of the case's own.
    """

    split: str
    number: int
    patient: int
    condition: Condition
    rng: random.Random


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Refuse splits that no format has a file for, and sizes without a case or beyond all ids."""
    for split, count in sizes.items():
        if split not in SPLITS:
            raise LabError(
                f"A clinic with a split {split!r} was asked for: name {', '.join(SPLITS)}."
            )
        if type(count) is not int or not 0 < count <= MOST:
            raise LabError(
                f"A clinic with {count!r} cases in its split {split!r} was asked for: choose a "
                f"whole number from 1 to {MOST}."
            )
    if sum(sizes.values()) > MOST:
        raise LabError(
            f"A clinic of {sum(sizes.values())} cases was asked for, but it has ids for {MOST}: "
            "choose smaller sizes."
        )


def plan_cases(seed: int, forum: str, sizes: Mapping[str, int]) -> Iterator[CasePlan]:
    """Plan every case of a forum; now and then a patient asks again, in the same split."""
    by_weight = [condition for condition in load_conditions() for _ in range(condition.weight)]
    number = 0
    for split, count in sizes.items():
        # Evenly spaced in the weighted list: each split has every condition in its due share.
        offset = random.Random(f"{seed}/{forum}/{split}").random()
        step = len(by_weight) / max(count, 1)
        drawn = [by_weight[int((index + offset) * step) % len(by_weight)] for index in range(count)]
        rng = random.Random(f"{seed}/{forum}/{split}/order")
        rng.shuffle(drawn)
        earlier: dict[str, int] = {}
        for condition in drawn:
            number += 1
            again = rng.random() < ASKS_AGAIN and condition.id in earlier
            patient = earlier.pop(condition.id) if again else number
            if not again:
                earlier[condition.id] = patient
            case_rng = random.Random(f"{seed}/{forum}/{number}")
            yield CasePlan(split, number, patient, condition, case_rng)


def base36(number: int) -> str:
    """Write a number in base 36 with three digits."""
    digits = string.digits + string.ascii_lowercase
    return digits[number // 1296 % 36] + digits[number // 36 % 36] + digits[number % 36]
