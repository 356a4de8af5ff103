"""Run records: every result lies in a folder that says how it was obtained and can be taken up
again.

`outputs/runs/<notebook>/<run id>/` holds `run.json`, and what the run made: `predictions.jsonl`,
`metrics.json`, `prediction.json` (the challenge's submission), an adapter, figures, the executed
notebook. The run id is a hash of what determines the result, so that the same command finds its own
half-done run.
"""

import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from helpers.files import (
    REPOSITORY,
    LabError,
    WorkFailed,
    disk_full,
    display_path,
    fingerprint,
    lock_file,
    outputs_folder,
    read_json,
    write_json,
)
from helpers.metrics.metric import metric_key
from helpers.metrics.scores import Score
from helpers.models.answer_file import AnswerFile
from helpers.models.devices import peak_memory_gb, reset_gpu_peak

# Raise by hand when the meaning of a result changes (another prompt layout, another scorer, ...).
RESULT_VERSION = 2
RECORDED = REPOSITORY / "outputs" / "recorded"
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
    """One run: its folder and the content of its `run.json`."""

    folder: Path
    record: dict

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

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdicts of a comparison, by the keys of `METRICS`."""
        entries = self._metrics().items()
        return {key: entry["verdict"] for key, entry in entries if "verdict" in entry}

    def save_scores(self, scores: dict[str, Score], verdicts: dict[str, str] | None = None) -> None:
        """Write `metrics.json`, with a verdict beside each score that has one."""
        said = {key: {"verdict": verdict} for key, verdict in (verdicts or {}).items()}
        entries = {key: score.as_dict() | said.get(key, {}) for key, score in scores.items()}
        write_json(self.folder / "metrics.json", entries)

    def _metrics(self) -> dict[str, dict]:
        path = self.folder / "metrics.json"
        entries = read_json(path) if path.exists() else {}
        return {metric_key(name): entry for name, entry in entries.items()}

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
                self.save(status=status, minutes=round(minutes, 3), peak_memory_gb=peak)
            # A full disk holds no record either; what went wrong before is said already.
            except OSError as error:
                if status == "done":
                    raise WorkFailed(disk_full(error, self.folder) or str(error)) from None


def open_run(notebook: str, *, determines: dict, about: dict, parent: str = "") -> Run:
    """Find the run that `determines` names, or begin it.

    Args:
        notebook: name of the notebook that the result belongs to, "03_few_shot_inference".
        determines: all that the result depends on (parameters after the profile, data fingerprint,
            weights, prompt), as JSON-like values; hashed into the run id together with
            RESULT_VERSION.
        about: what a reader wants to know besides (profile, dataset name, model id, ...); recorded,
            not hashed.
        parent: id of the run whose result this one starts from (an adapter's training run).
    Raises:
        LabError: the folder holds a run of another RESULT_VERSION.
    """
    run_id = fingerprint({"notebook": notebook, "result_version": RESULT_VERSION, **determines})
    folder = outputs_folder() / "runs" / notebook / run_id
    if not (folder / "run.json").exists():
        record = {
            "run_id": run_id,
            "notebook": notebook,
            "status": "started",
            "result_version": RESULT_VERSION,
            **about,
            "parent": parent,
            "determines": determines,
            **environment(),
        }
        with lock_file(folder / LOCK):
            if not (folder / "run.json").exists():  # another process may have been faster
                Run(folder, record).save()
    return load_run(folder)


def load_run(folder: Path | str) -> Run:
    """Read a run's folder; one of another RESULT_VERSION or without `run.json` is a `LabError`."""
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise LabError(
            f"{folder} holds no run.json, so it is no run of this lab: name a folder of "
            "outputs/runs."
        )
    record = read_json(folder / "run.json")
    found = record.get("result_version") if isinstance(record, dict) else None
    if found != RESULT_VERSION:
        raise LabError(
            f"The run in {folder} has RESULT_VERSION {found} but this code makes version "
            f"{RESULT_VERSION}: delete or move that folder and run again, or check out the commit "
            "named in its run.json."
        )
    return Run(folder, record)


def adapter_in(folder: Path | str) -> Path:
    """The adapter that a folder means: its own, or the one that the run in it has trained."""
    folder = Path(folder).expanduser()
    return load_run(folder).folder / "adapter" if (folder / "run.json").exists() else folder


def find_runs() -> tuple[list[Run], list[str]]:
    """All runs under `outputs/runs` and the tracked `outputs/recorded`, and why others were left
    out.
    """
    return _runs_in(RECORDED, outputs_folder() / "runs")


def recorded_runs(kind: str, dataset: str) -> list[Run]:
    """The tracked runs of one kind ("answers", "baseline", "comparison", "finetuning") on one data
    set, by name.
    """
    found = [
        run
        for run in _runs_in(RECORDED)[0]
        if (run.record["kind"], run.record["dataset"]) == (kind, dataset)
    ]
    return sorted(
        found, key=lambda run: (run.record.get("study", ""), run.record["name"], run.record["seed"])
    )


def _runs_in(*roots: Path) -> tuple[list[Run], list[str]]:
    folders = {
        path.parent.name: path.parent
        for root in roots
        for path in sorted(root.glob("*/*/run.json"))
    }
    runs, left_out = [], []
    for folder in folders.values():
        try:
            runs.append(load_run(folder))
        except LabError as error:
            left_out.append(str(error).replace(str(folder), display_path(folder)))
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
