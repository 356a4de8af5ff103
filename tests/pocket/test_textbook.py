"""The textbook knows the conditions, but neither the prompts of fine-tuning nor the clinic's way of
answering.
"""

import json
import re

import pytest

from helpers.pocket.clinic import build
from helpers.pocket.conditions import load_conditions, load_sentences
from helpers.pocket.textbook import passages

COUNT = 3000


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return passages(seed=0, count=COUNT)


def test_deterministic_and_a_larger_count_begins_the_same(texts):
    assert passages(seed=0, count=50) == texts[:50]
    assert passages(seed=1, count=50) != texts[:50]


def test_varied_and_of_a_passages_length(texts):
    assert len(set(texts)) > 0.98 * COUNT
    words = [len(text.split()) for text in texts]
    assert min(words) >= 15 and max(words) <= 220 and 50 <= sum(words) / COUNT <= 110


def test_no_open_fields_and_whole_sentences(texts):
    for text in texts:
        assert not re.search(r"[{}]|None|  ", text), text
        assert text[0].isupper() or text[0].isdigit(), text
        assert text[-1] in ".?", text


def test_knows_every_name_treatment_and_definition(texts):
    everything = " ".join(texts).lower()
    for condition in load_conditions():
        for phrase in (
            *condition.names,
            *condition.treatments,
            condition.definition,
            condition.clue,
        ):
            assert phrase.lower() in everything, phrase


def test_no_prompt_format(texts):
    everything = " ".join(texts)
    for mark in (
        "### Response",
        "### Instruction",
        "### Input",
        "USER:",
        "ASSISTANT:",
        "Question:\n",
        "<",
    ):
        assert mark not in everything


def test_no_answer_in_the_way_of_the_clinics_doctors(texts):
    sentences = {sentence.lower() for text in texts for sentence in re.split(r"(?<=[.?!]) ", text)}
    styles = [
        template for style in load_sentences()["doctors"]["styles"].values() for template in style
    ]
    for condition in load_conditions():
        for name in condition.names:
            for template in styles:
                answer = template.format(name=name, Name=name).lower()
                assert answer not in sentences, answer


def test_no_sentence_of_a_clinic_case(texts, tmp_path):
    build(tmp_path / "clinic", sizes={"train": 40, "valid": 4, "test": 8})
    known = {sentence for text in texts for sentence in re.split(r"(?<=[.?!]) ", text)}
    for path in tmp_path.glob("clinic/*/t*.json"):
        for record in json.loads(path.read_text(encoding="utf-8")):
            spoken = [record["query_title_en"], record["query_content_en"]]
            spoken += [response["content_en"] for response in record["responses"]]
            for sentence in (part for text in spoken for part in re.split(r"(?<=[.?!]) ", text)):
                assert len(sentence.split()) < 4 or sentence not in known, sentence
