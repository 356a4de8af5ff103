"""Train a text classifier step by step through a Chain of Options, or on its last step alone."""

import math
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from helpers.models.text_classifiers import TextClassifier, save_text_classifier
from helpers.training.chain import Example
from helpers.training.epochs import run_epochs
from helpers.training.options_recipe import OptionsRecipe
from helpers.training.progress import Report

WARM_UP = 20  # steps
A_PART = 20  # steps between two checkpoints
ALIKE = 10  # batches among which examples are sorted by length


class Trained:
    """The weights of a classifier that learn, as a checkpoint holds them."""

    def __init__(self, classifier: TextClassifier):
        self.classifier = classifier

    def state_dict(self) -> dict[str, Any]:
        return {name: one.detach() for name, one in self.classifier.trained().items()}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        with torch.no_grad():
            for name, one in self.classifier.trained().items():
                one.copy_(state_dict[name])


def train_on_options(
    classifier: TextClassifier,
    steps: Sequence[Sequence[Example]],
    facts: dict[str, Any],
    folder: Path,
    *,
    recipe: OptionsRecipe,
    report: Report,
) -> list[dict[str, float]]:
    """Train, or go on from the last checkpoint, and write `folder/diagnoser`; return the log.

    Args:
        steps: the examples of each step of the chain; each has the same share of the optimiser's
            steps, whose number is the recipe's, whatever the chain.
    """
    weights = list(classifier.trained().values())
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, recipe.steps))
    parts = math.ceil(recipe.steps / A_PART)

    def learn(part: int) -> float:
        """Train the steps between two checkpoints; return their mean loss."""
        classifier.model.train()
        numbers = range(part * A_PART, min((part + 1) * A_PART, recipe.steps))
        losses = []
        for number in numbers:
            examples = _batch(steps[number * len(steps) // recipe.steps], number, recipe)
            loss = _loss(classifier, examples)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        return sum(losses) / len(losses)

    log = run_epochs(
        learn,
        {"weights": Trained(classifier), "optimiser": optimiser, "schedule": schedule},
        folder / "checkpoints",
        epochs=parts,
        seed=recipe.seed,
        report=report,
    )
    save_text_classifier(folder / "diagnoser", classifier, facts)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return [{"step": min(row["epoch"] * A_PART, recipe.steps), "loss": row["loss"]} for row in log]


def _batch(examples: Sequence[Example], number: int, recipe: OptionsRecipe) -> list[Example]:
    """Return the batch of a step: examples in a new order each time that all were learnt, those of
    some batches sorted by their length, so that little is padded.
    """
    size = min(recipe.batch, len(examples))
    passes, place = divmod(number, len(examples) // size)
    draws = random.Random(f"{recipe.seed}/{passes}")
    order = draws.sample(range(len(examples)), len(examples) // size * size)
    pool = size * ALIKE
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        rows = sorted(order[start : start + pool], key=lambda one: len(examples[one].text))
        batches += [rows[first : first + size] for first in range(0, len(rows), size)]
    draws.shuffle(batches)
    return [examples[one] for one in batches[place]]


def _loss(classifier: TextClassifier, examples: Sequence[Example]) -> torch.Tensor:
    """Compute the mean surprise at the right outputs, each among those that it is compared with."""
    scores = classifier.scores([one.text for one in examples])
    losses = [
        functional.cross_entropy(
            row[one.outputs.start : one.outputs.stop],
            torch.tensor(one.right - one.outputs.start, device=row.device),
        )
        for row, one in zip(scores, examples)
    ]
    return torch.stack(losses).mean()


def _rate(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: up in a few steps, and down to 0."""
    return min(1.0, (step + 1) / WARM_UP) * max(0.0, 1 - step / steps)
