"""Ctrl-C and `kill` at any moment: one sentence, no traceback, no process left behind, and a run in
work says that it was interrupted.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.cli import INTERRUPTED
from helpers.files import write_json

PATIENCE = 120  # seconds: on a busy machine a process takes its time to end
BAR = re.compile(r"[a-z][a-z ,0-9]* \d+/\d+, \d\d:\d\d.*")  # progress is lines, too


def begin(arguments: list[str]) -> subprocess.Popen:
    """Start Python in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_it_listens(process: subprocess.Popen) -> None:
    """Wait until a command hears signals, which Python's own start takes a moment for."""
    status, heard = Path(f"/proc/{process.pid}/status"), 0
    while status.exists() and process.poll() is None and not heard >> (signal.SIGTERM - 1) & 1:
        found = re.search(r"SigCgt:\s*(\w+)", status.read_text())
        heard = int(found[1], 16) if found else 0


def interrupt(process: subprocess.Popen, number: signal.Signals, *, group: bool) -> list[str]:
    """Send a signal, wait for the end, and return the lines of standard error without progress."""
    if process.poll() is None:
        (os.killpg if group else os.kill)(process.pid, number)
    _, error = process.communicate(timeout=PATIENCE)
    return [line for line in error.splitlines() if not BAR.fullmatch(line)]


def alive(group: int) -> list[str]:
    """The processes of a group that are not yet gone."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


def check_quiet(process: subprocess.Popen, lines: list[str]) -> None:
    """What was interrupted says so in one line; what was done by then says nothing."""
    # Where Python itself saw the interrupt in a text that was executed, it ends as by Ctrl-C.
    statuses = (1, -signal.SIGINT) if lines else (0,)
    assert process.returncode in statuses and lines in ([INTERRUPTED], []), lines[-3:]
    check_gone(process)


def check_gone(process: subprocess.Popen) -> None:
    """Nothing of a command is left."""
    deadline = time.monotonic() + PATIENCE
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(process.pid) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.5, 1.5])
def test_while_libraries_are_loading(number, seconds):
    process = begin(["-m", "helpers", "doctor"])  # loads torch
    wait_until_it_listens(process)
    time.sleep(seconds)
    check_quiet(process, interrupt(process, number, group=number == signal.SIGINT))


@pytest.mark.slow
def test_a_score_in_the_middle_of_bertscore(tmp_path, files_to_score):
    process = begin(["-m", "helpers", "score", *files_to_score, "--metrics", "bertscore"])
    time.sleep(1.5)
    check_quiet(process, interrupt(process, signal.SIGINT, group=True))


@pytest.fixture
def files_to_score(tmp_path):
    from tests.cli.test_command_line import REFERENCES, answers

    write_json(tmp_path / "references.json", REFERENCES)
    write_json(tmp_path / "predictions.json", answers("It is eczema.", "Tinea", "Psoriasis"))
    return [str(tmp_path / "references.json"), str(tmp_path / "predictions.json")]


# A sweep whose tasks say in files what happens to them.
SWEEP = """
import sys
from helpers.cli import start
{light}

def work(task):
    import time
    from pathlib import Path
    Path(task).touch()
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        Path(task + ".interrupted").touch()
        raise

def main():
    from helpers.cli import progress
    from helpers.experiments import processes
    progress.write_progress_as_lines()
    processes.in_processes(work, sys.argv[1:], "tasks")

if __name__ == "__main__":
    from types import SimpleNamespace
    sys.modules["helpers.cli.commands"] = SimpleNamespace(main=main)
    sys.exit(start.start())
"""
# Without the libraries that workers load.
LIGHT = """
from types import SimpleNamespace
from helpers.experiments import processes
sys.modules["torch"] = SimpleNamespace(set_num_threads=print)
processes.prepare_process = lambda: None
processes._places = lambda: ["", ""]
processes.PATIENCE = 1
"""


@pytest.fixture
def start_sweep(tmp_path):
    """A function that starts a sweep of five tasks, and returns it with the files of the tasks."""

    def start(light: str) -> tuple[subprocess.Popen, list[Path]]:
        program = tmp_path / "program.py"
        program.write_text(SWEEP.format(light=light))
        names = [tmp_path / name for name in ("one", "two", "three", "four", "five")]
        return begin([str(program), *map(str, names)]), names

    return start


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.5, 2.0, 4.0])
def test_workers_that_are_still_importing(start_sweep, seconds):
    process, _ = start_sweep("")
    wait_until_it_listens(process)
    time.sleep(seconds)
    check_quiet(process, interrupt(process, signal.SIGINT, group=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, group", [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True)]
)
def test_tasks_in_work_are_interrupted_and_no_other_is_begun(start_sweep, number, group):
    process, tasks = start_sweep(LIGHT)
    wait_for(tasks[0], process)
    began = time.monotonic()
    lines = interrupt(process, number, group=group)
    check_quiet(process, lines)
    assert lines == [INTERRUPTED] and time.monotonic() - began < 30
    begun = [task for task in tasks if task.exists()]
    assert tasks[0] in begun and len(begun) < len(tasks)
    assert all(Path(f"{task}.interrupted").exists() for task in begun)


@pytest.mark.slow
def test_workers_end_with_a_sweep_that_was_killed(start_sweep):
    process, tasks = start_sweep(LIGHT)
    wait_for(tasks[0], process)
    process.kill()
    process.wait()
    check_gone(process)
    assert Path(f"{tasks[0]}.interrupted").exists()


def statuses(outputs: Path) -> list[str]:
    """The statuses of trainings."""
    found = outputs.glob("runs/finetune/*/run.json")
    return [json.loads(path.read_text())["status"] for path in found]


@pytest.mark.slow
def test_a_training_in_a_notebook_says_that_it_was_interrupted(clinic, outputs):
    given = ["-p", "DATA_ROOT", str(clinic / "iiyi"), "-p", "STEPS", "9000", "-p", "LIMIT", "1"]
    process = begin(["-m", "helpers", "run", "02", *given])
    deadline = time.monotonic() + PATIENCE
    while "running" not in statuses(outputs) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    lines = interrupt(process, signal.SIGTERM, group=False)
    check_quiet(process, lines)
    assert lines == [INTERRUPTED] and statuses(outputs) == ["interrupted"]
    kernels = subprocess.run(["ps", "-eo", "ppid=,args="], capture_output=True, text=True).stdout
    assert not re.search(rf"^ *{process.pid} .*ipykernel", kernels, re.MULTILINE)
    assert not list(outputs.glob("*executing*"))
