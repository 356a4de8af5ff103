"""Tables of short answers, against worked cases and against the authors' own rows."""

import csv

import pytest

from helpers.cases import Answer, Case, Reference
from helpers.data.answer_tables import read_answer_table
from helpers.metrics.short_answers import score_parts
from helpers.report.short_answers import (
    authors_rows,
    compare_systems,
    compare_trainings,
    open_questions,
    score_by_type,
    show_learnt,
    write_review,
)
from tests.report.runs import make_run, score

CASES = [
    Case(str(place), question, references=(Reference(truth),), question_type=kind, group=group)
    for place, (kind, question, truth, group) in enumerate(
        [
            ("ORGAN", "Which organ?", "chest", "a"),
            ("ORGAN", "Which organ?", "head", "b"),
            ("ORGAN", "Is this the chest?", "yes", "a"),
        ]
    )
]
SAID = {"0": Answer("0", "Chest."), "1": Answer("1", "chest"), "2": Answer("2", "no")}
# Golden file -> the row that it comes to.
FILES = {
    "baseline_results.json": ("base", "VQA-RAD"),
    "eval_full_stage2_results.json": ("two stages", "VQA-RAD"),
}


def test_answers_are_scored_by_what_is_asked_for_and_how_it_is_answered():
    rows = score_by_type(CASES, {"ours": SAID, "nothing": {}})
    assert [(row["asks for"], row["answer"], row["questions"]) for row in rows] == [
        ("ORGAN", "open", 2),
        ("ORGAN", "yes or no", 1),
    ]
    assert rows[0]["ours"].startswith("50 [") and rows[0]["nothing"].startswith("0 [")
    assert rows[1]["ours"].startswith("0 [")


def test_open_questions_are_those_that_yes_or_no_does_not_answer():
    assert open_questions([*CASES, Case("3", "Which organ?")]) == CASES[:2]


def test_a_form_for_review_has_room_for_a_reason_and_is_never_written_over(tmp_path):
    path = tmp_path / "review.csv"
    rows = write_review(path, CASES, SAID)
    assert [row["matches"] for row in rows] == ["yes", "no", "no"]
    with path.open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["predicted_answer"], first["correct"], first["why"]) == ("Chest.", "", "")
    path.write_text("begun")
    write_review(path, CASES, SAID)
    assert path.read_text() == "begun"


def test_what_is_learnt_is_marked_and_markup_of_tokens_is_not():
    shown = show_learnt({"an <example>": [("What", False), ("<b>", True)]})
    assert repr(shown) == "an <example>: What [<b>]"
    assert "<mark" in shown.html and "&lt;b&gt;" in shown.html and "<b>" not in shown.html


@pytest.mark.parametrize("name", FILES)
def test_the_table_of_the_authors_rows_is_what_they_come_to(shared, name):
    parts = score_parts(read_answer_table(shared / "golden" / "medidefics" / name))
    published, normalised = (
        next(row for row in parts if (row["reading"], row["questions"]) == (reading, "all"))
        for reading in ("published", "normalised")
    )
    (row,) = (one for one in authors_rows() if (one["system"], one["questions"]) == FILES[name])
    for key in ("containment", "token_f1", "bleu_1"):
        assert row[f"published_{key}"] == pytest.approx(published[key].value, abs=5e-4)
    for key in ("exact_match", "token_f1"):
        assert row[key] == pytest.approx(normalised[key].value, abs=1e-3)


def test_the_published_totals_are_those_of_the_paper():
    """Figure 2, with the digits that it gives."""
    found = {(row["system"], row["questions"]): row for row in authors_rows()}
    for system, f1 in {"base": 0.38, "one stage": 0.55, "two stages": 0.58}.items():
        assert found[system, "VQA-RAD"]["published_token_f1"] == pytest.approx(f1, abs=5e-3)


def test_trainings_stand_beside_each_other_with_shots_images_and_constants():
    brief = {"PROMPT": "brief"}
    runs = [
        make_run(kind, name, {"exact_match": score(value)}, parameters=parameters, **about)
        for kind, name, value, parameters, about in (
            ("question_answers", "plain", 0.1, brief, {}),
            ("few_shot_answers", "shots", 0.2, brief | {"SHOTS": 4}, {}),
            ("image_control", "other", 0.3, brief | {"IMAGE_SHOWN": "another"}, {}),
            ("question_answers", "both", 0.5, brief, {"stages": "m + LoRA, a, then b"}),
            ("constant", "one", 0.4, {}, {"constant": "It is eczema."}),
        )
    ]
    found = compare_trainings(runs, ["exact_match"])
    assert found["trained on"].tolist() == [
        "a, then b",
        "one answer to all: It is eczema.",
        *["nothing"] * 3,
    ]
    assert found["asked with"].tolist() == ["brief", "", "brief", "brief", "brief"]
    assert found["shots"].tolist() == [0, 0, 0, 4, 0]
    assert found["image"].tolist() == ["its own", "its own", "another", "its own", "its own"]
    assert not {"shots", "image", "loss on"} & set(compare_trainings(runs[:1], ["exact_match"]))


def test_runs_stand_under_a_notebooks_own_names_and_in_its_order():
    runs = {
        name: make_run("question_answers", name, {"exact_match": score(value)}, seed=value)
        for name, value in (("as it is", 0.1), ("both", 0.5), ("captions alone", 0.2))
    }
    found = compare_systems(runs, ["exact_match", "token_f1"])
    assert list(found.columns) == ["system", "exact_match", "n"]
    assert found["system"].tolist() == ["as it is", "both", "captions alone"]
    assert [one.value for one in found["exact_match"]] == [0.1, 0.5, 0.2]


def test_trainings_are_told_apart_by_what_their_loss_is_on():
    runs = [
        make_run(
            "question_answers",
            loss,
            {"exact_match": score(0.2)},
            parameters={"PROMPT": "brief", "LOSS": loss},
            stages="m + LoRA, a",
        )
        for loss in ("whole", "completion")
    ]
    found = compare_trainings(runs, ["exact_match"])
    assert found["loss on"].tolist() == ["every word", "the answer"]
    assert "loss on" not in compare_trainings(runs[:1], ["exact_match"])
