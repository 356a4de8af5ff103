"""What a model is asked, and again after an interruption: the loops that all models share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from helpers.cases import Answer
from helpers.models.answer_file import AnswerFile
from helpers.models.answering import answer_all, answer_images
from helpers.models.base import AsksOnce


@dataclass
class Parrot(AsksOnce):
    """Says what it is asked, and keeps which questions came together."""

    is_remote: bool = False
    context_length: int = 100
    batches: list[str] = field(default_factory=list)

    def count_tokens(self, question) -> int:
        return len(question)

    def prepare(self, questions: Mapping, *, stop: str = "") -> "Parrot":
        return self

    def answer_batch(self, questions: Mapping, *, max_new_tokens: int) -> Iterator[Answer]:
        self.batches.append("".join(questions))
        for case_id, question in questions.items():
            yield Answer(case_id, getattr(question, "text", question))


@pytest.fixture
def ask(tmp_path):
    """A function that asks a model about cases, by "answer_all" or "answer_images"."""
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")

    def make(loop: str, model: Parrot, questions: Mapping[str, str], path: Path) -> dict:
        limits = {"batch": 2, "max_new_tokens": 9}
        if loop == "answer_all":
            return answer_all(model, questions, AnswerFile(path), **limits)
        shown = {case_id: (tmp_path / "image.png", text) for case_id, text in questions.items()}
        return answer_images(model, shown, AnswerFile(path), **limits)

    return make


LOOPS = ["answer_all", "answer_images"]
QUESTIONS = dict.fromkeys("abcde", "Is it a wart?")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_batch_that_was_torn_is_asked_again_as_a_whole(ask, tmp_path, loop):
    """Padding changes answers a little: in other company a case might be answered otherwise."""
    path, model = tmp_path / "answers.jsonl", Parrot()
    whole = ask(loop, Parrot(), QUESTIONS, path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:20])
    assert ask(loop, model, QUESTIONS, path) == whole
    assert model.batches == ["cd", "e"] and path.read_text() == "".join(lines)


@pytest.mark.parametrize("loop", LOOPS)
def test_behind_an_api_only_what_is_not_answered_is_asked_again(ask, tmp_path, loop):
    path, model = tmp_path / "answers.jsonl", Parrot(is_remote=True)
    AnswerFile(path).add([Answer(case_id, "paid for") for case_id in "abc"])
    found = ask(loop, model, QUESTIONS, path)
    assert model.batches == ["d", "e"] and found["c"].text == "paid for"


def test_the_longest_questions_come_first_and_answers_in_the_order_of_the_cases(ask, tmp_path):
    model, questions = Parrot(), {"a": "?", "b": "Is it a wart?", "c": "Wart?", "d": "A wart?"}
    found = ask("answer_all", model, questions, tmp_path / "answers.jsonl")
    assert model.batches == ["bd", "ca"] and list(found) == list(questions)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_model_may_say_any_character_and_is_read_back(ask, tmp_path, loop):
    said = {"a": "it is\x12 a wart\x00", "b": "it is\n\ta wart \u2028 \U0001f600"}
    found = ask(loop, Parrot(), said, tmp_path / "answers.jsonl")
    assert {case_id: answer.text for case_id, answer in found.items()} == {
        "a": "it is\ufffd a wart\ufffd",
        "b": said["b"],
    }
