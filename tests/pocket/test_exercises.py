"""The exercise sheets keep one form, come back to what was asked, and know neither prompts nor
doctors' answers.
"""

import json
import re
from collections import Counter

import pytest

from helpers.models.prompts import ALPACA_BLOCK, ALPACA_PREAMBLE, MEDICAL_ADVICE
from helpers.pocket.clinic import build
from helpers.pocket.conditions import load_conditions, load_sentences
from helpers.pocket.exercises import sheets

COUNT = 2000


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return sheets(seed=0, count=COUNT)


def test_deterministic_and_a_larger_count_begins_the_same(texts):
    assert sheets(seed=0, count=50) == texts[:50]
    assert sheets(seed=1, count=50) != texts[:50]


def test_no_open_fields_and_no_two_sheets_alike(texts):
    assert len(set(texts)) == COUNT
    for text in texts:
        assert not re.search(r"[{}]|None|  |\n\n\n", text), text
        assert text == text.strip()


def test_later_items_repeat_what_earlier_ones_answered(texts):
    repeating = 0
    for text in texts:
        lines = Counter(line for line in re.split(r"\n+", text) if len(line) > 12)
        repeating += any(count > 1 for count in lines.values())
    assert repeating > 0.6 * COUNT


def test_most_words_occur_in_one_sheet_only(texts):
    words = Counter(word for text in texts for word in set(re.findall(r"[a-z]{6,}", text.lower())))
    once = sum(1 for count in words.values() if count == 1)
    assert once > 0.7 * len(words)


def test_no_wording_of_the_alpaca_prompt(texts):
    everything = "\n".join(texts).lower()
    marks = [
        line for line in (ALPACA_PREAMBLE + ALPACA_BLOCK).splitlines() if line and "{" not in line
    ]
    for mark in (*marks, MEDICAL_ADVICE, "instruction", "response:", "below is"):
        assert mark.lower() not in everything, mark
    names = {name.lower() for name in re.findall(r"(?m)^### (.+?):$", "\n".join(texts))}
    assert names and not names & {"instruction", "input", "response"}


def test_no_sentence_of_the_clinics_doctors(texts):
    lines = {_plain(part) for text in texts for line in text.splitlines() for part in _parts(line)}
    words = load_sentences()
    styles = [text for style in words["doctors"]["styles"].values() for text in style] + words[
        "doctors"
    ]["hedges"]
    styles += [text for author in words["annotators"].values() for text in author["opening"]]
    for condition in load_conditions():
        for name in condition.names:
            for template in styles:
                said = template.format(
                    name=name, Name=name, other="{}", definition=condition.definition
                )
                # The bare name is nobody's style.
                assert _plain(said) == _plain(name) or _plain(said) not in lines, said


def test_no_title_and_no_answer_of_a_clinic_case(texts, tmp_path):
    build(tmp_path / "clinic", sizes={"train": 60, "valid": 4, "test": 8})
    lines = {_plain(part) for text in texts for line in text.splitlines() for part in _parts(line)}
    for path in tmp_path.glob("clinic/*/t*.json"):
        for record in json.loads(path.read_text(encoding="utf-8")):
            spoken = [
                record["query_title_en"],
                *(response["content_en"] for response in record["responses"]),
            ]
            for sentence in (part for text in spoken for part in re.split(r"(?<=[.?!]) ", text)):
                assert len(sentence.split()) < 4 or _plain(sentence) not in lines, sentence


def _parts(line: str) -> list[str]:
    """A line, what follows its mark, and their sentences."""
    after = [line, *re.findall(r"(?:[:\])=>-] )(.+)$", line)]
    return [part for text in after for part in (text, *re.split(r"(?<=[.?!]) ", text))]


def _plain(text: str) -> str:
    return text.lower().strip(" .!?")
