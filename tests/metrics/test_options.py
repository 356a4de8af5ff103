"""Scores of options by hand and against scikit-learn; answers without options; other cases."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, top_k_accuracy_score

from helpers.cases import Answer, Case
from helpers.metrics import options
from helpers.metrics.claims import compare_answers
from helpers.metrics.measure import Graded
from helpers.metrics.options import BINS, STATISTICS, calibration_columns, measure
from helpers.pocket.conditions import load_conditions

NAMES = [condition.name for condition in load_conditions()][:8]


def graded(labels, rows, groups=None):
    """Cases with labels, and the options of each; None for no answer."""
    cases = [
        Case(f"c{place}", label=label, group=groups[place] if groups else "")
        for place, label in enumerate(labels)
    ]
    answers = {
        case.id: Answer(case.id, max(row, key=row.get, default=""), options=row)
        for case, row in zip(cases, rows)
        if row is not None
    }
    return Graded(cases, answers, [])


def values(labels, rows):
    return {key: one.score.value for key, one in measure(graded(labels, rows)).items()}


@pytest.fixture(scope="module")
def drawn():
    """Labels, some of which are never said and some of which are not among the options."""
    rng = np.random.default_rng(5)
    labels = rng.choice(NAMES, 150, p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05])
    places = np.array([NAMES.index(label) for label in labels])
    sure = rng.dirichlet(np.ones(8) * 0.4, 150)
    sure[np.arange(150), places] += rng.random(150)
    sure[:, 7] = 0  # never said
    sure /= sure.sum(axis=1, keepdims=True)
    rows = [dict(zip(NAMES[:7], row.tolist())) for row in sure[:, :7]]
    return labels.tolist(), sure, rows


def test_scores_are_those_of_scikit_learn(drawn):
    labels, sure, rows = drawn
    said = [NAMES[place] for place in sure.argmax(axis=1)]
    found = values(labels, rows)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, said))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, said))
    macro = f1_score(labels, said, labels=sorted({*labels}), average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(macro)
    places = [NAMES.index(label) for label in labels]
    top = top_k_accuracy_score(places, sure, k=3, labels=range(8))
    assert found["top_3"] == pytest.approx(top)
    assert len({round(one, 6) for one in found.values()}) == len(found)  # they tell apart
    assert found["accuracy"] < found["top_3"] < 1


def test_the_calibration_error_is_a_plain_loop_over_bins(drawn):
    labels, sure, rows = drawn
    highest, hits = sure.max(axis=1), np.array(NAMES)[sure.argmax(axis=1)] == labels
    expected = 0.0
    for low in np.arange(BINS) / BINS:
        inside = (highest >= low) & (highest < low + 1 / BINS)
        if inside.any():
            expected += inside.mean() * abs(highest[inside].mean() - hits[inside].mean())
    assert values(labels, rows)["calibration_error"] == pytest.approx(expected)


def test_scores_by_hand():
    """Psoriasis is right once of twice, acne once of once, rosacea never; four in all."""
    acne, psoriasis, rosacea = "acne", "psoriasis", "rosacea"
    labels = [psoriasis, psoriasis, acne, rosacea]
    rows = [
        {psoriasis: 0.8, acne: 0.2},
        {acne: 0.6, rosacea: 0.25, psoriasis: 0.15},
        {acne: 0.9, psoriasis: 0.1},
        {acne: 0.4, psoriasis: 0.3, "eczema": 0.2, rosacea: 0.1},
    ]
    found = values(labels, rows)
    assert found["accuracy"] == 0.5
    assert found["top_3"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["macro_f1"] == pytest.approx((2 / (2 + 1) + 2 / (1 + 3) + 0) / 3)
    # Each is alone in its bin: 0.2 + 0.6 + 0.1 + 0.4 away from what is so.
    assert found["calibration_error"] == pytest.approx((0.2 + 0.6 + 0.1 + 0.4) / 4)
    # Acne and rosacea are of one class: the last answer has the right one.
    assert found["group_accuracy"] == 0.75


def test_an_answer_without_options_is_wrong_and_says_nothing_of_how_sure():
    labels = ["acne", "acne", "psoriasis"]
    for missing in ({}, None):
        found = values(labels, [{"acne": 0.75, "psoriasis": 0.25}, missing, missing])
        assert found["accuracy"] == found["top_3"] == found["group_accuracy"] == 1 / 3
        assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 0) / 2)
        assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
        assert found["calibration_error"] == pytest.approx(0.25)  # of one answer alone
    assert calibration_columns([Answer("a", "")], [False]).sum() == 0


def test_a_label_that_no_training_case_had_is_wrong_and_counts():
    row = {"acne": 0.7, "psoriasis": 0.3}
    found = values(["acne", "melanoma"], [row, row])
    assert found["accuracy"] == found["top_3"] == found["balanced_accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((2 / (1 + 2) + 0) / 2)


def test_what_is_certain_has_a_bin():
    assert values(["acne", "rosacea"], [{"acne": 1.0}, {"acne": 1.0}])["calibration_error"] == 0.5


@pytest.mark.parametrize("labels", [["acne", ""], ["", ""], []])
def test_without_labels_there_are_no_scores(labels):
    assert measure(graded(labels, [{"acne": 1.0}] * len(labels))) == {}


def test_without_options_there_are_no_scores():
    assert measure(graded(["acne", "acne"], [{}, None])) == {}


def test_classes_are_scored_where_all_labels_have_one():
    rows = [{"acne": 0.6, "eczema photos": 0.4}] * 2
    assert "group_accuracy" in values(["acne", "acne"], rows)
    found = values(["acne", "eczema photos"], rows)
    assert "group_accuracy" not in found and found["accuracy"] == 0.5
    # What is no condition is no right class of one.
    wrong = [{"eczema photos": 1.0}, {"acne": 1.0}]
    assert values(["acne", "acne"], wrong)["group_accuracy"] == 0.5


def test_statistics_of_sums_are_the_values_and_intervals_hold_them(drawn):
    labels, _, rows = drawn
    found = measure(graded(labels, rows))
    assert found.keys() == STATISTICS.keys() == options.METRICS.keys()
    for key, one in found.items():
        value = float(STATISTICS[key](one.columns.sum(axis=0)))
        assert value == pytest.approx(one.score.value)
        assert one.score.low <= one.score.value <= one.score.high and one.score.n == 150
        assert len(one.columns) == len(one.cases) == 150
        stacked = np.stack([one.columns.sum(axis=0), one.columns[:100].sum(axis=0)])
        assert STATISTICS[key](stacked)[1] == pytest.approx(values(labels[:100], rows[:100])[key])


def test_cases_of_one_group_are_drawn_together(drawn):
    labels, _, rows = drawn
    pairs = [label for label in labels for _ in (0, 1)], [row for row in rows for _ in (0, 1)]
    alone = measure(graded(*pairs))
    together = measure(graded(*pairs, groups=[f"g{place // 2}" for place in range(300)]))
    for key, one in alone.items():
        wide, narrow = together[key].score, one.score
        assert wide.value == narrow.value and wide.high - wide.low > narrow.high - narrow.low


def test_answers_are_compared_and_scores_depend_on_labels(drawn):
    labels, _, rows = drawn
    weak, strong = graded(labels, [rows[0]] * 150), graded(labels, rows)
    found = compare_answers(weak, strong, list(options.METRICS))
    assert found.keys() == options.METRICS.keys()
    accuracy = values(labels, rows)["accuracy"] - values(labels, [rows[0]] * 150)["accuracy"]
    assert found["accuracy"].value == pytest.approx(accuracy)
    assert options.depends_on(weak) == options.depends_on(strong)
    assert options.depends_on(weak) != options.depends_on(graded([*labels[:-1], "other"], rows))
