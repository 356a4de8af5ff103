"""deltaBLEU of a set of answers, 0 to 100, as in the MEDIQA-M3G and MEDIQA-MAGIC 2024 challenges.

deltaBLEU (Galley et al. 2015) is BLEU with several weighted references per case: a matched n-gram
earns the highest weight among the references that hold it, and an answer's n-grams count at the
highest weight of its case. With all weights equal it is multi-reference BLEU. Tokeniser and n-grams
are sacrebleu's, the rest is here.

Two modes. `aligned`: both sides lower-cased, the references' own weights. `official`: what the
challenge's program does, faults included: answers lower-cased, references as written, all weights 1
unless the language is Chinese.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from helpers.cases import Case, Reference
from helpers.files import LabError
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import Metric
from helpers.metrics.scores import score_of

ORDER = 4  # the longest n-gram
VERSION = 1  # raised when the same answers would score differently
METRICS = {"deltableu": Metric("deltaBLEU", "0 to 100", 2)}

# How often each n-gram occurs in a text, and the text's length in tokens.
Profile = tuple[Counter, int]


class Tokenizer(Protocol):
    """A tokenizer of sacrebleu: from a text to its tokens with spaces between them."""

    def __call__(self, line: str) -> str: ...

    def signature(self) -> str:
        """Return the name by which sacrebleu's signatures call it."""


def depends_on(graded: Graded) -> list:
    """List what the score depends on besides the answers."""
    return [graded.fingerprint_references(), graded.language]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score the answers to all cases that have references; {} where none has."""
    cases = graded.scorable
    if not cases:
        return {}
    return score_texts(cases, graded.texts(cases), language=graded.language)


def score_texts(
    cases: Sequence[Case],
    texts: Sequence[str],
    *,
    mode: str = "aligned",
    language: str = "en",
    seed: int = 0,
) -> dict[str, Measured]:
    """Score one text per case in a mode; `seed` is that of the bootstrap."""
    references = [case.references for case in cases]
    settings = mode_settings(mode, language)
    columns = deltableu_statistics(texts, references, language=language, **settings)
    signature = deltableu_signature(references, mode=mode, language=language)
    score = score_of(
        columns, deltableu_from_sums, signature=signature, seed=seed, groups=groups_of(cases)
    )
    return {"deltableu": Measured(score, tuple(case.id for case in cases), columns)}


def mode_settings(mode: str, language: str) -> dict[str, bool]:
    """Return the settings of `deltableu_statistics` for a mode.

    The official program weights the references of Chinese answers only.
    """
    return {
        "lower_references": mode == "aligned",
        "weighted": mode == "aligned" or language == "zh",
    }


def deltableu_statistics(
    answers: Sequence[str],
    references: Sequence[Sequence[Reference]],
    *,
    language: str = "en",
    lower_references: bool = True,
    weighted: bool = True,
) -> np.ndarray:
    """Compute what each case contributes to deltaBLEU, to be summed for `deltableu_from_sums`.

    `answers` and `references` run in parallel, one entry per case, at least one reference each.
    Answers are always lower-cased, references if `lower_references`; `weighted` uses the
    references' weights, else all are 1. Returns (n_cases, 10): answer length and closest reference
    length in tokens, weighted matches of order 1 to 4, weighted n-grams of order 1 to 4.

    Raises:
        LabError: No reference of a case has a weight above 0.
    """
    profile = _profiler(language)
    rows: list[list[float]] = []
    for answer, texts in zip(answers, references, strict=True):
        weights = [reference.weight if weighted else 1.0 for reference in texts]
        if max(weights, default=0.0) <= 0:
            raise LabError(
                "deltaBLEU needs a reference with a weight above 0 for every case, but the "
                f"{len(weights)} references of case {len(rows) + 1} have none: correct the weights "
                "or leave the case out."
            )
        profiles = [
            profile(reference.text.lower() if lower_references else reference.text)
            for reference in texts
        ]
        rows.append(_case_statistics(profile(answer.lower()), profiles, weights))
    return np.array(rows, dtype=float).reshape(len(rows), 2 + 2 * ORDER)


def deltableu_from_sums(sums: np.ndarray) -> np.ndarray:
    """Compute deltaBLEU, 0 to 100, from statistics that are already summed over cases.

    `sums`: (..., 10) as the columns of `deltableu_statistics`; returns shape (...). Geometric mean
    of the precisions up to the highest order of which the answers have n-grams; brevity penalty
    with the closest reference length (Papineni et al. 2002); the k-th order without a match counts
    as 1 / (2^k * n-grams) (Chen and Cherry 2014, method 3). No answer at all scores 0.
    """
    sums = np.asarray(sums, dtype=float)
    answer_length, reference_length = sums[..., 0], sums[..., 1]
    matches, total = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    present = np.logical_and.accumulate(total > 0, axis=-1)
    # Negative weights can make the matches of an order worth less than nothing: that counts as no
    # match.
    unmatched = present & (matches <= 0)
    halved = 2.0 ** np.cumsum(unmatched, axis=-1)
    safe_total = np.where(present, total, 1.0)
    precision = np.where(unmatched, 1 / (halved * safe_total), matches / safe_total)
    logarithms = np.log(np.where(present, precision, 1.0))
    orders = present.sum(axis=-1)
    geometric_mean = np.exp(logarithms.sum(axis=-1) / np.maximum(orders, 1))
    penalty = np.exp(np.minimum(0.0, 1 - reference_length / np.maximum(answer_length, 1)))
    return np.where(orders > 0, 100 * penalty * geometric_mean, 0.0)


STATISTICS = {"deltableu": deltableu_from_sums}


def deltableu_signature(
    references: Sequence[Sequence[Reference]], *, mode: str, language: str
) -> str:
    """Return the settings of a deltaBLEU in one line, in the manner of sacrebleu (Post 2018)."""
    import sacrebleu

    settings = mode_settings(mode, language)
    unequal = any(reference.weight != 1 for texts in references for reference in texts)
    return "|".join(
        [
            "deltaBLEU",
            f"mode:{mode}",
            f"weights:{'yes' if unequal and settings['weighted'] else 'no'}",
            f"case:{'lc' if settings['lower_references'] else 'lc-answers-only'}",
            f"tok:{_tokenizer(language).signature()}",
            "smooth:exp",
            "eff:yes",
            f"sacrebleu:{sacrebleu.__version__}",
            f"lab:{VERSION}",
        ]
    )


def _tokenizer(language: str) -> Tokenizer:
    if language == "zh":
        from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

        return TokenizerZh()
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


def _profiler(language: str) -> Callable[[str], Profile]:
    """Make a function from a text to its profile, which computes each text once."""
    from sacrebleu.metrics.helpers import extract_all_word_ngrams

    tokenizer = _tokenizer(language)
    known: dict[str, Profile] = {}

    def profile(text: str) -> Profile:
        if text not in known:
            known[text] = extract_all_word_ngrams(tokenizer(text.rstrip()), 1, ORDER)
        return known[text]

    return profile


def _case_statistics(
    answer: Profile, references: Sequence[Profile], weights: Sequence[float]
) -> list[float]:
    """Compute the ten numbers of one case, from n-gram counts and lengths."""
    counts, length = answer
    highest = max(weights)
    matches, total = [0.0] * ORDER, [0.0] * ORDER
    for ngram, count in counts.items():
        order = len(ngram) - 1
        total[order] += highest * count
        holding = [place for place, (grams, _) in enumerate(references) if ngram in grams]
        if holding:
            most = max(references[place][0][ngram] for place in holding)
            matches[order] += max(weights[place] for place in holding) * min(count, most)
    # The closest length; of two equally close ones the shorter.
    _, closest = min((abs(other - length), other) for _, other in references)
    return [length, closest, *matches, *total]
