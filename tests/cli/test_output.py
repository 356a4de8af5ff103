"""What is printed can be printed, and what cannot be written is told: other encodings, disks that
are read-only or full, names that would draw on a terminal.
"""

import errno
import os
import shlex
import subprocess
import sys

import pytest

from conftest import ROOT
from helpers.cli.commands import main
from helpers.files import WorkFailed, disk_full
from tests.cli.test_command_line import files  # noqa: F401 (a fixture)
from tests.full_disk import ALONE, needs_full_disk

LATIN = {"PYTHONIOENCODING": "latin-1"}


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "helpers", *arguments],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | environment,
        timeout=120,
    )


def test_names_that_an_encoding_does_not_have_are_escaped(tmp_path):
    (tmp_path / "日本.jpg").write_text("no image")
    done = command("check-data", "photos", str(tmp_path), **LATIN)
    printed = done.stdout.decode("latin-1")
    assert done.returncode == 1 and done.stderr == b""
    assert "\\u65e5\\u672c.jpg" in printed and "1 faults" in printed


@pytest.mark.parametrize("more", [{}, {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}])
def test_the_c_locale_is_no_crash(tmp_path, more):
    (tmp_path / "日本.jpg").write_text("no image")
    done = command("check-data", "photos", str(tmp_path), LC_ALL="C", **more)
    assert done.returncode == 1 and done.stderr == b"" and b".jpg" in done.stdout


def test_a_sentence_is_printed_in_another_encoding_too(tmp_path):
    done = command("score", str(tmp_path / "日本.json"), "x.json", **LATIN)
    assert done.returncode == 2 and done.stdout == b""
    assert b"\\u65e5\\u672c.json does not exist" in done.stderr and done.stderr.count(b"\n") == 1


def test_names_draw_nothing_on_a_terminal(tmp_path, capsys):
    (tmp_path / "a\x1b[2Jb\rc\u009b.jpg").write_text("no image")
    os.close(os.open(os.fsencode(tmp_path) + b"/d\xe9.jpg", os.O_CREAT | os.O_WRONLY))
    assert main(["check-data", "photos", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines) and len(lines) > 2
    assert any("\\x1b[2J" in line for line in lines)


def test_a_long_id_does_not_fill_the_screen(tmp_path, capsys):
    (tmp_path / "train.json").write_text(f'[{{"encounter_id": "{"E" * 5000}"}}]')
    assert main(["check-data", "iiyi", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "5,000 letters" in printed and "E" * 400 not in printed


def test_a_folder_is_named_as_it_can_be_printed(tmp_path, capsys):
    folder = tmp_path / "a\x1b[2Jb"
    folder.mkdir()
    (folder / "x.jpg").write_text("no image")
    assert main(["check-data", "photos", str(folder)]) == 1
    assert "\x1b" not in capsys.readouterr().out


READ_ONLY = [
    [
        "score",
        "references.json",
        "predictions.json",
        "--metrics",
        "deltableu",
        "--out",
        "disk/s.json",
    ],
    ["pocket", "build"],
    ["run", "03", "-p", "LIMIT", "1"],
    ["sweep", "03", "-p", "LIMIT", "1"],
]


@pytest.mark.slow
@needs_full_disk
@pytest.mark.parametrize("arguments", READ_ONLY, ids=["score", "pocket", "run", "sweep"])
def test_a_read_only_disk_is_one_sentence(files, clinic, arguments):
    (files / "disk").mkdir()
    if arguments[0] in ("run", "sweep"):
        arguments = [*arguments, "-p", "DATA_ROOT", str(clinic / "iiyi")]
    disk = shlex.quote(str(files / "disk"))
    mounted = f"mount -t tmpfs -o ro tmpfs {disk} && cd {shlex.quote(str(files))} && exec "
    done = subprocess.run(
        [*ALONE, mounted + shlex.join([sys.executable, "-m", "helpers", *arguments])],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LAB_OUTPUTS": str(files / "disk")},
        timeout=120,
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stderr.count("\n") == 1 and "free some space" not in done.stderr
    assert "Read-only file system; choose another place" in done.stderr
    assert str(files) not in done.stderr


@pytest.mark.slow  # loads torch
def test_a_full_disk_of_an_export_is_told_with_the_option_that_helps(tmp_path, capsys, monkeypatch):
    from helpers.models import export

    def fill(*arguments, **options):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise WorkFailed(disk_full(error, tmp_path)) from None

    monkeypatch.setattr(export, "export", fill)
    assert main(["export", str(tmp_path), "--to", str(tmp_path / "new")]) == 1
    assert capsys.readouterr().err == (
        "The disk of new is full: free some space, or name a folder on another disk by --to.\n"
    )


@pytest.mark.parametrize("number, status", [(errno.ENOSPC, 1), (errno.EDQUOT, 1), (errno.EIO, 1)])
def test_only_a_full_disk_is_told_to_be_full(capsys, monkeypatch, number, status):
    def fail(*arguments):
        raise OSError(number, os.strerror(number), "/somewhere/far/train.json")

    monkeypatch.setattr("helpers.data.checks.check_data", fail)
    assert main(["check-data", "iiyi", "x"]) == status
    said = capsys.readouterr().err
    assert ("free some space" in said) == (number != errno.EIO)
    assert said.startswith("train.json: ") and said.count("\n") == 1
