"""Run records: the same command finds its own run, other settings another, other versions none."""

import subprocess
import sys
from subprocess import PIPE

import pytest

from conftest import ROOT
from helpers.experiments import runs
from helpers.files import LabError, read_json, write_json


def a_run(**determines):
    return runs.open_run(
        "03_few_shot_inference", determines={"shots": 1} | determines, about={"kind": "answers"}
    )


def test_the_same_settings_find_the_same_run_and_others_another():
    first = a_run()
    assert a_run().folder == first.folder
    assert a_run(shots=2).folder != first.folder
    assert a_run().record["status"] == "started"


def test_the_record_says_how_to_get_the_result_again():
    run = a_run()
    with run.working():
        run.save(device={"name": "cpu"})
    record = read_json(run.folder / "run.json")
    assert (
        record["status"] == "done"
        and record["minutes"] >= 0
        and record["peak_memory_gb"]["ram"] > 0
    )
    assert set(runs.PACKAGES) < set(record["versions"])
    assert record["determines"] == {"shots": 1} and {"commit", "dirty", "time"} <= set(record)


def test_two_processes_on_one_run_do_its_work_once(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from tests.experiments.test_runs import "
        "a_run\nprint('ready', flush=True); sys.stdin.readline()\n"
        "with a_run().working() as needed:\n"
        "    if needed: time.sleep(0.5); Path(sys.argv[1]).open('a').write('worked\\n')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "worked\n" and a_run().done


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "interrupted")]
)
def test_a_run_that_stops_says_so_and_is_not_done(error, status):
    run = a_run()
    with pytest.raises(error):
        with run.working():
            raise error
    assert a_run().record["status"] == status and not a_run().done


def test_a_run_of_another_result_version_is_refused_by_name_and_left_out_of_lists():
    run = a_run()
    write_json(run.folder / "run.json", run.record | {"result_version": 0})
    with pytest.raises(LabError, match="RESULT_VERSION 0"):
        runs.load_run(run.folder)
    with pytest.raises(LabError, match="RESULT_VERSION 0"):
        a_run()
    found, left_out = runs.find_runs()
    assert run.id not in [other.id for other in found]
    assert any("RESULT_VERSION 0" in reason for reason in left_out)


def test_a_raised_result_version_opens_another_folder(monkeypatch):
    before = a_run().folder
    monkeypatch.setattr(runs, "RESULT_VERSION", runs.RESULT_VERSION + 1)
    assert a_run().folder != before


def test_a_folder_without_a_record_is_no_run(tmp_path):
    with pytest.raises(LabError, match="no run.json"):
        runs.load_run(tmp_path)
