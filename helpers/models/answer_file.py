"""Answers on disk: a file that only grows, so that an interrupted run loses at most one batch.

Batches are formed once, from all questions in their order. A batch that was not written whole is
done again as a whole, so that an interrupted run ends with the very answers of an undisturbed one:
padding changes the last bits of a logit, and now and then a token.

Each line has a seal (see `helpers.files.hashes`), which fits in this file alone: a line that is
damaged, or from elsewhere, counts as none, and its question is answered again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from helpers.cases import Answer
from helpers.files import (
    DAMAGED,
    append_jsonl,
    delete_unfinished,
    display_path,
    lock_file,
    read_rows,
    with_seal,
    without_control,
    write_bytes,
    write_text,
)

Item = TypeVar("Item")


class AnswerFile:
    """One JSON line for each answer: a run's predictions.jsonl, or a captioner's captions."""

    def __init__(self, path: Path):
        self.path = path
        self._written: set[str] | None = None  # the ids in it; known once it is to be written

    @property
    def place(self) -> str:
        """What the seals of its lines are for: the file in its folder, wherever that lies."""
        return f"{self.path.parent.name}/{self.path.name}"

    def read(self) -> dict[str, Answer]:
        """Read the answers by id; another process may be adding to them."""
        rows, _, _ = read_rows(self.path, self.place)
        answers = map(Answer.from_row, rows)
        return {answer.case_id: answer for answer in answers}

    def missing(
        self, questions: Mapping[str, Item], size: int, *, whole: bool = True
    ) -> list[dict[str, Item]]:
        """Cut questions into batches, in their order, and return those that are not answered yet.

        Only for whoever writes the file: a torn end is mended first.

        Args:
            size: questions in a batch.
            whole: a batch that is answered in part comes back whole; False leaves out what is
                answered, as for a model behind an API, where nobody pays twice.
        """
        done = self._begin()
        ids = list(questions)
        batches = [ids[start : start + size] for start in range(0, len(ids), size)]
        open_batches = [batch for batch in batches if not done.issuperset(batch)]
        return [
            {case_id: questions[case_id] for case_id in batch if whole or case_id not in done}
            for batch in open_batches
        ]

    def add(self, answers: Iterable[Answer]) -> None:
        """Write answers at the end, each as it comes; one that is there already is passed over."""
        written = self._begin() if self._written is None else self._written
        for answer in answers:
            if answer.case_id not in written:
                readable = replace(answer, text=without_control(answer.text))
                append_jsonl(self.path, [with_seal(readable.as_row(), self.place)])
                written.add(answer.case_id)

    def _begin(self) -> set[str]:
        """Keep the lines that are whole, and return their ids.

        What a kill has left of a last line is passed over without a word; the file as it was is
        kept beside where more than that is damaged.
        """
        delete_unfinished(self.path.parent, self.path.name)
        rows, damaged, torn = read_rows(self.path, self.place)
        if damaged:
            kept = self.path.with_name(f"{self.path.name}{DAMAGED}")
            write_bytes(kept, self.path.read_bytes())
            print(
                f"{display_path(self.path)} had {damaged} damaged or foreign lines, which are "
                f"answered again; the file as it was is {kept.name} beside it."
            )
        if damaged or torn:
            lines = [json.dumps(with_seal(row, self.place), ensure_ascii=False) for row in rows]
            write_text(self.path, "".join(f"{line}\n" for line in lines))
        self._written = {row["case_id"] for row in rows}
        return self._written

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time write; another one waits, and finds what was written."""
        with lock_file(self.path.with_name(f".{self.path.name}.lock")):
            self._written = None
            yield
