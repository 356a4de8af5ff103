"""Experiments at miniature size on the small clinic, and what is done to them: other data, other
models, a kill.
"""

import json
import os
import shutil
import signal
from collections.abc import Callable
from importlib import import_module
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import pytest

from helpers.experiments.experiment import Experiment, record
from helpers.files import DAMAGED, read_json, write_json

SMALL = {
    "SEED": 5,
    "LIMIT": 5,
    "MAX_NEW_TOKENS": 8,
    "ANSWER_BATCH": 2,
    "STEPS": 6,
    "EPOCHS": 0.0,
    "BATCH": 2,
    "RANK": 2,
    "TRAIN_LIMIT": 6,
    "CAPTION_TOKENS": 8,
    "CAPTION_BATCH": 2,
    "EDGE_THREADS": 1,
}
# Of classifiers and of what is diagnosed.
SMALL_DIAGNOSIS = {
    "SEED": 5,
    "IMAGE_SIDE": 32,
    "CLASSIFIER_EPOCHS": 2,
    "CLASSIFIER_BATCH": 8,
    "STEPS": 4,
    "BATCH": 2,
}
# What a process that is to be killed has loaded before it starts.
LOADED = [
    *("helpers.models.memory", "helpers.models.captioning", "helpers.models.export"),
    *("helpers.models.small_device", "helpers.training.lora_sft", "peft", "bitsandbytes"),
    *("helpers.training.image_classifier", "helpers.training.options_training", "imagehash"),
    *(f"transformers.models.{name}.modeling_{name}" for name in ("llama", "llava", "blip")),
]
# What takes another time, or stands elsewhere, in each run.
TIMES = {
    *("time", "minutes", "seconds", "seconds_mean", "train_minutes", "load_seconds"),
    *("tokens_per_second", "peak_memory_gb", "import_mb", "load_mb", "answer_mb", "checksums"),
    *("seal", "scoring"),
}


@pytest.fixture
def small(clinic) -> Callable[..., Experiment]:
    """A function that makes an experiment of a kind, with other values for parameters."""

    def make(kind: type[Experiment], **parameters) -> Experiment:
        given = SMALL | {"DATA_ROOT": str(clinic / "iiyi")}
        return kind.of_profile("pocket", given).but(parameters)

    return make


@pytest.fixture
def diagnosing(diagnosis) -> Callable[..., Experiment]:
    """A function that makes an experiment on drawings and stories, with other parameters."""

    def make(kind: type[Experiment], **parameters) -> Experiment:
        roots = {"DATA_ROOT": str(diagnosis / "conditions")}
        given = SMALL_DIAGNOSIS | roots | {"STORIES_ROOT": str(diagnosis / "stories")}
        return kind.of_profile("pocket", given | parameters)

    return make


@pytest.fixture
def altered(clinic, tmp_path) -> Callable[..., str]:
    """A function that copies the clinic with other records in one split; returns its DATA_ROOT.

    `change` is given each record, with its place from 0, and changes it.
    """

    def make(split: str, change: Callable[[dict, int], object]) -> str:
        root = tmp_path / f"altered-{len(list(tmp_path.glob('altered-*')))}"
        shutil.copytree(clinic / "iiyi", root)
        path = root / {"train": "train.json", "valid": "valid_ht.json"}[split]
        records = read_json(path)
        for place, entry in enumerate(records):
            change(entry, place)
        write_json(path, records)
        return str(root)

    return make


@pytest.fixture
def idle(monkeypatch) -> None:
    """From here on, no model is loaded, trained or asked."""

    def refuse(*given, **more):
        raise AssertionError("a model was to work")

    places = {
        "models.memory": ("load", "load_once"),
        "models.captioning": ("load_once",),
        "models.small_device": ("measure",),
        "models.image_models": ("load_classifier",),
        "models.text_classifiers": ("new_text_classifier", "load_text_classifier"),
        "training.image_classifier": ("train_classifier",),
        "training.lora_sft": ("train_adapter",),
        "training.options_training": ("train_on_options",),
    }
    # All are imported before one is changed, as they take names from each other.
    modules = {name: import_module(f"helpers.{name}") for name in places}
    for name, module in modules.items():
        for function in places[name]:
            monkeypatch.setattr(module, function, refuse)


@pytest.fixture
def measured_here(monkeypatch) -> None:
    """A small device is measured in this process, which has loaded all libraries."""
    module = import_module("helpers.models.small_device")
    monkeypatch.setattr(module, "_in_its_own_process", lambda job: module._measured(**job))


@pytest.fixture(scope="session")
def processes():
    """Processes that have loaded the libraries when they start."""
    context = get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return context


@pytest.fixture
def kill(processes, outputs) -> Callable[..., None]:
    """A function that does an experiment in a process, which is killed at a call of a function.

    `place` is "module:function" in helpers, `call` the number of the call at which it dies.
    """

    def make(experiment: Experiment, place: str, call: int = 1) -> None:
        task = processes.Process(target=_die_at, args=(experiment, str(outputs), place, call))
        task.start()
        task.join(120)
        assert task.exitcode == -signal.SIGKILL, f"{place} was not called {call} times"

    return make


def _die_at(experiment: Experiment, outputs: str, place: str, call: int) -> None:
    os.environ["LAB_OUTPUTS"] = outputs
    module, _, names = place.partition(":")
    owner, (*outer, name) = import_module(f"helpers.{module}"), names.split(".")
    for one in outer:
        owner = getattr(owner, one)
    whole, calls = getattr(owner, name), count(1)

    def dying(*given, **more):
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*given, **more)

    setattr(owner, name, dying)
    record(experiment)


def contents(folder: Path) -> dict[str, object]:
    """Read all files below a folder but locks and what was set aside; of JSON without times."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if DAMAGED in name:
            continue
        if path.suffix == ".json":
            found[name] = without_times(read_json(path))
        elif path.suffix == ".jsonl":
            found[name] = [without_times(json.loads(line)) for line in path.open()]
        elif path.is_file() and not path.name.endswith(".lock"):
            found[name] = path.read_bytes()
    return found


def without_times(value: object) -> object:
    """Return a JSON-like value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in TIMES}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def changed_at(folder: Path) -> dict[Path, int]:
    """Return when each file below a folder was changed."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in files if not path.name.endswith(".lock")}


def texts(run) -> dict[str, str]:
    """Return the answers of a run by case id."""
    return {case_id: answer.text for case_id, answer in run.answers.read().items()}
