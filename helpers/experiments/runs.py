"""Run records: every result lies in a folder that says how it was obtained and can be taken up
again.

`outputs/runs/<kind of experiment>/<run id>/` holds `run.json`, and what the run made:
`predictions.jsonl`, `metrics.json`, `prediction.json` (the challenge's submission), an adapter. The
run id is a hash of the experiment's inputs, so that the same command finds its own half-done run.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from helpers.experiments.environment import environment
from helpers.files import (
    DAMAGED,
    Damaged,
    LabError,
    delete_unfinished,
    display_path,
    full_disk_told,
    hash_tree,
    lock_file,
    outputs_folder,
    read_json,
    read_sealed,
    set_aside,
    write_sealed,
)
from helpers.metrics.measure import Measured
from helpers.metrics.scores import Score
from helpers.models.answer_file import AnswerFile
from helpers.models.devices import peak_memory_gb, reset_gpu_peak

FORMAT = 4  # of run.json; raised by hand when older records can no longer be read
LOCK = ".lock"  # one process at a time works on a run
# What a run's checksums leave out: its record, and what is made from the answers anew, if need be.
UNHASHED = ("run.json", "metrics.json", "prediction.json")


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
                kept = read_sealed(self.folder / "scores" / f"{entry['by']}.json")
                rows = kept["columns"].get(key, {"cases": [], "values": None})
                columns = None if rows["values"] is None else np.array(rows["values"], dtype=float)
                cases, groups = tuple(rows["cases"]), tuple(rows.get("groups", ()))
                found[key] = Measured(Score.from_dict(entry), cases, columns, groups)
        return found

    def save_scores(self, scores: Mapping[str, Score]) -> None:
        """Write `metrics.json`."""
        entries = {key: score.as_dict() for key, score in scores.items()}
        write_sealed(self.folder / "metrics.json", entries)

    def has_scores(self) -> bool:
        """Tell whether `metrics.json` is there, and as it was written."""
        try:
            return bool(self._metrics())
        except Damaged:
            return False

    def _metrics(self) -> dict[str, dict]:
        path = self.folder / "metrics.json"
        return read_sealed(path) if path.exists() else {}

    def hash_files(self) -> dict[str, str]:
        """Hash what the run wrote, by path in its folder; see `UNHASHED`."""
        return hash_tree(self.folder, _is_result)

    def _what_it_wrote(self) -> dict[str, Any]:
        """Return the hashes of what the run wrote, and how many answers it has."""
        answers = {"answers": len(self.answers.read())} if self.answers.path.exists() else {}
        return {"checksums": self.hash_files(), **answers}

    def save(self, **changes) -> None:
        """Change entries of `run.json` and write it whole."""
        self.record.update(changes)
        write_sealed(self.folder / "run.json", self.record)

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
        with self.alone():
            self.record = load_run(self.folder).record
            if self.done:
                yield False
            else:
                yield from self._work()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from the run's files; what a kill has left of some is deleted."""
        with full_disk_told(self.folder), lock_file(self.folder / LOCK):
            for folder in (self.folder, self.folder / "scores"):
                delete_unfinished(folder)
            yield

    def _work(self) -> Iterator[bool]:
        started, before = time.monotonic(), self.record.get("minutes", 0.0)
        reset_gpu_peak()
        self.save(status="running", **environment())
        status = "interrupted"
        try:
            yield True
            status = "done"
        except Exception:
            status = "failed"
            raise
        finally:
            minutes = before + (time.monotonic() - started) / 60
            peak = peak_memory_gb()  # a training in a process of its own has saved what it took
            peak = {
                name: max(value, self.record.get("peak_memory_gb", {}).get(name, 0))
                for name, value in peak.items()
            }
            try:
                whole = self._what_it_wrote() if status == "done" else {}
                self.save(status=status, minutes=round(minutes, 3), peak_memory_gb=peak, **whole)
            # A full disk holds no record either; what went wrong before is said already.
            except OSError:
                if status == "done":
                    raise


def _is_result(name: str) -> bool:
    """Tell by its path whether a file in a run's folder belongs to what the run is for."""
    if name in UNHASHED or name.startswith("scores/"):
        return False
    return not any(part.startswith(".") or part.endswith(DAMAGED) for part in name.split("/"))


def find_run(kind: str, run_id: str) -> Run | None:
    """Find a run that was begun; None if there is none, or if its record is damaged, which is then
    set aside: what else lies in the folder says itself whether it is whole.
    """
    folder = run_folder(kind, run_id)
    if not (folder / "run.json").exists():
        return None
    try:
        return load_run(folder)
    except Damaged as error:
        kept = set_aside(folder / "run.json")
        print(f"{error} It is kept as {kept.name}, and the run is done again.")
        return None


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
    """Read a run's folder; one of another format or without `run.json` is a `LabError`.

    Raises:
        Damaged: the record is not as it was written.
    """
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise LabError(
            f"{folder} holds no run.json, so it is no run of this lab: name a folder of "
            "outputs/runs."
        )
    try:
        record = read_json(folder / "run.json")
    except LabError as error:
        raise Damaged(str(error)) from None
    found = record.get("format") if isinstance(record, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise LabError(
            f"The run in {folder} is recorded in format {found}, but this code reads format "
            f"{FORMAT}: delete or move that folder and run again, or check out the commit named in "
            "its run.json."
        )
    return Run(folder, read_sealed(folder / "run.json"))


def adapter_in(folder: Path | str) -> Path:
    """The adapter that a folder means: its own, or the one that the run in it has trained."""
    folder = Path(os.path.expanduser(folder))
    return load_run(folder).folder / "adapter" if os.path.exists(folder / "run.json") else folder


def find_runs() -> tuple[list[Run], list[str]]:
    """Find all runs under `outputs/runs` that tables can show, and why others were left out."""
    runs, left_out = [], []
    for path in sorted((outputs_folder() / "runs").glob("*/*/run.json")):
        try:
            runs.append(_check_readable(load_run(path.parent)))
        except LabError as error:
            left_out.append(str(error).replace(str(path.parent), display_path(path.parent)))
    return runs, left_out


class _Shown(BaseModel):
    """What tables count on in a run's record."""

    run_id: str
    kind: str
    name: str
    status: str
    parents: dict[str, str]
    parameters: dict[str, Any]
    dataset: str = ""
    language: str = ""
    split: str = ""
    data_fingerprint: str = ""


def _check_readable(run: Run) -> Run:
    """Return a run if its record and scores hold what tables count on."""
    try:
        run.record = _Shown.model_validate(run.record).model_dump() | run.record
        _ = run.scores
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(
            f"The record of {display_path(run.folder)} lacks what tables show "
            f"({type(error).__name__}): delete that folder, and run again what it was."
        ) from None
    return run
