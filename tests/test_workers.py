"""Worker processes: results in order, errors as they were, and none that outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from conftest import ROOT
from helpers.files import LabError, workers
from helpers.files.workers import count_cores, map_in_workers


def square(number: int) -> int:
    return number * number


def refuse_five(number: int) -> int:
    if number == 5:
        raise LabError("five")
    return number


def where(number: int) -> int:
    return os.getpid()


@pytest.fixture
def many_cores(monkeypatch):
    monkeypatch.setattr(workers, "count_cores", lambda: 2)


def test_results_come_in_order_from_processes_of_their_own(many_cores):
    assert list(map_in_workers(square, range(40), share=4)) == [n * n for n in range(40)]
    assert os.getpid() not in set(map_in_workers(where, range(40), share=4))


def test_few_items_are_done_here(many_cores):
    assert set(map_in_workers(where, range(7), share=4)) == {os.getpid()}


def test_an_error_is_the_callers(many_cores):
    with pytest.raises(LabError, match="five"):
        list(map_in_workers(refuse_five, range(40), share=4))


def test_there_is_a_core():
    assert count_cores() >= 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    code = (
        "import os, sys, time\n"
        "from helpers.files import workers\n"
        "def wait(number):\n"
        "    open(f'{os.getpid()}.pid', 'w').close()\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    workers.count_cores = lambda: 2\n"
        "    list(workers.map_in_workers(wait, range(16), share=1))\n"
    )
    (tmp_path / "parent.py").write_text(code, encoding="utf-8")
    started = subprocess.Popen(
        [sys.executable, "parent.py"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        _wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    finally:
        started.kill()
        started.wait()
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    _wait_until(lambda: not any(map(_is_alive, pids)))


def _wait_until(holds, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
