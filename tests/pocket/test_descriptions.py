"""What captioners are taught to say: every fact named, every concept in its clinical word, never a
diagnosis.
"""

import random
import re

import pytest

from helpers.metrics.concepts import named_concepts
from helpers.models.prompts import CAPTION_PREFIX
from helpers.pocket import descriptions
from helpers.pocket.conditions import load_conditions
from helpers.pocket.lesions import draw_seen


@pytest.fixture(scope="module")
def drawn() -> list[tuple[dict, dict, str]]:
    """Facts, view and site of 20 images of each condition."""
    rng, rows = random.Random(3), []
    for condition in load_conditions() * 20:
        view = {
            "distance": rng.choice(("close", "middle", "far")),
            "light": rng.choice(("bright", "even", "dim")),
            "sharpness": rng.choice(("sharp", "blurred")),
            "hair": rng.random() < 0.5,
        }
        rows.append((draw_seen(condition, rng), view, rng.choice(condition.sites)))
    return rows


def texts(drawn, style: str) -> list[str]:
    rng = random.Random(4)
    return [
        descriptions.describe(seen, view, site=site, style=style, rng=rng)
        for seen, view, site in drawn
    ]


@pytest.mark.parametrize("style", descriptions.STYLES)
def test_what_a_description_says_can_be_read_back_and_is_true(drawn, style):
    for (seen, view, site), text in zip(drawn, texts(drawn, style)):
        told = descriptions.read_back(text, style)
        assert {"number", "colour", "primary", "site"} <= told.keys()
        truth = seen | view | {"site": site, "concepts": set(seen["concepts"])}
        assert {fact: truth[fact] for fact in told} == told


def test_a_clinical_description_names_exactly_the_concepts_of_the_image(drawn):
    for (seen, _, _), text in zip(drawn, texts(drawn, "clinical")):
        assert set(named_concepts(text)) == set(seen["concepts"]), text


def test_clinical_descriptions_have_40_to_70_words_and_many_wordings(drawn):
    said = texts(drawn, "clinical")
    assert {40 <= len(text.split()) <= 70 for text in said} == {True}
    assert len({text.split()[0] for text in said}) > 4
    assert all(re.fullmatch(r"[A-Z][^{}]+\.", text) for text in said)


def test_lay_descriptions_are_brief_and_begin_as_blip_is_prompted(drawn):
    for text in texts(drawn, "lay"):
        assert (
            text.startswith(f"{CAPTION_PREFIX} ")
            and text == text.lower()
            and len(text.split()) <= 22
        )


def test_no_text_names_a_diagnosis(drawn):
    names = {name.lower() for condition in load_conditions() for name in condition.names}
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
    rng = random.Random(5)
    asked = [
        f"{question} {answer}"
        for seen, view, site in drawn
        for question, answer in descriptions.questions(seen, view, site=site, rng=rng)
    ]
    for text in (*texts(drawn, "lay"), *texts(drawn, "clinical"), *asked, *descriptions.prompts()):
        assert not pattern.search(text.lower()), text


def test_the_stream_decides_the_words_alone(drawn):
    seen, view, site = drawn[0]
    several = {
        descriptions.describe(seen, view, site=site, style="clinical", rng=random.Random(n))
        for n in range(20)
    }
    again = {
        descriptions.describe(seen, view, site=site, style="clinical", rng=random.Random(n))
        for n in range(20)
    }
    assert several == again and len(several) > 10


def test_a_brief_question_has_a_brief_answer():
    seen = {
        "primary": "patch",
        "colour": "red",
        "surface": "dry",
        "border": "blurred",
        "arrangement": "clustered",
        "number": "single",
        "skin_tone": 6,
        "concepts": ["Patch", "Erythema"],
    }
    view = {"distance": "close", "light": "dim", "sharpness": "sharp", "hair": False}
    answers = {
        answer
        for _, answer in descriptions.questions(seen, view, site="cheek", rng=random.Random(1))
    }
    assert answers == {
        "Red.",
        "Patch.",
        "One.",
        "On the cheek.",
        "Dry.",
        "Isolated.",
        "The border is ill defined.",
        "Nothing else.",
        "Dark brown skin without hair.",
        "The picture is sharp and dimly lit.",
    }
