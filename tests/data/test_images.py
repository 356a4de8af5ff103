"""Opening images: real files, made here by Pillow and pillow-heif, that come out upright and bare
or are refused.
"""

import errno
import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import pillow_heif
import psutil
import pytest
from PIL import Image, ImageChops, ImageCms, PngImagePlugin

from helpers.data import images as images
from helpers.data.images import BadImage, Unreadable, image_key, open_image, open_images, to_jpeg

# For writing; reading must not depend on it, see the test in a fresh process.
pillow_heif.register_heif_opener()

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240)
GPS = 0x8825


def scene(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """An image whose corners, clockwise from the upper left, are red, green, blue and white."""
    image = Image.new("RGB", size)
    width, height = size[0] // 2, size[1] // 2
    for colour, corner in (
        (RED, (0, 0)),
        (GREEN, (width, 0)),
        (BLUE, (width, height)),
        (WHITE, (0, height)),
    ):
        image.paste(colour, (*corner, corner[0] + size[0] - width, corner[1] + size[1] - height))
    return image


def corners(image: Image.Image) -> list[str]:
    """The names of the corners' colours, clockwise from the upper left."""
    named = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE}
    width, height = image.size
    points = ((4, 4), (width - 5, 4), (width - 5, height - 5), (4, height - 5))
    seen = [image.getpixel(point) for point in points]
    return [
        min(named, key=lambda name: sum(abs(a - b) for a, b in zip(pixel, named[name])))
        for pixel in seen
    ]


UPRIGHT = ["red", "green", "blue", "white"]
# What a camera does to the scene before it writes this orientation: the inverse of what a viewer
# must do.
STORED = {
    1: None,
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


def stored(orientation: int) -> tuple[Image.Image, Image.Exif]:
    image, exif = scene(), Image.Exif()
    exif[0x0112] = orientation
    if STORED[orientation]:
        image = image.transpose(Image.Transpose[STORED[orientation]])
    return image, exif


# What comes out right


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "ending, options", [("jpg", {"quality": 95}), ("png", {}), ("webp", {"lossless": True})]
)
@pytest.mark.parametrize("max_side", [0, 48])
def test_every_orientation_comes_out_upright(tmp_path, orientation, ending, options, max_side):
    image, exif = stored(orientation)
    image.save(tmp_path / f"a.{ending}", exif=exif, **options)
    seen = open_image(tmp_path / f"a.{ending}", max_side=max_side)
    assert seen.mode == "RGB"
    assert seen.size == ((48, 32) if max_side else (96, 64))
    assert corners(seen) == UPRIGHT


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_iphone_image_comes_out_upright(tmp_path, orientation):
    # pillow-heif writes the turn both as HEIC wants it (irot, imir) and as EXIF, as phones do: it
    # counts once.
    image, exif = stored(orientation)
    image.save(tmp_path / "IMG_0001.HEIC", format="HEIF", exif=exif.tobytes(), quality=90)
    content = (tmp_path / "IMG_0001.HEIC").read_bytes()
    assert (b"irot" in content or b"imir" in content) == (orientation > 1)
    seen = open_image(tmp_path / "IMG_0001.HEIC")
    assert (seen.mode, seen.size, corners(seen)) == ("RGB", (96, 64), UPRIGHT)


def test_a_heic_is_not_replaced_by_its_embedded_thumbnail(tmp_path):
    noise = Image.effect_noise((256, 256), 120).convert("RGB")
    noise.save(tmp_path / "a.heic", format="HEIF", quality=95, thumbnails=[130])
    noise.save(tmp_path / "b.heic", format="HEIF", quality=95)
    assert open_image(tmp_path / "a.heic", max_side=128) == open_image(
        tmp_path / "b.heic", max_side=128
    )


def test_heic_and_nothing_heavy_in_a_fresh_process(tmp_path):
    scene().save(tmp_path / "a.heic", format="HEIF")
    code = (
        "import sys, helpers.data.images as p; assert 'PIL' not in sys.modules; "
        "print(p.open_image(sys.argv[1]).size); assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.heic")]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        == "(96, 64)"
    )


def test_what_is_transparent_becomes_white(tmp_path):
    image = scene().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 48, 32))
    image.paste((0, 0, 0, 128), (48, 0, 96, 32))
    for ending in ("png", "webp"):
        image.save(tmp_path / f"a.{ending}", lossless=True)
        seen = open_image(tmp_path / f"a.{ending}")
        assert seen.getpixel((4, 4)) == (255, 255, 255)
        assert abs(seen.getpixel((91, 4))[0] - 127) <= 1
        assert seen.getpixel((91, 60)) == BLUE


def test_transparency_of_palette_grey_and_single_colours(tmp_path):
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.paste(1, (4, 0, 8, 8))
    palette.save(tmp_path / "p.png", transparency=0)
    palette.save(tmp_path / "p.gif", transparency=0)
    Image.new("L", (8, 8), 9).save(tmp_path / "l.png", transparency=9)
    Image.new("LA", (8, 8), (9, 0)).save(tmp_path / "la.png")
    Image.new("RGB", (8, 8), RED).save(tmp_path / "rgb.png", transparency=RED)
    for name in ("p.png", "p.gif", "l.png", "la.png", "rgb.png"):
        assert open_image(tmp_path / name).getpixel((1, 1)) == (255, 255, 255), name
    assert open_image(tmp_path / "p.png").getpixel((6, 1)) == (200, 100, 50)


@pytest.mark.parametrize(
    "mode, ending",
    [
        ("L", "jpg"),
        ("L", "png"),
        ("1", "png"),
        ("P", "gif"),
        ("RGB", "bmp"),
        ("RGB", "tif"),
        ("P", "png"),
        ("L", "webp"),
        ("L", "tiff"),
    ],
)
def test_other_kinds_of_images_become_rgb(tmp_path, mode, ending):
    image = scene().convert(mode)
    image.save(tmp_path / f"a.{ending}")
    seen = open_image(tmp_path / f"a.{ending}", max_side=32)
    assert (seen.mode, seen.size) == ("RGB", (32, 21))


def test_the_content_counts_and_not_the_suffix(tmp_path):
    for kind, name in (
        ("PNG", "a.jpg"),
        ("JPEG", "b.png"),
        ("HEIF", "c.jpg"),
        ("WEBP", "d.heic"),
        ("JPEG", "e"),
    ):
        scene().save(tmp_path / name, format=kind)
        assert corners(open_image(tmp_path / name)) == UPRIGHT


def test_a_phone_image_with_a_second_one_behind_it_shows_the_first(tmp_path):
    scene().save(
        tmp_path / "depth.jpg",
        format="MPO",
        save_all=True,
        append_images=[Image.new("RGB", (96, 64))],
    )
    heif = pillow_heif.from_pillow(scene())
    heif.add_from_pillow(Image.new("RGB", (96, 64)))
    heif.save(tmp_path / "burst.heic", primary_index=0)
    for name in ("depth.jpg", "burst.heic"):
        assert corners(open_image(tmp_path / name, max_side=48)) == UPRIGHT


def test_a_damaged_exif_does_not_cost_the_image(tmp_path):
    scene().save(tmp_path / "a.jpg", exif=b"Exif\0\0no TIFF head at all")
    assert corners(open_image(tmp_path / "a.jpg")) == UPRIGHT


@pytest.mark.parametrize(
    "size, max_side, expected",
    [
        ((1, 1), 384, (1, 1)),
        ((1, 1), 0, (1, 1)),
        ((10_000, 200), 384, (384, 8)),
        ((200, 10_000), 384, (8, 384)),
        ((4000, 1), 384, (384, 1)),
        ((385, 384), 384, (384, 383)),
        ((300, 200), 384, (300, 200)),
    ],
)
def test_sizes(tmp_path, size, max_side, expected):
    for ending in ("jpg", "png"):
        scene(size).save(tmp_path / f"a.{ending}")
        seen = open_image(tmp_path / f"a.{ending}", max_side=max_side)
        assert seen.size == expected
        with Image.open(io.BytesIO(to_jpeg(seen, max_side=100))) as sent:
            assert max(sent.size) == min(100, max(expected)) and min(sent.size) >= 1


# Colours


def profile(space: bytes, **tags: bytes) -> bytes:
    """A monitor's ICC profile (version 2.4) of these tags, made by hand: Pillow makes none but
    sRGB's.
    """
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name.encode() + struct.pack(">II", start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02400000, b"mntr", space, b"XYZ ")
    head = (head.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + D50[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def xyz(*values: float) -> bytes:
    return b"XYZ ".ljust(8, b"\0") + b"".join(
        struct.pack(">i", round(65536 * value)) for value in values
    )


def gamma(value: float) -> bytes:
    return b"curv".ljust(8, b"\0") + struct.pack(">IH", 1, round(256 * value))


D50 = xyz(0.9642, 1, 0.8249)
# The primaries of Display P3, adapted to D50, as the profile of every iPhone image has them.
P3 = profile(
    b"RGB ",
    wtpt=D50,
    rXYZ=xyz(0.51512, 0.24120, -0.00105),
    gXYZ=xyz(0.29198, 0.69225, 0.04189),
    bXYZ=xyz(0.15710, 0.06657, 0.78407),
    rTRC=gamma(2.2),
    gTRC=gamma(2.2),
    bTRC=gamma(2.2),
)
LINEAR_GREY = profile(b"GRAY", wtpt=D50, kTRC=gamma(1))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SKIN = (200, 80, 70)


def near(pixel: tuple, wanted: tuple, by: int = 2) -> bool:
    return len(pixel) == len(wanted) and all(abs(a - b) <= by for a, b in zip(pixel, wanted))


@pytest.mark.parametrize(
    "kind, options",
    [
        ("PNG", {}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("HEIF", {"quality": 100, "chroma": 444}),
    ],
)
@pytest.mark.parametrize("max_side", [0, 20])
def test_a_phones_red_is_as_red_as_it_was(tmp_path, kind, options, max_side):
    Image.new("RGB", (40, 30), SKIN).save(tmp_path / "p3", format=kind, icc_profile=P3, **options)
    Image.new("RGB", (40, 30), SKIN).save(tmp_path / "none", format=kind, **options)
    assert near(open_image(tmp_path / "none", max_side=max_side).getpixel((9, 9)), SKIN, 3)
    # By the matrices of both: 200, 80, 70 of Display P3 is more red, less green and less blue in
    # sRGB.
    assert near(open_image(tmp_path / "p3", max_side=max_side).getpixel((9, 9)), (218, 67, 61), 3)


def test_white_and_greys_stay_and_so_does_an_image_in_srgb(tmp_path):
    Image.new("RGB", (4, 4), (255, 255, 255)).save(tmp_path / "white.png", icc_profile=P3)
    Image.new("RGB", (4, 4), (100, 100, 100)).save(tmp_path / "grey.png", icc_profile=P3)
    assert open_image(tmp_path / "white.png").getpixel((1, 1)) == (255, 255, 255)
    assert near(open_image(tmp_path / "grey.png").getpixel((1, 1)), (100, 100, 100))
    noise = Image.merge("RGB", [Image.effect_noise((256, 256), 120) for _ in range(3)])
    noise.save(tmp_path / "srgb.png", icc_profile=SRGB)
    apart = ImageChops.difference(open_image(tmp_path / "srgb.png"), noise)
    assert max(high for _, high in apart.getextrema()) <= 1


def test_profiles_of_grey_palette_and_transparent_images(tmp_path):
    Image.new("L", (8, 8), 100).save(tmp_path / "grey.png", icc_profile=LINEAR_GREY)
    Image.new("LA", (8, 8), (100, 255)).save(tmp_path / "grey_alpha.png", icc_profile=LINEAR_GREY)
    Image.new("L", (8, 8), 100).save(tmp_path / "grey_of_rgb.png", icc_profile=P3)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette(SKIN)
    palette.save(tmp_path / "palette.png", icc_profile=P3)
    palette.save(tmp_path / "palette_clear.png", icc_profile=P3, transparency=0)
    Image.new("RGBA", (8, 8), (*SKIN, 255)).save(tmp_path / "opaque.png", icc_profile=P3)
    Image.new("RGBA", (8, 8), (*SKIN, 0)).save(tmp_path / "clear.png", icc_profile=P3)
    wanted = {
        "grey": (168, 168, 168),
        "grey_alpha": (168, 168, 168),
        "grey_of_rgb": (100, 100, 100),
        "palette": (218, 67, 61),
        "palette_clear": (255, 255, 255),
        "opaque": (218, 67, 61),
        "clear": (255, 255, 255),
    }
    for name, pixel in wanted.items():
        for max_side in (0, 4):
            assert near(
                open_image(tmp_path / f"{name}.png", max_side=max_side).getpixel((1, 1)), pixel
            ), name


@pytest.mark.parametrize(
    "broken", [b"SECRETICC" * 20, P3[:300], LINEAR_GREY, P3.replace(b"RGB ", b"CMYK"), b"x"]
)
def test_a_profile_that_is_broken_or_of_other_colours_costs_only_itself(tmp_path, broken):
    image = scene()
    image.save(tmp_path / "a.png", icc_profile=broken)
    assert ImageChops.difference(open_image(tmp_path / "a.png"), image).getbbox() is None


# Metadata


def all_metadata() -> tuple[dict, list[bytes]]:
    """What `save` is given so that a file says all it can, and signs by which each would be found
    again.
    """
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif[GPS] = {1: "N", 2: (48.0, 51.0, 29.0), 29: "2024:SECRETGPS"}
    profile = b"SECRETICC" * 20
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRETXMP</x:xmpmeta>"
    return {"exif": exif, "icc_profile": profile, "xmp": xmp, "comment": b"SECRETCOMMENT"}, [
        b"SECRET",
        b"xmpmeta",
    ]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "TIFF"])
def test_no_metadata_survives(tmp_path, kind):
    options, signs = all_metadata()
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", "SECRETCOMMENT")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>SECRETXMP</x:xmpmeta>")
    if kind == "TIFF":
        options = {"icc_profile": options["icc_profile"], "description": "SECRETCOMMENT"}
    path = tmp_path / "a"
    scene().save(path, format=kind, **options)
    assert b"SECRET" in path.read_bytes()  # or the test would show nothing
    seen = open_image(path)
    assert (type(seen), seen.info, dict(seen.getexif()), seen.getxmp()) == (Image.Image, {}, {}, {})
    with Image.open(path) as raw:
        raw.load()
        also_bare = to_jpeg(raw.convert("RGB"))  # an image that did not come from `open_picture`
    for content in (to_jpeg(seen), to_jpeg(seen, max_side=32), also_bare):
        assert not any(sign in content for sign in (*signs, b"Exif", b"ICC_PROFILE", b"Photoshop"))
        with Image.open(io.BytesIO(content)) as sent:
            assert sent.format == "JPEG"
            assert set(sent.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert {marker for marker, _ in sent.applist} == {"APP0"}


def test_sending_an_image_leaves_it_as_it_was(tmp_path):
    seen = scene((300, 200))
    seen.info["comment"] = b"kept"
    with Image.open(io.BytesIO(to_jpeg(seen, max_side=100))) as sent:
        assert sent.size == (100, 67)
        assert corners(sent) == UPRIGHT
    assert (seen.size, seen.info) == ((300, 200), {"comment": b"kept"})


# What is refused


def refused(path: Path, kind: type = BadImage, **options) -> str:
    with pytest.raises(BadImage) as bad:
        open_image(path, **options)
    assert bad.type is kind
    text = str(bad.value)
    for folder in path.parents:
        assert len(folder.name) < 4 or folder.name not in text
    assert "/" not in text and bad.value.__cause__ is None
    return text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated(tmp_path, kind, share):
    whole = io.BytesIO()
    Image.effect_noise((160, 120), 90).convert("RGB").save(whole, format=kind)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * share)])
    for max_side in (0, 32):
        assert refused(path, max_side=max_side).startswith(
            ("damaged: ", "no image of a known format")
        )


def test_a_png_with_a_wrong_checksum_is_damaged(tmp_path):
    path = tmp_path / "a.png"
    Image.effect_noise((32, 32), 90).save(path)
    content = bytearray(path.read_bytes())
    content[-20] ^= 0xFF
    path.write_bytes(content)
    assert refused(path).startswith("damaged: ")


def test_what_is_no_image(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("This is no image, whatever its name says.\n" * 40)
    (tmp_path / "drawing.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'
    )
    (tmp_path / "page.pdf").write_bytes(b"%PDF-1.7\n" + b"x" * 2000)
    (tmp_path / "script.ps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "absent.jpg")
    assert refused(tmp_path / "empty.jpg") == "the file is empty (0 bytes)"
    for name in ("text.jpg", "drawing.svg", "page.pdf", "script.ps"):
        assert refused(tmp_path / name).startswith("no image of a known format (JPEG, PNG,")
    assert refused(tmp_path / "folder.jpg") == "a folder, but an image was expected"
    assert refused(tmp_path / "pipe.jpg") == "no ordinary file"
    for name in ("nowhere.jpg", "absent.jpg"):
        assert refused(tmp_path / name, kind=Unreadable) == "the file is not there"
    assert "null" in refused(tmp_path / "a\0b.jpg")


def test_an_unreadable_file():
    folder = Path(tempfile.mkdtemp())  # not under tmp_path, which only its owner may enter
    path = folder / "private.jpg"
    scene().save(path)
    path.chmod(0)
    folder.chmod(0o755)
    owner = os.geteuid()
    try:
        if owner == 0:  # no permission stops root
            os.seteuid(65534)
        assert refused(path, kind=Unreadable) == "cannot be read: Permission denied"
    finally:
        os.seteuid(owner)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "error, reason",
    [
        (MemoryError(), "too large for the memory that is left"),
        (
            OSError("out of memory error when reading image file"),
            "too large for the memory that is left",
        ),
        (
            OSError(errno.EMFILE, "Too many open files", "/folder/a.png"),
            "cannot be read: Too many open files",
        ),
        (OSError(errno.EIO, "The disk fails"), "cannot be read: The disk fails"),
    ],
)
def test_what_may_pass_is_told_from_what_the_image_is(tmp_path, monkeypatch, error, reason):
    def fail(*_, **__):
        raise error

    scene().save(tmp_path / "a.png")
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "convert", fail)
        assert refused(tmp_path / "a.png", kind=Unreadable) == reason
        (_, image), *_ = open_images([tmp_path / "a.png"], max_side=0, ahead=1)
        assert isinstance(image, Unreadable)
    assert corners(open_image(tmp_path / "a.png")) == UPRIGHT  # the next attempt


def test_a_place_that_no_file_has_is_damage(tmp_path, monkeypatch):
    scene().save(tmp_path / "a.png")

    def seek_before_the_beginning(*_, **__):
        with open(tmp_path / "a.png", "rb") as file:
            file.seek(-1)

    monkeypatch.setattr(Image.Image, "convert", seek_before_the_beginning)
    assert refused(tmp_path / "a.png", kind=BadImage) == "cannot be read: Invalid argument"


@pytest.mark.parametrize("mode, name", [("CMYK", "a.jpg"), ("CMYK", "a.tif")])
def test_printers_inks(tmp_path, mode, name):
    Image.new(mode, (8, 8)).save(tmp_path / name)
    assert "(CMYK)" in refused(tmp_path / name, max_side=4)


def png16(path: Path, colour_type: int, channels: int) -> None:
    """A PNG with 16 bits a colour, which Pillow can't write in colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 4, 4, 16, colour_type, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x12\x34" * channels * 4) * 4)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def test_more_than_8_bits_a_colour(tmp_path):
    for name, colour_type, channels in (
        ("grey", 0, 1),
        ("rgb", 2, 3),
        ("grey_alpha", 4, 2),
        ("rgb_alpha", 6, 4),
    ):
        png16(tmp_path / f"{name}.png", colour_type, channels)
    Image.new("I;16", (8, 8), 40_000).save(tmp_path / "made.png")
    Image.new("I;16", (8, 8), 40_000).save(tmp_path / "grey.tif")
    Image.new("I", (8, 8), 40_000).save(tmp_path / "whole.tif")
    Image.new("F", (8, 8), 0.5).save(tmp_path / "float.tif")
    for path in tmp_path.iterdir():
        assert refused(path) == "with more than 8 bits a colour: save it with 8", path.name


def test_a_bmp_with_16_bits_a_pixel_is_no_deep_one(tmp_path):
    head = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 16, 0, 32, 2835, 2835, 0, 0)
    pixels = struct.pack("<H", 0x7C00) * 16  # 5 bits a colour: red
    (tmp_path / "a.bmp").write_bytes(
        b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + head + pixels
    )
    assert open_image(tmp_path / "a.bmp").getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames(tmp_path, kind):
    frames = [scene(), Image.new("RGB", (96, 64), RED), Image.new("RGB", (96, 64), BLUE)]
    frames[0].save(tmp_path / "a.jpg", format=kind, save_all=True, append_images=frames[1:])
    assert refused(tmp_path / "a.jpg").startswith("animated or of several pages (3 frames)")
    frames[0].save(tmp_path / "b.jpg", format=kind, save_all=True)
    assert open_image(tmp_path / "b.jpg").size == (96, 64)


def bomb(path: Path, side: int) -> None:
    """A well-formed black PNG of one bit a pixel, written row by row: small on disk, large in
    memory.
    """

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    pack, row = zlib.compressobj(9), b"\0" * (1 + (side + 7) // 8)
    rows = b"".join([pack.compress(row) for _ in range(side)]) + pack.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [11_000, 20_000])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, side, recwarn):
    bomb(tmp_path / "bomb.png", side)
    assert (tmp_path / "bomb.png").stat().st_size < 200_000
    open_image_of_a_pixel(tmp_path)  # so that the imports are not counted
    before, started = psutil.Process().memory_info().rss, time.process_time()
    reason = refused(tmp_path / "bomb.png", max_side=384)
    assert time.process_time() - started < 0.5
    assert psutil.Process().memory_info().rss - before < 20_000_000
    assert reason.startswith("too large: ") and "more than 120 megapixels" in reason


def open_image_of_a_pixel(folder: Path) -> None:
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    open_image(folder / "pixel.png")


def test_a_large_phone_image_may_come(tmp_path, recwarn):
    bomb(
        tmp_path / "large.png", 10_000
    )  # 100 megapixels, about what the largest phone cameras make
    assert open_image(tmp_path / "large.png", max_side=384).size == (384, 384)
    assert [str(warning.message) for warning in recwarn] == []


# Many images


def many(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (40 + number, 30)).save(path)
    return paths


@pytest.mark.parametrize("ahead", [1, 2, 5, 100])
def test_all_come_in_their_order_and_a_bad_one_does_no_harm(tmp_path, ahead):
    paths = many(tmp_path, 12)
    paths[5].write_bytes(b"nothing")
    found = list(open_images(paths, max_side=0, ahead=ahead))
    assert [path for path, _ in found] == paths
    assert isinstance(found[5][1], BadImage) and str(found[5][1]).startswith("no image")
    assert [image.size[0] for number, (_, image) in enumerate(found) if number != 5] == [
        40 + number for number in range(12) if number != 5
    ]
    assert list(open_images([], max_side=0, ahead=ahead)) == []


@pytest.mark.parametrize("ahead", [1, 4])
def test_no_more_than_asked_are_held(tmp_path, monkeypatch, ahead):
    begun, real = [], images.open_image
    monkeypatch.setattr(
        images, "open_image", lambda path, **o: (begun.append(path), real(path, **o))[1]
    )
    for given, _ in enumerate(open_images(many(tmp_path, 20), max_side=0, ahead=ahead), start=1):
        time.sleep(0.01)  # long enough for the decoders to go as far ahead as they may
        assert len(begun) - given <= ahead - 1
    assert len(begun) == 20


def test_stopping_half_way_leaves_no_thread_behind(tmp_path):
    before = set(threading.enumerate())
    paths = many(tmp_path, 30)
    stopped = open_images(paths, max_side=0, ahead=8)
    assert next(stopped)[0] == paths[0]
    stopped.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(RuntimeError, match="of the person"):
        for number, _ in enumerate(open_images(paths, max_side=0, ahead=8)):
            if number == 3:
                raise RuntimeError("of the person")
    assert set(threading.enumerate()) <= before


def test_the_key_is_of_the_content(tmp_path):
    scene().save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "other name.jpg")
    scene((98, 64)).save(tmp_path / "b.png")
    keys = [image_key(tmp_path / name) for name in ("a.png", "other name.jpg", "b.png")]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 16 and int(keys[0], 16) >= 0
