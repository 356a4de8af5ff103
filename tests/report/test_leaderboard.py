"""Only comparable numbers stand in one table; what tables say is what runs hold."""

import pytest

from helpers.metrics.scores import Score
from helpers.report import leaderboard
from helpers.report.leaderboard import boards, claims_of, list_claims, list_systems, rank_runs
from helpers.report.tables import table
from tests.report.runs import few_shot_run, make_run, score


def test_data_sets_and_encoders_never_share_a_table_and_the_best_comes_first():
    runs = [
        few_shot_run(1.0, name="low"),
        few_shot_run(2.0, name="high"),
        few_shot_run(3.0, name="other data", dataset="iiyi"),
        few_shot_run(3.0, name="other encoder", parameters={"ENCODER": "roberta-large"}),
        make_run("finetuning", "training", {}),
        make_run("comparison", "gain", {"deltableu": score(1)}),
    ]
    tables = boards(runs)
    names = [[run.record["name"] for run in board] for board in tables.values()]
    assert sorted(names) == [["high", "low"], ["other data"], ["other encoder"]]
    assert "pocket (en), valid split, 60 cases (data 000000000000, BERTScore by minilm)" in tables


def test_runs_are_listed_one_by_one_without_their_ids():
    bare = make_run("answers", "bare", {"words": score(3.0)}, shots=0, tuned=False)
    found = leaderboard.list_runs([bare, few_shot_run(4.5, name="model", seed=7)])
    assert list(found.columns) == ["system", "seed", *leaderboard.AGAINST_REFERENCES, "n"]
    cells = table(found, caption="t", missing="not scored").cells
    assert cells["system"].tolist() == ["model", "bare"] and cells["seed"].tolist() == ["7", "1"]
    assert cells["deltaBLEU (0 to 100)"].tolist() == ["4.50 [3.50, 5.50]", "not scored"]
    assert rank_runs([bare]) == [bare]


def test_seeds_of_one_system_share_a_row_with_their_range():
    runs = [few_shot_run(value, seed=seed) for seed, value in ((1, 2.0), (2, 5.0))]
    found = list_systems([*runs, few_shot_run(9.0, shots=1)])
    assert list(found["runs"]) == [1, 2] and list(found["deltaBLEU by seed"]) == [
        "",
        "2.00 to 5.00",
    ]
    assert found["deltableu"][1] == Score(3.5, 2.5, 4.5, 60, "|mean of 2 runs")
    assert "deltaBLEU by seed" not in list_systems(runs[:1])


def test_answers_are_described_in_per_cent_best_deltableu_first():
    runs = [few_shot_run(1.0, name="low", shots=1), few_shot_run(2.0, name="high")]
    runs[0].save_scores(runs[0].scores | {"distinct": score(0.5, 0.25, 1.0), "words": score(3.0)})
    cells = table(leaderboard.describe_answers(runs), caption="t").cells
    assert list(cells.columns) == [
        "system",
        "diagnosis named (%)",
        "distinct (%)",
        "copies of training answers (%)",
        "unfinished (%)",
        "words (mean)",
    ]
    assert cells.values.tolist() == [
        ["high", "25 [12, 50]", "", "", "", ""],
        ["low", "25 [12, 50]", "50 [25, 100]", "", "", "3.0 [2.0, 4.0]"],
    ]


def test_table_3_has_two_rows_for_each_captioner_and_a_column_for_each_number_of_shots():
    runs = [few_shot_run(4.0, seed=1), few_shot_run(6.0, seed=2), few_shot_run(8.0, shots=1)]
    runs.append(few_shot_run(2.0, shots=1, parameters={"CAPTIONER": "pocket/blip"}))
    found = leaderboard.compare_by_shots(runs)
    assert found.where(found.notna(), None).values.tolist() == [
        ["none", True, "deltaBLEU (0 to 100)", 2, "5.00 [4.00, 6.00]", "8.00 [7.00, 9.00]"],
        [
            "none",
            True,
            "BERTScore F1 (0 to 1)",
            2,
            "0.050 [-0.050, 0.150]",
            "0.080 [-0.020, 0.180]",
        ],
        ["pocket/blip", True, "deltaBLEU (0 to 100)", 1, None, "2.00 [1.00, 3.00]"],
        ["pocket/blip", True, "BERTScore F1 (0 to 1)", 1, None, "0.020 [-0.080, 0.120]"],
    ]
    assert list(found.columns)[-2:] == ["0 shots", "1 shot"]


def test_captioners_and_skin_tones():
    tones = [{"skin tone": 1, "cases": 9, "concept_recall": score(0.5, 0.4, 0.6, 9).as_dict()}]
    scores = {"failed": score(0.0, 0.0, 0.03, 115), "words": score(13.3)}
    run = make_run("captions", "blip", scores, model="pocket/blip", skin_tones=tones)
    found = leaderboard.describe_captioners([run])
    assert found["captioner"][0] == "pocket/blip" and found["images"][0] == 115
    assert found["failed"][0].high == 0.03 and found["seconds"][0] is None
    (row,) = leaderboard.describe_tones([run]).to_dict("records")
    assert (row["captioner"], row["skin tone"], row["cases"]) == ("pocket/blip", 1, 9)
    assert row["concept_recall"].value == 0.5 and row["concept_precision"] is None
    assert leaderboard.describe_tones([]).empty


CLAIM = {"paper": {"deltaBLEU": "1.4 to 2.1"}, "seeds": 3, "study": "table_2"}
FOUND = {"deltableu": score(1.5, 0.25, 2.0), "named": score(0.02, -0.05, 0.1)}
VERDICTS = {"deltableu": "reproduced", "named": "not reproduced"}


def test_claims_have_a_row_for_each_metric():
    run = make_run("comparison", "LoRA helps", FOUND, verdicts=VERDICTS, **CLAIM)
    found = list_claims(claims_of([run]))
    assert list(found.columns) == ["claim", "metric", "paper", "ours", "seeds", "n", "verdict"]
    assert found.values.tolist() == [
        ["LoRA helps", "deltaBLEU", "1.4 to 2.1", "+1.500 [+0.250, +2.000]", 3, 60, "reproduced"],
        [
            "LoRA helps",
            "diagnosis named (% points)",
            "",
            "+2.0 [-5.0, +10.0]",
            3,
            60,
            "not reproduced",
        ],
    ]
    only = list_claims(claims_of([run]), metrics=["named"])
    assert len(only) == 1 and "paper" not in only


def test_claims_of_several_data_sets_say_which_and_what_is_not_measured():
    one = make_run("comparison", "gain", FOUND, verdicts=VERDICTS, **CLAIM)
    other = make_run("comparison", "gain", {}, dataset="reddit", **CLAIM)
    found = list_claims(claims_of([one, other]))
    assert list(found["data"]) == ["pocket", "pocket", "reddit"]
    assert list(found["verdict"])[-1] == "not measured: no references"
    assert list(found["ours"])[-1] == "" and list_claims([]).empty


def test_published_figures_name_data_and_source_and_keep_their_digits():
    entries = leaderboard.published()
    assert all(entry["data"] and entry["source"] for entry in entries)
    assert {entry["deltableu"] for entry in entries} >= {4.461, 6.673, 8.629, 10.65, 2.13}
    cells = table(leaderboard.list_published(), caption="t").cells
    assert {"4.600", "10.650"} <= set(cells["deltaBLEU (0 to 100)"])
    assert "" in set(cells["BERTScore F1 (0 to 1)"])


def test_the_page_holds_every_run_escapes_names_and_sets_published_figures_apart(outputs):
    few_shot_run(99.0, name="<script>alert(1)</script>")
    page = leaderboard.write_page().read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert page.index("not comparable with ours") > page.index("&lt;script&gt;")
    assert "VisionQAries" in page and "more rows</summary>" in page


@pytest.mark.parametrize("name", ["list_runs", "list_systems", "describe_answers"])
def test_without_any_run_tables_are_empty(name):
    assert getattr(leaderboard, name)([]).empty
    assert leaderboard.compare_by_shots([]).empty and leaderboard.describe_captioners([]).empty
