"""How a captioner does, whoever is right: how often it fails, how long and how quick its captions
are.
"""

from collections.abc import Sequence

import numpy as np

from helpers.cases import Answer
from helpers.metrics.answers import distinct_score
from helpers.metrics.scores import Score, mean_score, share_score

# Raised by hand when the meaning of one of these numbers changes.
VERSION = 2


def caption_statistics(captions: Sequence[Answer]) -> dict[str, Score]:
    """Scores of captions, one per image, each with its 95 % interval over the images:

    "failed": share of images without a caption. Of those that have one: "unfinished", the share
    cut at the token limit; "words" and "seconds", means per image; "distinct", the number of
    different captions / n. Shares are 0 to 1. The images of one case resemble each other, so that
    intervals are somewhat too narrow.
    """
    good = [caption for caption in captions if not caption.error]
    scores = {
        "failed": share_score(
            [bool(caption.error) for caption in captions], signature=_signed("failed")
        )
    }
    if not good:
        return scores
    if any(
        caption.finish for caption in good
    ):  # recorded captions do not say how they ended, nor how long it took
        scores["unfinished"] = share_score(
            [c.finish == "length" for c in good], signature=_signed("finish:length")
        )
        scores["seconds"] = mean_score(
            np.array([caption.seconds for caption in good]), signature=_signed("seconds")
        )
    words = np.array([len(caption.text.split()) for caption in good], dtype=float)
    scores["words"] = mean_score(words, signature=_signed("words|split:white space"))
    return scores | {"distinct": distinct_score([caption.text for caption in good])}


def _signed(what: str) -> str:
    return f"captions|{what}|v:{VERSION}"


def compare_length(first: Sequence[Answer], second: Sequence[Answer]) -> Score | None:
    """How many words more the second captioner says of the same image, the mean over images
    that both caption.

    None where there is no such image.
    """
    pairs = [(a, b) for a, b in zip(first, second) if not a.error and not b.error]
    if not pairs:
        return None
    words = np.array([len(b.text.split()) - len(a.text.split()) for a, b in pairs], dtype=float)
    return mean_score(words, signature=_signed("words more"))


def compare_failures(first: Sequence[Answer], second: Sequence[Answer]) -> Score:
    """How much more often the first captioner fails than the second, on the same images (-1 to
    1).
    """
    more = np.array([bool(a.error) - bool(b.error) for a, b in zip(first, second)], dtype=float)
    return mean_score(more, signature=_signed("fails more"))
