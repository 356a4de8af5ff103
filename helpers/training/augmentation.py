"""Images made a little different each time that they are learnt from, as VisionQAries' code does
it.
"""

import random


def augment(image, seed: str):
    """A rotation by up to 10 degrees, a mirror image half of the time, and a little other
    brightness, contrast and saturation, in an order of chance, each of them decided by `seed`
    alone.

    Source: github.com/paatrycjaa/imageclef2024-medical: RandomOrder of RandomRotation(10),
    RandomHorizontalFlip(0.5) and ColorJitter(0.1, 0.1, 0.1) on the image as it was opened.
    Corners that a rotation leaves empty are black.

    Args:
        image: an RGB image of PIL; the result has its size.
        seed: any text.
    """
    import torch
    from torchvision import transforms

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
