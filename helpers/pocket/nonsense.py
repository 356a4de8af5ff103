"""Exam questions about what cannot be, as Med-HALT has them: the only right answer is to say so."""

import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from helpers.files import read_text

PATH = Path(__file__).with_name("nonsense.yaml")


@lru_cache
def words() -> dict[str, Any]:
    """Read worlds, causes and findings that cannot be, and the sentences that ask for them."""
    found: dict[str, Any] = yaml.safe_load(read_text(PATH))
    return found


def nonsense_questions(count: int, rng: random.Random) -> Iterator[tuple[str, dict[str, str]]]:
    """Make up questions, each with its options: some explain, the last one admits defeat."""
    parts = words()
    for _ in range(count):
        fields = {name: rng.choice(parts[name]) for name in ("world", "being", "thing", "organ")}
        explained = [text.format(**fields) for text in rng.sample(parts["explanations"], 3)]
        options = [*explained, rng.choice(parts["admissions"])]
        named = {str(place): text for place, text in enumerate(options)}
        yield rng.choice(parts["questions"]).format(**fields), named
