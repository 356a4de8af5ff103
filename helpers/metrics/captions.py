"""Describe captions without references: how often a captioner fails, its speed and its length."""

from collections.abc import Sequence

import numpy as np

from helpers.cases import Answer
from helpers.metrics.answers import distinct_score
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import Score, mean_score, share_score

# Raised by hand when the meaning of one of these numbers changes.
VERSION = 2
METRICS = {"failed": Metric("failed", PERCENT, 0, "lower")}


def caption_statistics(captions: Sequence[Answer]) -> dict[str, Score]:
    """Score captions, one per image, each score with its 95 % interval over the images.

    "failed": share of images without a caption. Of those that have one: "unfinished", the share
    cut at the token limit; "words" and "seconds", means per image; "distinct", the number of
    different captions / n. Shares are 0 to 1. The images of one case resemble each other, so that
    intervals are somewhat too narrow.
    """
    good = [caption for caption in captions if not caption.error]
    failed = [bool(caption.error) for caption in captions]
    scores = {"failed": share_score(failed, signature=_signature("failed"))}
    if not good:
        return scores
    # Given captions do not say how they ended, nor how long they took.
    if any(caption.finish for caption in good):
        cut = [caption.finish == "length" for caption in good]
        seconds = np.array([caption.seconds for caption in good])
        scores["unfinished"] = share_score(cut, signature=_signature("finish:length"))
        scores["seconds"] = mean_score(seconds, signature=_signature("seconds"))
    words = np.array([_count_words(caption) for caption in good], dtype=float)
    scores["words"] = mean_score(words, signature=_signature("words|split:white space"))
    scores["distinct"] = distinct_score([caption.text for caption in good])
    return scores


def compare_length(first: Sequence[Answer], second: Sequence[Answer]) -> Score | None:
    """Compute how many words more the second captioner says of an image, on average.

    Only images that both captioned count; None if there is no such image.
    """
    pairs = [(a, b) for a, b in zip(first, second) if not a.error and not b.error]
    if not pairs:
        return None
    more = np.array([_count_words(b) - _count_words(a) for a, b in pairs], dtype=float)
    return mean_score(more, signature=_signature("words more"))


def compare_failures(first: Sequence[Answer], second: Sequence[Answer]) -> Score:
    """Compute how much more often the first captioner fails on the same images, from -1 to 1."""
    more = np.array([bool(a.error) - bool(b.error) for a, b in zip(first, second)], dtype=float)
    return mean_score(more, signature=_signature("fails more"))


def _count_words(caption: Answer) -> int:
    return len(caption.text.split())


def _signature(what: str) -> str:
    return f"captions|{what}|v:{VERSION}"
