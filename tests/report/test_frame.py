"""Runs as a tidy table: a row for each run and metric; systems are told apart by their settings."""

import pandas
import pytest

from helpers.metrics.scores import Score
from helpers.report.frame import best_first, frame, frame_by_tone, mean_score_of, summarize
from tests.report.runs import few_shot_run, make_run, score, vlm_run


def test_there_is_a_row_for_each_run_and_metric():
    run = few_shot_run(4.5, shots=2)
    data = frame([run]).set_index("metric")
    assert list(data.index) == [
        "deltableu",
        "bertscore_f1",
        "bertscore_precision",
        "bertscore_recall",
        "named",
    ]
    row = data.loc["deltableu"]
    assert (row["value"], row["low"], row["high"], row["n"]) == (4.5, 3.5, 5.5, 60)
    assert (row["run"], row["kind"], row["dataset"], row["seed"]) == (
        run.id,
        "answers",
        "pocket",
        1,
    )
    assert (row["model"], row["tuned"], row["shots"]) == ("pocket/llama", True, 2)
    assert row["captioner"] == "none" and row["rank"] == 16


def test_a_run_without_scores_has_one_row_and_no_run_none():
    data = frame([make_run("finetune", "gain", {})])
    assert len(data) == 1 and data["metric"].isna().all() and list(data["name"]) == ["gain"]
    assert frame([]).empty and {"run", "system", "metric", "value"} <= set(frame([]).columns)


def test_systems_are_told_apart_by_settings_not_by_name():
    runs = [
        few_shot_run(1.0, name="one", seed=1),
        few_shot_run(3.0, name="said otherwise", seed=2),
        few_shot_run(5.0, name="one", seed=3, parameters={"RANK": 4}),
        few_shot_run(7.0, name="one", tuned=False),
        make_run("constant", "one", {"deltableu": score(8.0)}, constant="eczema"),
        make_run("constant", "one", {"deltableu": score(9.0)}, constant="fungus"),
    ]
    found = summarize(frame(runs), ["deltableu"])
    assert [cell.value for cell in found["deltableu"]] == [2.0, 5.0, 7.0, 8.0, 9.0]
    assert list(found["runs"]) == [2, 1, 1, 1, 1] and list(found["system"]) == ["one"] * 5


def test_seeds_are_averaged_and_missing_metrics_are_none():
    runs = [few_shot_run(2.0, seed=1), few_shot_run(4.0, seed=2), few_shot_run(9.0, shots=1)]
    found = summarize(frame(runs), ["deltableu", "words"], by=["shots"])
    assert list(found.columns) == ["shots", "runs", "deltableu", "words", "n"]
    first = found["deltableu"][0]
    assert isinstance(first, Score) and (first.value, first.low, first.high) == (3, 2, 4)
    assert found["words"][0] is None and list(found["n"]) == [60, 60]


def test_what_has_no_interval_is_a_bare_number():
    data = frame([vlm_run(1.0, seed=1), vlm_run(1.0, seed=2, weights_mb=6.5)])
    assert mean_score_of(data, "weights_mb") == 6.0
    assert mean_score_of(data, "words") is None


def test_groups_by_what_some_runs_lack():
    data = frame(
        [few_shot_run(1.0), make_run("constant", "a", {"words": score(2)}, constant="eczema")]
    )
    found = summarize(data, ["words"], by=["shots", "constant"])
    assert found["shots"][0] == 0 and pandas.isna(found["shots"][1])
    assert list(found["constant"])[1] == "eczema"
    assert summarize(frame([]), ["words"], by=["captioner"]).empty


@pytest.mark.parametrize(
    ("metric", "order"), [("deltableu", ["b", "a", "c"]), ("seconds", ["a", "b", "c"])]
)
def test_the_best_comes_first_and_what_is_not_scored_last(metric, order):
    table = pandas.DataFrame({"system": list("cab"), metric: [None, score(1.0), score(2.0)]})
    assert list(best_first(table, metric)["system"]) == order


def test_forms_of_a_small_device_and_what_they_lose():
    forms = [{"form": "float32", "deltableu": 9.9, "weights_mb": 11.0, "threads": 2}]
    run = make_run("small_device", "llava", {"int8: deltableu": score(-2)}, forms=forms)
    assert frame([run])[["form", "metric", "value"]].values.tolist() == [
        ["int8", "change in deltableu", -2.0],
        ["float32", "deltableu", 9.9],
        ["float32", "weights_mb", 11.0],
    ]


def test_scores_by_skin_tone():
    tone = {"skin tone": 1, "cases": 9, "concept_recall": score(0.5, 0.4, 0.6, 9).as_dict()}
    run = make_run("captions", "blip", {}, parameters={"CAPTIONER": "blip"}, skin_tones=[tone])
    columns = ["captioner", "skin tone", "cases", "metric", "value", "low", "high", "n"]
    assert frame_by_tone([run])[columns].values.tolist() == [
        ["blip", 1, 9, "concept_recall", 0.5, 0.4, 0.6, 9],
    ]


def test_an_untuned_vlm_has_no_epochs_and_an_adapter_that_was_given_tells_systems_apart():
    runs = [vlm_run(1.0), vlm_run(2.0, epochs=2.0), vlm_run(3.0, adapter="abc")]
    found = frame(runs)[lambda data: data["metric"] == "deltableu"]
    assert list(found["epochs"]) == [0, 2, 0] and found["system"].nunique() == 3
