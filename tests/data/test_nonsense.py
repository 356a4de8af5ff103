"""Med-HALT's nonsense questions: all that are published, and rows that are no question."""

import csv

import pytest

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.files import LabError

GOOD = {
    "id": "a",
    "question": "Which bone do ghosts break?",
    "options": "{'0': 'None', '1': 'All'}",
}
BAD = {
    "no question": (GOOD | {"id": "b", "question": " "}, "lacks one of id, question, options"),
    "the same id": (GOOD, "has the id of a row before it"),
    "no options": (GOOD | {"id": "b", "options": "None of these"}, "options that cannot be read"),
    "numbers": (GOOD | {"id": "b", "options": "{'0': 1}"}, "options that cannot be read"),
    "code": (GOOD | {"id": "b", "options": "__import__('os').abort()"}, "cannot be read"),
    "far too long": (GOOD | {"id": "b", "options": "{'0': '" + "a" * 30_000 + "'}"}, "cannot be"),
    "deep": (GOOD | {"id": "b", "options": "[" * 5000}, "options that cannot be read"),
}


def write(folder, rows):
    with open(folder / "reasoning_fake.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ["id", "year", "question", "options"])
        table.writeheader()
        table.writerows(rows)
    return folder


def test_a_question_is_a_case_without_an_answer(tmp_path):
    (case,) = load_dataset("med_halt_fake", write(tmp_path, [GOOD])).split("test")
    assert (case.id, case.question, case.context) == ("a", GOOD["question"], "None\nAll")
    assert not case.references and not case.images


@pytest.mark.parametrize(("row", "said"), BAD.values(), ids=BAD)
def test_a_row_that_is_no_question_is_named_and_the_rest_goes_on(tmp_path, row, said):
    write(tmp_path, [GOOD, row, GOOD | {"id": "c"}])
    cases = load_dataset("med_halt_fake", tmp_path).split("test")
    assert [case.id for case in cases] == ["a", "c"]
    (fault,) = check_data("med_halt_fake", tmp_path)
    assert fault.record == 2 and said in fault.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,question\na,b\n", "lacks the column options"),
        ("id,question,options\n", "no case in language 'en' that can be used"),
        ('id,question,options\n"a,b\n', "double quote"),
    ],
)
def test_another_table_is_refused(tmp_path, text, said):
    (tmp_path / "reasoning_fake.csv").write_text(text)
    with pytest.raises(LabError, match=said):
        load_dataset("med_halt_fake", tmp_path)


def test_all_published_questions_are_read(shared):
    folder = shared / "data" / "medhalt"
    cases = load_dataset("med_halt_fake", folder).split("test")
    assert len(cases) == 1858 and check_data("med_halt_fake", folder) == []
    assert all(len(case.context.splitlines()) >= 4 for case in cases)  # one has a blank option
    assert sum("I do not know" in case.context for case in cases) == 1850
