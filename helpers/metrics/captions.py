"""Describe captions without references: how often a captioner fails, its speed and its length."""

from collections.abc import Sequence

import numpy as np

from helpers.cases import Answer
from helpers.metrics.answers import distinct_score
from helpers.metrics.differences import Difference, difference_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import (
    Score,
    mean_columns,
    mean_from_sums,
    mean_score,
    share_score,
    sign_groups,
)

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


def compare_length(
    first: Sequence[Answer], second: Sequence[Answer], groups: Sequence[str] = ()
) -> Difference | None:
    """Compute how many words more the second captioner says of an image, on average.

    Only images that both captioned count; None if there is no such image. `groups`: the case of
    each image, () where each has its own.
    """
    both = [place for place, (a, b) in enumerate(zip(first, second)) if not a.error and not b.error]
    if not both:
        return None
    fewer, more = ([_count_words(side[place]) for place in both] for side in (first, second))
    return _compare(fewer, more, "words more", [groups[place] for place in both] if groups else ())


def compare_failures(
    first: Sequence[Answer], second: Sequence[Answer], groups: Sequence[str] = ()
) -> Difference:
    """Compute how much more often the first captioner fails on the same images, from -1 to 1.

    `groups` as for `compare_length`.
    """
    before, after = ([bool(caption.error) for caption in side] for side in (second, first))
    return _compare(before, after, "fails more", groups)


def _compare(
    before: Sequence[float], after: Sequence[float], what: str, groups: Sequence[str]
) -> Difference:
    """Compute the mean of `after` minus that of `before`, one value per image each."""
    return difference_of(
        [mean_columns(before)],
        [mean_columns(after)],
        mean_from_sums,
        signature=sign_groups(_signature(what), len(after), groups),
        groups=groups,
    )


def _count_words(caption: Answer) -> int:
    return len(caption.text.split())


def _signature(what: str) -> str:
    return f"captions|{what}|v:{VERSION}"
