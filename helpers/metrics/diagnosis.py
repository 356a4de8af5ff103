"""Find which diagnosis an answer names, and judge it by the label of its case.

deltaBLEU and BERTScore do not see that. YuanAI (section 5) report "similar-disease confusion" from
a manual review; this is the part of it that a machine can count. Whether an answer is harmful it
cannot: that is asked in the form of `helpers.report.widgets` only.

Gaps, in plain words: names are the English ones of the pocket clinic; a denied name ("not eczema",
"unlike psoriasis") counts as named; so does a name in a remark about the past. Right advice is not
looked at.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from helpers.cases import Answer, Case
from helpers.files import LabError, fingerprint
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import Score, mean_columns, mean_from_sums, share_score
from helpers.pocket.conditions import Condition, load_conditions

# What `judge` says of an answer.
JUDGEMENTS = ("correct", "similar disease", "wrong", "none named")
# Raised by hand when the rule of `judge` changes.
VERSION = 1
METRICS = {"named": Metric("diagnosis named", PERCENT, 0)}
STATISTICS = {"named": mean_from_sums}
LEFT_OUT = ("names", "interval")

Owner = TypeVar("Owner")


def depends_on(graded: Graded) -> list:
    """List what the score depends on besides the answers."""
    labels = [[case.id, case.label] for case in _labelled(graded.cases)]
    return [_names_id(), fingerprint(labels)]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score the diagnoses of all answers to labelled cases; {} where no case has a label."""
    hits = _hits(graded.cases, graded.answers)
    if not hits:
        return {}
    cases = _labelled(graded.cases)
    ids = tuple(case.id for case in cases)
    return {"named": Measured(_score(hits, groups_of(cases)), ids, mean_columns(hits))}


def named(text: str) -> list[str]:
    """Find the pocket conditions that a text names, by main name, in order of first appearance.

    Any name or synonym counts, as whole words in capitals or not, in the plural, with hyphens for
    spaces, and in British spelling (oe and ae for e). A longer name hides a shorter one inside it:
    "seborrheic eczema" is not eczema.
    """
    pattern, _ = _names()
    found = [_condition_of(match).name for match in pattern.finditer(folded(text))]
    return list(dict.fromkeys(found))


def judge(text: str, label: str) -> str:
    """Judge the diagnosis of an answer by the label of its case: one of `JUDGEMENTS`.

    The condition named first is the answer's diagnosis, so naming everything does not help.
    "correct": it is the label (under any of its names); "similar disease": it is one of the label's
    look-alikes; "wrong": another one, even where the label is mentioned later; "none named": no
    condition is named.

    A label that is no pocket condition (a user's data) has no known synonyms or look-alikes. Then
    "correct" means that the label's own words stand in the answer, before or inside the first
    pocket condition named; "similar disease" is never said, and "none named" may well be a
    condition that the lab does not know.

    Raises:
        LabError: The label is blank.
    """
    if not label.strip():
        raise LabError(
            "An answer was to be judged, but its case has no label: judge only cases with labels."
        )
    pattern, _ = _names()
    text, label = folded(text), folded(label)
    first = pattern.search(text)
    known = pattern.fullmatch(label)
    if not known:
        return _judge_by_words(text, label, first)
    if not first:
        return "none named"
    found, right = _condition_of(first), _condition_of(known)
    if found is right:
        return "correct"
    return "similar disease" if found.id in right.look_alikes else "wrong"


def _judge_by_words(text: str, label: str, first: re.Match | None) -> str:
    """Judge a folded answer by a label that is no pocket condition; `first` is the one named."""
    own = re.search(rf"(?<!\w){with_plural(label)}(?!\w)", text)
    if own and (not first or own.start() < first.end()):
        return "correct"
    return "wrong" if first else "none named"


def judgements(cases: Sequence[Case], answers: Mapping[str, Answer]) -> dict[str, int]:
    """Count how many answers to labelled cases get each of `JUDGEMENTS`; {} without labels."""
    counts = Counter(_judge_labelled(cases, answers))
    return {judgement: counts[judgement] for judgement in JUDGEMENTS} if counts else {}


def _score(hits: Sequence[bool], groups: Sequence[str]) -> Score:
    signature = f"named|rule:first|names:{_names_id()}|interval:wilson|v:{VERSION}"
    return share_score(hits, signature=signature, groups=groups)


def _names_id() -> str:
    return fingerprint([condition.names for condition in load_conditions()])


def _labelled(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.label.strip()]


def _hits(cases: Sequence[Case], answers: Mapping[str, Answer]) -> list[bool]:
    """Tell of each labelled case whether its answer is correct."""
    return [judgement == "correct" for judgement in _judge_labelled(cases, answers)]


def _judge_labelled(cases: Sequence[Case], answers: Mapping[str, Answer]) -> list[str]:
    labelled = _labelled(cases)
    texts = [answers[case.id].text if case.id in answers else "" for case in labelled]
    return [judge(text, case.label) for text, case in zip(texts, labelled)]


@lru_cache
def _names() -> tuple[re.Pattern, tuple[Condition, ...]]:
    return compile_names(
        {folded(name): condition for condition in load_conditions() for name in condition.names}
    )


def compile_names(owners: Mapping[str, Owner]) -> tuple[re.Pattern, tuple[Owner, ...]]:
    """Compile a pattern with one group per name, longest first, and list each group's owner.

    `owners`: folded name -> what it stands for. The pattern is for texts that are `folded`.
    """
    names = sorted(owners, key=len, reverse=True)
    groups = "|".join(f"({with_plural(name)})" for name in names)
    return re.compile(rf"\b(?:{groups})\b"), tuple(owners[name] for name in names)


def _condition_of(match: re.Match) -> Condition:
    """Return the condition of the name that matched the pattern of `_names`."""
    _, conditions = _names()
    group = match.lastindex or 0  # never 0: each name is a group
    return conditions[group - 1]


def folded(text: str) -> str:
    """Fold a text: small letters, one space for white space and hyphens, e for oe and ae."""
    text = re.sub(r"[\s_\-\u2010-\u2015]+", " ", text.casefold())
    return re.sub("[ao]e|[æœ]", "e", text).strip()


def with_plural(name: str) -> str:
    """Return a pattern of a folded name and its plural: keratoses, nevi, bites."""
    for ending, plurals in (("is", "(?:is|es)"), ("us", "(?:us|uses|i)")):
        if name.endswith(ending):
            return re.escape(name.removesuffix(ending)) + plurals
    return re.escape(name) + "(?:e?s)?"
