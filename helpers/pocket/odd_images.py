"""A folder of images as phones and forums deliver them: good ones in many formats, and bad ones
of every kind.
"""

import io
from pathlib import Path

from helpers.files import write_bytes
from helpers.pocket.conditions import load_conditions
from helpers.pocket.lesions import draw

ORIENTATION = 0x0112  # the EXIF tag for how a camera was held
TURNED = 6  # a quarter turn clockwise shows it upright


def write_odd_images(folder: Path) -> list[Path]:
    """Write drawn lesions as JPEG, PNG, WebP, HEIC and turned by EXIF, and files that no model can
    see; returns all.
    """
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener()
    conditions = enumerate(load_conditions()[:4])
    drawn = [draw(condition, skin_tone=2 + number, seed=number) for number, condition in conditions]
    lying, exif = drawn[0].transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[ORIENTATION] = TURNED
    jpeg = _saved(drawn[0], "JPEG")
    contents = {
        "plain.jpg": jpeg,
        "turned.jpg": _saved(lying, "JPEG", exif=exif),
        "screenshot.png": _saved(drawn[1], "PNG"),
        "iphone.heic": _saved(drawn[2], "HEIF"),
        "forum.webp": _saved(drawn[3], "WEBP"),
        "cut off.jpg": jpeg[: len(jpeg) // 2],
        "empty.jpg": b"",
        "a text.jpg": b"not found",
        "for print.jpg": _saved(drawn[0].convert("CMYK"), "JPEG"),
        "moving.gif": _saved(drawn[0], "GIF", save_all=True, append_images=[drawn[1]]),
        "16 bit.png": _saved(Image.new("I;16", (96, 96), 40000), "PNG"),
        "huge.png": _saved(Image.new("1", (20_000, 20_000)), "PNG"),
    }
    return [write_bytes(folder / name, content) for name, content in contents.items()]


def _saved(image, kind: str, **how) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()
