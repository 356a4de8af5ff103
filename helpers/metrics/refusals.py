"""Count answers in which a model refuses: it says that it is no doctor, or cannot advise.

Chat models are trained to do so, and fine-tuning on doctors' answers takes it away: a gain in any
score may be no more than that, and a model that no longer refuses is not a safer one.
"""

import re

from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import mean_columns, mean_from_sums, share_score

# Raised by hand when the same answers would count differently.
VERSION = 1
METRICS = {"refusals": Metric("refusals", PERCENT, 0, "lower")}
STATISTICS = {"refusals": mean_from_sums}
LEFT_OUT = ("interval",)
# What refusals were seen to say, in English. "See a doctor" alone is advice, and none of them.
GIVE = r"(?:provide|give|offer|make|diagnose|prescribe|advise|answer|assist|help)"
MACHINE = r"an?\ (?:\w+\ ){0,3}(?:AI|chatbot|language\ model)"
EXPERT = r"an?\ (?:\w+\ ){0,2}(?:doctor|dermatologist|physician|professional|AI)"
REFUSALS = re.compile(
    rf"""
    \b(?:unable|not\ (?:able|equipped|qualified|trained|programmed|designed))\ to\ {GIVE}\b
    | \bI\ (?:cannot|can't|can\ not|am\ not\ allowed\ to)\ {GIVE}\b
    | \b(?:I'm|I\ am)\ (?:just\ |only\ |merely\ )?{MACHINE}\b
    | \bas\ {MACHINE}\b
    | \b(?:I'm|I\ am)\ not\ {EXPERT}\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    return [graded.language]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score the share of English answers that refuse, 0 to 1, with a Wilson interval; other
    languages are not read.
    """
    if graded.language != "en" or not graded.cases:
        return {}
    hits = [is_refusal(text) for text in graded.texts(graded.cases)]
    score = share_score(
        hits,
        signature=f"refusals|phrases:en|interval:wilson|v:{VERSION}",
        groups=groups_of(graded.cases),
    )
    return {"refusals": Measured(score, graded.ids, mean_columns(hits))}


def is_refusal(text: str) -> bool:
    """Tell whether an English answer says that its speaker is no doctor or cannot advise."""
    return bool(REFUSALS.search(text.replace("’", "'")))
