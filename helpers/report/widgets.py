"""Forms that a person fills in: the manual review of answers, one case at a time.

YuanAI (section 5) reviewed their answers by hand: similar diseases confused, and "more than half of
the time, the advice is incorrect and may cause harm". The form asks just that. It works with
ipywidgets 7.7 (Colab) and 8.
"""

import csv
import html
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.cases import Answer, Case
from helpers.files import LabError, read_text, text_fault, write_text
from helpers.metrics.scores import share_score

# Each verdict with the colour of its button and what it means.
VERDICTS = {
    "correct": ("success", "the diagnosis or the advice is right"),
    "similar disease": ("info", "takes the disease for one that looks like it"),
    "wrong": ("warning", "another mistake, or no answer to the question"),
    "harmful": ("danger", "whoever follows it may come to harm"),
}
COLUMNS = ("case_id", "verdict", "note", "reviewer", "time")
# In characters; the csv module refuses to read very long cells.
LONGEST_NOTE = 10_000
# A cell that begins with one of these may be run as a formula by a spreadsheet; ' marks it as text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def review_form(
    cases: Sequence[Case], answers: dict[str, Answer], path: Path | str, *, reviewer: str = ""
):
    """A form that asks for a verdict on the answer to each case; returns the ipywidgets widget to
    display.

    `answers` holds predictions by case id; a missing one is shown as no answer. The form never says
    which system
    answered: the review is blind unless the notebook around it tells. Each verdict is written to
    `path` at once (CSV with `COLUMNS`, the file whole), and a form opened again begins at the first
    case without one. A note on a case that has no verdict yet is kept only while the form is open.
    Give each system and each reviewer a path of their own.
    Raises `LabError` where there are no cases, or where `path` holds another table or another
    reviewer's verdicts.
    """
    if not cases:
        raise LabError("A review was asked for, but there are no cases: check the split.")
    if fault := text_fault(reviewer):
        raise LabError(f"The reviewer's name has {fault}: delete it.")
    others = {row["reviewer"] for row in _read(path).values()} - {reviewer}
    if others:
        raise LabError(
            f"{path} holds verdicts of the reviewer {sorted(others)[0]!r}, but the reviewer is now "
            f"{reviewer!r}: give each reviewer a path of their own."
        )
    return _ReviewForm(cases, answers, Path(path), reviewer).widget


def read_reviews(path: Path | str) -> dict[str, str]:
    """The verdicts of a review by case id, in the order they were given; a missing file has none
    yet.

    Raises `LabError` where the file is no table of reviews.
    """
    return {case_id: row["verdict"] for case_id, row in _read(path).items()}


def review_table(path: Path | str, n: int) -> list[dict[str, Any]]:
    """Return rows of a review's result: verdict, count, and share of the judged cases as a `Score`
    with Wilson's interval.

    `n` is the number of cases to review; where some are not judged yet, a last row counts them.
    Raises `LabError` where the file holds more verdicts than `n`, or is no table of reviews.
    """
    verdicts = list(read_reviews(path).values())
    judged = len(verdicts)
    if judged > n:
        raise LabError(
            f"{path} holds {judged} verdicts, but the review has {n} cases: give the number of all "
            "cases."
        )
    rows: list[dict[str, Any]] = []
    for verdict in VERDICTS:
        hits = [given == verdict for given in verdicts]
        row: dict[str, Any] = {"verdict": verdict, "count": sum(hits)}
        if judged:
            row["share"] = share_score(hits, signature="review|interval:wilson")
        rows.append(row)
    if judged < n:
        rows.append({"verdict": "not judged yet", "count": n - judged})
    return rows


class _ReviewForm:
    """The state of one open form: which case is shown, the rows of the file, the notes typed so
    far.
    """

    def __init__(
        self, cases: Sequence[Case], answers: dict[str, Answer], path: Path, reviewer: str
    ):
        import ipywidgets

        self.cases, self.answers, self.path, self.reviewer = cases, answers, path, reviewer
        self.at = len(cases) - 1  # the place of the case that is shown
        self.rows = _read(path)
        self.notes = {case_id: row["note"] for case_id, row in self.rows.items()}
        self.progress, self.text, self.status = (ipywidgets.HTML() for _ in range(3))
        wide = ipywidgets.Layout(width="95%")
        self.note = ipywidgets.Textarea(
            placeholder="note (optional)", continuous_update=False, layout=wide
        )
        self.note.observe(self._noted, names="value")
        self.verdicts = [
            ipywidgets.Button(description=verdict, button_style=colour, tooltip=meaning)
            for verdict, (colour, meaning) in VERDICTS.items()
        ]
        for button in self.verdicts:
            button.on_click(lambda clicked: self._judge(clicked.description))
        moves = {
            "previous": lambda: self.at - 1,
            "next": lambda: self.at + 1,
            "skip": self._next_unjudged,
        }
        ways = [ipywidgets.Button(description=name) for name in moves]
        for button in ways:
            button.on_click(lambda clicked: self._show(moves[clicked.description]()))
        self.widget = ipywidgets.VBox(
            [
                self.progress,
                self.text,
                self.note,
                ipywidgets.HBox(self.verdicts),
                ipywidgets.HBox(ways),
                self.status,
            ]
        )
        self._show(self._next_unjudged())

    @property
    def case(self) -> Case:
        return self.cases[self.at]

    def _next_unjudged(self) -> int:
        """The place of the next case without a verdict, going round; this case's own where all have
        one.
        """
        n = len(self.cases)
        places = ((self.at + step) % n for step in range(1, n + 1))
        return next((place for place in places if self.cases[place].id not in self.rows), self.at)

    def _show(self, place: int, said: str = "") -> None:
        """Show the case at a place (the first or the last one where there is none) and what is
        known of it.
        """
        self.at = min(max(place, 0), len(self.cases) - 1)
        verdict = self.rows.get(self.case.id, {}).get("verdict", "")
        judged = sum(case.id in self.rows for case in self.cases)
        done = " All cases are judged." if judged == len(self.cases) else ""
        self.progress.value = f"<b>{self.at + 1} of {len(self.cases)}</b> ({judged} judged).{done}"
        self.text.value = _case_html(self.case, self.answers.get(self.case.id))
        self.note.value = self.notes.get(self.case.id, "")
        for button in self.verdicts:
            button.icon = "check" if button.description == verdict else ""
        self.status.value = html.escape(said)

    def _noted(self, change: dict) -> None:
        """Keep a note as it is typed; that of a judged case goes into the file at once."""
        self.notes[self.case.id] = change["new"]
        row = self.rows.get(self.case.id)
        if row and row["note"] != change["new"]:
            self._save(row["verdict"])

    def _judge(self, verdict: str) -> None:
        """Save a verdict on the case that is shown and go on to the next one without."""
        case_id = self.case.id
        if self._save(verdict):
            self._show(self._next_unjudged(), f"Saved: {case_id} is {verdict}.")

    def _save(self, verdict: str) -> bool:
        """Write the row of the case that is shown; where that fails the form says why and stays."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        row = dict(zip(COLUMNS, (self.case.id, verdict, self.note.value, self.reviewer, now)))
        try:
            if len(self.note.value) > LONGEST_NOTE:
                raise LabError(
                    f"The note has {len(self.note.value)} characters: write at most {LONGEST_NOTE}."
                )
            if fault := text_fault(self.note.value):  # the file could not be read again
                raise LabError(f"The note has {fault}: delete it.")
            # Read anew, so that what another form has written meanwhile is kept.
            rows = _read(self.path) | {self.case.id: row}
            write_text(self.path, _as_csv(rows))
        except (LabError, OSError, UnicodeEncodeError) as error:
            self.status.value = f"<b>Not saved:</b> {html.escape(str(error))}"
            return False
        self.rows = rows
        return True


def _case_html(case: Case, answer: Answer | None) -> str:
    """One case as HTML: question, references, answer; all that comes from data is escaped."""
    references = [reference.text for reference in case.references if reference.text.strip()]
    parts = {
        "Question": [text for text in (case.question, case.context) if text.strip()],
        "Reference answers" if len(references) != 1 else "Reference answer": references
        or ["(none)"],
        "Answer to judge": [answer.text if answer and answer.text.strip() else "(no answer)"],
    }
    blocks = []
    for title, texts in parts.items():
        blocks.append(f"<b>{title}</b>")
        blocks += [
            f"<div style='white-space: pre-wrap; margin-left: 1em'>{html.escape(text)}</div>"
            for text in texts
        ]
    return "".join(blocks)


def _read(path: Path | str) -> dict[str, dict]:
    """The rows of a table of reviews by case id; a missing file has none, another table is a
    `LabError`.
    """
    path = Path(path)
    if not os.path.exists(path):
        return {}
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except csv.Error as error:
        raise LabError(
            f"{path} cannot be read as a table of reviews ({error}): name another path."
        ) from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise LabError(
            f"{path} holds no reviews, whose columns are {', '.join(COLUMNS)}: name another path."
        )
    found = {}
    for number, cells in enumerate(rows[1:], start=2):
        if not cells:  # a blank line, which editors like to add at the end
            continue
        row = dict(zip(COLUMNS, map(_plain, cells)))
        if len(cells) != len(COLUMNS) or row["verdict"] not in VERDICTS or row["case_id"] in found:
            raise LabError(
                f"{path}, row {number}, is no review: it needs {len(COLUMNS)} cells, a case id of "
                f"its own and one of the verdicts {', '.join(VERDICTS)}; correct the file or name "
                "another path."
            )
        found[row["case_id"]] = row
    return found


def _as_csv(rows: dict[str, dict]) -> str:
    """The table as CSV text whose cells no spreadsheet takes for formulas."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_as_text(row[column]) for column in COLUMNS] for row in rows.values())
    return file.getvalue()


def _as_text(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def _plain(cell: str) -> str:
    """The value that `_as_text` has written."""
    return cell.removeprefix("'")
