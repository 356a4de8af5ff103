"""The review form, by real widgets: each verdict is in the file before the next case is shown, come
what may.
"""

import csv
import os
import signal
import subprocess
import sys
import time

import ipywidgets
import pytest

from conftest import ROOT
from helpers.cases import Answer, Case, Reference
from helpers.files import LabError
from helpers.report.widgets import COLUMNS, VERDICTS, read_reviews, review_form, review_table

CASES = [
    Case(
        "E1",
        "Red <b>ring</b>?",
        "since May & June",
        references=(Reference("ringworm"), Reference("eczema")),
    ),
    Case("E2", "Itch?"),
    Case("E3", "Spot?", references=(Reference("melanoma"),)),
]
ANSWERS = {
    "E1": Answer("E1", "<script>alert(1)</script>\nringworm"),
    "E3": Answer("E3", "a mole"),
}


def parts(widget, kind):
    found = [widget] if isinstance(widget, kind) else []
    return found + [
        part for child in getattr(widget, "children", ()) for part in parts(child, kind)
    ]


def button(form, name):
    return next(found for found in parts(form, ipywidgets.Button) if found.description == name)


def click(form, *names):
    for name in names:
        button(form, name).click()


def note(form):
    return parts(form, ipywidgets.Textarea)[0]


def shown(form):
    return "\n".join(found.value for found in parts(form, ipywidgets.HTML))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "llama-8b-lora" / "reviews.csv"


def test_a_case_is_shown_escaped_and_without_its_system(path):
    form = review_form(CASES, ANSWERS, path)
    assert "<b>1 of 3</b> (0 judged)" in shown(form)
    for text in (
        "Red &lt;b&gt;ring&lt;/b&gt;?",
        "May &amp; June",
        "&lt;script&gt;",
        "eczema",
        "Reference answers",
    ):
        assert text in shown(form)
    assert "<script>" not in shown(form) and "llama" not in shown(form)
    assert not path.exists()
    click(form, "next")
    assert "(no answer)" in shown(form) and "(none)" in shown(form)


def test_verdicts_are_written_at_once_and_the_next_unjudged_case_follows(path):
    form = review_form(CASES, ANSWERS, path, reviewer="Dr A")
    note(form).value = "good"
    click(form, "correct")
    assert read_reviews(path) == {"E1": "correct"} and "<b>2 of 3</b> (1 judged)" in shown(form)
    assert note(form).value == ""
    click(form, "skip", "harmful")
    assert read_reviews(path) == {"E1": "correct", "E3": "harmful"} and "<b>2 of 3</b>" in shown(
        form
    )
    click(form, "wrong")
    assert "All cases are judged" in shown(form)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case_id"], row["note"], row["reviewer"]) for row in rows] == [
        ("E1", "good", "Dr A"),
        ("E3", "", "Dr A"),
        ("E2", "", "Dr A"),
    ]
    assert tuple(rows[0]) == COLUMNS and time.strptime(rows[0]["time"], "%Y-%m-%dT%H:%M:%SZ")


def test_previous_and_next_stay_inside_and_show_and_change_what_was_judged(path):
    form = review_form(CASES, ANSWERS, path)
    click(form, "previous", "correct", "previous")
    assert [
        found.description for found in parts(form, ipywidgets.Button) if found.icon == "check"
    ] == ["correct"]
    note(form).value = "a later thought"
    assert "a later thought" in path.read_text()
    click(form, "wrong", "next", "next", "next")
    assert read_reviews(path) == {"E1": "wrong"} and "<b>3 of 3</b>" in shown(form)
    click(form, "previous")
    note(form).value = "a draft"
    click(form, "next", "previous")
    assert note(form).value == "a draft" and "draft" not in path.read_text()


def test_reopening_goes_on_at_the_first_unjudged_case_with_notes(path):
    form = review_form(CASES, ANSWERS, path)
    click(form, "skip", "correct")
    again = review_form(CASES, ANSWERS, path)
    assert "<b>1 of 3</b> (1 judged)" in shown(again)
    note(again).value = 'line one\r\nline "two", end'
    click(again, "similar disease")
    third = review_form(CASES, ANSWERS, path)
    assert "<b>3 of 3</b> (2 judged)" in shown(third)
    click(third, "previous", "previous")
    assert note(third).value == 'line one\r\nline "two", end'


def test_two_open_forms_keep_each_others_verdicts(path):
    first, second = review_form(CASES, ANSWERS, path), review_form(CASES, ANSWERS, path)
    click(first, "correct")
    click(second, "next", "wrong")
    assert read_reviews(path) == {"E1": "correct", "E2": "wrong"}


@pytest.mark.parametrize(
    "text", ["=1+1", "+49", "-", "@SUM(A1)", "\t=1", "'quoted'", "''", "plain", "", "ü\n=2", "a\vb"]
)
def test_no_cell_is_a_formula_and_every_text_comes_back(path, text):
    form = review_form([Case(text or "E1", "?")], {}, path, reviewer=text)
    note(form).value = text
    click(form, "correct")
    with open(path, newline="", encoding="utf-8") as file:
        cells = list(csv.reader(file))[1]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert list(read_reviews(path)) == [text or "E1"]
    assert note(review_form([Case(text or "E1", "?")], {}, path, reviewer=text)).value == text


def test_what_cannot_be_saved_is_said_and_the_case_stays(path):
    form = review_form(CASES, ANSWERS, path)
    note(form).value = "x" * 10_001
    click(form, "correct")
    assert (
        "Not saved:" in shown(form)
        and "<b>1 of 3</b> (0 judged)" in shown(form)
        and not path.exists()
    )
    note(form).value = ""
    path.parent.write_text("a file where the folder should be")
    click(form, "correct")
    assert "Not saved:" in shown(form) and "<b>1 of 3</b> (0 judged)" in shown(form)
    path.parent.unlink()
    click(form, "correct")
    assert read_reviews(path) == {"E1": "correct"} and "Not saved" not in shown(form)


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "holds no reviews"),
        (b"id,text\n1,a\n", "holds no reviews"),
        (f"{HEADER}\nE1,fine,,,\n".encode(), "row 2, is no review"),
        (f"{HEADER}\nE1,wrong\n".encode(), "row 2, is no review"),
        (f"{HEADER}\nE1,wrong,,,\n\nE1,correct,,,\n".encode(), "row 4, is no review"),
        (f'{HEADER}\nE1,wrong,"never closed,,\n'.encode(), "cannot be read"),
        (b"\xff\xfe\x00", "is UTF-16 text"),
        (f"{HEADER}\nE1,wrong,,Dr B,\n".encode(), "the reviewer 'Dr B'"),
    ],
)
def test_another_table_or_another_reviewer_is_refused_and_left_alone(tmp_path, content, words):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(LabError, match=words):
        review_form(CASES, ANSWERS, path, reviewer="Dr A")
    assert path.read_bytes() == content


def test_a_folder_and_a_review_of_nothing_are_refused(tmp_path):
    with pytest.raises(LabError, match="is a folder, but a file was expected"):
        review_form(CASES, ANSWERS, tmp_path)
    with pytest.raises(LabError, match="no cases"):
        review_form([], {}, tmp_path / "new.csv")


def test_a_table_that_a_spreadsheet_has_saved_is_read(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\nE1,wrong,,,\r\n\r\n".encode())
    assert read_reviews(path) == {"E1": "wrong"}


def test_the_table_has_counts_shares_and_intervals(path):
    assert review_table(path, 2) == [
        *({"verdict": verdict, "count": 0} for verdict in VERDICTS),
        {"verdict": "not judged yet", "count": 2},
    ]
    cases = [Case(str(number)) for number in range(11)]
    form = review_form(cases, {}, path)
    click(form, *["correct"] * 5, *["wrong"] * 4, "harmful")
    rows = review_table(path, 11)
    share = rows[0].pop("share")
    assert rows[0] == {"verdict": "correct", "count": 5} and share.n == 10
    assert f"{share:.3f}" == "0.500 [0.237, 0.763]"
    assert f"{rows[1]['share']:.3f}" == "0.000 [0.000, 0.278]"
    assert [row["count"] for row in rows] == [5, 0, 4, 1, 1]
    assert len(review_table(path, 10)) == 4
    with pytest.raises(LabError, match="10 verdicts, but the review has 9 cases"):
        review_table(path, 9)


def test_a_kill_between_verdicts_loses_none_that_was_given(path):
    code = (
        "import sys, ipywidgets\nfrom helpers.cases import Case\nfrom helpers.report.widgets "
        "import review_form\nform = review_form([Case(str(n)) for n in range(5000)], {}, "
        "sys.argv[1])\ncorrect = form.children[3].children[0]\n"
        "for n in range(5000):\n    correct.click()\n    print(n, flush=True)\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    for _ in range(20):
        assert worker.stdout.readline()
    os.kill(worker.pid, signal.SIGKILL)
    given = 20 + len(worker.stdout.readlines())
    worker.wait()
    done = len(read_reviews(path))
    # The one being written when the kill came may be in the file already.
    assert given <= done <= given + 1
    again = review_form([Case(str(number)) for number in range(5000)], {}, path)
    assert f"<b>{done + 1} of 5000</b> ({done} judged)" in shown(again)


@pytest.mark.parametrize("sign", ["\0", "\x1b", "\x9b"])
def test_a_note_that_could_not_be_read_again_is_not_saved(path, sign):
    form = review_form(CASES, ANSWERS, path)
    note(form).value = f"copied{sign}"
    click(form, "wrong")
    assert "Not saved:" in shown(form) and "has the control character" in shown(form)
    assert not path.exists()
    with pytest.raises(LabError, match="The reviewer's name has the control character"):
        review_form(CASES, ANSWERS, path, reviewer=sign)


def test_a_table_of_another_encoding_is_one_sentence(path):
    path.parent.mkdir()
    path.write_text(",".join(COLUMNS) + "\n", encoding="utf-16")
    with pytest.raises(LabError, match="is UTF-16 text: save it as UTF-8"):
        read_reviews(path)
