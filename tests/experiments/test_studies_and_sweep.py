"""Studies and sweeps: the plan fits the code, a grid is run in workers and found again, records are
copied whole.
"""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from conftest import ROOT, changed
from helpers.experiments import runs, sweep
from helpers.experiments.answers import answer
from helpers.experiments.runs import open_run
from helpers.experiments.scoring import answers_of
from helpers.experiments.studies import (
    Cell,
    Plan,
    Study,
    cells,
    check_claims,
    compare,
    few_shot_grid,
    load_plan,
    trace,
)
from helpers.files import LabError, outputs_folder, read_json, write_json
from helpers.settings.notebook_file import find_notebooks, read_parameters
from helpers.settings.profiles import resolve

SMALL = {
    "DATASET": "pocket",
    "SEED": 5,
    "STEPS": 4,
    "BATCH": 4,
    "RANK": 4,
    "MAX_NEW_TOKENS": 8,
    "SHOTS": [0, 1],
}


def cells_of(notebook: str, point: dict) -> list[dict]:
    """What tells the cells of one point apart."""
    if notebook == "04_vlm_finetune":
        return [{"TUNED": epochs > 0, "EPOCHS": epochs} for epochs in (0, *point["VLM_EPOCHS"])]
    return [{"TUNED": tuned, "SHOTS": shots} for tuned in (False, True) for shots in point["SHOTS"]]


def test_every_claim_of_the_plan_names_cells_that_its_grid_makes():
    plan = load_plan()
    assert len(plan.seeds) == 3 and {"pocket", "iiyi"} <= set(plan.data)
    for study in plan.studies:
        known = set(read_parameters(find_notebooks([study.notebook])[0]))
        assert study.title and study.claims and set(study.data) <= set(plan.data)
        assert {name for names in study.grid for name in names.split(", ")} <= known
        run = SimpleNamespace()
        made = [
            Cell(resolve("pocket", point) | cell, run)
            for point in study.points(plan.seeds)
            for cell in cells_of(study.notebook, point)
        ]
        for claim in study.claims:
            for side in (
                claim[name] for name in ("first", "second") if "CONSTANT" not in claim[name]
            ):
                assert sum(cell.matches(side) for cell in made) == len(plan.seeds), (
                    f"{study.name}: {claim['claim']}"
                )
            assert {"It is eczema."} >= {claim["first"].get("CONSTANT", "It is eczema.")}


@pytest.mark.slow
def test_a_grid_has_every_cell_and_a_claim_is_held_against_its_answers(lab):
    data, settings = lab
    grid = few_shot_grid(data, settings)
    assert list(grid) == [(False, 0), (False, 1), (True, 0), (True, 1)]
    claim = compare(
        data,
        settings,
        "LoRA helps",
        [grid[False, 0]] * 3,
        [grid[True, 0]],
        paper={"deltableu": "1 to 2"},
    )
    values = [grid[tuned, 0].scores["deltableu"].value for tuned in (True, False)]
    assert claim.scores["deltableu"].value == pytest.approx(values[0] - values[1])
    assert (
        claim.verdicts["deltableu"].startswith("not measured: fewer than 10")
        and claim.record["seeds"] == 1
    )
    assert (
        compare(data, settings, "said otherwise", [grid[False, 0]], [grid[True, 0]]).id == claim.id
    )


@pytest.mark.slow
def test_a_study_checks_its_claims_over_seeds(lab):
    data, settings = lab
    study = Study(
        "s",
        "a title",
        ["pocket"],
        {"SHOTS": [[0, 1]]},
        [
            {
                "claim": "more",
                "first": {"TUNED": True, "SHOTS": 0},
                "second": {"TUNED": True, "SHOTS": 1},
            }
        ],
    )
    made = [
        cell
        for point in study.points([1, 2])
        for cell in cells(study.notebook, data, changed(settings, **point))
    ]
    assert len(made) == 8
    claim = check_claims(study, data, settings, made)[0]
    assert (
        claim.record["seeds"] == 2
        and claim.record["study"] == "s"
        and "seeds:2" in claim.scores["deltableu"].signature
    )
    wrong = Study("s", "", [], {}, [{"claim": "x", "first": {"SHOTS": 9}, "second": {"SHOTS": 0}}])
    with pytest.raises(LabError, match="no cell with"):
        check_claims(wrong, data, settings, made)


def test_a_trace_shows_one_case_from_title_to_answer(lab):
    data, settings = lab
    run, case = answer(data, settings, shots=1), data.split("valid")[0]
    shown = trace(data, settings, run, case)
    assert shown["title"] == case.question and case.question in shown["prompt"]
    shot = next(
        other for other in data.split("train") if other.id == shown["shots (training cases)"]
    )
    assert shot.references[0].text in shown["prompt"] and shown["shots dropped"] == "none"
    assert answers_of(run)[case.id].text in shown["answer"]


def command(*arguments, outputs):
    return subprocess.run(
        [sys.executable, "-m", "helpers", "sweep", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"LAB_OUTPUTS": str(outputs), "OMP_NUM_THREADS": "1"},
        timeout=280,
    )


@pytest.mark.slow
def test_a_killed_sweep_is_taken_up_again_and_a_done_one_found(clinic, outputs):
    arguments = [
        "03",
        "--grid",
        "SEED=1,2",
        "--grid",
        "SHOT_CHOICE=random,lexical",
        "-p",
        "SHOTS",
        "1",
        "-p",
        "STEPS",
        "3",
    ]
    arguments += [
        "-p",
        "LIMIT",
        "3",
        "-p",
        "MAX_NEW_TOKENS",
        "6",
        "-p",
        "DATA_ROOT",
        str(clinic / "iiyi"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers", "sweep", *arguments],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"LAB_OUTPUTS": str(outputs), "OMP_NUM_THREADS": "1"},
    )
    give_up = time.monotonic() + 200
    while not list(outputs.glob("runs/02*/*/adapter")):
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert workers and not psutil.wait_procs(workers, timeout=30)[1], (
        "workers outlive the sweep that started them"
    )
    made = {
        path: path.stat().st_mtime_ns
        for path in outputs.glob("runs/02*/*/adapter/adapter_model.safetensors")
    }
    done = command(*arguments, outputs=outputs)
    assert done.returncode == 0 and "4 points done" in done.stdout, done.stderr
    records = [read_json(path) for path in outputs.glob("runs/*/*/run.json")]
    kinds = [record["kind"] for record in records if record["status"] == "done"]
    assert (kinds.count("finetuning"), kinds.count("answers"), len(kinds)) == (2, 8, len(records))
    assert all(path.stat().st_mtime_ns == when for path, when in made.items()), (
        "a finished training was done again"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["03", "--grid", "SHOTS"], "names no values"),
        (["03", "--grid", "COLOUR=1,2"], "COLOUR is no parameter"),
        (["03", "--grid", "RANK=0,1"], "RANK is 0"),
        (["00", "--grid", "SEED=1"], "cannot be swept"),
    ],
)
def test_a_wrong_grid_is_one_sentence(arguments, message, outputs):
    done = command(*arguments, outputs=outputs)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_records_take_the_place_of_the_older_ones_of_their_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "RECORDED", tmp_path)
    for name in ("pocket", "iiyi"):
        write_json(
            tmp_path / "03_few_shot_inference" / f"old-{name}" / "run.json", {"dataset": name}
        )
    run = open_run("03_few_shot_inference", determines={}, about={"dataset": "pocket"})
    write_json(run.folder / "metrics.json", {})
    (run.folder / "predictions.jsonl").write_text("{}\n")
    run.save(dirty=True)
    with pytest.raises(LabError, match="1 runs were made from uncommitted code"):
        sweep._record([run], {"pocket"})
    run.save(dirty=False, commit="0" * 40)
    sweep._record([run], {"pocket"})
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json*"))
    assert left == sorted(
        f"03_few_shot_inference/{name}"
        for name in (f"{run.id}/metrics.json", f"{run.id}/run.json", "old-iiyi/run.json")
    )
    assert outputs_folder() not in tmp_path.parents


@pytest.mark.slow
def test_the_plan_is_run_its_claims_checked_and_recorded(clinic, tmp_path, monkeypatch):
    def one_by_one(work, tasks, name):
        for task in tasks:
            work(*task)
        return []

    small = SMALL | {"DATA_ROOT": str(clinic / "iiyi")}
    small.pop("SEED"), small.pop("SHOTS")
    claim = {"claim": "LoRA helps", "first": {"TUNED": False}, "second": {"TUNED": True}}
    plan = Plan(
        [1, 2],
        {"pocket": small, "absent": {"DATASET": "iiyi", "DATA_ROOT": "/nowhere"}},
        {"pocket": ["recorded"]},
        {},
        [
            Study(
                "ranks",
                "a title",
                ["pocket", "absent"],
                {"SHOTS": [[0]], "RANK, ALPHA": [[2, 2]]},
                [claim],
            )
        ],
    )
    monkeypatch.setattr(sweep, "load_plan", lambda: plan)
    monkeypatch.setattr(sweep, "RECORDED", tmp_path)
    monkeypatch.setattr(sweep, "in_workers", one_by_one)
    monkeypatch.setattr(
        runs, "_git", lambda *arguments: "a commit" if arguments[0] == "rev-parse" else ""
    )
    sweep.sweep_plan()
    records = [read_json(path) for path in tmp_path.glob("*/*/run.json")]
    kinds = [record["kind"] for record in records]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "finetuning": 2,
        "answers": 3,
        "comparison": 1,
        "baseline": 3,
        "captions": 1,
    }
    assert all(
        (record["dataset"], record["commit"], record["dirty"]) == ("pocket", "a commit", False)
        for record in records
    )


def test_the_plan_is_not_recorded_from_uncommitted_code(monkeypatch):
    monkeypatch.setattr(sweep, "environment", lambda: {"dirty": True})
    with pytest.raises(LabError, match="uncommitted changes"):
        sweep.sweep_plan()
