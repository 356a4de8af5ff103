"""Images in words: what a caption is, the file that keeps captions, and how a case's captions
become one text.

A store is one file for a captioner and a data set, `outputs/captions/<data set>/<captioner>.jsonl`.
It only grows: a line is written as each caption comes, under the image's content and the prompt.
So an image of the data set is captioned once, whatever it is called, and every notebook reads the
same captions.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.cases import Case
from helpers.files import append_jsonl, lock_file, mend_torn_end, read_jsonl

# What stands in place of a caption that could not be had: YuanAI's words (Table 4).
FAILED = "No Image describe"
# More images of a case than these are not captioned for its question: the first ones, in the
# case's own order.
IMAGES_PER_CASE = 3


@dataclass(frozen=True)
class Caption:
    """What a captioner said about one image.

    `image` identifies its content (`images.picture_key`), `prompt` the question. `error` says
    why there is no caption; then `text` is `FAILED`. `finish` is "stop", "length" (cut) or "".
    """

    image: str
    prompt: str
    text: str
    seconds: float = 0.0
    tokens: int = 0
    finish: str = ""
    error: str = ""


@dataclass(frozen=True)
class CaptionStore:
    """The captions of one captioner for one data set, on disk."""

    path: Path

    def read(self, prompt: str) -> dict[str, Caption]:
        """All captions that answer a prompt, by image; another process may be adding to them."""
        rows = read_jsonl(self.path, allow_torn_end=True)
        found = [
            Caption(**{name: row[name] for name in Caption.__dataclass_fields__ if name in row})
            for row in rows
        ]
        return {caption.image: caption for caption in found if caption.prompt == prompt}

    def add(self, captions: Sequence[Caption]) -> None:
        """Write captions at the end, whole."""
        append_jsonl(self.path, [asdict(caption) for caption in captions])

    @contextmanager
    def writing(self):
        """One process at a time writes; another one waits, and finds what was written meanwhile."""
        with lock_file(self.path.with_name(f".{self.path.name}.lock")):
            mend_torn_end(self.path)
            yield


def failed(image: str, prompt: str, reason: str) -> Caption:
    """The caption of an image that has none."""
    return Caption(image, prompt, FAILED, error=reason)


def images_to_caption(case: Case) -> tuple[Path, ...]:
    """The images of a case that are put into words for its question."""
    return case.images[:IMAGES_PER_CASE]


def case_text(captions: Sequence[Caption]) -> str:
    """The captions of a case's images as one text: in their order, joined by a space, equal ones
    once.

    A failed caption is left out, unless all failed, or there was no image: then it is `FAILED`.
    """
    texts = dict.fromkeys(caption.text.strip() for caption in captions if not caption.error)
    return " ".join(texts) or FAILED
