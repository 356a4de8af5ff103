"""Describe a set of answers without references: cut off, copied, repeated, empty, how long.

Two systems with the same deltaBLEU can differ in all of these; a constant answer has one distinct
text.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from helpers.cases import Answer, Case
from helpers.files import LabError
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import Score, mean_score, share_interval, share_score, sign_groups

# Raised by hand when the meaning of one of these numbers changes.
VERSION = 1
METRICS = {
    "distinct": Metric("distinct", PERCENT, 0),
    "copies": Metric("copies of training answers", PERCENT, 0, "lower"),
    "unfinished": Metric("unfinished", PERCENT, 0, "lower"),
    "empty": Metric("empty", PERCENT, 0, "lower"),
    "words": Metric("words", "mean", 1, ""),
}


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    return [graded.fingerprint_training()]


def measure(graded: Graded) -> dict[str, Measured]:
    """Describe all answers, see `answer_statistics`."""
    training = [text for _, text in graded.training]
    found = answer_statistics(graded.cases, graded.answers, training)
    return {key: Measured(score) for key, score in found.items()}


def answer_statistics(
    cases: Sequence[Case], answers: Mapping[str, Answer], training_texts: Collection[str]
) -> dict[str, Score]:
    """Score answers by metrics that need no references, each with its 95 % interval over cases.

    "unfinished": share of answers cut at the token limit (YuanAI, section 3.5: "no assurance of
    complete answers"). Only generated answers count, so n may be smaller; left out where none was
    (a constant answer, a submission file).
    "copies": share of answers that are, white space around them aside, one of `training_texts` to
    the letter.
    "distinct": number of different answers / n, see `distinct_score`. "empty": share of blank
    answers.
    "words": mean number of words between white space, empty answers included.

    `answers` holds predictions by case id: others' are ignored, a missing one counts as empty.
    Shares are 0 to 1, with Wilson intervals; "words" has a bootstrap interval. All are clustered
    by the groups of the cases.

    Raises:
        LabError: There are no cases.
    """
    if not cases:
        raise LabError("Answers were to be described, but there are no cases: check the split.")
    found = [answers.get(case.id, Answer(case.id, "")) for case in cases]
    texts = [answer.text.strip() for answer in found]
    training = {text.strip() for text in training_texts} - {""}
    scores, groups = {}, groups_of(cases)
    ends = [(answer.finish, group) for answer, group in zip(found, groups) if answer.finish]
    if ends:
        cut = [end == "length" for end, _ in ends]
        scores["unfinished"] = _share(cut, "unfinished|finish:length", [group for _, group in ends])
    copied = [text in training for text in texts]
    scores["copies"] = _share(copied, f"copies|texts:{len(training)}", groups)
    scores["empty"] = _share([not text for text in texts], "empty", groups)
    scores["distinct"] = distinct_score(texts, groups)
    words = np.array([len(text.split()) for text in texts], dtype=float)
    signature = f"words|split:white space|interval:bootstrap|v:{VERSION}"
    scores["words"] = mean_score(words, signature=signature, groups=groups)
    return scores


def _share(hits: Sequence[bool], title: str, groups: Sequence[str]) -> Score:
    return share_score(hits, signature=f"{title}|interval:wilson|v:{VERSION}", groups=groups)


def distinct_score(texts: Sequence[str], groups: Sequence[str] = ()) -> Score:
    """Compute the number of different texts / n, with a 95 % interval for cases drawn anew.

    A bootstrap would be wrong: drawing with replacement repeats answers, so nearly all resamples
    lie below the value. Leaving out one case changes the number only where its answer stands alone.
    The jackknife's standard error is thus that of the share of lone answers, and never too small on
    average (Efron and Stein 1981): their Wilson interval, moved onto the value and cut to what is
    possible, is the interval here. With more cases the value falls by itself: compare only sets of
    the same n. Of cases in groups whole groups are left out: an answer is lone if only one group
    has it.
    """
    n = len(texts)
    owners = defaultdict(set)
    for text, group in zip(texts, groups or range(n)):
        owners[text].add(group)
    value = len(owners) / n
    first = {text: place for place, text in reversed(list(enumerate(texts)))}
    lone = [len(owners[text]) == 1 and first[text] == place for place, text in enumerate(texts)]
    share = sum(lone) / n
    low, high = share_interval(lone, groups)
    return Score(
        value=value,
        low=max(1 / n, value - (share - low)),
        high=min(1.0, value + (high - share)),
        n=n,
        signature=sign_groups(f"distinct|interval:jackknife|v:{VERSION}", n, groups),
    )
