"""Answers on disk: a file that only grows, so that an interrupted run loses at most one batch.

Batches are formed once, from all questions in their order. A batch that was not written whole is
done again as a whole, so that an interrupted run ends with the very answers of an undisturbed one:
padding changes the last bits of a logit, and now and then a token.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from helpers.cases import Answer
from helpers.files import append_jsonl, lock_file, mend_torn_end, read_jsonl

Item = TypeVar("Item")


class AnswerFile:
    """One JSON line for each answer: a run's predictions.jsonl, or a captioner's captions."""

    def __init__(self, path: Path):
        self.path = path
        self._written: set[str] | None = None  # the ids in it; known once it is to be written

    def read(self) -> dict[str, Answer]:
        """Read the answers by id; another process may be adding to them."""
        answers = map(Answer.from_row, read_jsonl(self.path, allow_torn_end=True))
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
                append_jsonl(self.path, [answer.as_row()])
                written.add(answer.case_id)

    def _begin(self) -> set[str]:
        """Mend the end that a kill has torn, and return the ids in the file."""
        mend_torn_end(self.path)
        self._written = set(self.read())
        return self._written

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time write; another one waits, and finds what was written."""
        with lock_file(self.path.with_name(f".{self.path.name}.lock")):
            self._written = None
            yield
