"""Ways to show an image to a classifier: mirrored and cropped for a mean, or damaged as a test."""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms.v2 import functional as images

CROP = 0.85  # of a side, in a view
# What a bad photograph does, in the strength that a person notices at once.
BLUR, QUALITY, MIDDLE, LIGHT = 1.5, 10, 0.6, 0.4


def views(count: int) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """Return so many ways (1 to 8) to show a batch of numbers (images, 3, side, side): as it is,
    mirrored, and both with each of three crops.
    """
    crops: list[Callable[[torch.Tensor], torch.Tensor]] = [lambda x: x]
    for down, across in ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0)):
        crops.append(_crop(down, across))
    both = [view for crop in crops for view in (crop, _mirrored(crop))]
    return both[:count]


def _crop(down: float, across: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def view(numbers: torch.Tensor) -> torch.Tensor:
        side = numbers.shape[-1]
        length = round(CROP * side)
        top, left = round(down * (side - length)), round(across * (side - length))
        part = numbers[..., top : top + length, left : left + length]
        return functional.interpolate(part, (side, side), mode="bilinear")

    return view


def _mirrored(view: Callable[[torch.Tensor], torch.Tensor]) -> Callable:
    return lambda numbers: view(numbers).flip(-1)


def damaged(pixels: torch.Tensor, how: str) -> torch.Tensor:
    """Return bytes (images, 3, side, side) as a bad photograph would have them: "blur", "jpeg"
    (strongly compressed), "crop" (the middle alone) or "dark"; "none" leaves them.
    """
    side = pixels.shape[-1]
    if how == "blur":
        return images.gaussian_blur(pixels, [7, 7], [BLUR * side / 64] * 2)
    if how == "jpeg":
        return torch.stack([_compressed(one) for one in pixels])
    if how == "crop":
        return images.resize(
            images.center_crop(pixels, [round(MIDDLE * side)]), [side, side], antialias=True
        )
    return (pixels * LIGHT).to(torch.uint8) if how == "dark" else pixels


def _compressed(pixels: torch.Tensor) -> torch.Tensor:
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=QUALITY)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
