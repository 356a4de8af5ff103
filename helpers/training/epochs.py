"""A training in epochs that can be interrupted anywhere: each epoch ends with a checkpoint."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from helpers.files import WorkFailed
from helpers.training.checkpoints import last_whole_checkpoint, seal_checkpoint
from helpers.training.progress import Report

STATE = "state.pt"


class Stateful(Protocol):
    """A model, an optimiser: what a checkpoint holds."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


# Trains one epoch and returns its mean loss; told the epoch and what each step reports to.
Epoch = Callable[[int], float]


def run_epochs(
    epoch: Epoch,
    state: Mapping[str, Stateful],
    folder: Path,
    *,
    epochs: int,
    seed: int,
    report: Report,
) -> list[dict[str, float]]:
    """Train epoch after epoch, from the last checkpoint on; return the log, a row for each epoch.

    Each epoch has its own random numbers, by seed and number, so that a training that was
    interrupted ends as one that was not.

    Args:
        epoch: trains the epoch of this number, from 0, and returns its mean loss.
        state: all that an epoch changes.
        folder: where checkpoints lie meanwhile; the caller deletes it at the end.
    Raises:
        WorkFailed: the loss is not a number any more.
    """
    log = _load(folder, state)
    for number in range(len(log), epochs):
        report({"step": number, "total": epochs})
        torch.manual_seed(seed * 1000 + number)
        loss = epoch(number)
        if not loss < float("inf"):
            raise WorkFailed(
                f"The training diverged: its loss is not a number in epoch {number + 1}; lower "
                "`learning_rate`."
            )
        log.append({"epoch": number + 1, "loss": round(loss, 5)})
        _save(folder, state, log)
        report({"step": number + 1, "total": epochs, "loss": loss})
    return log


def _load(folder: Path, state: Mapping[str, Stateful]) -> list[dict[str, float]]:
    """Load the last whole checkpoint; return its log, [] where there is none."""
    found = last_whole_checkpoint(folder)
    if found is None:
        return []
    kept = torch.load(Path(found) / STATE, weights_only=True)
    for name, one in state.items():
        one.load_state_dict(kept[name])
    return kept["log"]


def _save(folder: Path, state: Mapping[str, Stateful], log: list[dict[str, float]]) -> None:
    """Write a checkpoint, then delete those before it."""
    place = folder / f"checkpoint-{len(log)}"
    place.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = {name: one.state_dict() for name, one in state.items()}
    torch.save(kept | {"log": log}, place / STATE)
    seal_checkpoint(place)
    for older in folder.glob("checkpoint-*"):
        if older != place:
            shutil.rmtree(older)
