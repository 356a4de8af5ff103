"""Compact records of studies: they say what the runs said, and are read in no time."""

import json
import subprocess
import sys
from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from helpers.experiments import recorded
from helpers.experiments.record_lines import as_array, as_columns, check_columns
from helpers.experiments.recorded import (
    all_recorded,
    read_study,
    recorded_runs,
    recorded_studies,
    recorded_verdicts,
    write_study,
)
from helpers.experiments.studies import load_studies
from helpers.experiments.verdicts import Verdict, compare, judge
from helpers.files import REPOSITORY, LabError, write_sealed
from helpers.metrics.metric import Metric
from helpers.metrics.table import METRICS
from tests.report.runs import difference, few_shot_run, make_run, vlm_run

(GAIN,) = judge(
    [
        Verdict(
            *("gain", "deltableu", difference(1 / 3, 0.1, 0.5), "", "1.0 to 2.0", "one", "pocket"),
            seeds=3,
            direction=1,
        )
    ]
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "RECORDED", tmp_path)
    return tmp_path


def with_cases(run, groups=None, **columns):
    """Give a run what each case contributes, as the grader leaves it."""
    entries = {key: one.as_dict() | {"by": "made-up"} for key, one in run.scores.items()}
    kept = {
        key: {"cases": list("abcdefghijklmnopqrst")[: len(rows)], "values": rows}
        | ({"groups": groups} if groups else {})
        for key, rows in columns.items()
    }
    write_sealed(run.folder / "metrics.json", entries)
    write_sealed(run.folder / "scores" / "made-up.json", {"scores": entries, "columns": kept})
    return run


def test_what_is_written_is_read_back(folder):
    training = make_run("finetune", "training", {}, train_minutes=1.5, parameters={"RANK": 16})
    runs = [
        with_cases(few_shot_run(100 / 3, parents={"adapter": training}, device={"name": "cpu"})),
        with_cases(few_shot_run(2.0, tuned=False, dataset="iiyi")),
        training,
    ]
    path = write_study("one", "Does it?", runs, [GAIN])
    assert path == folder / "one.jsonl" and recorded_studies() == ["one"]
    found = read_study("one")
    assert found.asks == "Does it?" and all(run.done for run in found.runs)
    back = {run.id: run for run in found.runs}
    for run in runs:
        again = back[run.id].record
        left_out = {"time", "run_id"} | {name for name in run.record if not run.record[name]}
        assert {name: again[name] for name in again.keys() - left_out} == {
            name: run.record[name] for name in again.keys() - left_out
        }
        assert again["parameters"] == run.record["parameters"]
        assert again["parents"] == run.record["parents"]
        for key, one in run.scores.items():
            assert back[run.id].scores[key].value == pytest.approx(one.value, rel=1e-6)
            assert back[run.id].scores[key].signature == one.signature
    (verdict,) = found.verdicts
    assert verdict.score.value == pytest.approx(1 / 3, rel=1e-6)
    assert (verdict.says, verdict.verdict, verdict.paper, verdict.seeds) == (
        "gain",
        "agrees",
        "1.0 to 2.0",
        3,
    )
    assert (verdict.direction, verdict.level, verdict.score.groups) == (1, 0.05, 60)
    assert verdict.adjusted == pytest.approx(GAIN.adjusted, rel=1e-6)
    assert verdict.could_show == pytest.approx(GAIN.could_show, rel=1e-6)
    assert verdict.p == pytest.approx(GAIN.p, rel=1e-5)
    assert [run.id for run in found.answers("pocket")] == [runs[0].id]


def test_lines_are_stable_and_short(folder):
    runs = [with_cases(few_shot_run(100 / 3, seed=seed)) for seed in (2, 1)]
    first = write_study("one", "?", runs, [GAIN]).read_text()
    assert write_study("one", "?", [*reversed(runs), runs[0]], [GAIN]).read_text() == first
    assert write_study("one", "?", read_study("one").runs, [GAIN]).read_text() == first
    head, *lines = map(json.loads, first.splitlines())
    assert [line.get("seed") for line in lines[:2]] == [1, 2] and len(lines) == 3
    assert head["parameters"]["RANK"] == 16 and head["settings"] == [{"SEED": None}]
    assert [line.get("settings") for line in lines[:2]] == [0, 0]
    assert [run.record["parameters"]["SEED"] for run in read_study("one").runs] == [1, 2]
    assert lines[0]["scores"]["deltableu"] == [33.33333, 32.33333, 34.33333, 60, 0]


def test_what_each_case_contributes_is_kept_of_what_claims_compare(folder):
    columns = {"deltableu": [[1.0, 1.0], [1 / 3, 1.0]], "named": [[1.0, 1.0], [0.0, 1.0]]}
    run = with_cases(few_shot_run(2.0), **columns)
    gain = replace(GAIN, better=(run.id,))
    write_study("one", "?", [run], [gain])
    (again,) = read_study("one").runs
    found = again.measured()
    np.testing.assert_allclose(found["deltableu"].columns, columns["deltableu"], rtol=1e-6)
    assert found["deltableu"].cases == ("a", "b") and found["named"].columns is None
    assert list(again.measured(["deltableu"])) == ["deltableu"]
    write_study("two", "?", [again], [gain])
    np.testing.assert_array_equal(
        read_study("two").runs[0].measured()["deltableu"].columns, found["deltableu"].columns
    )
    write_study("three", "?", [run], [replace(GAIN, than=("another",))])
    assert read_study("three").runs[0].measured()["deltableu"].columns is None


def test_verdicts_name_the_runs_of_both_sides(folder):
    gain = replace(GAIN, score=difference(1.0), than=("a",), better=("b", "c"))
    gain = replace(gain, adjusted=0.25, could_show=0.5)
    write_study("one", "?", [], [gain])
    assert read_study("one").verdicts == [gain]


def test_verdicts_of_older_records_are_read_without_what_they_do_not_say(folder):
    path = write_study("one", "?", [], [GAIN])
    head, line = map(json.loads, path.read_text().splitlines())
    for name in ("errors", "direction", "adjusted", "could_show", "level"):
        del line[name]
    path.write_text("\n".join(map(json.dumps, [head, line])) + "\n")
    (found,) = read_study("one").verdicts
    assert found.verdict == "agrees" and found.score.value == pytest.approx(1 / 3, rel=1e-6)
    assert isnan(found.p) and isnan(found.adjusted) and isnan(found.could_show)


def study_of(folder, groups=None):
    """Write the record of a study of one claim, whose 20 cases contribute what they do."""
    sides = [
        with_cases(few_shot_run(value, name=str(seed), seed=seed), groups, named=rows)
        for seed, value in enumerate((1.0, 2.0, 3.0))
        for rows in [[[float(place % 5 < seed + seed % 2), 1.0] for place in range(20)]]
    ]
    (one,) = compare("named more often", sides[:1], sides[1:], study="one", metrics=["named"])
    write_study("one", "?", sides, [one])
    return one


def test_verdicts_can_be_computed_again_without_the_answers(folder):
    one = study_of(folder)
    assert one.score.groups == 20 and one.seeds == 2
    assert read_study("one").verdicts_again() == [one]
    assert "groups" not in json.loads((folder / "one.jsonl").read_text().splitlines()[0])


def test_groups_of_cases_are_kept_where_some_share_one(folder):
    pairs = [f"patient {place // 2}" for place in range(20)]
    one = study_of(folder, pairs)
    assert one.score.groups == 10
    assert json.loads((folder / "one.jsonl").read_text().splitlines()[0])["groups"] == [pairs]
    study = read_study("one")
    assert study.runs[0].measured()["named"].groups == tuple(pairs)
    assert study.verdicts_again() == [one]
    study_of(folder, [str(place) for place in range(20)])  # each alone: they say nothing
    assert "groups" not in json.loads((folder / "one.jsonl").read_text().splitlines()[0])


def test_a_run_of_several_studies_is_one(folder):
    run, other = with_cases(few_shot_run(1.0)), vlm_run(2.0)
    write_study("one", "?", [run], [GAIN])
    write_study("two", "?", [run, other], [])
    assert {one.id for one in all_recorded()} == {run.id, other.id} and len(all_recorded()) == 2
    assert [one.id for one in recorded_runs("answers", "pocket")] == [run.id]
    for asked in (("vlm_answers", "pocket", "one"), ("answers", "iiyi")):
        with pytest.raises(LabError, match="No run of the kind .* is recorded: take outputs/rec"):
            recorded_runs(*asked)
    assert len(recorded_verdicts("pocket")) == 1
    assert recorded_verdicts("pocket", "two") == recorded_verdicts("iiyi") == []


def test_answers_and_unknown_studies_are_refused(folder):
    write_study("one", "?", [few_shot_run(1.0)], [])
    with pytest.raises(LabError, match="not recorded: run it again"):
        _ = read_study("one").runs[0].answers
    with pytest.raises(LabError, match="'two' is not recorded; these are: one"):
        read_study("two")


@pytest.mark.parametrize(
    "damage",
    ['{"run_id": "half', "[]", '{"run_id": "a"}', '{"says": "a"}', '{"run_id": "a", "scores": 3}'],
)
def test_a_damaged_line_is_named(folder, damage):
    path = write_study("one", "?", [few_shot_run(1.0)], [])
    path.write_text(path.read_text() + damage + "\n")
    with pytest.raises(LabError, match=r"one\.jsonl .*line 3"):
        read_study("one")


def test_the_repositorys_records_are_small_and_whole():
    size = sum(path.stat().st_size for path in recorded.RECORDED.glob("*.jsonl"))
    assert size < 3_000_000
    runs = all_recorded()
    assert len(runs) >= 331 and sum(len(run.scores) for run in runs) > 2500
    assert {study.name for study in load_studies()} <= set(recorded_studies())


# As a notebook reads them: the garbage of other tests is no part of what it takes. Machines differ
# twofold, so the measure is what the bare decoder takes there for three million bytes of numbers.
READ_ALL = """
import json
import time
from helpers.experiments.recorded import RECORDED, all_recorded

def seconds(work):
    started = time.process_time()
    work()
    return time.process_time() - started

numbers = json.dumps([[0.6] * 300] * 2000)
assert 2_900_000 < len(numbers) < 3_100_000
rounds = [(seconds(all_recorded), seconds(lambda: json.loads(numbers))) for _ in range(5)]
read, decoded = map(min, zip(*rounds))
print(sum(len(run.scores) for run in all_recorded()), read / decoded)
"""


def test_the_repositorys_records_are_read_quickly():
    """0.3 s where the decoder takes 0.1 s."""
    printed = subprocess.run(
        [sys.executable, "-c", READ_ALL], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    scores, ratio = printed.split()
    assert int(scores) > 2500
    assert float(ratio) < 3


@pytest.mark.parametrize("name", recorded_studies())
def test_recorded_verdicts_are_those_of_the_recorded_cases(name):
    """Nobody needs the answers to check them."""
    study = read_study(name)
    if not study.verdicts:
        pytest.skip(f"{name} makes no claims")
    try:
        computed = study.verdicts_again()
    except LabError as error:
        if not all(isnan(one.p) for one in study.verdicts):  # only records of before may lack cases
            raise
        pytest.skip(str(error))
    for one, again in zip(study.verdicts, computed, strict=True):
        assert again.score.value == pytest.approx(one.score.value, rel=1e-4, abs=1e-6)
        if isnan(one.p):  # of before verdicts were corrected
            continue
        assert again.verdict == one.verdict
        values = [(v.score.low, v.score.high, v.adjusted) for v in (one, again)]
        assert values[0] == pytest.approx(values[1], rel=1e-4, abs=1e-6)


def test_recorded_sides_and_trainings_are_there_and_metrics_known():
    for name in recorded_studies():
        study = read_study(name)
        ids = {run.id for run in study.runs}
        sides = {one for verdict in study.verdicts for one in (*verdict.than, *verdict.better)}
        parents = {name for run in study.runs for name in run.record["parents"].values()}
        assert sides <= ids and parents <= {f"{run.record['kind']}/{run.id}" for run in study.runs}
        for run in study.runs:
            assert all(isinstance(METRICS[key.split(": ")[-1]], Metric) for key in run.scores)


@pytest.mark.parametrize(
    ("column", "kept"),
    [
        ([0, 0, 1, 0, 0, 0], {"1": [2]}),
        ([0, 1, 1, 0, 0, 0], "011000"),
        ([0, 2, 0, 0, 0, 0], {"2": [1]}),
        ([0, 2, 0, 3, 0, 0], "020300"),
        ([1, 1, 1, 1, 1, 1], 1),
        ([0, 0.25, 0, 0, 0, 0], {"0.25": [1]}),
        ([0.5, 0, 0, 0, 0, 0.5], [[0, 0.5], "100001"]),
        ([0.5, -1.5, 0, 0.5, 0, 0], [[-1.5, 0, 0.5], "201211"]),
        ([0.5, 0.25, 0, 3, 12, 0], [0.5, 0.25, 0, 3, 12, 0]),
    ],
)
def test_columns_are_kept_in_the_shortest_form(column, kept):
    (found,) = as_columns(np.array([column], dtype=float).T)
    assert found == kept
    check_columns([found], 6)
    assert as_array([found], 6)[:, 0].tolist() == column


@pytest.mark.parametrize(
    "column",
    [
        {"1": [6]},
        {"1": [-1]},
        {"1": [3, 2]},
        {"1": [1], "2": [1]},
        {"1": [1, 1]},
        {"1": ["1"]},
        {"x": [1]},
        {"1": 2},
        {},
        "01",
        [],
    ]
    + [[[0, 0.5], "10000"], [[0, 0.5], "100002"], [[0, "x"], "100000"], [[0, 0.5], "10000-"]],
)
def test_a_damaged_column_is_noticed(column):
    with pytest.raises((ValueError, LookupError, TypeError)):
        check_columns([column], 6)
