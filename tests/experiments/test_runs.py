"""Run records: what they say, what they do not, and what becomes of a run that stops."""

import json
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from conftest import ROOT
from helpers.experiments import runs
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.answers import Answers
from helpers.experiments.captions import Captions
from helpers.experiments.constant import Constant
from helpers.experiments.environment import PACKAGES
from helpers.experiments.experiment import record, record_scored, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.scores import Grading
from helpers.files import (
    LabError,
    WorkFailed,
    append_jsonl,
    file_hash,
    read_json,
    write_json,
    write_sealed,
)
from helpers.models import answer_file
from tests.full_disk import needs_full_disk, on_a_small_disk


def a_run(own_id: str = "0123456789ab") -> runs.Run:
    return runs.open_run("answers", own_id, about={"name": "a run", "parameters": {"SHOTS": 1}})


def test_a_run_lies_under_its_kind_and_id_and_is_found_again(outputs):
    assert runs.find_run("answers", "0123456789ab") is None
    run = a_run()
    assert run.folder == outputs.resolve() / "runs" / "answers" / "0123456789ab"
    assert run.record["status"] == "started" and not run.done
    assert a_run().record == run.record == runs.find_run("answers", run.id).record
    assert a_run("another").folder != run.folder
    found, left_out = runs.find_runs()
    assert sorted(one.id for one in found) == ["0123456789ab", "another"] and left_out == []


def test_the_record_says_how_to_get_the_result_again(small):
    experiment = small(Constant)
    run = record_scored(experiment, Grading())
    said = read_json(run.folder / "run.json")
    assert (said["run_id"], said["kind"]) == (run_id(experiment), "constant")
    assert (said["status"], said["profile"], said["seed"]) == ("done", "pocket", 0)
    assert (said["dataset"], said["split"], said["language"]) == ("pocket", "valid", "en")
    assert said["parameters"] == {
        "DATASET": "pocket",
        "LANGUAGE": "en",
        "SPLIT": "valid",
        "LIMIT": 5,
    }
    assert said["data_fingerprint"] == experiment.data.load().fingerprint("valid")
    assert said["inputs"] == experiment.inputs() and said["parents"] == {}
    assert set(PACKAGES) < set(said["versions"]) and {"commit", "dirty", "time"} <= set(said)
    assert said["minutes"] >= 0 and said["peak_memory_gb"]["ram"] > 0
    # Another encoder changes scores, and nothing that is summed up here.
    answers = run.folder / "predictions.jsonl"
    assert said["checksums"] == {"predictions.jsonl": file_hash(answers)}


@pytest.mark.slow
def test_the_record_of_tuned_answers_names_its_training_and_no_folder_of_this_machine(
    small, outputs, clinic, tmp_path
):
    training = small(Finetune, STEPS=2)
    tuned = small(Answers, SHOTS=2, LIMIT=2, CAPTIONER="given").but(adapter=training)
    run = record_scored(tuned, Grading())
    said = run.record
    captions = small(Captions, LIMIT=2, CAPTIONER="given")
    assert said["parents"] == {
        "adapter": f"finetune/{run_id(training)}",
        "captions": f"captions/{run_id(captions)}",
    }
    assert said["tuned"] and run.needs.keys() == {"adapter", "captions"}
    assert said["seed"] == 5 and said["device"]["name"] and said["device"]["reason"]
    assert (said["model"], said["revision"]) == ("pocket/llama", "")
    assert said["prompt"].startswith("alpaca-title-")
    parameters = said["parameters"]
    assert {"SHOTS", "SHOT_CHOICE", "SEED", "RANK", "STEPS", "LOSS"} <= set(parameters)
    without = {"EPOCHS", "BATCH", "ANSWER_BATCH", "DATA_ROOT", "CAPTION_TOKENS", "ENCODER"}
    assert not without & set(parameters)
    made = read_json(outputs / "runs" / said["parents"]["adapter"] / "run.json")
    assert made["tuned"] and made["backend"] == "peft" and made["train_minutes"] >= 0
    assert "adapter/adapter_model.safetensors" in made["checksums"]
    given = GivenAdapter(folder=str(outputs / "runs" / "finetune" / run_id(training)))
    record(small(Answers, LIMIT=2).but(adapter=given))
    for path in outputs.glob("runs/**/*.json"):
        for folder in (clinic, outputs, tmp_path, ROOT, Path.home()):
            assert str(folder) not in path.read_text(), path


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "interrupted")]
)
def test_a_run_that_stops_says_so_and_the_same_call_goes_on(small, monkeypatch, error, status):
    experiment = small(Constant)

    def stop(self, run):
        run.answers.add([])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Constant, "work", stop)
        with pytest.raises(error):
            record(experiment)
    run = runs.find_run("constant", run_id(experiment))
    assert run.record["status"] == status and not run.done and "checksums" not in run.record
    assert record(experiment).record["status"] == "done"


def test_minutes_and_memory_of_interrupted_work_add_up():
    run = a_run()
    with pytest.raises(KeyboardInterrupt), run.working():
        raise KeyboardInterrupt
    run.save(minutes=2.0, peak_memory_gb={"ram": 1000.0})
    with a_run().working() as needed:
        assert needed
    again = a_run()
    assert again.done and again.record["minutes"] >= 2
    assert again.record["peak_memory_gb"]["ram"] == 1000


@pytest.mark.slow
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


def test_a_run_of_another_format_is_refused_by_name_and_left_out_of_lists():
    run = a_run()
    write_json(run.folder / "run.json", run.record | {"format": 2})
    for call in (lambda: runs.load_run(run.folder), a_run):
        with pytest.raises(LabError, match=r"recorded in format 2, but .* delete or move"):
            call()
    other = a_run("another")
    found, left_out = runs.find_runs()
    assert [one.id for one in found] == [other.id]
    assert len(left_out) == 1 and "The run in outputs/runs/answers/0123456789ab" in left_out[0]


def test_a_folder_without_a_record_is_no_run(tmp_path):
    with pytest.raises(LabError, match=r"no run\.json"):
        runs.load_run(tmp_path)


def test_a_disk_that_is_full_is_one_sentence_and_the_same_call_goes_on(small, monkeypatch):
    experiment = small(Constant)
    path = runs.run_folder("constant", run_id(experiment)) / "predictions.jsonl"

    def fill(to, rows):
        assert to == path
        path.symlink_to("/dev/full")  # a device on which every write finds no space
        append_jsonl(to, rows)

    with monkeypatch.context() as patch:
        patch.setattr(answer_file, "append_jsonl", fill)
        with pytest.raises(WorkFailed, match="^The disk of outputs/runs/.* is full: free some"):
            record(experiment)
    path.unlink()
    assert read_json(path.with_name("run.json"))["status"] == "failed"
    assert len(record(experiment).answers.read()) == 5


@needs_full_disk
def test_a_disk_without_room_for_the_record_itself_is_one_sentence(tmp_path, monkeypatch):
    code = (
        "from helpers.experiments import runs\n"
        "from helpers.files import WorkFailed\n"
        "run = runs.open_run('constant', 'abc', about={})\n"
        "try:\n"
        "    with run.working():\n"
        "        with open(run.folder / 'large', 'wb') as file:\n"
        "            try:\n"
        "                for _ in range(100): file.write(b'x' * 4096); file.flush()\n"
        "            except OSError: pass\n"
        "except WorkFailed as error: print(error)\n"
    )
    monkeypatch.setenv("LAB_OUTPUTS", str(tmp_path / "disk"))
    printed = on_a_small_disk(tmp_path / "disk", "64k", [sys.executable, "-c", code])
    assert "The disk of outputs/runs/constant/abc is full" in printed


def test_scores_are_read_back_as_they_were_written():
    run = a_run()
    assert run.scores == {}
    entry = {"value": 1.5, "interval": [1.0, 2.0], "n": 3, "signature": "x", "by": "made-up"}
    write_sealed(run.folder / "metrics.json", {"deltableu": entry})
    score = run.scores["deltableu"]
    assert (score.value, score.low, score.high, score.n) == (1.5, 1.0, 2.0, 3)
    run.save_scores({"named": score})
    assert runs.load_run(run.folder).scores == {"named": score}


def test_the_adapter_of_a_run_is_found_by_the_runs_folder(tmp_path):
    run = a_run()
    assert runs.adapter_in(run.folder) == run.folder / "adapter"
    assert runs.adapter_in(str(tmp_path)) == tmp_path
    assert json.loads((run.folder / "run.json").read_text())["run_id"] == run.id
