"""Find answers that repeat each other, or a training answer, exactly or nearly: over-fitting.

VisionQAries (2024, Table 3) found ten of 78 answers of their best system "identical or almost
identical", and almost the same as one training answer. Doctors repeat themselves, too, and in short
answers ("Eczema.") they must: read every share beside the same share of one reference per case,
which says how much repetition the task itself brings.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.files import LabError
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import PERCENT, Metric
from helpers.metrics.scores import Score, mean_columns, mean_from_sums, share_score
from helpers.metrics.similarity import NEAR, near_each_other, nearest, words_of

# Raised by hand when the meaning of one of these numbers changes.
VERSION = 1
METRICS = {
    "repeated": Metric("near another answer", PERCENT, 0, "lower"),
    "repeated_exactly": Metric("equal to another answer", PERCENT, 0, "lower"),
    "from_training": Metric("near a training answer", PERCENT, 0, "lower"),
}
STATISTICS = {"repeated": mean_from_sums, "from_training": mean_from_sums}
LEFT_OUT = ("texts", "similarity", "interval")
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


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers."""
    return [graded.fingerprint_training()]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score the shares of all answers that are duplicates, see `duplicate_scores`.

    In a resample, which answers are duplicates is not computed anew.
    """
    texts = dict(zip(graded.ids, graded.texts(graded.cases)))
    hits = duplicate_hits(texts, graded.training)
    scores = _score(hits, graded.training, groups_of(graded.cases))
    return {
        key: Measured(score, graded.ids, mean_columns(hits[key]))
        if key in STATISTICS
        else Measured(score)
        for key, score in scores.items()
    }


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
    return _score(duplicate_hits(texts, training), training)


def _score(
    hits: Mapping[str, Sequence[bool]],
    training: Sequence[tuple[str, str]],
    groups: Sequence[str] = (),
) -> dict[str, Score]:
    rule = f"similarity:word indel|near:{NEAR}|interval:wilson|v:{VERSION}"
    known = len({words for words in (words_of(text) for _, text in training) if words})
    signatures = {
        "repeated": f"repeated|{rule}",
        "repeated_exactly": f"repeated exactly|interval:wilson|v:{VERSION}",
        "from_training": f"from training|texts:{known}|{rule}",
    }
    return {
        key: share_score(found, signature=signatures[key], groups=groups)
        for key, found in hits.items()
    }


def duplicate_hits(
    texts: Mapping[str, str], training: Sequence[tuple[str, str]] = ()
) -> dict[str, list[bool]]:
    """Tell of each text whether `duplicate_scores` counts it under each of its names.

    Returns: {name: one truth value per text, in order}.

    Raises:
        LabError: There are no texts.
    """
    if not texts:
        raise LabError("Duplicates were to be counted, but there are no answers: check the split.")
    tokens = [words_of(text) for text in texts.values()]
    exact = [" ".join(text.split()) for text in texts.values()]
    counts = Counter(exact)
    hits = {
        "repeated": [len(found) > 1 for found in near_each_other(tokens)],
        "repeated_exactly": [
            bool(words) and counts[text] > 1 for words, text in zip(tokens, exact)
        ],
    }
    known = [words for _, text in training if (words := words_of(text))]
    if known:
        hits["from_training"] = [best > 0 for best, _ in nearest(tokens, known)]
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
    closest = nearest(tokens, [words_of(text) for _, text in known])
    groups = []
    for places in _group_places(near_each_other(tokens)):
        # The first of the best: the leader's own if several are equally near.
        best, where = max((closest[place] for place in places), key=lambda pair: pair[0])
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
    groups: Sequence[DuplicateGroup],
    split: str,
    *,
    largest: int = 1,
    each: int | None = None,
    length: int = 200,
) -> list[dict[str, str]]:
    """List the largest groups as VisionQAries' Table 3 does: "set", "encounter id", "answer".

    Before each group's answers, whose set is `split`, stands the training answer near them, of the
    set "train". Answers of more than `length` characters are shortened, see `shorten`.
    """
    rows: list[tuple[str, str, str]] = []
    for group in groups[:largest]:
        if group.source:
            rows.append(("train", *group.source))
        rows.extend((split, *member) for member in group.members[:each])
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
