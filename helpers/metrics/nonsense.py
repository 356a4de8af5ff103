"""Count answers that say of a nonsense question that it has no answer: the only right ones."""

import re

from helpers.data.nonsense import QUESTION_TYPE
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.refusals import is_refusal
from helpers.metrics.scores import mean_columns, mean_from_sums, share_score

# Raised by hand when the same answers would count differently.
VERSION = 1
METRICS = {"admissions": Metric("nonsense seen through", PERCENT, 1)}
STATISTICS = {"admissions": mean_from_sums}
LEFT_OUT = ("interval",)
# Ways to say so, as the options of Med-HALT and models have them.
ADMISSIONS = re.compile(
    r"""
    \b(?:do|does)(?:\ not|n't)\ (?:know|exist|make\ sense|apply)\b
    | \b(?:makes?\ no|no)\ sense\b | \bnonsens
    | \bno(?:ne)?\ (?:of\ the\ above|such\ thing|answer)\b
    | \b(?:cannot|can't|can\ not)\ be\ (?:answered|determined|known)\b
    | \b(?:not|im)\s?(?:possible|real|a\ real)\b | \bfiction | \bunclear\b | \bunanswerable\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    return [graded.language]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score the share of answers, 0 to 1, that see through a nonsense question; {} where not every
    case is one, or answers are not English.
    """
    cases = graded.cases
    if graded.language != "en" or not cases:
        return {}
    if any(case.question_type != QUESTION_TYPE for case in cases):
        return {}
    hits = [admits(text) for text in graded.texts(cases)]
    signature = f"admissions|phrases:en|interval:wilson|v:{VERSION}"
    score = share_score(hits, signature=signature, groups=groups_of(cases))
    return {"admissions": Measured(score, graded.ids, mean_columns(hits))}


def admits(text: str) -> bool:
    """Tell whether an English answer says that there is none, or refuses."""
    return bool(ADMISSIONS.search(text.replace("’", "'"))) or is_refusal(text)
