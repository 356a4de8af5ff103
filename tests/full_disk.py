"""A really full disk for tests, where the system lets a process have a mount of its own (no root is
needed).
"""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT

ALONE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


def _possible() -> bool:
    try:
        command = [*ALONE, "mount -t tmpfs -o size=64k tmpfs /mnt"]
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


needs_full_disk = pytest.mark.skipif(
    not _possible(), reason="this system gives processes no mounts of their own"
)


def on_a_small_disk(folder: Path, size: str, command: list[str]) -> str:
    """What a command prints that finds a disk of `size` ("2m") at `folder`; the disk is gone when
    it ends.
    """
    folder.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(str(folder))}"
    mounted = f"{mount} && exec {shlex.join(command)}"
    done = subprocess.run(
        [*ALONE, mounted],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
