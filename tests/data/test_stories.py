"""Patients' stories in a table: groups that no split cuts, and rows that are none."""

import random

import pytest
from PIL import Image

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.files import LabError

HEADER = "story,condition,image"
# Rows that cannot be used, and what is said of them.
NO_ROWS = {
    "no condition": ("It itches., ,a.jpg", "has no condition"),
    "neither": (",acne,", "has neither a story nor an image"),
    "neither, but blanks": (" ,acne, ", "has neither a story nor an image"),
    "a picture outside": ("It itches.,acne,../a.jpg", "names no picture in the folder"),
    "an absolute picture": ("It itches.,acne,/a.jpg", "names no picture in the folder"),
    "a link that leads out": ("It itches.,acne,out.jpg", "is a link and leads out"),
    "a comma without quotes": ("It itches, badly.,acne,a.jpg,", "more cells than the first line"),
    "no text": ("It \x07itches.,acne,a.jpg", "`story` has"),
    "the same again": ("It burns.,rosacea,a.jpg", "repeats a row before it"),
}
GOOD = "It burns.,rosacea,a.jpg"


@pytest.fixture
def folder(tmp_path):
    """A function that writes a table with images; returns its folder."""

    def write(*rows, header=HEADER):
        root = tmp_path / "stories"
        (root / "images").mkdir(parents=True, exist_ok=True)
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            Image.new("RGB", (8, 8)).save(root / "images" / name)
        (root / "stories.csv").write_text("\n".join((header, *rows)) + "\n")
        return root

    return write


def load(root):
    splits = load_dataset("stories", root).splits
    return sorted((case for cases in splits.values() for case in cases), key=lambda one: one.id)


def said(root, *, notes):
    found = check_data("stories", root)
    return [(one.record, one.message) for one in found if one.is_note == notes]


def test_a_row_is_a_story_with_its_condition_and_picture(folder):
    root = folder('"It itches, badly. ",  Plaque   psoriasis,a.jpg')
    (case,) = load(root)
    assert (case.id, case.context) == ("story-00001", "It itches, badly.")
    assert case.label == "Plaque psoriasis" and case.images == (root / "images" / "a.jpg",)
    assert [one.text for one in case.references] == [
        "The skin disease in this image is plaque psoriasis."
    ]
    assert check_data("stories", root) == []


@pytest.mark.parametrize(("row", "what"), NO_ROWS.values(), ids=NO_ROWS)
def test_a_row_that_cannot_be_used_is_named_and_the_rest_goes_on(folder, tmp_path, row, what):
    root = folder(GOOD, row, "It hurts.,acne,b.jpg")
    (tmp_path / "secret.jpg").write_bytes(b"")
    (root / "images" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    assert [case.label for case in load(root)] == ["rosacea", "acne"]
    ((record, message),) = said(root, notes=False)
    assert record == 2 and what in message
    assert said(root, notes=True) == []


def test_a_story_without_a_picture_and_the_reverse_are_kept_and_noted(folder):
    rows = ("It hurts.,acne,", ",acne,b.jpg", "It stings.,acne,lost.jpg", GOOD)
    root = folder(*rows)
    assert [(case.context, len(case.images_on_disk)) for case in load(root)] == [
        *(("It hurts.", 0), ("", 1), ("It stings.", 0), ("It burns.", 1)),
    ]
    assert said(root, notes=False) == []
    assert said(root, notes=True) == [
        (1, "has no image: only its story is read"),
        (2, "has no story: only its image is read"),
        (3, "has an image that is not on disk"),
    ]


def test_images_may_be_left_out_of_the_table(folder):
    root = folder("It hurts.,acne", "It burns.,rosacea", header="story,condition")
    assert [(case.label, case.images) for case in load(root)] == [("acne", ()), ("rosacea", ())]


@pytest.mark.parametrize("lacking", ["story", "condition"])
def test_a_table_without_a_column_is_refused(folder, lacking):
    root = folder("It hurts.,b.jpg", header=HEADER.replace(lacking, "other"))
    with pytest.raises(LabError, match=rf"stories\.csv lacks the column {lacking}"):
        load_dataset("stories", root)


def test_a_folder_without_the_table_or_without_a_row_is_refused(folder, tmp_path):
    with pytest.raises(LabError, match=r"stories\.csv"):
        load_dataset("stories", tmp_path)
    with pytest.raises(LabError, match="no case .* that can be used.*check-data stories"):
        load_dataset("stories", folder())
    with pytest.raises(LabError, match="double quote that is left open"):
        load_dataset("stories", folder('"It hurts.,acne,'))


def test_no_story_and_no_picture_crosses_the_splits(folder):
    """Rows are linked at random by a story or a picture; what hangs together stays together."""
    rng = random.Random(3)
    rows = [f"Story {rng.randrange(90)}.,acne,p{rng.randrange(90)}.jpg" for _ in range(80)]
    splits = load_dataset("stories", folder(*dict.fromkeys(rows))).splits
    assert min(map(len, splits.values())) > 0
    for one in splits:
        for other in {*splits} - {one}:
            for shared in ("context", "images", "group"):
                assert not {getattr(case, shared) for case in splits[one]} & {
                    getattr(case, shared) for case in splits[other]
                }


def test_rows_are_one_group_over_others_between_them_and_not_because_both_lack_something(folder):
    rows = ("One.,acne,a.jpg", "Two.,acne,b.jpg", "One.,acne,b.jpg", "Three.,acne,", "Four.,acne,")
    first, second, third, *alone = [case.group for case in load(folder(*rows, ",acne,c.jpg"))]
    assert first == second == third
    assert len({first, *alone}) == 4


def test_other_rows_leave_a_group_where_it_is(folder):
    few = {case.context: case.split for case in load(folder("One.,acne,", "Two.,acne,"))}
    many = load(
        folder("Nought.,acne,", "One.,acne,", *(f"{n}.,acne," for n in range(9)), "Two.,acne,")
    )
    assert {case.context: case.split for case in many if case.context in few} == few
