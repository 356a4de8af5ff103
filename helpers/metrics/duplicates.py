"""Find answers that repeat each other, or a training answer, exactly or nearly: over-fitting.

VisionQAries (2024, Table 3) found ten of 78 answers of their best system "identical or almost
identical", and almost the same as one training answer. Doctors repeat themselves, too, and in short
answers ("Eczema.") they must: read every share beside the same share of one reference per case,
which says how much repetition the task itself brings.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from helpers.files import LabError
from helpers.metrics.scores import Score, share_score

# Raised by hand when the meaning of one of these numbers changes.
VERSION = 1
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
SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？]")


@dataclass(frozen=True)
class DuplicateGroup:
    """Answers that are near the first of them, and the training answer that is nearest to one.

    `members` and `source` are (case id, text); `source` is None and `similarity` 0 if no training
    answer is near.
    """

    members: tuple[tuple[str, str], ...]
    source: tuple[str, str] | None
    similarity: float


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


def duplicate_scores(
    texts: Mapping[str, str], training: Sequence[tuple[str, str]] = ()
) -> dict[str, Score]:
    """Score the shares of texts (0 to 1) that are duplicates, with Wilson intervals.

    "repeated": near (`similarity` of `NEAR` or more) another of the texts. "repeated_exactly":
    equal to another to the letter, white space aside. "from_training": near or equal to one
    training text; left out without training texts.

    Args:
        texts: case id -> answer; or one reference per case, for what the task itself brings.
        training: (case id, text), several texts per case at will.

    Texts without words count in n, but are duplicates of nothing: an empty answer is another fault
    than a repeated one. The more texts or training texts there are, the more has a duplicate:
    compare equal numbers only. Duplicates come in groups, for which the intervals, made for
    independent cases, are rather narrow.

    Raises:
        LabError: There are no texts.
    """
    if not texts:
        raise LabError("Duplicates were to be counted, but there are no answers: check the split.")
    rule = f"similarity:word indel|near:{NEAR}|interval:wilson|v:{VERSION}"
    known = len({words for words in (words_of(text) for _, text in training) if words})
    signatures = {
        "repeated": f"repeated|{rule}",
        "repeated_exactly": f"repeated exactly|interval:wilson|v:{VERSION}",
        "from_training": f"from training|texts:{known}|{rule}",
    }
    return {
        key: share_score(found, signature=signatures[key])
        for key, found in duplicate_hits(texts, training).items()
    }


def duplicate_hits(
    texts: Mapping[str, str], training: Sequence[tuple[str, str]] = ()
) -> dict[str, list[bool]]:
    """Tell of each text whether `duplicate_scores` counts it under each of its names.

    Returns: {name: one truth value per text, in order}.
    """
    tokens = [words_of(text) for text in texts.values()]
    exact = [" ".join(text.split()) for text in texts.values()]
    counts = Counter(exact)
    hits = {
        "repeated": [len(found) > 1 for found in _near_each_other(tokens)],
        "repeated_exactly": [
            bool(words) and counts[text] > 1 for words, text in zip(tokens, exact)
        ],
    }
    known = [words for _, text in training if (words := words_of(text))]
    if known:
        hits["from_training"] = [best > 0 for best, _ in _nearest(tokens, known)]
    return hits


def duplicate_groups(
    texts: Mapping[str, str], training: Sequence[tuple[str, str]] = ()
) -> list[DuplicateGroup]:
    """Group each text with those near it, largest group first; texts near nothing are left out.

    The text with the most neighbours leads and takes those still free, then the next. Every member
    is thus near its leader; connected components would chain two unlike texts over those between
    them. A text near a training text is a group even if alone. Arguments as for `duplicate_scores`;
    ties go to the text that comes first.
    """
    items = list(texts.items())
    tokens = [words_of(text) for text in texts.values()]
    known = [pair for pair in training if words_of(pair[1])]
    nearest = _nearest(tokens, [words_of(text) for _, text in known])
    groups = []
    for places in _group_places(_near_each_other(tokens)):
        # The first of the best: the leader's own if several are equally near.
        best, where = max((nearest[place] for place in places), key=lambda pair: pair[0])
        if len(places) > 1 or best:
            source = known[where] if best else None
            groups.append(DuplicateGroup(tuple(items[place] for place in places), source, best))
    return sorted(groups, key=lambda group: -len(group.members))


def _group_places(neighbours: Sequence[Sequence[int]]) -> list[list[int]]:
    """Group places by their neighbours, the leader of each group first."""
    taken: set[int] = set()
    groups = []
    for leader in sorted(range(len(neighbours)), key=lambda place: -len(neighbours[place])):
        if leader in taken:
            continue
        taken.add(leader)
        followers = [place for place in neighbours[leader] if place not in taken]
        taken.update(followers)
        groups.append([leader, *followers])
    return groups


def duplicate_rows(
    groups: Sequence[DuplicateGroup], split: str, *, largest: int = 1, length: int = 200
) -> list[dict[str, str]]:
    """List the largest groups as VisionQAries' Table 3 does: "set", "encounter id", "answer".

    Before each group's answers, whose set is `split`, stands the training answer near them, of the
    set "train". Answers of more than `length` characters are shortened, see `shorten`.
    """
    rows: list[tuple[str, str, str]] = []
    for group in groups[:largest]:
        if group.source:
            rows.append(("train", *group.source))
        rows.extend((split, *member) for member in group.members)
    return [
        {"set": name, "encounter id": case, "answer": shorten(text, length)}
        for name, case, text in rows
    ]


def shorten(text: str, length: int = 200) -> str:
    """Put a text on one line, and keep beginning and end, with "[...]" between, if it is long.

    A text is long if it has more than `length` characters. At most half of `length` is kept on
    either side: whole sentences, or else whole words, or else characters.
    """
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    half = length // 2
    # One character more on either side shows whether a sentence or a word ends right there.
    head, tail = text[: half + 1], text[-half - 1 :]
    ends = [found.end() for found in SENTENCE_END.finditer(head)]
    end = ends[-1] if ends else head.rfind(" ")
    if end <= 0:
        end = half
    starts = [found.end() for found in SENTENCE_END.finditer(tail)]
    start = starts[0] if starts else tail.find(" ")
    if start < 0 or start >= half:
        start = 1
    return f"{head[:end].strip()} [...] {tail[start:].strip()}"


def _near_each_other(texts: Sequence[tuple[str, ...]]) -> list[list[int]]:
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


def _nearest(
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
