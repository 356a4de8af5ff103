"""Progress in a log: lines of words, few of them, with nothing in them that draws."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT

# A bar of each kind that the lab has, in a process whose standard error is a pipe.
BARS = """
import time
from tqdm.auto import tqdm
from helpers.cli import progress

progress.SECONDS = 0.2
progress.write_progress_as_lines()
for _ in tqdm(range(2000), desc="answering", unit="batch", leave=False):
    time.sleep(0.0003)
for _ in tqdm(range(3), desc="points"):
    pass
with tqdm(total=4, initial=1, desc="training", leave=False) as bar:
    bar.set_postfix({"loss": "0.500"}, refresh=False)
    bar.update(3)
with tqdm(total=5_000_000, desc="model", unit="B", unit_scale=True) as bar:
    bar.update(2_500_000)
for _ in tqdm(iter("abc")):
    pass
"""


def test_bars_are_lines_in_a_pipe():
    done = subprocess.run([sys.executable, "-c", BARS], cwd=ROOT, capture_output=True, check=True)
    lines = done.stderr.decode().split("\n")
    assert lines.pop() == "" and b"\r" not in done.stderr and b"\x1b" not in done.stderr
    answering = [line for line in lines if line.startswith("answering ")]
    assert 2 <= len(answering) <= 20 and answering[-1].startswith("answering 2000/2000, 00:0")
    assert lines[len(answering) :] == [
        "points 3/3, 00:00",
        "training 4/4, 00:00, loss=0.500",
        "model 2.50M/5.00M, 00:00",
        "3, 00:00",
    ]


def test_a_terminal_keeps_its_bars():
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with os.fdopen(ours, "rb", buffering=0) as screen:
        subprocess.run(
            [sys.executable, "-c", BARS], cwd=ROOT, stderr=theirs, check=True, timeout=60
        )
        os.close(theirs)
        assert b"\rpoints: 100%" in screen.read(65536)
