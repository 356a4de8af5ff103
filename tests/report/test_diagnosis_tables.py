"""What notebooks 07, 07b and 07c show of options: tables and figures, from cases and answers made
by hand.
"""

import pytest

from helpers.cases import Answer, Case
from helpers.data.near_duplicates import Copy
from helpers.experiments.recorded import read_study
from helpers.experiments.studies import load_studies
from helpers.metrics.scores import share_score
from helpers.report import figures
from helpers.report.diagnosis_tables import (
    TECHNIQUES,
    conformal_rows,
    draw_reliability,
    draw_shares,
    list_confusions,
    list_named,
    list_rungs,
    share_by_tone,
    show_case,
    show_chain,
    tell_copies,
    tell_gap,
)
from helpers.training.options_recipe import OptionsRecipe

LABELS = ("acne", "rosacea", "wart")


def answer(case_id, *shares):
    options = dict(zip(LABELS, shares))
    return Answer(case_id, max(options, key=lambda label: options[label]), options=options)


CASES = [
    Case("a", context="Spots.", label="acne"),
    Case("b", context="Red.", label="rosacea"),
    Case("c", context="Hard.", label="wart"),
    Case("d", context="Red, too.", label="rosacea"),
]
ANSWERS = {
    "a": answer("a", 0.7, 0.2, 0.1),
    "b": answer("b", 0.5, 0.3, 0.2),
    "c": answer("c", 0.1, 0.1, 0.8),
    "d": answer("d", 0.6, 0.3, 0.1),
}


def test_rungs_stand_in_the_order_of_the_ladder_and_are_named_by_what_came_last():
    found = list_rungs(read_study("classifier_ladder").answers("pocket_conditions"))
    names = [name for *_, name in TECHNIQUES if name != "+ half as many passes again"]
    assert list(found["rung"]) == ["plain", *names]
    (ladder,) = load_studies(["classifier_ladder"])
    assert set(found["runs"]) == {len(ladder.seeds)}
    assert all(0 < score.value < 1 for score in found["accuracy"])


def test_systems_stand_under_their_names_the_best_first():
    """Also those that others start from, such as the image alone; trainings have no score."""
    runs = read_study("chain_of_options").runs
    found = list_named(runs, ["accuracy"])
    answered = {run.record["name"] for run in runs if "accuracy" in run.scores}
    assert {*found["system"]} == answered and len(answered) == 9
    values = [score.value for score in found["accuracy"]]
    assert values == sorted(values, reverse=True)


def test_copies_are_told_by_where_the_other_one_lies():
    copies = [
        Copy("t1", "v1", "train", "valid"),
        Copy("t2", "t0", "train", "train"),
        Copy("v2", "v1", "valid", "valid"),
    ]
    assert tell_copies(copies, kept=8) == (
        "Of 10 training images 2 are left out: 1 copies of images of other splits, 1 of other "
        "training images."
    )


def test_sets_are_counted_for_all_and_for_each_part():
    sets = {"a": ["acne"], "b": ["acne", "rosacea"], "c": ["wart"], "d": ["acne"]}
    parts = {"a": "light", "b": "light", "c": "dark", "d": "dark"}
    whole, dark, light = conformal_rows(CASES, ANSWERS, sets, parts)
    assert (whole["cases"], whole["n"], whole["labels in a set"]) == ("all", 4, "1.2")
    assert whole["set holds the right one (%)"].startswith("75 [")
    assert whole["first label is right (%)"].startswith("50 [")
    assert dark["set holds the right one (%)"].startswith("50 [") and dark["n"] == 2
    assert light["set holds the right one (%)"].startswith("100 [")


def test_light_and_dark_skin_are_set_side_by_side():
    tones = {"a": 1, "b": 2, "c": 6}
    shares = share_by_tone(CASES, ANSWERS, tones)  # a and b are of light skin, d has no tone
    right = {
        case.id: max(ANSWERS[case.id].options, key=ANSWERS[case.id].options.get) == case.label
        for case in CASES
    }
    assert {name: one.n for name, one in shares.items()} == {"light (I, II)": 2, "dark (V, VI)": 1}
    assert shares["light (I, II)"].value == (right["a"] + right["b"]) / 2
    many = {"light": share_score([True] * 56 + [False] * 14, signature="")}
    many |= {"middle": many["light"], "dark": share_score([True] * 48 + [False] * 32, signature="")}
    assert tell_gap(many) == "light minus dark: 20 points [5, 33]"


def test_confusions_are_counted_and_known_look_alikes_said():
    rows = list_confusions(CASES, ANSWERS, {"rosacea": ["acne"]})
    assert rows == [
        {"it is": "rosacea", "it is said to be": "acne", "images": 2, "look-alikes": "yes"}
    ]
    assert list_confusions(CASES, ANSWERS, {})[0]["look-alikes"] == ""


def test_a_chain_is_shown_of_a_case_that_the_image_model_mistakes():
    rows = show_chain(CASES, ANSWERS, OptionsRecipe(count=1))
    assert [row["step"] for row in rows] == [
        *("2 options", "5 options", "10 options", "the real task")
    ]
    assert rows[0] == {
        "step": "2 options",
        "options": "acne, ROSACEA",
        "the right one": "inside",
    }
    assert rows[-1] == {"step": "the real task", "options": "acne", "the right one": "missing"}


def test_a_case_is_shown_with_the_most_probable_labels_of_each_system():
    (row,) = show_case(CASES[1], {"image": ANSWERS}, count=2)
    assert row == {"by": "image", "most probable": "acne 50 %, rosacea 30 %", "right": "rosacea"}


@pytest.mark.parametrize("many", [1, 30])
def test_reliability_is_drawn_where_a_bin_has_answers_enough(many, capsys):
    cases = [Case(f"{one.id}{turn}", label=one.label) for one in CASES for turn in range(many)]
    answers = {case.id: ANSWERS[case.id[0]] for case in cases}
    figure = draw_reliability({"as it is": (cases, answers)})
    line = figure.axes[0].get_lines()[1]
    assert len(line.get_xdata()) == (4 if many == 30 else 0)
    if many == 30:
        assert list(line.get_ydata()) == [0, 0, 100, 100]
    figures.show(figure, alt="Right answers over probability.")


def test_shares_are_drawn_from_the_top():
    found = {"x": share_score([True, True], signature=""), "y": share_score([False], signature="")}
    axis = draw_shares(found, title="t", label="l").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["x", "y"]
    assert axis.yaxis_inverted()
