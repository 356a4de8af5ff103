"""Images as they come from cameras, phones and posts: opened upright and in plain sRGB, or
refused with a reason.

What is in a file is told from its content, not from its name. Nothing of its metadata is kept, and
an image that leaves this machine is made anew from its pixels.
"""

import errno
import hashlib
import io
import stat
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "GIF", "BMP", "TIFF")
# Formats that may hold several images and say which one is meant: a phone's depth map or burst
# comes after it.
WITH_MAIN_IMAGE = ("MPO", "HEIF")
MAX_SIDE = 1024  # pixels of the longest side of an image that a model is shown
LARGEST = (
    120_000_000  # pixels: a phone's 108 megapixels may come, a bomb of 20,000 x 20,000 may not
)
DECODERS = 2


class BadImage(Exception):
    """A file that cannot be shown to a model; its text says why, without any folder."""


class Unreadable(BadImage):
    """An image that could not be read for a reason that does not lie in it: a full memory, a
    failing disk.
    """


def image_key(path: Path | str) -> str:
    """What identifies an image wherever it lies and whatever it is called: 16 hex digits of its
    content's SHA-256.
    """
    state = Path(path).stat()
    return _hash(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=100_000)
def _hash(path: str, changed: int, size: int) -> str:
    """Read once as long as the file stays the same: many experiments ask for the same images."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def open_image(path: Path | str, *, max_side: int = 0):
    """An image as an RGB image of PIL, turned upright by its EXIF, in the colours of sRGB, without
    metadata.

    Args:
        longest: its longest side in pixels at most; a larger one is shrunk. 0 keeps its size.
    Raises:
        BadPicture: no image, of another format than `FORMATS`, empty, truncated, too large,
            animated, in the inks of a printer (CMYK) or with 16 bits a colour.
        Unreadable: a `BadPicture` whose reason may pass: no such file, no permission, a full
            memory, a failing disk.
    """
    from PIL import Image

    _prepare_decoders()
    path = Path(path)
    try:
        _check_file(path)
        with Image.open(path, formats=FORMATS) as image:
            _check(image)
            _check_sums(image, path)
            if max_side and image.format in (
                "JPEG",
                "MPO",
            ):  # a draft of a HEIC would be its embedded thumbnail
                image.draft("RGB", (max_side, max_side))  # decoded at about the wanted size at once
            image.load()
            plain = _on_white(_upright(image), max_side)
        # From bare pixels: nothing that the file said besides them comes along.
        return Image.frombytes("RGB", plain.size, plain.tobytes())
    except BadImage:
        raise
    except (
        Exception
    ) as error:  # decoders raise whatever they like: OSError, SyntaxError, struct.error, ...
        kind = Unreadable if _may_pass(error) else BadImage
        raise kind(_reason(path, error)) from None


def to_jpeg(image, *, max_side: int = MAX_SIDE) -> bytes:
    """An RGB image as JPEG without metadata, its longest side `max_side` pixels at most."""
    smaller = image.copy()
    smaller.thumbnail((max_side, max_side))
    smaller.info.clear()
    stream = io.BytesIO()
    smaller.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def open_images(
    paths: Sequence[Path], *, max_side: int, ahead: int
) -> Generator[tuple[Path, object]]:
    """Each path with its image or its `BadPicture`, in order, decoded in the background.

    At most `ahead` images are held at a time, however many paths there are.
    """
    waiting: deque = deque()
    with ThreadPoolExecutor(DECODERS) as pool:
        try:
            for path in paths:
                waiting.append((path, pool.submit(_opened_or_bad, path, max_side)))
                if len(waiting) >= ahead:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            pool.shutdown(
                wait=False, cancel_futures=True
            )  # what has begun, the end of `with` waits for


def _next(waiting: deque) -> tuple[Path, object]:
    path, future = waiting.popleft()
    return path, future.result()


def _opened_or_bad(path: Path, max_side: int):
    try:
        return open_image(path, max_side=max_side)
    except BadImage as bad:
        return bad


def _check_file(path: Path) -> None:
    """Refuse what is no file with something in it; opening a pipe, say, would wait for ever."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise BadImage("a folder, but an image was expected")
    if not stat.S_ISREG(status.st_mode):
        raise BadImage("no ordinary file")
    if status.st_size == 0:
        raise BadImage("the file is empty (0 bytes)")


def _check(image) -> None:
    """Refuse by what the file's head says, before a pixel is decoded."""
    width, height = image.size
    if width * height > LARGEST:
        raise BadImage(
            f"too large: {width} x {height} pixels, more than {LARGEST // 1_000_000} megapixels"
        )
    if image.format not in WITH_MAIN_IMAGE and getattr(image, "n_frames", 1) > 1:
        raise BadImage(
            f"animated or of several pages ({image.n_frames} frames): save the one that is meant"
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


def _check_sums(image, path: Path) -> None:
    """Hold a PNG against its checksums: its decoder does not, and makes wrong colours of a damaged
    file.
    """
    from PIL import Image

    if image.format == "PNG":
        with Image.open(
            path, formats=("PNG",)
        ) as again:  # a verified image can't be decoded any more
            again.verify()


def _raw_mode(image) -> str:
    """How the pixels lie in the file, as Pillow's decoders call it; 16 bits a colour may be read as
    8.
    """
    arguments = image.tile[0].args if getattr(image, "tile", None) else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _upright(image):
    """Turned as its EXIF says; an image whose EXIF is damaged stays as it lies, as in every
    viewer.
    """
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # of the EXIF only, because the pixels have been decoded before
        return image


def _on_white(image, max_side: int):
    """In sRGB, `max_side` pixels long at most; what is transparent becomes white, as in every
    viewer.
    """
    from PIL import Image

    profile, grey = image.info.get("icc_profile"), image.mode in ("1", "L", "LA")
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        # Shrunk first: all colours of a phone's image take as long as to decode it.
        return _in_srgb(_shrunk(image.convert("RGB"), max_side), profile, grey)
    whole = image.convert("RGBA")
    colours = _in_srgb(whole.convert("RGB"), profile, grey)
    colours.putalpha(whole.getchannel("A"))
    return _shrunk(
        Image.alpha_composite(Image.new("RGBA", whole.size, "white"), colours).convert("RGB"),
        max_side,
    )


def _shrunk(image, max_side: int):
    from PIL import Image

    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return image


def _in_srgb(image, profile: bytes | None, grey: bool):
    """An RGB image in the colours that its ICC profile means: a phone's Display P3, read as sRGB,
    is a paler red.

    `grey` says whether the file has but one colour, so that a profile of greys is of it.
    A profile that is broken, or of other colours than the image's, costs nothing but itself.
    """
    if not profile:
        return image
    from PIL import ImageCms

    try:
        meant = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        inks = image.getchannel("R") if grey and meant.profile.xcolor_space == "GRAY" else image
        return ImageCms.profileToProfile(
            inks, meant, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except MemoryError:
        raise
    except Exception:  # of the profile only, because the pixels have been decoded before
        return image


def _may_pass(error: Exception) -> bool:
    """Whether a failure lies not in the file's content, so that the next attempt may do better."""
    if isinstance(error, OSError) and error.errno:
        return error.errno != errno.EINVAL  # damaged files lead decoders to impossible places
    return _of_memory(error)


def _of_memory(error: Exception) -> bool:
    # Pillow's decoders in C say it in words.
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and "out of memory" in str(error)
    )


def _reason(path: Path, error: Exception) -> str:
    from PIL import Image

    if isinstance(error, FileNotFoundError):
        return "the file is not there"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: more than {LARGEST // 1_000_000} megapixels"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"no image of a known format ({', '.join(FORMATS)})"
    if _of_memory(error):
        return "too large for the memory that is left"
    if isinstance(error, OSError) and error.errno:  # of the system, not of a decoder
        return f"cannot be read: {error.strerror}"
    return f"damaged: {str(error).replace(str(path), path.name) or type(error).__name__}"


@lru_cache
def _prepare_decoders() -> None:
    """Let Pillow read HEIC, the format of iPhones, and not warn of images that `LARGEST` lets
    pass.
    """
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, LARGEST)
