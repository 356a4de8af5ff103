"""Only comparable numbers stand in one table; what tables say is what runs hold."""

from dataclasses import replace

import pytest

from helpers.cases import Answer
from helpers.experiments.verdicts import Verdict
from helpers.metrics.scores import Score
from helpers.report import leaderboard
from helpers.report.captioner_tables import caption_claims
from helpers.report.leaderboard import boards, list_claims, list_systems, rank_runs
from helpers.report.tables import table
from tests.report.runs import difference, few_shot_run, make_run, score


def test_data_sets_and_encoders_never_share_a_table_and_the_best_comes_first():
    runs = [
        few_shot_run(1.0, name="low"),
        few_shot_run(2.0, shots=4, name="high"),
        few_shot_run(3.0, name="other data", dataset="iiyi"),
        few_shot_run(3.0, name="other encoder", encoder="roberta-large"),
        make_run("finetune", "training", {}),
    ]
    tables = boards(runs)
    names = [[run.record["name"] for run in board] for board in tables.values()]
    assert sorted(names) == [["high", "low"], ["other data"], ["other encoder"]]
    assert "pocket (en), valid split, 60 cases (data 000000000000, BERTScore by minilm)" in tables


def test_runs_are_listed_one_by_one_without_their_ids():
    bare = make_run("answers", "bare", {"words": score(3.0)})
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
    runs = [few_shot_run(1.0, name="low", shots=1), few_shot_run(2.0, shots=4, name="high")]
    runs[0].save_scores(runs[0].scores | {"distinct": score(0.5, 0.25, 1.0), "words": score(3.0)})
    cells = table(leaderboard.describe_answers(runs), caption="t").cells
    assert list(cells.columns) == [
        "system",
        "diagnosis named (%)",
        "distinct (%)",
        "copies of training answers (%)",
        "unfinished (%)",
        "refusals (%)",
        "words (mean)",
    ]
    assert cells.values.tolist() == [
        ["high", "25 [12, 50]", "", "", "", "", ""],
        ["low", "25 [12, 50]", "50 [25, 100]", "", "", "", "3.0 [2.0, 4.0]"],
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
    run = make_run(
        "captions", "blip", scores, parameters={"CAPTIONER": "pocket/blip"}, skin_tones=tones
    )
    found = leaderboard.describe_captioners([run])
    assert found["captioner"][0] == "pocket/blip" and found["images"][0] == 115
    assert found["failed"][0].high == 0.03 and found["seconds"][0] is None
    (row,) = leaderboard.describe_tones([run]).to_dict("records")
    assert (row["captioner"], row["skin tone"], row["cases"]) == ("pocket/blip", 1, 9)
    assert row["concept_recall"].value == 0.5 and row["concept_precision"] is None
    assert leaderboard.describe_tones([]).empty


GAIN = Verdict(
    "LoRA helps",
    "deltableu",
    difference(1.5, 0.25, 2.0),
    "agrees",
    "1.4 to 2.1",
    dataset="pocket",
    seeds=3,
)
SHARE = Verdict(
    "LoRA helps", "named", difference(0.02, -0.05, 0.1), "undecided", dataset="pocket", seeds=3
)


def test_claims_have_a_row_for_each_metric():
    found = list_claims([GAIN, SHARE])
    assert list(found.columns) == ["claim", "metric", "paper", "ours", "seeds", "n", "verdict"]
    assert found.values.tolist() == [
        ["LoRA helps", "deltaBLEU", "1.4 to 2.1", "+1.500 [+0.250, +2.000]", 3, 60, "agrees"],
        ["LoRA helps", "diagnosis named (% points)", "", "+2.0 [-5.0, +10.0]", 3, 60, "undecided"],
    ]
    only = list_claims([GAIN, SHARE], metrics=["named"])
    assert len(only) == 1 and "paper" not in only


def test_claims_of_several_data_sets_say_which_and_one_seed_is_not_worth_a_column():
    found = list_claims([replace(GAIN, seeds=1), replace(SHARE, seeds=1, dataset="iiyi")])
    assert list(found["data"]) == ["pocket", "iiyi"] and "seeds" not in found
    assert list_claims([]).empty


def test_what_table_4_shows_is_held_against_all_captions():
    good, failed = Answer("a", "one two"), Answer("a", "No Image describe", error="no image")
    longer = Answer("a", "one two three four five")
    first = {str(case): [failed if case < 10 else good] for case in range(20)}
    second = {str(case): [longer] for case in range(20)}
    fails, says_more = caption_claims(first, second, names=("blip", "llava"))
    assert (fails.metric, fails.score.value, fails.verdict) == ("failed", 0.5, "agrees")
    assert fails.says == "blip fails more often than llava" and fails.paper == "1 of 3; 0 of 3"
    assert (says_more.metric, says_more.score.value, says_more.score.n) == ("words", 3, 10)
    none = {"a": [failed]}
    assert [one.metric for one in caption_claims(none, none, names=("a", "b"))] == ["failed"]


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
    assert "Claims: YuanAI&#x27;s Table 2" in page  # what is recorded stands on it, too


@pytest.mark.parametrize("name", ["list_runs", "list_systems", "describe_answers"])
def test_without_any_run_tables_are_empty(name):
    assert getattr(leaderboard, name)([]).empty
    assert leaderboard.compare_by_shots([]).empty and leaderboard.describe_captioners([]).empty


def test_a_run_that_was_done_again_counts_once():
    recorded = few_shot_run(4.0, name="recorded", parameters={"SEED": 1})
    again = few_shot_run(4.5, name="again", parameters={"SEED": 1})
    other_seed = few_shot_run(5.0, name="other seed", parameters={"SEED": 2})
    (board,) = boards([recorded, again, other_seed]).values()
    assert [run.record["name"] for run in board] == ["other seed", "again"]


@pytest.mark.parametrize(
    "metrics",
    [
        ("class_accuracy", "class_macro_f1"),
        ("concept_f1", "named_concepts_right", "true_concepts_named"),
        ("exact_match", "token_f1"),
    ],
)
def test_systems_are_sorted_by_what_their_questions_are_scored_by(metrics):
    runs = [
        make_run(
            "answers",
            name,
            dict.fromkeys(["deltableu", *metrics], score(value)),
            parameters={"MODEL": name},
        )
        for name, value in (("low", 0.1), ("high", 0.3))
    ]
    assert leaderboard.ranked_by(runs) == metrics[0]
    found = list_systems(runs)
    assert found["system"].tolist() == ["high", "low"] and "deltableu" not in found
    assert leaderboard.ranked_by([*runs, few_shot_run(1.0)]) == "deltableu"
