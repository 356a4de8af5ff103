"""A file of answers only grows and is mended where a kill tore it; captions become one text."""

from pathlib import Path

from helpers.cases import Answer, Case
from helpers.models.answer_file import AnswerFile
from helpers.models.captions import (
    FAILED,
    as_caption,
    case_text,
    failed_caption,
    images_to_caption,
)


def test_a_file_keeps_each_answer_once_in_the_order_of_their_coming(tmp_path):
    file = AnswerFile(tmp_path / "new" / "blip.jsonl")
    assert file.read() == {}
    file.add([Answer("a", "a red patch", 0.5, 3, "stop"), Answer("b", "", error="empty")])
    file.add([Answer("a", "other words"), Answer("c", "", options={"eczema": 0.75})])
    assert list(file.read()) == ["a", "b", "c"]
    assert file.read()["a"] == Answer("a", "a red patch", 0.5, 3, "stop")
    assert file.read()["c"].options == {"eczema": 0.75}
    assert "options" not in file.path.read_text().splitlines()[0]


def test_a_torn_end_is_cut_off_by_whoever_writes(tmp_path):
    file = AnswerFile(tmp_path / "blip.jsonl")
    file.add([Answer("a", "one"), Answer("b", "two")])
    content = file.path.read_bytes()
    file.path.write_bytes(content[:-9])
    assert set(file.read()) == {"a"} and file.path.read_bytes() == content[:-9]
    AnswerFile(file.path).add([Answer("b", "two")])
    assert file.path.read_bytes() == content


def test_batches_are_formed_once_and_one_that_is_not_whole_comes_back(tmp_path):
    file, questions = AnswerFile(tmp_path / "a.jsonl"), dict.fromkeys("abcde", "?")
    assert [list(part) for part in file.missing(questions, 2)] == [["a", "b"], ["c", "d"], ["e"]]
    file.add([Answer("a", "x"), Answer("b", "x"), Answer("d", "x")])
    assert [list(part) for part in file.missing(questions, 2)] == [["c", "d"], ["e"]]
    assert [list(part) for part in file.missing(questions, 2, whole=False)] == [["c"], ["e"]]


def test_an_answer_without_text_is_a_failed_caption():
    assert as_caption(Answer("a", "")).error == "the captioner said nothing"
    assert as_caption(Answer("a", "", error="damaged")) == Answer("a", FAILED, error="damaged")
    assert as_caption(Answer("a", "a patch")) == Answer("a", "a patch")


def test_the_captions_of_a_case_become_one_text():
    first, second, bad = Answer("a", "a patch "), Answer("b", "a bump"), failed_caption("c", "no")
    assert case_text([first, bad, second]) == "a patch a bump"
    assert case_text([first, first]) == "a patch"
    assert case_text([bad, bad]) == FAILED == "No Image describe"  # the paper's words
    assert case_text([]) == FAILED


def test_only_the_first_images_of_a_case_are_put_into_words():
    paths = tuple(Path(f"{number}.jpg") for number in range(7))
    assert images_to_caption(Case("A", images=paths)) == paths[:3]
