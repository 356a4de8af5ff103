"""Write images as phones and forums deliver them: good ones in many formats, bad ones too."""

import io
from pathlib import Path

from PIL import Image

from helpers.files import write_bytes
from helpers.pocket.conditions import load_conditions
from helpers.pocket.lesions import draw

ORIENTATION = 0x0112  # the EXIF tag for how a camera was held
TURNED = 6  # a quarter turn clockwise shows it upright


def write_odd_images(folder: Path) -> list[Path]:
    """Write drawn lesions in many formats, and files that no model can be shown; return all paths.

    The formats are JPEG, PNG, WebP and HEIC, and JPEG turned by its EXIF.
    """
    from pillow_heif import register_heif_opener

    register_heif_opener()
    conditions = enumerate(load_conditions()[:4])
    drawn = [draw(condition, skin_tone=2 + number, seed=number) for number, condition in conditions]
    jpeg = _encode(drawn[0], "JPEG")
    contents = {
        "plain.jpg": jpeg,
        "turned.jpg": _encode_turned(drawn[0]),
        "screenshot.png": _encode(drawn[1], "PNG"),
        "iphone.heic": _encode(drawn[2], "HEIF"),
        "forum.webp": _encode(drawn[3], "WEBP"),
        "cut off.jpg": jpeg[: len(jpeg) // 2],
        "empty.jpg": b"",
        "a text.jpg": b"not found",
        "for print.jpg": _encode(drawn[0].convert("CMYK"), "JPEG"),
        "moving.gif": _encode_animation(drawn[0], drawn[1]),
        "16 bit.png": _encode(Image.new("I;16", (96, 96), 40000), "PNG"),
        "huge.png": _encode(Image.new("1", (20_000, 20_000)), "PNG"),
    }
    return [write_bytes(folder / name, content) for name, content in contents.items()]


def _encode(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def _encode_turned(image: Image.Image) -> bytes:
    """Encode an image that lies on its side, with an EXIF tag that turns it upright."""
    lying = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    stream = io.BytesIO()
    lying.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def _encode_animation(first: Image.Image, second: Image.Image) -> bytes:
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=[second])
    return stream.getvalue()
