"""The images that a VLM learns from: opened one at a time, or ahead of what is done with them."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from PIL import Image

from helpers.data.images import MAX_SIDE, BadImage, open_image, open_images
from helpers.files import WorkFailed
from helpers.training.augmentation import augment

AHEAD = 16  # images


def open_ahead(paths: Sequence[str]) -> Iterator[Image.Image | BadImage]:
    """Open images in the background; yield each, or why it cannot be shown, in order."""
    found = open_images([Path(path) for path in paths], max_side=MAX_SIDE, ahead=AHEAD)
    with closing(found) as opened:
        yield from (image for _, image in opened)


def open_learnt(path: str, seed: str | None) -> Image.Image:
    """Open an image, changed a little by a seed where there is one.

    Raises:
        WorkFailed: it can no longer be opened.
    """
    try:
        image = open_image(path, max_side=MAX_SIDE)
    except BadImage as error:
        raise gone(path, error) from None
    return augment(image, seed) if seed else image


def gone(path: str, why: BadImage) -> WorkFailed:
    """Say that an image can no longer be opened, as it could when the training began."""
    return WorkFailed(
        f"The image {Path(path).name} can no longer be opened ({why}): put it back; the same "
        "command goes on from the last checkpoint."
    )
