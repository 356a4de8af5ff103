"""Images made a little different each time they are learnt from, as VisionQAries' code does it."""

import random

import torch
from PIL import Image
from torchvision import transforms


def augment(image: Image.Image, seed: str) -> Image.Image:
    """Rotate, mirror and recolour an RGB image a little, decided by `seed` (any text) alone.

    A rotation by up to 10 degrees, a mirror image half of the time, and a little other brightness,
    contrast and saturation, in a random order. Corners that a rotation leaves empty are black; the
    size stays.

    Source: github.com/paatrycjaa/imageclef2024-medical: RandomOrder of RandomRotation(10),
    RandomHorizontalFlip(0.5) and ColorJitter(0.1, 0.1, 0.1) on the image as it was opened.
    """
    change = transforms.RandomOrder(
        [
            transforms.RandomRotation(10),
            transforms.RandomHorizontalFlip(0.5),
            transforms.ColorJitter(0.1, 0.1, 0.1),
        ]
    )
    # torchvision draws from the global generators; they are put back, so that a training taken up
    # again goes on alike.
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            random.seed(seed)
            torch.manual_seed(random.getrandbits(63))
            return change(image)
    finally:
        random.setstate(state)
