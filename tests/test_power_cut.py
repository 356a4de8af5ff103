"""What a kill or a power cut leaves of a file: the old one whole, and every row that was told of.

Nobody can pull the plug in a test. What can be seen is that content is handed to the disk (fsync)
before a file gets its name, and before its writer goes on.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.cases import Answer
from helpers.files import append_jsonl, write_bytes
from helpers.models.answer_file import AnswerFile

# Writes a large file, and dies at the call of a function of `os`.
DYING = """
import os, signal, sys
from helpers.files import write_bytes
setattr(os, sys.argv[2], lambda *given, **more: os.kill(os.getpid(), signal.SIGKILL))
write_bytes(sys.argv[1], b"new" * 100_000)
"""


@pytest.fixture
def on_disk(monkeypatch) -> Callable[[Path], int]:
    """A function that returns how many bytes of a file were handed to the disk."""
    sizes: dict[int, int] = {}

    def fsync(file: int) -> None:
        sizes[os.fstat(file).st_ino] = os.fstat(file).st_size

    monkeypatch.setattr(os, "fsync", fsync)
    return lambda path: sizes.get(Path(path).stat().st_ino, 0)


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_a_kill_in_the_middle_of_writing_leaves_the_old_file(tmp_path, place):
    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", DYING, str(path), place]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, on_disk, monkeypatch):
    sizes, replace = [], os.replace

    def look(source, target):
        sizes.append(on_disk(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    write_bytes(tmp_path / "a", b"x" * 1000)
    assert sizes == [1000]


def test_a_row_is_on_the_disk_before_its_writer_goes_on(tmp_path, on_disk):
    path = tmp_path / "rows.jsonl"
    for count in range(3):
        append_jsonl(path, [{"n": count}])
        assert on_disk(path) == path.stat().st_size > 8 * count


def test_an_answer_is_on_the_disk_before_the_next_one_is_waited_for(tmp_path, on_disk):
    file = AnswerFile(tmp_path / "answers.jsonl")

    def one_by_one():
        for count, case_id in enumerate("abc", start=1):
            yield Answer(case_id, "Eczema.")
            assert len(file.read()) == count and on_disk(file.path) == file.path.stat().st_size

    file.add(one_by_one())
    assert list(file.read()) == ["a", "b", "c"]
