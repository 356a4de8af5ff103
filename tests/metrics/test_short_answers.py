"""Short answers in two readings: worked cases, and every row that Med-Idefics published."""

import math

import pytest

from helpers.cli.commands import main
from helpers.data.answer_tables import read_answer_table
from helpers.files import LabError, read_json
from helpers.metrics.short_answers import (
    READINGS,
    is_closed,
    score_answers,
    score_pair,
    score_parts,
)

PUBLISHED, NORMALISED = READINGS
PAIRS = {
    # truth, answer: contained, exact, F1, BLEU-1
    "a full stop is a token": (PUBLISHED, "yes", "yes.", (1, 0, 2 / 3, 1 / 2)),
    "and none where words count": (NORMALISED, "yes", "yes.", (1, 1, 1, 1)),
    "letters inside a word": (PUBLISHED, "no", "normal", (1, 0, 0, 0)),
    "are no word": (NORMALISED, "no", "normal", (0, 0, 0, 0)),
    "distinct tokens over all": (PUBLISHED, "lung", "lung lung", (1, 0, 2 / 3, 1 / 2)),
    "counted tokens": (NORMALISED, "left left lung", "left lung", (0, 0, 4 / 5, math.exp(-1 / 2))),
    "case": (NORMALISED, "Right lung", "right, LUNG", (1, 1, 1, 1)),
    "another order": (NORMALISED, "lung right", "right lung", (0, 0, 1, 1)),
    "no answer": (NORMALISED, "right", "", (0, 0, 0, 0)),
    "a short answer is punished": (NORMALISED, "a b c d", "a b", (0, 0, 2 / 3, math.exp(-1))),
}


@pytest.mark.parametrize(("reading", "truth", "answer", "expected"), PAIRS.values(), ids=PAIRS)
def test_a_pair(reading, truth, answer, expected):
    scores = score_pair(truth, answer, reading)
    assert list(scores) == ["containment", "exact_match", "token_f1", "bleu_1"]
    assert tuple(scores.values()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("truth", "closed"), [("yes", True), ("No.", True), (" no ", True), ("not seen", False)]
)
def test_closed_questions_are_told_by_their_truth(truth, closed):
    assert is_closed(truth) is closed


def test_closed_accuracy_counts_closed_questions_alone():
    scores = score_answers(["yes", "no", "lung"], ["yes", "yes", "lung"], NORMALISED)
    assert (scores["closed_accuracy"].value, scores["closed_accuracy"].n) == (0.5, 2)
    assert scores["exact_match"].value == pytest.approx(2 / 3)
    assert "closed_accuracy" not in score_answers(["lung"], ["lung"], NORMALISED)


def test_intervals_are_clustered_by_image():
    alone = [
        {"true_answer": "yes", "predicted_answer": "yes" if n < 8 else "no"} for n in range(16)
    ]
    shared = [row | {"image": str(n // 8)} for n, row in enumerate(alone)]
    wide, narrow = (score_parts(rows)[0]["exact_match"] for rows in (shared, alone))
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)
    assert "groups:2" in wide.signature


# Med-Idefics' own files: what they wrote of each answer, and their totals (Figure 2, recomputed).
TOTALS = {
    "baseline_results.json": (0.5525, 0.3800, 0.2866, 0.5075, 0.559),
    "eval_full_stage2_results.json": (0.5575, 0.5790, 0.5666, 0.5375, 0.585),
}


@pytest.mark.parametrize("name", TOTALS)
def test_every_published_row_and_total(shared, name):
    path = shared / "golden" / "medidefics" / name
    for row in read_json(path):
        scores = score_pair(row["true_answer"], row["predicted_answer"], PUBLISHED)
        theirs = [float(row[key]) for key in ("exact_match", "f1_score", "bleu_score")]
        ours = [scores[key] for key in ("containment", "token_f1", "bleu_1")]
        assert ours == pytest.approx(theirs, abs=1e-12), row
    parts = {
        (row["reading"], row["questions"]): row for row in score_parts(read_answer_table(path))
    }
    published, normalised = parts["published", "all"], parts["normalised", "all"]
    found = [published[key].value for key in ("containment", "token_f1", "bleu_1")]
    found += [normalised[key].value for key in ("exact_match", "token_f1")]
    assert found == pytest.approx(TOTALS[name], abs=5e-4)
    assert published["containment"].n == 400
    assert parts["published", "yes or no"]["containment"].n == 221


def test_most_of_the_published_gain_in_f1_is_a_full_stop(shared):
    parts = [
        {
            row["reading"]: row["token_f1"].value
            for row in score_parts(rows)
            if row["questions"] == "all"
        }
        for rows in (read_answer_table(shared / "golden" / "medidefics" / name) for name in TOTALS)
    ]
    before, after = parts
    gains = {reading: after[reading] - before[reading] for reading in before}
    assert gains["published"] > 0.19 and gains["normalised"] < 0.03


# The command


def test_a_table_is_scored_and_written(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("question,true_answer,predicted_answer\nWhat?,yes,yes.\n")
    assert main(["score-table", str(tmp_path / "a.csv"), "--out", str(tmp_path / "a.json")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("reading ") and printed[1].split()[:3] == ["published", "all", "1"]
    rows = read_json(tmp_path / "a.json")
    assert rows[0]["token_f1"]["value"] == pytest.approx(2 / 3)
    assert {row["reading"] for row in rows} == {"published", "normalised"}


def test_numbers_are_read_as_their_text(tmp_path):
    (tmp_path / "a.json").write_text('[{"true_answer": 4, "predicted_answer": "4", "image": "x"}]')
    assert read_answer_table(tmp_path / "a.json") == [
        {"true_answer": "4", "predicted_answer": "4", "image": "x"}
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "[]", "holds no answer"),
        ("a.json", "{}", "a list of rows was expected"),
        ("a.json", "[3]", "row 1, is"),
        ("a.json", '[{"true_answer": "a"}]', "row 1, has no text or number 'predicted_answer'"),
        ("a.json", '[{"true_answer": true, "predicted_answer": "a"}]', "'true_answer'"),
        ("a.csv", "question,answer\na,b\n", "lacks the column true_answer, predicted_answer"),
        ("a.csv", 'true_answer,predicted_answer\n"a,b\n', "double quote"),
    ],
)
def test_a_table_that_cannot_be_scored_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(LabError, match=said):
        read_answer_table(tmp_path / name)
