"""A `kill -9` while training, another while answering, then the same command: the result of an
undisturbed run.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.experiments.scoring import answers_of
from helpers.files import file_hash, read_json
from tests.experiments.interrupted_worker import work

WORKER = Path(__file__).with_name("interrupted_worker.py")


def kill_when(reached, data_root: Path, outputs: Path, *, seconds: float = 240) -> None:
    """Start the worker, and kill it at once when `reached()` is true."""
    environment = os.environ | {"LAB_OUTPUTS": str(outputs), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(data_root)], env=environment, stderr=subprocess.DEVNULL
    )
    give_up = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, "the worker ended before it could be killed"
        assert time.monotonic() < give_up, "the worker did not get that far"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_killed_twice_and_taken_up_again_gives_the_undisturbed_result(
    clinic, tmp_path, monkeypatch
):
    data_root, killed, undisturbed = clinic / "iiyi", tmp_path / "killed", tmp_path / "undisturbed"

    kill_when(
        lambda: any(killed.glob("runs/02*/*/checkpoints/checkpoint-*/trainer_state.json")),
        data_root,
        killed,
    )
    record = read_json(next(killed.glob("runs/02*/*/run.json")))
    assert record["status"] == "running" and not any(killed.glob("runs/02*/*/adapter"))

    kill_when(
        lambda: any(path.stat().st_size for path in killed.glob("runs/03*/*/predictions.jsonl")),
        data_root,
        killed,
    )
    path = next(killed.glob("runs/03*/*/predictions.jsonl"))
    with open(path, "a") as file:
        file.write('{"case_id": "torn')  # what a kill in the middle of a write leaves
    assert len(path.read_text().splitlines()) < 8

    results = {}
    for folder in (killed, undisturbed):
        monkeypatch.setenv("LAB_OUTPUTS", str(folder))
        results[folder] = work(str(data_root))
    (training_a, answers_a), (training_b, answers_b) = results[killed], results[undisturbed]
    assert training_a.id == training_b.id and answers_a.id == answers_b.id
    weights = "adapter/adapter_model.safetensors"
    assert file_hash(training_a.folder / weights) == file_hash(training_b.folder / weights)
    texts = [
        {
            case: (answer.text, answer.tokens, answer.finish)
            for case, answer in answers_of(run).items()
        }
        for run in (answers_a, answers_b)
    ]
    assert texts[0] == texts[1] and len(texts[0]) == 8
    assert (answers_a.folder / "prediction.json").read_text() == (
        answers_b.folder / "prediction.json"
    ).read_text()
    assert answers_a.scores == answers_b.scores
    assert not (training_a.folder / "checkpoints").exists()
