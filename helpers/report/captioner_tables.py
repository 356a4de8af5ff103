"""What YuanAI's Table 4 shows of two captioners, held against all images of a split."""

from collections.abc import Mapping, Sequence

from helpers.cases import Answer
from helpers.experiments.verdicts import Verdict
from helpers.metrics.captions import compare_failures, compare_length
from helpers.metrics.claims import verdict


def caption_claims(
    first: Mapping[str, Sequence[Answer]],
    second: Mapping[str, Sequence[Answer]],
    names: tuple[str, str],
) -> list[Verdict]:
    """Hold the claims that YuanAI's Table 4 makes against the captions of two captioners.

    `first` and `second`: captions of the same cases in the same order, by case id, in the parts of
    BLIP and of Gemini; `names`: the captioners'. Nothing is said about length where no image has a
    caption by both.
    """
    one, two = (
        [caption for row in captions.values() for caption in row] for captions in (first, second)
    )
    cases = [case_id for case_id, captions in first.items() for _ in captions]
    fails = f"{names[0]} fails more often than {names[1]}"
    measured = [(fails, "failed", "1 of 3; 0 of 3", compare_failures(one, two, cases))]
    if more := compare_length(one, two, cases):
        says = f"{names[1]} says more of an image than {names[0]}"
        measured.append((says, "words", "7 and 14 words; 73 and 91", more))
    return [
        Verdict(says, metric, score, verdict(score, paper=1), paper=paper)
        for says, metric, paper, score in measured
    ]
