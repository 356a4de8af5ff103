"""Run records: the same command finds its own run, other settings another, other versions none."""

import pytest

from helpers import runs
from helpers.files import LabError, read_json, write_json


def a_run(**determines):
    return runs.open_run("03_few_shot_inference", determines={"shots": 1} | determines, about={"kind": "answers"})


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
    assert record["status"] == "done" and record["minutes"] >= 0 and record["peak_memory_gb"]["ram"] > 0
    assert set(runs.PACKAGES) < set(record["versions"])
    assert record["determines"] == {"shots": 1} and {"commit", "dirty", "time"} <= set(record)


@pytest.mark.parametrize(("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "interrupted")])
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
