"""How many images a second the pocket ResNet learns from, beside a plain loop of torchvision.

Both see the same images and change them alike (mirrored, turned, cropped, recoloured). The plain
loop is what tutorials have: a folder of files, decoded and changed one by one in two workers.

    python tests/benchmarks/bench_classifier.py
"""

import time
from collections.abc import Callable

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from helpers.data import data_folder
from helpers.experiments.train_classifier import TrainClassifier
from helpers.files.workers import count_cores
from helpers.models.image_models import build_image_model
from helpers.training.image_classifier import Labelled, Learner

WANTED = 2.0  # times as many images a second
BATCH = 64


def plain_loop(folder: str, side: int) -> int:
    """Train one epoch as tutorials do; return how many images were seen."""
    changes = v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(0.5, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomRotation(20),
            v2.ColorJitter(0.15, 0.15),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    data = ImageFolder(folder, changes)
    experiment = TrainClassifier.of_profile("pocket")
    model = build_image_model(experiment.model, len(data.classes), side)
    model = model.to(memory_format=torch.contiguous_format).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for images, targets in DataLoader(data, BATCH, shuffle=True, num_workers=count_cores()):
        loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return len(data)


def our_loop(train: Labelled, labels: int) -> int:
    """Train one epoch as the lab does; return how many images were seen."""
    experiment = TrainClassifier.of_profile("pocket", {"CLASSIFIER_BATCH": BATCH})
    model = build_image_model(experiment.model, labels, experiment.recipe.side)
    Learner(model, experiment.model, train, experiment.recipe).epoch(0)
    return len(train.targets)


def images_per_second(work: Callable[[], int]) -> float:
    """Run twice, and count the second time."""
    work()
    started = time.perf_counter()
    return work() / (time.perf_counter() - started)


def main() -> None:
    """Print both, and their ratio."""
    experiment = TrainClassifier.of_profile("pocket", {"DUPLICATES": "keep"})
    folder = data_folder("pocket_conditions") / "train"
    labels = experiment.labels()
    started = time.perf_counter()
    train = experiment.labelled(experiment.images.splits()["train"], labels)
    once = time.perf_counter() - started
    ours = images_per_second(lambda: our_loop(train, len(labels)))
    plain = images_per_second(lambda: plain_loop(str(folder), experiment.recipe.side))
    print(f"decoded once in {once:.1f} s, then {ours:.0f} images/s; plain loop {plain:.0f}/s")
    print(f"{ours / plain:.1f} times as many (wanted: {WANTED})")
    assert ours / plain >= WANTED


if __name__ == "__main__":
    main()
