"""Images as an image classifier reads them: bytes of one size, decoded once."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from helpers.data.images import BadImage, open_image
from helpers.files import LabError
from helpers.files.workers import map_in_workers

AT_ONCE = 128  # images


def load_pixels(paths: Sequence[Path], side: int) -> torch.Tensor:
    """Decode images, from as many workers as there are cores, into bytes (images, 3, side, side).

    An image that is not square is cut to its middle square.

    Raises:
        LabError: a file is no image that can be read.
    """
    rows = list(map_in_workers(partial(_decode, side), list(paths)))
    stacked = np.stack(rows) if rows else np.zeros((0, side, side, 3), dtype=np.uint8)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2)  # channels last in memory: faster


def _decode(side: int, path: Path) -> np.ndarray:
    try:
        image = open_image(path)
    except BadImage as error:
        raise LabError(
            f"The image {path.name} was to be classified, but {error}: correct or remove the file."
        ) from None
    return np.asarray(square(image, side))


def square(image: Image.Image, side: int) -> Image.Image:
    """Cut an image to its middle square, in another size."""
    shorter = min(image.size)
    left, top = ((length - shorter) // 2 for length in image.size)
    box = (left, top, left + shorter, top + shorter)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """Turn bytes into numbers from -1 to 1."""
    return pixels.float() / 127.5 - 1
