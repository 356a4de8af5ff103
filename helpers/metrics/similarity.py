"""Find texts that are nearly the same, word by word."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

# Near from here on. One word in seven may be another: in a shorter answer one word is the
# diagnosis, so it must have the same words. What Table 3 calls "very similar" lies above 0.9, and
# real long answers leave a wide gap below: in the authors' own answers, no share moves by more than
# two of 50 between 0.8 and 0.9.
NEAR = 0.85
# A word is a run of letters and digits; Chinese is written without spaces, so each of its signs is
# a word.
SIGNS = "\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(f"[{SIGNS}]|[^\\W_{SIGNS}]+")
# Similarities are held for about this many pairs at a time (4 bytes each).
BLOCK = 4_000_000


def words_of(text: str) -> tuple[str, ...]:
    """Split a text into the words that are compared: lower case, without punctuation."""
    return tuple(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def similarity(first: str, second: str) -> float:
    """Compute how alike two texts are, word by word: 1 - edits / (words of both), 0 to 1.

    An edit takes out or puts in a word, so a changed word is two: twice the longest common
    subsequence over the words of both texts (what difflib's ratio approximates). A longer tail
    weighs less than with Levenshtein's distance over the longer text. A text without words is like
    nothing, not even another one.
    """
    from rapidfuzz.distance import Indel

    one, other = words_of(first), words_of(second)
    if not one or not other:
        return 0.0
    return Indel.normalized_similarity(one, other)


def near_each_other(texts: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Find the places of the texts near each text, itself included; [] for one without words."""
    places: dict[tuple[str, ...], list[int]] = {}
    for place, words in enumerate(texts):
        places.setdefault(words, []).append(place)
    different = [words for words in places if words]
    near: dict[tuple[str, ...], list[int]] = {}
    for words, row in zip(different, _similarities(different, different)):
        alike = [places[different[other]] for other in np.flatnonzero(row)]
        near[words] = sorted(chain.from_iterable(alike))
    return [near.get(words, []) for words in texts]


def nearest(
    texts: Sequence[tuple[str, ...]], known: Sequence[tuple[str, ...]]
) -> list[tuple[float, int]]:
    """Find the similarity and place of the nearest of `known` to each text; (0, 0) if none is."""
    first: dict[tuple[str, ...], int] = {}
    for place, words in enumerate(known):
        first.setdefault(words, place)
    choices = list(first)
    asked = [words for words in dict.fromkeys(texts) if words]
    best: dict[tuple[str, ...], tuple[float, int]] = {}
    if choices:
        for words, row in zip(asked, _similarities(asked, choices)):
            place = int(row.argmax())
            if row[place]:
                best[words] = (round(float(row[place]), 6), first[choices[place]])
    return [best.get(words, (0.0, 0)) for words in texts]


def _similarities(
    texts: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]
) -> Iterator[np.ndarray]:
    """Yield row by row (len(others),) the similarities of `NEAR` or more, 0 for the rest.

    Of two texts whose lengths alone are too different no words are compared: 1,000 answers beside
    10,000 training texts of about 60 words take four seconds on two cores.
    """
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cdist

    rows = max(1, BLOCK // max(1, len(others)))
    for start in range(0, len(texts), rows):
        yield from cdist(
            texts[start : start + rows],
            others,
            scorer=Indel.normalized_similarity,
            score_cutoff=NEAR,
            dtype=np.float32,
            workers=-1,
        )
