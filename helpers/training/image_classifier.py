"""Train an image classifier on bytes that were decoded once; images are changed in batches."""

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from helpers.models.image_models import (
    TrainedClassifier,
    build_image_model,
    half_precision,
    image_device,
    save_classifier,
    score_images,
)
from helpers.models.image_refs import ImageModelRef
from helpers.models.pixels import normalize
from helpers.training.epochs import Stateful, run_epochs
from helpers.training.image_augmentation import augment_batch, mix
from helpers.training.image_recipe import ImageRecipe
from helpers.training.progress import Report

WARM_UP = 0.1  # share of the steps
AVERAGE_OVER = 0.99  # what a step leaves of the moving average


@dataclass(frozen=True)
class Labelled:
    """Images with the place of each label: bytes (images, 3, side, side), and (images,)."""

    pixels: torch.Tensor
    targets: torch.Tensor


def as_places(targets: Sequence[int]) -> torch.Tensor:
    """Return places of labels as a tensor (images,)."""
    return torch.tensor(targets, dtype=torch.long)


def train_classifier(
    ref: ImageModelRef,
    labels: tuple[str, ...],
    train: Labelled,
    valid: Labelled,
    folder: Path,
    *,
    recipe: ImageRecipe,
    report: Report,
) -> list[dict[str, float]]:
    """Train, or go on from the last checkpoint, and write `folder/classifier`; return the log.

    Args:
        valid: choose nothing but the temperature; may be empty.
    """
    torch.manual_seed(recipe.seed)
    device = image_device()
    model = build_image_model(ref, len(labels), recipe.side).to(device.name)
    learner = Learner(model, ref, train, recipe)
    log = run_epochs(
        learner.epoch,
        learner.state,
        folder / "checkpoints",
        epochs=recipe.epochs,
        seed=recipe.seed,
        report=report,
    )
    kept = learner.kept
    temperature = fit_temperature(score_images(kept, valid.pixels), valid.targets)
    save_classifier(
        folder / "classifier", TrainedClassifier(kept, labels, recipe.side, temperature)
    )
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return log


class Learner:
    """One training: the model, its optimiser, and what an epoch does."""

    def __init__(
        self, model: torch.nn.Module, ref: ImageModelRef, train: Labelled, recipe: ImageRecipe
    ):
        self.model, self.train, self.recipe = model, train, recipe
        self.head_alone = ref.frozen
        learnt = model.get_classifier() if ref.frozen else model  # type: ignore[operator]
        for parameter in model.parameters():
            parameter.requires_grad = not ref.frozen
        for parameter in learnt.parameters():
            parameter.requires_grad = True
        self.steps_an_epoch = math.ceil(len(train.targets) / recipe.batch)
        self.optimiser = torch.optim.AdamW(
            learnt.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        device = image_device()
        # In float16 small gradients would vanish; elsewhere it does nothing.
        self.scaler = torch.amp.GradScaler(device.name, enabled=device.dtype == "float16")
        self.state: dict[str, Stateful] = {
            "model": model,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "scaler": self.scaler,
        }
        if recipe.averaging:
            average = get_ema_multi_avg_fn(AVERAGE_OVER)
            self.averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
            self.state["averaged"] = self.averaged

    @property
    def kept(self) -> torch.nn.Module:
        """The weights that are written."""
        return self.averaged.module if self.recipe.averaging else self.model

    def epoch(self, number: int) -> float:
        """Train on every image once, or as often as `balance` draws it; return the mean loss."""
        self.model.train(not self.head_alone)  # frozen layers keep their statistics, too
        losses = [self._step(rows) for rows in self._batches()]
        return sum(losses) / len(losses)

    def _batches(self) -> Iterator[torch.Tensor]:
        targets = self.train.targets
        if self.recipe.balance:
            weights = 1 / torch.bincount(targets).clamp_min(1)[targets]
            order = torch.multinomial(weights, len(targets), replacement=True)
        else:
            order = torch.randperm(len(targets))
        # A last batch of one image has no spread to normalize by.
        yield from (rows for rows in order.split(self.recipe.batch) if len(rows) > 1)

    def _step(self, rows: torch.Tensor) -> float:
        device, recipe = image_device(), self.recipe
        numbers = normalize(self.train.pixels[rows].to(device.name))
        targets = functional.one_hot(self.train.targets[rows], self._labels).float()
        targets = targets.to(device.name)
        if recipe.augment:
            numbers = augment_batch(numbers)
        if recipe.mixup:
            numbers, targets = mix(numbers, targets, recipe.mixup)
        with half_precision(device):
            scores = self.model(numbers.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(
            scores.float(), targets, label_smoothing=recipe.label_smoothing
        )
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()
        if recipe.averaging:
            self.averaged.update_parameters(self.model)
        return float(loss.detach())

    @property
    def _labels(self) -> int:
        return self.model.num_classes  # type: ignore[return-value]  # timm's models say it

    def _rate(self, step: int) -> float:
        """Return the share of the peak learning rate at a step."""
        if self.recipe.schedule == "constant":
            return 1.0
        steps = self.recipe.epochs * self.steps_an_epoch
        warm = max(1, round(WARM_UP * steps))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def fit_temperature(scores: torch.Tensor, targets: torch.Tensor) -> float:
    """Find what scores (images, labels) must be divided by to make the labels most probable (Guo et
    al. 2017); 1 where there are none.
    """
    if not len(targets):
        return 1.0

    def surprise(log_temperature: float) -> float:
        return float(functional.cross_entropy(scores / math.exp(log_temperature), targets))

    found = minimize_scalar(surprise, bounds=(-3, 3), method="bounded")
    return float(np.exp(found.x))
