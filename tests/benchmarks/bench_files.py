"""What it costs that files are on the disk before they count, and say themselves whether they are
whole: the same writes with and without `os.fsync`, and the check of a finished run.

    python tests/benchmarks/bench_files.py [FOLDER]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from helpers.cases import Answer
from helpers.files import hash_tree, move_into_place, write_json
from helpers.models.answer_file import AnswerFile

ANSWERS, FILES, FOLDERS, MEGABYTES = 300, 200, 5, 64


def seconds(work: Callable[[Path], object], place: Path) -> float:
    """How long a piece of work takes in a new folder."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        started = time.perf_counter()
        work(Path(folder))
        return time.perf_counter() - started


def answers(folder: Path) -> None:
    """Answers appended one by one, as a run does."""
    file = AnswerFile(folder / "predictions.jsonl")
    for number in range(ANSWERS):
        file.add([Answer(f"ENC{number}", "It is eczema. " * 5, 0.1, 20, "stop")])


def records(folder: Path) -> None:
    """Small files, each written whole."""
    for number in range(FILES):
        write_json(folder / f"{number}.json", {"value": list(range(100))})


def adapters(folder: Path) -> None:
    """Folders with one file of 64 MB each, moved into place, as an adapter or a checkpoint is."""
    for number in range(FOLDERS):
        made = folder / f".{number}"
        made.mkdir()
        (made / "weights").write_bytes(bytes(MEGABYTES << 20))
        move_into_place(made, folder / str(number))


def main() -> None:
    """Print each cost, in pairs within one run, the median of three."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir())
    pieces = {
        answers: (ANSWERS, "an answer appended"),
        records: (FILES, "a small file written whole"),
        adapters: (FOLDERS, f"a folder of {MEGABYTES} MB moved into place"),
    }
    for work, (count, what) in pieces.items():
        with_sync, without = [], []
        for _ in range(3):
            with_sync.append(seconds(work, place))
            with patch.object(os, "fsync", lambda handle: None):
                without.append(seconds(work, place))
        synced, plain = (1000 * sorted(times)[1] / count for times in (with_sync, without))
        print(f"{what}: {synced:.2f} ms, without fsync {plain:.2f} ms")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        (Path(folder) / "weights").write_bytes(bytes(MEGABYTES << 20))
        took = seconds(lambda _: hash_tree(Path(folder)), place)
    print(f"{MEGABYTES} MB of a finished run checked: {1000 * took:.0f} ms")


if __name__ == "__main__":
    main()
