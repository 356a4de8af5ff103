"""A picture as SkinGPT-4's tower sees it: squeezed into a square, normalised as CLIP's are."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD


def pixel_values(images: Sequence[Image.Image], size: int) -> torch.Tensor:
    """Turn pictures into the tower's input, (pictures, 3, size, size).

    As in the original's evaluation the sides are not kept in proportion (bicubic, by Pillow).
    """
    squares = [
        image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC) for image in images
    ]
    values = np.stack([np.asarray(one, dtype=np.float32) for one in squares]) / 255
    normal = (values - np.float32(OPENAI_CLIP_MEAN)) / np.float32(OPENAI_CLIP_STD)
    return torch.from_numpy(normal).permute(0, 3, 1, 2).contiguous()
