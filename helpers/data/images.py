"""Open images from cameras, phones and posts: upright and in plain sRGB, or refused with a reason.

The format of a file is read from its content, not from its name. None of its metadata is kept, and
an image that leaves this machine is made anew from its pixels.
"""

from __future__ import annotations

import errno
import hashlib
import io
import stat
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.files import one_line

if TYPE_CHECKING:  # Pillow is imported when an image is opened, not when this module is
    from PIL import Image
    from PIL.ImageFile import ImageFile

    _Waiting = deque[tuple[Path, Future["Image.Image | BadImage"]]]

# The largest side in pixels of an image that a model is shown: a larger image is shrunk before.
MAX_SIDE = 1024
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "GIF", "BMP", "TIFF")
# Formats that may hold several images and mark the main one: a phone's depth map or burst comes
# after it.
WITH_MAIN_IMAGE = ("MPO", "HEIF")
# Formats that decode at about the wanted size at once; a draft of a HEIC is its thumbnail.
WITH_DRAFT = ("JPEG", "MPO")
# A phone's 108 megapixels may come, a decompression bomb of 20,000 x 20,000 pixels may not.
MOST_PIXELS = 120_000_000
DECODERS = 2
JPEG_QUALITY = 90


class BadImage(Exception):
    """A file that cannot be shown to a model; its text says why, without any folder."""


class Unreadable(BadImage):
    """An image that could not be read for a passing reason, such as full memory or a bad disk."""


def image_key(path: Path | str) -> str:
    """Compute an image's key: 16 hex digits of its content's SHA-256, whatever its name."""
    state = Path(path).stat()
    return _hash(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=100_000)
def _hash(path: str, changed: int, size: int) -> str:
    """Hash a file, once as long as it stays the same: many experiments ask for the same images."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def open_image(path: Path | str, *, max_side: int = 0) -> Image.Image:
    """Open an image as RGB: turned upright by its EXIF, in sRGB, without metadata.

    Args:
        max_side: the largest side in pixels; a larger image is shrunk. 0 keeps its size.

    Raises:
        BadImage: It is no image, in another format than `FORMATS`, empty, truncated, too large,
            animated, in CMYK or with 16 bits a colour.
        Unreadable: A `BadImage` whose reason may pass: no such file, no permission, full memory, a
            failing disk.
    """
    from PIL import Image

    _prepare_decoders()
    path = Path(path)
    try:
        _check_file(path)
        with Image.open(path, formats=FORMATS) as image:
            _check_head(image)
            _check_sums(image, path)
            if max_side and image.format in WITH_DRAFT:
                image.draft("RGB", (max_side, max_side))
            image.load()
            plain = _flatten(_turn_upright(image), max_side)
        # From bare pixels: nothing that the file said besides them comes along.
        return Image.frombytes("RGB", plain.size, plain.tobytes())
    except BadImage:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error and others
        kind = Unreadable if _may_pass(error) else BadImage
        raise kind(_reason(path, error)) from None


def to_jpeg(image: Image.Image, *, max_side: int = MAX_SIDE) -> bytes:
    """Write an RGB image as JPEG without metadata, its larger side at most `max_side` pixels."""
    smaller = image.copy()
    smaller.thumbnail((max_side, max_side))
    smaller.info.clear()
    stream = io.BytesIO()
    smaller.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def open_images(
    paths: Sequence[Path], *, max_side: int, ahead: int
) -> Generator[tuple[Path, Image.Image | BadImage]]:
    """Open images in the background; yield each path with its image or its fault, in order.

    At most `ahead` images are held at a time, however many paths there are.
    """
    waiting: _Waiting = deque()
    with ThreadPoolExecutor(DECODERS) as pool:
        try:
            for path in paths:
                waiting.append((path, pool.submit(_open_or_fault, path, max_side)))
                if len(waiting) >= ahead:
                    yield _take_first(waiting)
            while waiting:
                yield _take_first(waiting)
        finally:
            # What has begun is waited for at the end of `with`.
            pool.shutdown(wait=False, cancel_futures=True)


def _take_first(waiting: _Waiting) -> tuple[Path, Image.Image | BadImage]:
    # A function of its own, so that no local name keeps an image alive.
    path, future = waiting.popleft()
    return path, future.result()


def _open_or_fault(path: Path, max_side: int) -> Image.Image | BadImage:
    try:
        return open_image(path, max_side=max_side)
    except BadImage as bad:
        return bad


def _check_file(path: Path) -> None:
    """Refuse what is no file or empty; to open a pipe, for one, would wait for ever."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise BadImage("a folder, but an image was expected")
    if not stat.S_ISREG(status.st_mode):
        raise BadImage("no ordinary file")
    if status.st_size == 0:
        raise BadImage("the file is empty (0 bytes)")


def _check_head(image: ImageFile) -> None:
    """Refuse by what the file's head says, before a pixel is decoded."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise BadImage(
            f"too large: {width} x {height} pixels, more than {MOST_PIXELS // 1_000_000} megapixels"
        )
    frames = getattr(image, "n_frames", 1)
    if image.format not in WITH_MAIN_IMAGE and frames > 1:
        raise BadImage(
            f"animated or of several pages ({frames} frames): save the one that is meant"
        )
    if image.mode == "CMYK":
        raise BadImage(
            "in the inks of a printer (CMYK), whose colours on a screen nobody can tell: save it "
            "as RGB"
        )
    # A BMP with 16 bits a pixel has 5 or 6 for each colour.
    deep = "16" in _raw_mode(image) and image.format != "BMP"
    if image.mode in ("I", "F") or "16" in image.mode or deep:
        raise BadImage("with more than 8 bits a colour: save it with 8")


def _check_sums(image: ImageFile, path: Path) -> None:
    """Verify the checksums of a PNG: decoding ignores them, and a damaged file gets odd colours."""
    from PIL import Image

    if image.format != "PNG":
        return
    # Opened once more: an image cannot be decoded after it was verified.
    with Image.open(path, formats=("PNG",)) as again:
        again.verify()


def _raw_mode(image: ImageFile) -> str:
    """Return how the pixels lie in the file, in Pillow's terms; 16 bits may be read as 8."""
    arguments = image.tile[0].args if getattr(image, "tile", None) else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _turn_upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF says; if that is damaged, leave it as it is, as viewers do."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # of the EXIF only, because the pixels have been decoded before
        return image


def _flatten(image: Image.Image, max_side: int) -> Image.Image:
    """Convert an image to sRGB and shrink it; what is transparent becomes white, as in viewers."""
    from PIL import Image

    profile = image.info.get("icc_profile")
    grey = image.mode in ("1", "L", "LA")
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        # Shrunk first: to convert the colours of a phone's image takes as long as to decode it.
        return _to_srgb(_shrink(image.convert("RGB"), max_side), profile, grey)
    whole = image.convert("RGBA")
    colours = _to_srgb(whole.convert("RGB"), profile, grey)
    colours.putalpha(whole.getchannel("A"))
    white = Image.new("RGBA", whole.size, "white")
    return _shrink(Image.alpha_composite(white, colours).convert("RGB"), max_side)


def _shrink(image: Image.Image, max_side: int) -> Image.Image:
    from PIL import Image

    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return image


def _to_srgb(image: Image.Image, profile: bytes | None, grey: bool) -> Image.Image:
    """Convert an RGB image to sRGB by its ICC profile: Display P3 taken for sRGB is a paler red.

    `grey` says that the file has one colour channel, so that a profile of greys fits it. A profile
    that is broken, or for other colours than the image's, is ignored.
    """
    if not profile:
        return image
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        is_grey = grey and source.profile.xcolor_space == "GRAY"
        channels = image.getchannel("R") if is_grey else image
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(channels, source, srgb, outputMode="RGB")
    except MemoryError:
        raise
    except Exception:  # of the profile only, because the pixels have been decoded before
        return image
    return converted or image


def _may_pass(error: Exception) -> bool:
    """Tell whether a failure lies outside the file's content, so that a retry may succeed."""
    if isinstance(error, OSError) and error.errno:
        return error.errno != errno.EINVAL  # damaged files lead decoders to impossible places
    return _of_memory(error)


def _of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    # Pillow's decoders in C say it in words.
    return isinstance(error, OSError) and "out of memory" in str(error)


def _reason(path: Path, error: Exception) -> str:
    """Say in words why an image could not be opened."""
    from PIL import Image

    if isinstance(error, FileNotFoundError):
        return "the file is not there"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: more than {MOST_PIXELS // 1_000_000} megapixels"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"no image of a known format ({', '.join(FORMATS)})"
    if _of_memory(error):
        return "too large for the memory that is left"
    if isinstance(error, OSError) and error.errno:  # of the system, not of a decoder
        return f"cannot be read: {error.strerror}"
    said = one_line(str(error).replace(str(path), path.name))
    return f"damaged: {said or type(error).__name__}"


@lru_cache
def _prepare_decoders() -> None:
    """Let Pillow read HEIC, the format of iPhones, and images of up to `MOST_PIXELS`."""
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, MOST_PIXELS)


def find_image_key(path: Path) -> str:
    """Identify the content of an image file; "" where there is none to be read."""
    try:
        return image_key(path) if path.is_file() else ""
    except OSError:
        return ""
