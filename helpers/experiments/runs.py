"""Run records: every result lies in a folder that says how it was obtained and can be taken up
again.

`outputs/runs/<kind of experiment>/<run id>/` holds `run.json`, and what the run made:
`predictions.jsonl`, `metrics.json`, `prediction.json` (the challenge's submission), an adapter. The
run id is a hash of the experiment's inputs, so that the same command finds its own half-done run.
"""

import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from helpers.files import (
    REPOSITORY,
    LabError,
    WorkFailed,
    disk_full,
    display_path,
    file_hash,
    lock_file,
    outputs_folder,
    read_json,
    write_json,
)
from helpers.metrics.measure import Measured
from helpers.metrics.scores import Score
from helpers.models.answer_file import AnswerFile
from helpers.models.devices import peak_memory_gb, reset_gpu_peak

FORMAT = 3  # of run.json; raised by hand when older records can no longer be read
LOCK = ".lock"  # one process at a time works on a run
PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "bitsandbytes",
    "unsloth",
    "datasets",
    "bert-score",
    "sacrebleu",
)


@dataclass
class Run:
    """One run: its folder, the content of its `run.json`, and the runs that it starts from."""

    folder: Path
    record: dict
    needs: dict[str, "Run"] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.record["run_id"]

    @property
    def done(self) -> bool:
        return self.record["status"] == "done"

    @property
    def answers(self) -> AnswerFile:
        """The file of the run's answers."""
        return AnswerFile(self.folder / "predictions.jsonl")

    @property
    def scores(self) -> dict[str, Score]:
        """The scores of `metrics.json` by the keys of `METRICS`; empty as long as it has none."""
        return {key: Score.from_dict(entry) for key, entry in self._metrics().items()}

    def measured(self, keys: Sequence[str] = ()) -> dict[str, Measured]:
        """Read the scores with what each case contributes to them, of all metrics or of some."""
        found = {}
        for key, entry in self._metrics().items():
            if "by" in entry and (not keys or key in keys):
                kept = read_json(self.folder / "scores" / f"{entry['by']}.json")
                rows = kept["columns"].get(key, {"cases": [], "values": None})
                columns = None if rows["values"] is None else np.array(rows["values"], dtype=float)
                found[key] = Measured(Score.from_dict(entry), tuple(rows["cases"]), columns)
        return found

    def save_scores(self, scores: Mapping[str, Score]) -> None:
        """Write `metrics.json`."""
        entries = {key: score.as_dict() for key, score in scores.items()}
        write_json(self.folder / "metrics.json", entries)

    def _metrics(self) -> dict[str, dict]:
        path = self.folder / "metrics.json"
        return read_json(path) if path.exists() else {}

    def hash_files(self) -> dict[str, str]:
        """Hash what the run wrote, by path in its folder: all but its record, lock and scores."""
        skipped = ("run.json", "metrics.json", "prediction.json", LOCK)
        paths = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        names = {path.relative_to(self.folder).as_posix(): path for path in paths}
        return {
            name: file_hash(path)
            for name, path in names.items()
            if name not in skipped and not name.startswith("scores/")
        }

    def save(self, **changes) -> None:
        """Change entries of `run.json` and write it whole."""
        self.record.update(changes)
        write_json(self.folder / "run.json", self.record)

    @contextmanager
    def working(self) -> Iterator[bool]:
        """Do the work of a run: the block is told whether any is needed, and does it if so.

        Meanwhile the run is marked as running, then as done, failed or interrupted, with minutes
        and peak memory. Minutes add up over interruptions, except for the part lost to a kill.
        Another process that works on the same run is waited for, and may have done it by then.
        """
        if self.done:
            yield False
            return
        with lock_file(self.folder / LOCK):
            self.record = load_run(self.folder).record
            if self.done:
                yield False
            else:
                yield from self._work()

    def _work(self) -> Iterator[bool]:
        started, before = time.monotonic(), self.record.get("minutes", 0.0)
        reset_gpu_peak()
        self.save(status="running", **environment())
        status = "interrupted"
        try:
            yield True
            status = "done"
        except Exception as error:
            status = "failed"
            sentence = disk_full(error, self.folder)
            if not sentence:
                raise
            raise WorkFailed(sentence) from None
        finally:
            minutes = before + (time.monotonic() - started) / 60
            peak = peak_memory_gb()  # a training in a process of its own has saved what it took
            peak = {
                name: max(value, self.record.get("peak_memory_gb", {}).get(name, 0))
                for name, value in peak.items()
            }
            try:
                whole = {"checksums": self.hash_files()} if status == "done" else {}
                self.save(status=status, minutes=round(minutes, 3), peak_memory_gb=peak, **whole)
            # A full disk holds no record either; what went wrong before is said already.
            except OSError as error:
                if status == "done":
                    raise WorkFailed(disk_full(error, self.folder) or str(error)) from None


def find_run(kind: str, run_id: str) -> Run | None:
    """Find a run that was begun; None if there is none."""
    folder = run_folder(kind, run_id)
    return load_run(folder) if (folder / "run.json").exists() else None


def open_run(
    kind: str, run_id: str, *, about: Mapping[str, Any], parents: Mapping[str, Run] | None = None
) -> Run:
    """Find a run, or begin it.

    Args:
        about: what a reader wants to know (settings, data, model, ...); recorded, not hashed.
        parents: the runs that this one starts from, by field.
    """
    folder = run_folder(kind, run_id)
    if not (folder / "run.json").exists():
        record = {
            "run_id": run_id,
            "kind": kind,
            "format": FORMAT,
            "status": "started",
            **about,
            "parents": {
                name: f"{run.record['kind']}/{run.id}" for name, run in (parents or {}).items()
            },
            **environment(),
        }
        with lock_file(folder / LOCK):
            if not (folder / "run.json").exists():  # another process may have been faster
                Run(folder, record).save()
    return load_run(folder)


def run_folder(kind: str, run_id: str) -> Path:
    """Return where a run lies."""
    return outputs_folder() / "runs" / kind / run_id


def load_run(folder: Path | str) -> Run:
    """Read a run's folder; one of another format or without `run.json` is a `LabError`."""
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise LabError(
            f"{folder} holds no run.json, so it is no run of this lab: name a folder of "
            "outputs/runs."
        )
    record = read_json(folder / "run.json")
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise LabError(
            f"The run in {folder} is recorded in format {found}, but this code reads format "
            f"{FORMAT}: delete or move that folder and run again, or check out the commit named in "
            "its run.json."
        )
    return Run(folder, record)


def adapter_in(folder: Path | str) -> Path:
    """The adapter that a folder means: its own, or the one that the run in it has trained."""
    folder = Path(folder).expanduser()
    return load_run(folder).folder / "adapter" if (folder / "run.json").exists() else folder


def find_runs() -> tuple[list[Run], list[str]]:
    """Find all runs under `outputs/runs`, and why others were left out."""
    runs, left_out = [], []
    for path in sorted((outputs_folder() / "runs").glob("*/*/run.json")):
        try:
            runs.append(load_run(path.parent))
        except LabError as error:
            left_out.append(str(error).replace(str(path.parent), display_path(path.parent)))
    return runs, left_out


def environment() -> dict:
    """Return commit, versions and time, as far as a reader needs them to repeat a run."""
    commit = _git("rev-parse", "HEAD")
    return {
        "commit": commit or "unknown",
        "dirty": bool(commit)
        and bool(_git("status", "--porcelain", "--", ".", ":!outputs/recorded")),
        "versions": package_versions(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
