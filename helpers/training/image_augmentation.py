"""Batches of images made a little different each time they are learnt from."""

import math

import torch
from torch.nn import functional

TURN = math.radians(20)
SMALLEST_CROP = 0.7  # of a side
BRIGHTNESS, CONTRAST = 0.15, 0.15


def augment_batch(numbers: torch.Tensor) -> torch.Tensor:
    """Mirror, turn, crop and recolour images (images, 3, side, side) from -1 to 1, each in its own
    way; places outside an image are mirrored in.

    One pass over the batch does what torchvision's transforms would do image by image.
    """
    count = len(numbers)
    turn = (torch.rand(count) * 2 - 1) * TURN
    scale = SMALLEST_CROP + (1 - SMALLEST_CROP) * torch.rand(count)
    mirrored = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    shift = (torch.rand(2, count) * 2 - 1) * (1 - scale)
    across = torch.stack([mirrored * scale * turn.cos(), -scale * turn.sin(), shift[0]], 1)
    down = torch.stack([mirrored * scale * turn.sin(), scale * turn.cos(), shift[1]], 1)
    grid = functional.affine_grid(torch.stack([across, down], 1), list(numbers.shape), False)
    moved = functional.grid_sample(
        numbers, grid.to(numbers.device), padding_mode="reflection", align_corners=False
    )
    brighter = (torch.rand(count, 1, 1, 1) * 2 - 1) * BRIGHTNESS
    stronger = 1 + (torch.rand(count, 1, 1, 1) * 2 - 1) * CONTRAST
    return moved * stronger.to(moved.device) + brighter.to(moved.device)


def mix(
    numbers: torch.Tensor, targets: torch.Tensor, alpha: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each image and its label with those of another one (Zhang et al. 2018, mixup).

    Args:
        targets: shares of labels (images, labels).
        alpha: of the Beta distribution that the share is drawn from.
    """
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(numbers), device=numbers.device)
    mixed = share * numbers + (1 - share) * numbers[other]
    return mixed, share * targets + (1 - share) * targets[other]
