"""Studies are data that fits the code: every claim names points that there are, and what the papers
report has its direction.
"""

import json
from types import SimpleNamespace

import pytest

from helpers.experiments import studies
from helpers.experiments.answers import Answers
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import layers, record_scored, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.finetune_vlm import FinetuneVlm
from helpers.experiments.scores import Grading
from helpers.experiments.studies import (
    Claim,
    Point,
    Study,
    check_claims,
    load_studies,
    make_experiment,
)
from helpers.experiments.verdicts import COMPARED, direction_of
from helpers.files import LabError
from helpers.metrics.baselines import constant_answers
from helpers.metrics.measure import statistic_of

STUDIES = {study.name: study for study in load_studies()}


@pytest.fixture
def small_study(clinic):
    """A function that makes a study of constant answers to the clinic's training cases."""

    def make(claims, **fields) -> Study:
        data = {"DATASET": "pocket", "DATA_ROOT": str(clinic / "iiyi"), "SPLIT": "train"}
        vary = {"name": ["most frequent training answer", "It is eczema."]}
        return Study("s", "Does it?", "constant", [data], vary, {}, claims, **fields)

    return make


# The plan


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_side_of_a_claim_is_one_point_for_each_seed(study):
    assert study.asks and study.data and len(set(study.seeds)) == len(study.seeds)
    points = list(study.points())
    assert len(points) >= len(study.data) * len(study.seeds)
    for data in study.data:
        here = [point for point in points if point.matches(data)]
        for claim in study.claims:
            for side in (claim.than, claim.better):
                found = [point.experiment for point in here if point.matches(side)]
                assert len(found) == len(study.seeds), f"{claim.says}: {side}"
                assert len({type(one) for one in found}) == 1
            assert claim.than != claim.better, claim.says
            assert all(map(statistic_of, claim.metrics or study.metrics)), claim.says


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_what_a_paper_reports_of_a_side_is_the_same_in_all_claims(study):
    reported: dict[str, set] = {}
    for claim in study.claims:
        for metric, figures in (claim.paper or {}).items():
            assert metric in {*study.metrics, *COMPARED} and direction_of(figures) in (-1, 0, 1)
            if not isinstance(figures, str):
                for side, figure in zip((claim.than, claim.better), figures, strict=True):
                    key = json.dumps([metric, side], sort_keys=True)
                    reported.setdefault(key, set()).add(figure)
    assert not {key: figures for key, figures in reported.items() if len(figures) > 1}


def test_papers_directions_are_theirs():
    def directions(study: str, says: str) -> dict[str, int]:
        (claim,) = (one for one in STUDIES[study].claims if one.says == says)
        return {metric: direction_of(figures) for metric, figures in claim.paper.items()}

    up = {"deltableu": 1, "bertscore_f1": 1}
    assert directions("table_2", "LoRA against the model as it is, 0 shots") == up
    assert directions("table_2", "with LoRA, 4 shots against none") == up
    says = "captions of a chat model against none, 4 shots"
    assert directions("table_3", says) == {"deltableu": 1, "bertscore_f1": -1}
    assert directions("shot_choice", "random shots against fixed ones") == {"deltableu": 1}
    says = "P1, 2 epochs with augmentation against zero-shot"
    assert directions("visionqaries", says) == {"deltableu": 1, "bertscore_f1": -1}


def test_the_plan_asks_of_both_data_sets_with_three_seeds_or_more():
    names = {data.get("DATASET") for study in STUDIES.values() for data in study.data}
    assert {"pocket", "iiyi"} <= names
    assert all(len(one.seeds) >= 3 for one in STUDIES.values() if one.claims)
    kinds = {type(point.experiment).kind() for one in STUDIES.values() for point in one.points()}
    assert {"answers", "vlm_answers", "constant", "captions", "small_device"} <= kinds
    assert set(STUDIES["constants"].vary["name"]) <= set(constant_answers([])) | {
        "most frequent training answer"
    }


def test_studies_are_found_by_name_and_others_told():
    assert [study.name for study in load_studies(["steps", "table_2"])] == ["table_2", "steps"]
    with pytest.raises(LabError, match="There is no study 'table_9'; there are .*table_2"):
        load_studies(["table_9"])


def test_data_lies_where_the_shared_folder_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_SHARED", str(tmp_path))
    assert all("DATA_ROOT" not in data for data in load_studies(["floor_and_ceiling"])[0].data)
    (tmp_path / "data" / "dermavqa" / "iiyi").mkdir(parents=True)
    pocket, iiyi = load_studies(["floor_and_ceiling"])[0].data
    assert pocket == {"DATASET": "pocket", "LIMIT": 0}
    root = str(tmp_path / "data" / "dermavqa" / "iiyi")
    assert iiyi == {"DATASET": "iiyi", "LIMIT": 0, "DATA_ROOT": root}


# Points


def test_points_are_all_combinations_with_every_seed():
    study = Study(
        *("s", "?", "answers", [{"DATASET": "pocket"}]),
        vary={
            "SHOTS": [0, 2],
            "point": [{"adapter": None}, {"adapter": "finetune", "RANK": 4}],
        },
        base={"LIMIT": 3},
        seeds=(1, 2),
    )
    points = list(study.points())
    cells = [
        (one.shots.count, one.adapter and one.adapter.recipe.rank, one.shots.seed)
        for one in (point.experiment for point in points)
    ]
    assert cells == [
        (shots, rank, seed) for shots in (0, 2) for rank in (None, 4) for seed in (1, 2)
    ]
    assert {point.experiment.data.limit for point in points} == {3}
    assert points[2].changes == {
        "DATASET": "pocket",
        "LIMIT": 3,
        "SHOTS": 0,
        "adapter": "finetune",
        "RANK": 4,
    }
    assert points[2].matches({"adapter": "finetune", "STEPS": 400})  # as the profile has it
    assert not points[0].matches({"adapter": "finetune"})
    assert not points[0].matches({"RANK": 16})  # of what there is not


def test_where_nothing_is_random_seeds_make_one_run(clinic):
    data = {"DATASET": "pocket", "DATA_ROOT": str(clinic / "iiyi")}
    study = Study("s", "?", "answers", [data], {"SHOTS": [0, 1]}, {}, seeds=(1, 2, 3))
    assert [len(layer) for layer in layers(point.experiment for point in study.points())] == [4]


def test_a_field_of_experiments_is_changed_by_their_kind():
    made = make_experiment("answers", {"adapter": "finetune", "STEPS": 7}, 9)
    assert isinstance(made, Answers) and isinstance(made.adapter, Finetune)
    assert (made.adapter.recipe.steps, made.adapter.recipe.seed, made.shots.seed) == (7, 9, 9)
    t4 = make_experiment("vlm_answers", {"adapter": "finetune_vlm", "profile": "t4"}, 9)
    assert isinstance(t4.adapter, FinetuneVlm) and t4.profile == t4.adapter.profile == "t4"
    constant = make_experiment("answers", {"kind": "constant", "name": "Fungal infection"}, 9)
    assert isinstance(constant, Constant) and constant.name == "Fungal infection"
    with pytest.raises(LabError, match="'STEPS' was to be changed in Answers"):
        make_experiment("answers", {"adapter": None, "STEPS": 7}, 9)
    with pytest.raises(LabError, match="no kind of experiment 'tune'"):
        make_experiment("answers", {"adapter": "tune"}, 9)


def test_data_that_is_not_here_is_left_out_with_a_sentence(small_study, capsys, tmp_path):
    study = small_study([])
    absent = {"DATASET": "iiyi", "DATA_ROOT": str(tmp_path / "nowhere")}
    both = Study("s", "?", "constant", [*study.data, absent], {}, {})
    assert both.on_this_machine().data == study.data
    assert capsys.readouterr().out.startswith("s: iiyi is left out. ")


# Claims


@pytest.mark.slow
def test_claims_are_held_against_the_runs_of_their_points(small_study):
    frequent, eczema = (
        {"name": name} for name in ("most frequent training answer", "It is eczema.")
    )
    study = small_study(
        [
            Claim("frequent is better", frequent, eczema, {"deltableu": "higher"}),
            Claim("eczema is better", eczema, frequent),
        ]
    )
    made = [(point, record_scored(point.experiment, Grading())) for point in study.points()]
    assert len(made) == 6 and len({run.id for _, run in made}) == 2
    verdicts = check_claims(study, made)
    assert {one.study for one in verdicts} == {"s"} and {one.seeds for one in verdicts} == {1}
    found = {(one.says, one.metric): one for one in verdicts}
    first = found["frequent is better", "deltableu"]
    second = found["eczema is better", "deltableu"]
    assert first.score.value == -second.score.value and first.score.n == 24
    assert first.than == second.better == (run_id(made[3][0].experiment),)
    assert first.paper == "higher, without figures" and second.paper == ""
    assert first.verdict in ("agrees", "disagrees", "undecided")
    assert second.verdict in ("better", "worse", "undecided")
    # Six verdicts, two of each metric; all of the study are one family.
    assert {one.level for one in verdicts} == {0.05 / 6}
    wrong = small_study([Claim("x", {"name": "It is eczema."}, {"SHOTS": 9})])
    with pytest.raises(LabError, match="Study 's' has no point with {'SHOTS': 9}: correct"):
        check_claims(wrong, made)


@pytest.mark.slow
def test_a_claim_names_its_metrics_or_its_study_does(small_study):
    sides = ({"name": "most frequent training answer"}, {"name": "It is eczema."})
    claims = [Claim("x", *sides, metrics=["deltableu"]), Claim("y", *sides)]
    study = small_study(claims, metrics=["named", "bertscore_f1"])
    made = [(point, record_scored(point.experiment, Grading())) for point in study.points()]
    found = [(one.says, one.metric) for one in check_claims(study, made)]
    assert found == [("x", "deltableu"), ("y", "named"), ("y", "bertscore_f1")]


def test_metrics_are_read_from_the_plan(tmp_path, monkeypatch):
    side = {"name": "It is eczema."}
    claim = {"says": "x", "better": side, "than": side}
    entry = {
        "asks": "?",
        "kind": "constant",
        "data": ["pocket"],
        "metrics": ["named"],
        "claims": [claim, claim | {"metrics": ["deltableu"]}],
    }
    plan = {"data": {"pocket": {"DATASET": "pocket"}}, "studies": {"s": entry}}
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    monkeypatch.setattr(studies, "PLAN", tmp_path / "plan.yaml")
    (study,) = load_studies()
    assert study.metrics == ["named"]
    assert [claim.metrics for claim in study.claims] == [(), ["deltableu"]]


def test_claims_are_held_one_data_set_after_another(monkeypatch):
    """Runs of two data sets never stand on the two sides of a claim."""
    held = []
    monkeypatch.setattr(studies, "compare", lambda *given, **more: held.append(given) or [])
    point = Point({"SHOTS": 0}, Answers.of_profile("pocket"))
    runs = [SimpleNamespace(record={"dataset": name}) for name in ("pocket", "iiyi", "pocket")]
    study = Study("s", "?", "answers", [], {}, {}, [Claim("x", {"SHOTS": 0}, {"SHOTS": 0})])
    check_claims(study, [(point, run) for run in runs])
    assert [[len(side) for side in given[1:3]] for given in held] == [[2, 2], [1, 1]]
