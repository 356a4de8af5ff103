"""Images as classifiers read them, and the ways to show or damage them."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.files import LabError
from helpers.models.pixels import load_pixels, normalize
from helpers.models.views import damaged, views

DAMAGES = ("blur", "jpeg", "crop", "dark")
RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def striped(size, colours, *, across):
    """Three stripes of one third each, side by side or one above the other."""
    image = Image.new("RGB", size)
    for place, colour in enumerate(colours):
        third = size[0 if across else 1] // 3
        box = (third, size[1]) if across else (size[0], third)
        at = (place * third, 0) if across else (0, place * third)
        image.paste(Image.new("RGB", box, colour), at)
    return image


@pytest.fixture
def pixels():
    """Two smooth images, (2, 3, 32, 32)."""
    noise = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(1)) * 255
    smooth = torch.nn.functional.interpolate(noise, (32, 32), mode="bilinear")
    return smooth.to(torch.uint8)


@pytest.mark.parametrize("across", [True, False])
def test_of_an_image_that_is_not_square_the_middle_is_taken(tmp_path, across):
    size = (96, 32) if across else (32, 96)
    striped(size, (RED, GREEN, BLUE), across=across).save(tmp_path / "a.png")
    (read,) = load_pixels([tmp_path / "a.png"], 16)
    assert (read.shape, read.dtype) == ((3, 16, 16), torch.uint8)
    assert read[:, 8, 8].tolist() == list(GREEN)
    assert read.float().mean((1, 2)).tolist() == pytest.approx(GREEN, abs=5)


def test_images_come_in_their_order_and_in_one_size(tmp_path):
    for name, colour, side in (("a", RED, 20), ("b", BLUE, 64), ("c", GREEN, 16)):
        Image.new("RGB", (side, side), colour).save(tmp_path / f"{name}.png")
    Image.new("L", (30, 30), 90).save(tmp_path / "d.png")
    read = load_pixels([tmp_path / f"{name}.png" for name in "bdca"], 16)
    assert read.shape == (4, 3, 16, 16)
    assert read[:, :, 8, 8].tolist() == [list(BLUE), [90] * 3, list(GREEN), list(RED)]


def test_no_images_are_no_pixels():
    assert load_pixels([], 16).shape == (0, 3, 16, 16)


def test_a_file_that_is_no_image_is_named_in_one_sentence(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff, and no more")
    for broken in ("b.jpg", "lost.jpg"):
        with pytest.raises(LabError, match=f"The image {broken} was to be classified, but") as told:
            load_pixels([tmp_path / "a.png", tmp_path / broken], 16)
        assert len(str(told.value).splitlines()) == 1 and str(tmp_path) not in str(told.value)


def test_bytes_become_numbers_from_minus_one_to_one():
    numbers = normalize(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert numbers.tolist() == pytest.approx([-1, -0.6, 1])


def test_one_view_is_the_image_as_it_is_and_the_second_one_its_mirror_image(pixels):
    numbers = normalize(pixels)
    first, second = views(2)
    assert torch.equal(first(numbers), numbers)
    assert torch.equal(second(numbers), numbers.flip(-1))
    assert not torch.equal(second(numbers), numbers)


@pytest.mark.parametrize("count", range(1, 9))
def test_there_are_as_many_views_as_asked_for_and_no_two_alike(pixels, count):
    numbers = normalize(pixels)
    shown = [view(numbers) for view in views(count)]
    assert len(shown) == count and {one.shape for one in shown} == {numbers.shape}
    assert not [1 for k, one in enumerate(shown) for other in shown[:k] if torch.equal(one, other)]


def test_crops_show_the_middle_and_both_corners():
    """A ramp: of each corner the outermost points are seen, of the middle none of them."""
    ramp = torch.linspace(-1, 1, 40).expand(1, 3, 40, 40) + torch.linspace(-1, 1, 40)[:, None]
    whole, _, middle, _, first, _, last, _ = (view(ramp) for view in views(8))
    assert whole.min() < middle.min() and middle.max() < whole.max()
    assert first.min() == whole.min() and first.max() < middle.max()
    assert last.max() == whole.max() and last.min() > middle.min()


def test_without_damage_pixels_are_as_they_were(pixels):
    assert torch.equal(damaged(pixels, "none"), pixels)


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_changes_every_image_and_leaves_its_form(pixels, how):
    before = pixels.clone()
    after = damaged(pixels, how)
    assert (after.shape, after.dtype) == (pixels.shape, torch.uint8)
    assert all((one != other).float().mean() > 0.3 for one, other in zip(after, pixels))
    assert torch.equal(pixels, before)


def test_each_damage_is_what_it_is_called(pixels):
    def detail(bytes_):
        return bytes_.float().diff(dim=-1).abs().mean()

    sharp = torch.from_numpy(np.random.default_rng(1).integers(0, 255, (1, 3, 32, 32), np.uint8))
    assert detail(damaged(sharp, "blur")) < detail(sharp) / 3
    dark = damaged(pixels, "dark").float()
    assert dark.mean() == pytest.approx(0.4 * pixels.float().mean(), abs=1)
    frame = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    frame[..., 10:30, 10:30] = 200
    assert damaged(frame, "crop").float().mean() > 2 * frame.float().mean()
    blocks = damaged(sharp, "jpeg").float().unfold(2, 8, 8).unfold(3, 8, 8)
    assert (blocks - sharp.float().unfold(2, 8, 8).unfold(3, 8, 8)).abs().mean() > 20
