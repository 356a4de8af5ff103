"""The floor of every leaderboard: one and the same answer for every case.

A constant earns real points here: on the MEDIQA-M3G test split "Fungal infection" beats a published
submission.
"""

from collections import Counter
from collections.abc import Sequence

from helpers.cases import Answer, Case


def constant_answers(train_cases: Sequence[Case]) -> dict[str, str]:
    """Constant answers by name: two fixed ones and, where there are training answers, the most
    frequent of them.

    Answers are compared without the white space around them; of equally frequent ones the first in
    training order.
    """
    texts = (reference.text.strip() for case in train_cases for reference in case.references)
    counts = Counter(text for text in texts if text)
    answers = {"most frequent training answer": counts.most_common(1)[0][0]} if counts else {}
    return answers | {"It is eczema.": "It is eczema.", "Fungal infection": "Fungal infection"}


def constant_answer_set(cases: Sequence[Case], text: str) -> list[Answer]:
    """The answer `text` for every case, in order."""
    return [Answer(case.id, text) for case in cases]
