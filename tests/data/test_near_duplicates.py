"""Copies among pictures: which are found, which is kept, and what is left alone."""

import io
import random

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from helpers.cases import Case
from helpers.data.near_duplicates import NEAR, Copy, hash_images, without_copies


def picture(seed, side=160):
    """A smooth picture, as photographs are."""
    noise = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def case(tmp_path):
    """A function that makes a case with an image."""

    def make(name, image, group=""):
        path = tmp_path / f"{name}.png"
        image.save(path)
        return Case(name, images=(path,), group=group)

    return make


def ids(splits):
    return {split: [case.id for case in cases] for split, cases in splits.items()}


def as_jpeg(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file)


CHANGED = {
    "the same file": lambda image: image,
    "another size": lambda image: image.resize((90, 90)),
    "stretched": lambda image: image.resize((200, 120)),
    "strongly compressed": as_jpeg,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_copy_is_found_however_it_was_saved(case, change):
    splits = {
        "train": [case("copy", change(picture(1))), case("other", picture(2))],
        "test": [case("original", picture(1))],
    }
    left, copies = without_copies(splits)
    assert ids(left) == {"train": ["other"], "test": ["original"]}
    assert copies == [Copy("copy", "original", "train", "test")] and copies[0].across


def test_other_pictures_are_kept_in_their_order(case):
    splits = {
        split: tuple(case(f"{split}{n}", picture(start * 100 + n)) for n in range(9))
        for start, split in enumerate(("train", "valid", "test"))
    }
    left, copies = without_copies(splits)
    assert left == splits and copies == []


def test_training_gives_way_to_the_other_splits_and_what_comes_later_to_what_was_before(case):
    splits = {
        "train": [case("a", picture(1)), case("b", picture(2)), case("c", picture(2))],
        "valid": [case("d", picture(3))],
        "test": [case("e", picture(1)), case("f", picture(3)), case("g", picture(4))],
    }
    left, copies = without_copies(splits)
    assert ids(left) == {"train": ["b"], "valid": ["d"], "test": ["e", "g"]}
    assert {(one.case_id, one.kept, one.across) for one in copies} == {
        ("a", "e", True),
        ("c", "b", False),
        ("f", "d", True),
    }


def test_cases_of_one_group_share_their_picture_but_no_one_elses(case):
    same = [case(name, picture(1), group="one") for name in ("a", "b")]
    left, copies = without_copies({"train": [*same, case("c", picture(1), group="two")]})
    assert ids(left) == {"train": ["a", "b"]} and [one.case_id for one in copies] == ["c"]


def test_a_copy_beside_one_of_its_own_group_is_found_all_the_same(case):
    """The nearest picture is of its own group; that of the test split is only a little further."""
    own = [case(name, picture(1), group="one") for name in ("a", "b")]
    left, _ = without_copies({"train": own, "test": [case("c", as_jpeg(picture(1)))]})
    assert ids(left) == {"train": [], "test": ["c"]}


def shades(count):
    """Pictures of which neighbours are nearly the same, and the ends are not."""
    first, last = (np.asarray(picture(seed), dtype=float) for seed in (1, 2))
    shares = np.linspace(0, 1, count)
    return [Image.fromarray(((1 - s) * first + s * last).astype(np.uint8)) for s in shares]


def test_a_picture_near_one_that_is_left_out_itself_is_left_out_too(case):
    """A test picture that is left out is answered all the same: nothing may be near it."""
    row = [case(f"s{place:02}", image) for place, image in enumerate(shades(41))]
    hashes = hash_images(row)
    near = [[np.count_nonzero(a != b) <= NEAR for b in hashes] for a in hashes]
    chains = [
        (a, b, c)
        for a in range(41)
        for b in range(41)
        for c in range(41)
        if near[a][b] and near[b][c] and not near[a][c]
    ]
    a, b, c = (row[place] for place in chains[0])
    left, copies = without_copies({"train": [c], "test": [a, b]})
    assert ids(left) == {"train": [], "test": [a.id]}
    assert copies == [Copy(b.id, a.id, "test", "test"), Copy(c.id, a.id, "train", "test")]


def test_what_has_no_picture_that_can_be_read_is_kept(case, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    odd = [
        Case("none"),
        Case("no one"),
        Case("lost", images=(tmp_path / "lost.jpg",)),
        Case("broken", images=(tmp_path / "broken.jpg",)),
        Case("broken, too", images=(tmp_path / "broken.jpg",)),
    ]
    assert hash_images(odd) == [None] * 5
    left, copies = without_copies({"train": [*odd, case("a", picture(1))]})
    assert len(left["train"]) == 6 and copies == []
    assert without_copies({"train": []}) == ({"train": ()}, [])


def test_the_first_picture_on_disk_counts(case, tmp_path):
    whole = case("a", picture(1))
    half = Case("b", images=(tmp_path / "lost.jpg", *whole.images))
    _, copies = without_copies({"train": [half], "valid": [whole]})
    assert [one.case_id for one in copies] == ["b"]


def test_pictures_that_have_nothing_in_common_are_far(tmp_path, case):
    rng = random.Random(1)
    found = hash_images([case(f"r{n}", picture(rng.randrange(10**6))) for n in range(12)])
    distances = [np.count_nonzero(a != b) for k, a in enumerate(found) for b in found[:k]]
    assert min(distances) > 2 * NEAR
