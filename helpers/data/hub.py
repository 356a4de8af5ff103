"""Sets that Hugging Face's hub publishes: what their columns are called, and their rows, streamed.

No code of a repository is ever run: `datasets` reads the files that lie there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from helpers.files import LabError, one_line


@dataclass(frozen=True)
class Form:
    """What the columns of a published set are called; "" where it has none.

    Attributes:
        group: a column that names what rows share; where there is none, rows share their picture.
    """

    picture: str = "image"
    question: str = "question"
    answer: str = "answer"
    group: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows of this form have."""
        return tuple(filter(None, (self.picture, self.question, self.answer, self.group)))


FORMS = {
    "flaviagiammarino/vqa-rad": Form(),
    "flaviagiammarino/path-vqa": Form(),
    "eltorio/ROCOv2-radiology": Form(question="", answer="caption"),
}

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubRows:
    """Rows of a split that come from the hub one by one, each time they are asked for.

    Attributes:
        total: how many there are; None where the page of the data set does not say.

    Raises:
        LabError: while they come, the hub can be reached no more, or sends what is no row.
    """

    rows: Iterable[Mapping[str, Any]]
    repo: str
    split: str
    total: int | None = None

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        with _fetched(self.repo, self.split):
            yield from self.rows


def check_commit(revision: str) -> None:
    """Refuse a revision that is no commit and so may move, as a `LabError`."""
    if not COMMIT.fullmatch(revision):
        raise LabError(
            f"`revision` is {revision[:60]!r}, but a branch or tag may move: name a commit, 40 "
            "digits, from the page of the data set."
        )


def stream_hub(repo: str, revision: str, split: str) -> HubRows:
    """Stream the rows of a set of the hub, pictures as they are stored.

    Args:
        repo: one of `FORMS`.
        revision: a commit, so that the same rows come again.
        split: as the hub calls it.
    Raises:
        LabError: another repository, a revision that may move, or the hub cannot be reached.
    """
    if repo not in FORMS:
        raise LabError(f"{repo!r} was asked for, but rows of {', '.join(FORMS)} are known.")
    check_commit(revision)
    from datasets import Image, load_dataset

    # Without the hub, `datasets` would take what it has of any other commit in its cache: here that
    # is an empty one, and streaming keeps nothing in it.
    with _fetched(repo, split), TemporaryDirectory() as empty:
        rows = load_dataset(repo, revision=revision, split=split, streaming=True, cache_dir=empty)
        known = (rows.info.splits or {}).get(split)
        rows = rows.cast_column(FORMS[repo].picture, Image(decode=False))
    return HubRows(rows, repo, split, known.num_examples if known else None)


@contextmanager
def _fetched(repo: str, split: str) -> Iterator[None]:
    """Tell of all that may go wrong with the hub in one sentence: `datasets` and what is below it
    raise errors of many kinds that have nothing in common.
    """
    try:
        yield
    except Exception as error:
        reason = one_line(str(error) or type(error).__name__)[:200].removesuffix(".")
        raise LabError(
            f"The split {split!r} of {repo} could not be fetched ({reason}): check the network, or "
            "read the set from a local folder."
        ) from None
