"""Find which of SKINCON's 48 concepts a caption names, and score them (Daneshjou et al. 2022).

deltaBLEU and BERTScore tell whether a text sounds like another. What a caption of a skin image is
for is to say what is seen: an erythematous plaque with scale. That a machine can count if somebody
has noted the concepts of an image.

Gaps, in plain words: the words are English and a table of ours, not a thesaurus. "Possible scale"
counts as scale. A concept in a remark about another time or another disease counts too. "A plaque,
no scale, red border" denies the red, because a denial goes on over commas, up to one with a verb
after it. Wrongly spelled words are not known.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypedDict

import numpy as np

from helpers.files import LabError, fingerprint
from helpers.metrics.concept_words import (
    BACKWARD,
    CLAUSE_ENDS,
    CONCEPT_WORDS,
    DENIALS,
    DENIALS_OF_ONE_WORD,
    NO_DENIALS,
    SCOPE_ENDS,
    SURROUNDINGS,
)
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import Score, score_of
from helpers.pocket.vocabulary import CONCEPTS

# Raised by hand when a rule of this module changes; the words are in the signature by themselves.
VERSION = 1
METRICS = {
    "concept_precision": Metric("precision of findings", PERCENT, 0),
    "concept_recall": Metric("recall of findings", PERCENT, 0),
}
# Concepts whose names hold the word of another that they do not mean: salmon pink, blackhead.
HIDING = ("Comedo", "Salmon")

Pairs = Sequence[tuple[Sequence[str], str]]


class ConceptCounts(TypedDict):
    """How often one concept was true and named; shares are None without a denominator."""

    true: int
    named: int
    precision: float | None
    recall: float | None


class ConceptScores(TypedDict):
    """What `concept_scores` returns."""

    precision: Score | None
    recall: Score | None
    cases: int
    left_out: int
    concepts: dict[str, ConceptCounts]


def named_concepts(text: str) -> list[str]:
    """Find the SKINCON concepts that a text names, each once, in the order of `CONCEPTS`.

    Capitals and hyphens make no difference. Denied ones ("no scale", "neither red nor crusted",
    "ulceration is absent") do not count, nor do colours of skin tone, hair, eyes, clothes and
    background, nor the black of a "blackhead".
    """
    text = _without_denied(_without_surroundings(_folded(text)))
    named = {concept for concept in HIDING if _patterns()[concept].search(text)}
    for concept in named:
        text = _patterns()[concept].sub(_blank, text)
    named |= {concept for concept, pattern in _patterns().items() if pattern.search(text)}
    return [concept for concept in CONCEPTS if concept in named]


def concept_scores(pairs: Pairs) -> ConceptScores:
    """Score how well captions name the concepts of their images.

    Args:
        pairs: (true concepts, caption) of each case. True concepts other than the 48 are passed
            over. A case that is left with none is left out: nobody noted its concepts, or it has
            none; which of both we do not know.

    Returns:
        "precision" and "recall": micro averages over all concepts of all cases (0 to 1), with a
        95 % bootstrap interval over cases; None without a denominator. Precision rests on the
        captions that name something only (its n): the others say nothing that could be wrong.
        "cases" and "left_out": how many cases were scored and left out. "concepts": the counts of
        each concept that some case has or some caption names.

    Raises:
        LabError: A caption or a list of concepts is a single text where the other was expected.
    """
    truths = [_truth(truth, caption) for truth, caption in pairs]
    captions = [caption for _, caption in pairs]
    scored = [
        (truth, set(named_concepts(caption))) for truth, caption in zip(truths, captions) if truth
    ]
    rows = [[len(truth & named), len(named), len(truth)] for truth, named in scored]
    right, named, true = np.array(rows, dtype=float).reshape(-1, 3).T
    says_something = named > 0
    return {
        "precision": _share(right[says_something], named[says_something], "precision"),
        "recall": _share(right, true, "recall"),
        "cases": len(scored),
        "left_out": len(truths) - len(scored),
        "concepts": _by_concept(scored),
    }


def words_id() -> str:
    """Compute the fingerprint of the tables of words: other words count other concepts."""
    return fingerprint(
        [
            CONCEPT_WORDS,
            SURROUNDINGS,
            DENIALS,
            DENIALS_OF_ONE_WORD,
            NO_DENIALS,
            BACKWARD,
            CLAUSE_ENDS,
            SCOPE_ENDS,
        ]
    )


def _truth(concepts: Sequence[str], caption: str) -> set[str]:
    if isinstance(concepts, str) or not isinstance(caption, str):
        raise LabError(
            f"A case was given as ({type(concepts).__name__}, {type(caption).__name__}), but its "
            "list of true concepts and its caption were expected: give both, in this order."
        )
    return set(concepts) & set(CONCEPTS)


def _share(right: np.ndarray, of: np.ndarray, what: str) -> Score | None:
    """Score the sum of `right` / the sum of `of`, both (n_cases,); no case may have 0 in `of`."""
    if not len(of):
        return None
    signature = f"concepts|{what}:micro|words:{words_id()}|interval:bootstrap|v:{VERSION}"
    sums = np.column_stack([right, of])
    return score_of(sums, lambda total: total[..., 0] / total[..., 1], signature=signature)


def _by_concept(scored: Sequence[tuple[set[str], set[str]]]) -> dict[str, ConceptCounts]:
    true = Counter(concept for truth, _ in scored for concept in truth)
    named = Counter(concept for _, names in scored for concept in names)
    right = Counter(concept for truth, names in scored for concept in truth & names)
    found: dict[str, ConceptCounts] = {}
    for concept in CONCEPTS:
        if true[concept] or named[concept]:
            found[concept] = {
                "true": true[concept],
                "named": named[concept],
                "precision": right[concept] / named[concept] if named[concept] else None,
                "recall": right[concept] / true[concept] if true[concept] else None,
            }
    return found


def _folded(text: str) -> str:
    """Fold a text: small letters, one kind of apostrophe, one space for white space and hyphens.

    A dash, a blank line and an item of a list each end a clause, as a semicolon does.
    """
    text = re.sub(r"[’‘`´]", "'", text.casefold())
    text = re.sub(r"\n(?=[ \t]{0,9}(?:[-*•\d]|\n))", " ; ", text)
    text = re.sub(r" [-–—]+ |—", " ; ", re.sub(r"\s+", " ", text))
    text = re.sub(r"\bhyp(er|o)[ \-]pigment", r"hyp\1pigment", text)
    return re.sub(r"[\s_\-\u2010-\u2015*#]+", " ", text).strip()


def _blank(match: re.Match) -> str:
    """Return as many "#", which stands in no word, as there were characters."""
    return "#" * len(match[0])


def _without_surroundings(text: str) -> str:
    """Blank out the phrases about surroundings; the text stays as long."""
    for pattern in _compiled(SURROUNDINGS):
        text = pattern.sub(_blank, text)
    return text


def _without_denied(text: str) -> str:
    """Blank out all that is denied; the text stays as long."""
    pieces: list[str] = []
    done = 0
    for start, end in sorted(_denied(text)):
        start, end = max(start, done), max(end, done)
        pieces += [text[done:start], "#" * (end - start)]
        done = end
    return "".join(pieces) + text[done:]


def _denied(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each stretch of a folded text in which what is named is denied."""
    (clause_end,) = _compiled((CLAUSE_ENDS,))
    ends = [match.start() for match in clause_end.finditer(text)]
    start = 0
    for end in [*ends, len(text)]:
        yield from _denied_in_clause(text, start, end)
        start = end


def _denied_in_clause(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    forward, harmless, one_word, backward, scope_end = _compiled(
        (DENIALS, NO_DENIALS, DENIALS_OF_ONE_WORD, BACKWARD, SCOPE_ENDS)
    )
    stops = [match.span() for match in scope_end.finditer(text, start, end)]
    done = start
    for match in forward.finditer(text, start, end):
        if match.start() >= done and not harmless.match(text, match.start(), end):
            done = next((first for first, _ in stops if first >= match.end()), end)
            yield match.end(), done
    for match in one_word.finditer(text, start, end):
        yield match.span(1)
    for match in backward.finditer(text, start, end):
        # What is absent stands just before, after the last comma, "with" and the like.
        before = [last for _, last in stops if last <= match.start()]
        yield max(start, text.rfind(",", start, match.start()) + 1, *before), match.start()


@lru_cache
def _patterns() -> dict[str, re.Pattern]:
    return {
        concept: re.compile(rf"\b(?:{'|'.join(words)})\b")
        for concept, words in CONCEPT_WORDS.items()
    }


@lru_cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern, ...]:
    return tuple(re.compile(pattern) for pattern in patterns)
