"""Images in words: which images of a case are captioned, and how its captions become one text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from helpers.cases import Answer, Case

# What stands in place of a caption that could not be had: YuanAI's words (Table 4).
FAILED = "No Image describe"
# More images of a case than these are not captioned for its question: the first ones, in the case's
# own order.
IMAGES_PER_CASE = 3


def failed_caption(key: str, reason: str) -> Answer:
    """Return the caption of an image that has none."""
    return Answer(key, FAILED, error=reason)


def as_caption(answer: Answer) -> Answer:
    """Return an answer as a caption: one without text is a failed one."""
    if answer.text:
        return answer
    return replace(answer, text=FAILED, error=answer.error or "the captioner said nothing")


def images_to_caption(case: Case) -> tuple[Path, ...]:
    """Return the images of a case that are put into words for its question."""
    return case.images[:IMAGES_PER_CASE]


def case_text(captions: Sequence[Answer]) -> str:
    """Join the captions of a case's images by a space, in their order, equal ones once.

    A failed caption is left out, unless all failed, or there was no image: then it is `FAILED`.
    """
    texts = dict.fromkeys(caption.text.strip() for caption in captions if not caption.error)
    return " ".join(texts) or FAILED
