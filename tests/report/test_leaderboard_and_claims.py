"""Only comparable numbers stand in one table; a claim counts as reproduced only with its whole
interval.
"""

import pytest

from helpers.cases import Answer, Case, Reference
from helpers.experiments.runs import open_run
from helpers.files import read_json, write_json
from helpers.metrics.claims import score_differences, verdict
from helpers.metrics.scores import Score
from helpers.metrics.scoring import metrics_json, score_predictions
from helpers.report.leaderboard import (
    answer_rows,
    boards,
    claim_table,
    published,
    rank_runs,
    rows,
    seed_rows,
    write_page,
)

CASES = [
    Case(f"E{number}", "rash?", references=(Reference(f"it is condition {number} of the hand"),))
    for number in range(12)
]
RIGHT = {case.id: Answer(case.id, case.references[0].text) for case in CASES}
WRONG = {case.id: Answer(case.id, "please see a doctor") for case in CASES}


def scored_run(name, answers, *, dataset="pocket", encoder="minilm"):
    run = open_run(
        "03_few_shot_inference",
        determines={"name": name, "dataset": dataset, "encoder": encoder},
        about={
            "kind": "answers",
            "name": name,
            "dataset": dataset,
            "split": "valid",
            "data_fingerprint": "0" * 12,
            "seed": 1,
            "language": "en",
            "parameters": {"ENCODER": encoder},
        },
    )
    write_json(
        run.folder / "metrics.json", metrics_json(score_predictions(CASES, list(answers.values())))
    )
    return run


def test_data_sets_and_encoders_never_share_a_table_and_the_best_comes_first():
    runs = [
        scored_run("wrong", WRONG),
        scored_run("right", RIGHT),
        scored_run("right", RIGHT, dataset="iiyi"),
        scored_run("right", RIGHT, encoder="roberta-large"),
        open_run("02_lora_sft", determines={}, about={"kind": "finetuning"}),
    ]
    tables = boards(runs)
    assert sorted(len(table) for table in tables.values()) == [1, 1, 2]
    assert [
        [row["system"] for row in rows(table)] for table in tables.values() if len(table) == 2
    ] == [["right", "wrong"]]
    row = rows([runs[1]])[0]
    assert (
        row["deltaBLEU"] == "100.00 [100.00, 100.00]"
        and row["n"] == 12
        and row["run"] == runs[1].id
    )


def test_the_page_holds_every_run_escapes_names_and_sets_published_figures_apart(outputs):
    scored_run("<script>alert(1)</script>", RIGHT)
    page = write_page().read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert page.index("not comparable with ours") > page.index("&lt;script&gt;")
    assert "VisionQAries" in page


def test_published_figures_name_data_and_source():
    assert all(entry["data"] and entry["source"] for entry in published())
    assert {entry["deltableu"] for entry in published()} >= {4.461, 6.673, 8.629, 10.65, 2.13}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 2.0, "reproduced"),
        (-2.0, -0.1, "not reproduced: the reverse"),
        (-0.5, 1.0, "not reproduced: no clear difference"),
        (0.0, 1.0, "not reproduced: no clear difference"),
    ],
)
def test_verdicts(low, high, expected):
    assert verdict(Score((low + high) / 2, low, high, 12, "")) == expected


def test_a_difference_is_second_minus_first_and_paired():
    gain = score_differences(CASES, [WRONG], [RIGHT], encoder="minilm")
    assert gain["deltaBLEU"].low > 0 and gain["deltaBLEU"].value == pytest.approx(100, abs=5)
    assert (
        0 < gain["BERTScore F1"].low <= gain["BERTScore F1"].value <= 1
        and gain["BERTScore F1"].n == 12
    )
    nothing = score_differences(CASES, [RIGHT], [RIGHT], encoder="minilm")
    assert all((score.value, score.low, score.high) == (0, 0, 0) for score in nothing.values())
    loss = score_differences(CASES, [RIGHT], [{}], encoder="minilm")
    assert loss["deltaBLEU"].value == -100 and loss["BERTScore F1"].value == pytest.approx(
        -1, abs=1e-5
    )


def test_over_seeds_the_difference_is_the_mean_and_seeds_that_disagree_widen_the_interval():
    one = score_differences(CASES, [WRONG], [RIGHT], encoder="minilm")["deltaBLEU"]
    agreed = score_differences(CASES, [WRONG], [RIGHT, RIGHT, RIGHT], encoder="minilm")["deltaBLEU"]
    assert (agreed.value, agreed.low, agreed.high) == pytest.approx((one.value, one.low, one.high))
    torn = score_differences(CASES, [WRONG] * 3, [RIGHT, RIGHT, WRONG], encoder="minilm")[
        "deltaBLEU"
    ]
    assert (
        torn.value == pytest.approx(one.value * 2 / 3) and torn.low <= 0 and torn.high > torn.value
    )
    assert torn.signature.endswith("seeds:3")
    with pytest.raises(ValueError, match="2 and 3"):
        score_differences(CASES, [WRONG] * 2, [RIGHT] * 3, encoder="minilm")


def test_a_handful_of_cases_gives_no_verdict():
    few = score_differences(CASES[:3], [WRONG], [RIGHT], encoder="minilm")
    assert {verdict(score) for score in few.values()} == {"not measured: fewer than 10 cases"}


def test_where_nothing_can_be_scored_tables_say_so():
    bare = [Case(case.id, case.question) for case in CASES]
    assert score_differences(bare, [WRONG], [RIGHT], encoder="minilm") == {}
    unscored = open_run(
        "03_few_shot_inference",
        determines={},
        about={"name": "model", "seed": 1, "kind": "answers"},
    )
    right = scored_run("right", RIGHT)
    assert rank_runs([unscored, right]) == [right, unscored]
    assert [row["deltaBLEU"] for row in rows([right, unscored])] == [
        "100.00 [100.00, 100.00]",
        "not scored: no references",
    ]
    claim = open_run(
        "09_evaluation", determines={}, about={"name": "gain", "kind": "comparison", "dataset": "x"}
    )
    assert [row["verdict"] for row in claim_table([claim])] == ["not measured: no references"]


def test_seeds_of_one_system_share_a_row_and_what_answers_are_like_is_told():
    runs = [
        scored_run("model", answers, dataset=f"seed {seed}")
        for seed, answers in enumerate((RIGHT, WRONG))
    ]
    row = seed_rows(runs)[0]
    assert (
        row["runs"] == 2
        and row["seeds"] == "0.31 to 100.00"
        and row["deltaBLEU"].startswith("50.16 [")
    )
    for run, share in zip(runs, (0.25, 0.75)):
        score = {"value": share, "interval": [0, 1], "n": 12, "signature": ""}
        write_json(
            run.folder / "metrics.json",
            run.metrics | {"distinct": score, "words": score | {"value": 3}},
        )
    described = answer_rows(runs)
    assert described == [
        {
            "system": "model",
            "diagnosis named %": "",
            "distinct %": "50",
            "copies of training answers %": "",
            "unfinished %": "",
            "words": 3.0,
        }
    ]


def test_metrics_json_has_value_interval_n_and_signature():
    run = scored_run("right", RIGHT)
    for score in read_json(run.folder / "metrics.json").values():
        assert set(score) == {"value", "interval", "n", "signature"} and score["n"] == 12
