"""The pocket clinic's images: how long one takes, and how well a plain classifier tells the
conditions from them.

Run `OMP_NUM_THREADS=2 python tests/benchmarks/bench_images.py`. A small ResNet learns for about a
minute from images drawn as the clinic draws them and is tested on fresh ones. Status 1 if a
image takes more than 3 ms, or if the accuracy over all conditions is below 3 times the majority
share (the images show too little) or above 0.9 (an image would give the label away).
"""

import random
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from transformers import ResNetConfig, ResNetForImageClassification

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from helpers.pocket.conditions import load_conditions
from helpers.pocket.lesions import draw, draw_seen

CONDITIONS = load_conditions()
MOST_MS, LEAST_RATIO, MOST_ACCURACY = 3, 3, 0.9
TRAIN, TEST, BATCH, RATE = 6000, 1560, 64, 4e-3
# About a minute on two free cores; steps and not seconds, so that it can be repeated.
STEPS = 600


def main() -> int:
    """Measure, print, and return the exit status."""
    torch.manual_seed(0)
    took = milliseconds()
    print(f"one image of 96 pixels: {took:.2f} ms (at most {MOST_MS} allowed)")
    started = time.perf_counter()
    images, labels, _ = rendered(TRAIN, "train")
    fresh, truth, tones = rendered(TEST, "test")
    print(f"{TRAIN} images to learn from, {TEST} to test on: {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    model = trained(images, labels)
    print(
        f"a ResNet of {sum(values.numel() for values in model.parameters()) / 1e6:.2f} M "
        f"parameters, {STEPS * BATCH / TRAIN:.1f} passes in {time.perf_counter() - started:.0f} s, "
        f"{torch.get_num_threads()} threads"
    )
    right = (predicted(model, fresh) == truth).numpy()
    accuracy, majority = right.mean(), Counter(truth.tolist()).most_common(1)[0][1] / TEST
    print(
        f"accuracy {accuracy:.3f} over {len(CONDITIONS)} conditions, majority share "
        f"{majority:.3f}: {accuracy / majority:.1f}x (at least {LEAST_RATIO}x and at most "
        f"{MOST_ACCURACY} wanted)"
    )
    print(
        "by skin tone: "
        + ", ".join(f"{tone}: {right[tones == tone].mean():.2f}" for tone in range(1, 7))
    )
    print(
        "by condition: "
        + ", ".join(
            f"{condition.id} {right[truth.numpy() == number].mean():.2f}"
            for number, condition in enumerate(CONDITIONS)
        )
    )
    return 0 if took <= MOST_MS and LEAST_RATIO * majority <= accuracy <= MOST_ACCURACY else 1


def case(condition, rng: random.Random) -> dict:
    """The facts of a case, as the clinic draws them, with a site."""
    return draw_seen(condition, rng) | {"site": rng.choice(condition.sites)}


def milliseconds() -> float:
    """Mean time of an image over all conditions on one core; the best of three rounds, because
    other work disturbs.
    """
    rng = random.Random(0)
    cases = [case(condition, rng) for condition in CONDITIONS for _ in range(8)]
    rounds = []
    for _ in range(4):  # the first one fills the caches
        started = time.thread_time()
        for seed, facts in enumerate(cases):
            draw(facts, skin_tone=facts["skin_tone"], seed=seed)
        rounds.append(time.thread_time() - started)
    return 1000 * min(rounds[1:]) / len(cases)


def rendered(count: int, split: str) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Images (count x 3 x 96 x 96, bytes), numbers of their conditions and skin tones."""
    rng = random.Random(split)
    labels = rng.choices(
        range(len(CONDITIONS)), [condition.weight for condition in CONDITIONS], k=count
    )
    cases = [case(CONDITIONS[label], rng) for label in labels]
    drawn = [
        np.asarray(draw(facts, skin_tone=facts["skin_tone"], seed=rng.getrandbits(32)))
        for facts in cases
    ]
    images = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)
    return images, torch.tensor(labels), np.array([facts["skin_tone"] for facts in cases])


def trained(images: torch.Tensor, labels: torch.Tensor) -> torch.nn.Module:
    """A small ResNet that has learned for `STEPS` batches."""
    model = ResNetForImageClassification(
        ResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 40, 80, 144],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            num_labels=len(CONDITIONS),
        )
    ).to(memory_format=torch.channels_last)  # several times as fast on a CPU
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    # Quick at first, then slower and slower, so that it ends with a settled model.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=STEPS, pct_start=0.15
    )
    order = torch.cat(
        [torch.randperm(len(labels)) for _ in range(1 + STEPS * BATCH // len(labels))]
    )
    for step, now in enumerate(order[: STEPS * BATCH].split(BATCH)):
        part = images[now] if step % 2 else images[now].flip(-1)
        loss = torch.nn.functional.cross_entropy(
            model(pixels(part)).logits, labels[now], label_smoothing=0.05
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def pixels(part: torch.Tensor) -> torch.Tensor:
    """Numbers around 0, in the order of memory that convolutions like best."""
    return (part.float() / 128 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def predicted(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The number of the likeliest condition for every image."""
    return torch.cat([model(pixels(part)).logits.argmax(1) for part in images.split(BATCH)])


if __name__ == "__main__":
    sys.exit(main())
