"""Score short answers with one right answer each, as VQA-RAD has them, in two readings.

"published" is what Med-Idefics' code computes (Murphy 2024, section 5.5): the truth stands anywhere
in the answer ("no" in "normal", too); tokens are NLTK's, so that "yes." is two of them, and F1
counts distinct common tokens over all. There most of the published gain in F1 is a full stop: 388
of the base model's 400 answers end in one, none of the fine-tuned. "normalised" compares words
without case and punctuation, the common tokens counted as often as they occur (Rajpurkar et al.
2016), and finds the truth only as whole words.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from helpers.cases import Case
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import Score, mean_columns, mean_from_sums, mean_score, share_score

# Raised by hand when the same answers would score differently.
VERSION = 1
CLOSED = ("yes", "no")  # truths of questions that are answered so
PUNCTUATION = re.compile(r"[^\w\s]|_")
NORMALISED = {
    "containment": Metric("truth in the answer", PERCENT, 1),
    "exact_match": Metric("exact match", PERCENT, 1),
    "token_f1": Metric("token F1", "", 3),
    "bleu_1": Metric("BLEU-1", "", 3),
    "closed_accuracy": Metric("right, yes or no", PERCENT, 1),
}
SHARES = ("containment", "exact_match", "closed_accuracy")
PUBLISHED = "published_"  # before the name of a metric in that reading
METRICS = NORMALISED | {
    f"{PUBLISHED}{key}": replace(metric, label=f"{metric.label}, as published")
    for key, metric in NORMALISED.items()
    if key != "closed_accuracy"
}
STATISTICS = dict.fromkeys(METRICS, mean_from_sums)
LEFT_OUT = ("interval",)


@dataclass(frozen=True)
class Reading:
    """How two texts are compared.

    Attributes:
        tokens: what a text is cut into.
        contains: whether the answer (second) says the truth (first).
        common: how many tokens two lists have in common.
    """

    name: str
    tokens: Callable[[str], list[str]]
    contains: Callable[[str, str], bool]
    common: Callable[[Sequence[str], Sequence[str]], int]


def words(text: str) -> list[str]:
    """Cut a text into words without case; punctuation separates them."""
    return PUNCTUATION.sub(" ", text.lower()).split()


def nltk_tokens(text: str) -> list[str]:
    """Cut a text as `nltk.word_tokenize` does one sentence, in small letters."""
    return _nltk_tokenizer()(text.lower())


def _contains_letters(truth: str, answer: str) -> bool:
    return truth.lower() in answer.lower()


def _contains_words(truth: str, answer: str) -> bool:
    return f" {' '.join(words(truth))} " in f" {' '.join(words(answer))} "


def _distinct(one: Sequence[str], other: Sequence[str]) -> int:
    return len(set(one) & set(other))


def _counted(one: Sequence[str], other: Sequence[str]) -> int:
    return (Counter(one) & Counter(other)).total()


READINGS = (
    Reading("published", nltk_tokens, _contains_letters, _distinct),
    Reading("normalised", words, _contains_words, _counted),
)


def score_pair(truth: str, answer: str, reading: Reading) -> dict[str, float]:
    """Score one answer against the truth, each metric 0 to 1.

    BLEU-1 is clipped unigram precision with the brevity penalty, without smoothing (Papineni et al.
    2002); an answer or a truth without tokens has no token in common with anything.
    """
    right, said = reading.tokens(truth), reading.tokens(answer)
    return {
        "containment": float(reading.contains(truth, answer)),
        "exact_match": float(right == said),
        "token_f1": _f1(reading.common(said, right), len(said), len(right)),
        "bleu_1": _bleu_1(right, said),
    }


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    return [graded.fingerprint_references()]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score answers to questions with one short right answer, in both readings; {} where not every
    case that can be scored is such a question.
    """
    cases = graded.scorable
    if not cases or not all(case.question_type for case in cases):
        return {}
    published, normalised = (_measure(cases, graded.texts(cases), one) for one in READINGS)
    published.pop("closed_accuracy", None)
    return normalised | {f"{PUBLISHED}{key}": one for key, one in published.items()}


def _measure(
    cases: Sequence[Case], answers: Sequence[str], reading: Reading
) -> dict[str, Measured]:
    truths = [case.references[0].text for case in cases]
    values = score_each(truths, answers, reading)
    found = {}
    for key, scored in values.items():
        there = [cases[place] for place in scored]
        numbers = list(scored.values())
        found[key] = Measured(
            _score(key, numbers, reading, groups_of(there)),
            tuple(case.id for case in there),
            mean_columns(numbers),
        )
    return found


def score_each(
    truths: Sequence[str], answers: Sequence[str], reading: Reading
) -> dict[str, dict[int, float]]:
    """Score each answer by every metric: metric -> place of the answer -> 0 to 1.

    `closed_accuracy` is exact match where the truth is yes or no, and missing where none is.
    """
    rows = [score_pair(*pair, reading) for pair in zip(truths, answers, strict=True)]
    found = {key: {place: row[key] for place, row in enumerate(rows)} for key in rows[0]}
    closed = [place for place, truth in enumerate(truths) if is_closed(truth)]
    if closed:
        found["closed_accuracy"] = {place: rows[place]["exact_match"] for place in closed}
    return found


def score_answers(
    truths: Sequence[str], answers: Sequence[str], reading: Reading, groups: Sequence[str] = ()
) -> dict[str, Score]:
    """Score answers to as many truths; one at least. Shares have Wilson's interval, means a
    bootstrap over cases.

    Args:
        groups: of each answer, such as its picture; () where each is alone.
    """
    return {
        key: _score(key, list(one.values()), reading, [groups[place] for place in one if groups])
        for key, one in score_each(truths, answers, reading).items()
    }


def is_closed(truth: str) -> bool:
    """Tell whether a question is one of yes or no, by its truth."""
    return " ".join(words(truth)) in CLOSED


def score_parts(rows: Sequence[Mapping[str, str]]) -> list[dict]:
    """Score a table of answers in both readings, all rows and those of closed and open questions.

    Args:
        rows: each has `true_answer` and `predicted_answer`, and may name its picture as `image`,
            by which intervals are then clustered.
    Returns: one row for each reading and part, with a `Score` per metric.
    """
    parts = {
        "all": list(rows),
        "yes or no": [row for row in rows if is_closed(row["true_answer"])],
        "open": [row for row in rows if not is_closed(row["true_answer"])],
    }
    return [
        {"reading": reading.name, "questions": part} | _score_rows(chosen, reading)
        for reading in READINGS
        for part, chosen in parts.items()
        if chosen
    ]


def _score_rows(rows: Sequence[Mapping[str, str]], reading: Reading) -> dict[str, Score]:
    truths, answers = ([row[name] for row in rows] for name in ("true_answer", "predicted_answer"))
    groups = [row["image"] for row in rows] if all("image" in row for row in rows) else []
    return score_answers(truths, answers, reading, groups)


def _score(key: str, values: Sequence[float], reading: Reading, groups: Sequence[str]) -> Score:
    interval = "wilson" if key in SHARES else "bootstrap"
    signature = f"{key}|reading:{reading.name}|interval:{interval}|v:{VERSION}"
    if key in SHARES:
        return share_score([value > 0 for value in values], signature=signature, groups=groups)
    return mean_score(np.array(values), signature=signature, groups=groups)


def _f1(common: int, said: int, right: int) -> float:
    return 2 * common / (said + right) if common else 0.0


def _bleu_1(right: Sequence[str], said: Sequence[str]) -> float:
    if not said:
        return 0.0
    brevity = min(1.0, float(np.exp(1 - len(right) / len(said))))
    return brevity * _counted(said, right) / len(said)


@lru_cache
def _nltk_tokenizer() -> Callable[[str], list[str]]:
    from nltk.tokenize import NLTKWordTokenizer  # late: it takes a second

    tokenize: Callable[[str], list[str]] = NLTKWordTokenizer().tokenize
    return tokenize
