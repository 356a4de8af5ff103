"""Worked examples for few-shot prompts: which training cases, and how many fit into the context."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

from helpers.cases import Case
from helpers.files import LabError
from helpers.models.prompts import question_text
from helpers.settings.section import Section, setting

WAYS = ("random", "fixed", "lexical", "embedding")


class Shots(Section):
    """How many worked examples stand in a prompt, and which."""

    count: int = setting(0, "how many worked examples a prompt holds", parameter="SHOTS", ge=0)
    choice: Literal["random", "fixed", "lexical", "embedding"] = setting(
        "random",
        "random (anew for each case), fixed (the same for all), lexical or embedding (the most "
        "similar)",
        parameter="SHOT_CHOICE",
    )
    seed: int = setting(3407, "one seed for the shots that are drawn", ge=0)

    def effective(self) -> dict[str, Any]:
        """Without shots, nothing is chosen."""
        return super().effective() if self.count else {"count": 0}


def check_shots(count: int, choice: str, pool: Sequence[Case]) -> None:
    """Refuse an unknown way of choosing, and more shots than there are training cases to choose
    from.
    """
    if choice not in WAYS:
        raise LabError(f"`choice` is {choice!r}, but it must be one of {', '.join(WAYS)}.")
    if not 0 <= count <= len(pool):
        raise LabError(
            f"`count` asks for {count} worked examples, but there are {len(pool)} training cases "
            f"with a question and an answer: ask for 0 to {len(pool)}."
        )


def choose_shots(
    cases: Sequence[Case],
    pool: Sequence[Case],
    *,
    count: int,
    choice: str,
    seed: int,
    question: str = "title",
) -> dict[str, list[Case]]:
    """`count` training cases as worked examples for every case: case id -> shots, in the order of
    the prompt.

    Args:
        pool: training cases with a question and an answer; a case is never its own example.
        count: number of shots, 0 or more.
        choice: "fixed" takes the same for all and "random" draws anew for each case, as YuanAI
            tried (section 3.4); "lexical" takes those with the most alike words (TF-IDF, cosine),
            "embedding" those with the most alike meaning (MiniLM sentence embeddings, English), the
            most similar one last, next to the question.
        seed: with the case's id it determines draws and ties, whatever order the cases come in.
        question: what of a case is compared, see `prompts.question_text`.
    Raises:
        LabError: an unknown choice, or more shots than the pool has cases.
    """
    ids = {other.id for other in pool}
    check_shots(count, choice, pool[1:] if any(case.id in ids for case in cases) else pool)
    if not count:
        return {case.id: [] for case in cases}
    if choice in ("random", "fixed"):
        return {
            case.id: _drawn(
                case, pool, count, f"{seed}:{case.id}" if choice == "random" else f"{seed}"
            )
            for case in cases
        }
    similarity = _lexical if choice == "lexical" else _by_meaning
    rows = similarity(
        [question_text(case, question) for case in cases],
        [question_text(other, question) for other in pool],
    )
    return {case.id: _nearest(case, pool, count, row, seed) for case, row in zip(cases, rows)}


def shot_pool(train: Sequence[Case]) -> list[Case]:
    """The training cases that can serve as examples or training records: those with a question and
    an answer.
    """
    return [case for case in train if question_text(case) and case.references]


def as_pairs(
    shots: Sequence[Case], question: str = "title", words: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    """Question and first reference answer of each shot; `words` are those for its images, by case
    id.
    """
    return [
        (question_text(case, question, (words or {}).get(case.id, "")), case.references[0].text)
        for case in shots
    ]


def drop_until_fits(shots: list, fits: Callable[[list], bool]) -> list:
    """Drop whole shots, the first ones first, until the prompt fits; a question is never cut."""
    while shots and not fits(shots):
        shots = shots[1:]
    return shots


def _drawn(case: Case, pool: Sequence[Case], count: int, key: str) -> list[Case]:
    return random.Random(key).sample([other for other in pool if other.id != case.id], count)


def _nearest(
    case: Case, pool: Sequence[Case], count: int, row: Sequence[float], seed: int
) -> list[Case]:
    """The `count` most similar of the pool, least similar first; equals come in an order drawn for
    this case.
    """
    rng = random.Random(f"{seed}:{case.id}")
    order = [(round(float(value), 6), rng.random(), place) for place, value in enumerate(row)]
    best = sorted((entry for entry in order if pool[entry[2]].id != case.id), reverse=True)[:count]
    return [pool[place] for _, _, place in reversed(best)]


def _lexical(questions: list[str], pool: list[str]):
    """Compare by TF-IDF of words and word pairs: cosines (questions, pool); idf of the pool."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Chinese has no spaces between words, so its characters count as words.
    vectorizer = TfidfVectorizer(
        token_pattern=r"(?u)[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", ngram_range=(1, 2)
    )
    known = vectorizer.fit_transform(pool)
    return (vectorizer.transform(questions) @ known.T).toarray()


def _by_meaning(questions: list[str], pool: list[str]):
    """Cosine of sentence embeddings, (questions, pool)."""
    from helpers.models.encoders import sentence_embeddings

    return sentence_embeddings(questions) @ sentence_embeddings(pool).T
