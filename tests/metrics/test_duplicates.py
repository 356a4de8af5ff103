"""Answers that repeat each other or the training set: counted by hand, in Table 3's form, and in
the authors' own.
"""

import os
import random
import time
from pathlib import Path

import pytest

from helpers.files import REPOSITORY, LabError, read_json
from helpers.metrics.duplicates import (
    duplicate_groups,
    duplicate_rows,
    duplicate_scores,
    shorten,
)
from helpers.metrics.similarity import NEAR, similarity, words_of

SHARED = Path(os.environ.get("LAB_SHARED") or REPOSITORY.parent / "shared")
GOLDEN, TRAIN = (
    SHARED / "golden/reddit_valid",
    SHARED / "data/dermavqa/reddit/train_answersonly.json",
)
needs_golden = pytest.mark.skipif(
    not (GOLDEN.is_dir() and TRAIN.exists()),
    reason="needs the authors' answers and Reddit's training set",
)
LONG = (
    "I think this is a plain contact dermatitis (from nickel). The ring or the buckle that touches "
    "this place sets nickel free when it gets wet. Leave it off for some weeks and keep the skin "
    "dry. Use a mild steroid cream once a day for two weeks and see a doctor if it does not heal."
)
# The kinds of change in Table 3: none, a lost first letter, another word, words in front, a longer
# tail.
CHANGED = [
    LONG,
    "f" + LONG[3:],
    LONG.replace("dermatitis", "eczema"),
    "Most probably " + LONG,
    LONG.replace("(from nickel)", "(from nickel, cobalt or rubber)")
    + " Nickel is a possible cause.",
]


def training_answers():
    return [
        (case["encounter_id"], answer["content_en"])
        for case in read_json(TRAIN)
        for answer in case["responses"]
    ]


def by_id(texts):
    return {str(number): text for number, text in enumerate(texts)}


@pytest.mark.parametrize(
    "one, other, value",
    [
        ("It is  acne.\n", "it is ACNE!", 1),
        ("Ｉｔ is acne", "it is acne", 1),  # signs of full width
        ("湿疹。用药膏", "湿疹，用药膏", 1),
        ("湿疹", "癣疹", 0.5),  # one of two signs
        ("a b c d", "a b c e", 0.75),  # one word out, one in, of eight
        ("a b c", "a b c d e", 0.75),  # two in, of eight
        ("", "", 0),
        ("?", "!", 0),
        ("", "acne", 0),
    ],
)
def test_similarity_by_hand(one, other, value):
    assert similarity(one, other) == similarity(other, one) == pytest.approx(value)


def test_short_answers_need_the_same_words_and_long_ones_allow_for_changes():
    assert similarity("Eczema. Use a steroid cream.", "Psoriasis. Use a steroid cream.") < NEAR
    assert similarity("It looks like eczema", "It looks like acne") < NEAR
    assert all(similarity(LONG, text) >= NEAR for text in CHANGED)
    assert similarity(LONG, "Use a mild steroid cream once a day for two weeks.") < NEAR


def test_shares_counted_by_hand():
    texts = by_id(
        [*CHANGED, LONG + "\n", "It is acne.", "it is acne", "It is rosacea.", "", "", " ?!", " ?!"]
    )
    scores = duplicate_scores(
        texts, [("t1", LONG), ("t1", "Acne it is"), ("t2", "it is rosacea"), ("t3", "")]
    )
    assert {name: round(score.value * score.n) for name, score in scores.items()} == {
        "repeated": 8,
        "repeated_exactly": 2,
        "from_training": 7,  # LONG six times, and rosacea
    }
    for name, score in scores.items():
        assert score.n == 13 and 0 < score.low < score.value < score.high < 1
        assert score.signature.startswith(name.replace("_", " ") + "|") and "|v:" in score.signature
    assert (
        f"near:{NEAR}" in scores["repeated"].signature
        and "texts:3|" in scores["from_training"].signature
    )
    assert set(duplicate_scores(texts)) == {"repeated", "repeated_exactly"}
    with pytest.raises(LabError, match="no answers"):
        duplicate_scores({})


def test_groups_are_near_their_leader_and_do_not_chain():
    line = "one two three four five six seven eight nine ten eleven twelve".split()
    first, middle, last = (" ".join(line[:end] + ["x"] * (12 - end)) for end in (12, 11, 10))
    assert (
        similarity(first, middle) >= NEAR <= similarity(middle, last)
        and similarity(first, last) < NEAR
    )
    groups = duplicate_groups({"a": first, "b": middle, "c": last})
    assert [[case for case, _ in group.members] for group in groups] == [["b", "a", "c"]]
    further = " ".join(line[:9] + ["x"] * 3)  # near the last only, which is taken
    groups = duplicate_groups({"a": first, "b": middle, "c": last, "d": further, "e": "acne"})
    assert [[case for case, _ in group.members] for group in groups] == [["b", "a", "c"]]
    for group in groups:
        assert (
            all(similarity(group.members[0][1], text) >= NEAR for _, text in group.members)
            and not group.source
        )


def test_rows_as_in_table_3():
    texts = by_id(["It is acne.", *CHANGED, "Rosacea", "It is acne.", "scabies", "", ""])
    training = [("t0", "It is scabies."), ("t1", LONG), ("t2", LONG), ("t3", "rosacea!")]
    groups = duplicate_groups(texts, training)
    assert [len(group.members) for group in groups] == [5, 2, 1]
    assert [group.source and group.source[0] for group in groups] == ["t1", None, "t3"]
    assert [group.similarity for group in groups] == [1, 0, 1]
    rows = duplicate_rows(groups, "test")
    assert [row["set"] for row in rows] == ["train"] + ["test"] * 5
    assert {row["encounter id"] for row in rows} == {"t1", "1", "2", "3", "4", "5"}
    assert rows[0]["answer"] == (
        "I think this is a plain contact dermatitis (from nickel). [...] Use a mild steroid cream "
        "once a day for two weeks and see a doctor if it does not heal."
    )
    assert [row["set"] for row in duplicate_rows(groups, "valid", largest=3)][6:] == [
        "valid"
    ] * 2 + ["train", "valid"]
    few = duplicate_rows(groups, "test", largest=3, each=2)
    assert [row["encounter id"] for row in few][:3] == [row["encounter id"] for row in rows][:3]
    assert [row["set"] for row in few] == ["train", *["test"] * 4, "train", "test"]
    assert duplicate_rows([], "test") == []


@pytest.mark.parametrize(
    "text, length, short",
    [
        ("Short.\nOn one line", 200, "Short. On one line"),
        ("First one. Middle words here. Last one.", 24, "First one. [...] Last one."),
        ("no sentence ends in these many words at all", 20, "no [...] at all"),
        ("x" * 30, 10, "xxxxx [...] xxxxx"),
        ("湿疹。" + "药" * 30 + "。不痒。", 20, "湿疹。 [...] 不痒。"),
    ],
)
def test_long_answers_are_shortened_in_the_middle(text, length, short):
    assert shorten(text, length) == short and len(short) <= max(length, len(text)) + 7


def test_many_answers_take_seconds():
    generator = random.Random(0)
    vocabulary = [f"word{number}" for number in range(3000)]
    training = [
        (str(n), " ".join(generator.choices(vocabulary, k=generator.randint(5, 60))))
        for n in range(3000)
    ]
    texts = {
        case: text + (" and more" if int(case) % 2 else " " + " x" * 99)
        for case, text in training[:300]
    }
    started = time.process_time()
    scores = duplicate_scores(texts, training)
    assert time.process_time() - started < 20
    odd = [text for case, text in training[:300] if int(case) % 2]
    near = sum(2 * len(words_of(text)) / (2 * len(words_of(text)) + 2) >= NEAR for text in odd)
    assert round(scores["from_training"].value * 300) == near > 100 and scores["repeated"].value > 0


@needs_golden
def test_duplicates_grow_with_the_epochs_in_the_authors_own_answers():
    training = training_answers()
    counts = {}
    for name in ("direct", "model_1", "model_2"):
        answers = {
            row["encounter_id"]: row["responses"][0]["content_en"]
            for row in read_json(GOLDEN / f"{name}.json")
        }
        # Seven cases had no image; the same sentence was filled in for each, by no model.
        answers = {case: text for case, text in answers.items() if text != "No image found."}
        scores = duplicate_scores(answers, training)
        counts[name] = [round(score.value * score.n) for score in scores.values()]
        assert {score.n for score in scores.values()} == {43}
    assert counts == {"direct": [0, 0, 0], "model_1": [11, 2, 17], "model_2": [8, 2, 19]}


@needs_golden
def test_table_3_is_one_group_with_its_training_answer():
    training = training_answers()
    original = dict(training)["11htonk"]
    tail = (
        original.replace("(xerosis)", "(xerosis), contact, allergy, or atopic eczema")
        + " As a possible diagnosis."
    )
    changed = [
        original,
        original[1:],
        original.replace("eczema", "dermatitis", 1),
        "Most probably " + original,
        tail,
    ]
    [group] = duplicate_groups(by_id(changed), training)
    assert len(group.members) == 5 and group.source[0] == "11htonk" and group.similarity == 1
    rows = duplicate_rows([group], "test")
    assert [row["set"] for row in rows] == ["train"] + ["test"] * 5 and all(
        "[...]" in row["answer"] for row in rows
    )
