"""The floor of every leaderboard: one and the same answer for every case.

A constant earns real points here: on the MEDIQA-M3G test split "Fungal infection" beats a published
submission.
"""

from collections import Counter
from collections.abc import Sequence

from helpers.cases import Case


def constant_answers(train_cases: Sequence[Case]) -> dict[str, str]:
    """Choose the constant answers, by name: the most frequent training answer and two fixed ones.

    Answers are compared without the white space around them; of equally frequent ones the first in
    training order is taken. Without training answers only the fixed ones are left.
    """
    texts = (reference.text.strip() for case in train_cases for reference in case.references)
    counts = Counter(text for text in texts if text)
    answers = {}
    if counts:
        answers["most frequent training answer"] = counts.most_common(1)[0][0]
    return answers | {"It is eczema.": "It is eczema.", "Fungal infection": "Fungal infection"}
