"""Captions: the store, how a case's captions become one text, captions from elsewhere."""

from pathlib import Path

from helpers.cases import Case
from helpers.models.captions import (
    FAILED,
    Caption,
    CaptionStore,
    case_text,
    failed,
    images_to_caption,
)


def test_a_store_keeps_captions_by_image_and_prompt(tmp_path):
    store = CaptionStore(tmp_path / "new" / "blip.jsonl")
    assert store.read("p") == {}
    store.add(
        [
            Caption("a", "p", "a red patch", 0.5, 3, "stop"),
            failed("b", "p", "the file is empty (0 bytes)"),
        ]
    )
    store.add([Caption("a", "q", "other words")])
    assert store.read("p")["a"].text == "a red patch" and store.read("q")["a"].text == "other words"
    assert store.read("p")["b"] == Caption("b", "p", FAILED, error="the file is empty (0 bytes)")


def test_a_torn_end_of_a_store_is_cut_off(tmp_path):
    store = CaptionStore(tmp_path / "blip.jsonl")
    store.add([Caption("a", "p", "one"), Caption("b", "p", "two")])
    content = store.path.read_bytes()
    store.path.write_bytes(content[:-9])
    assert set(store.read("p")) == {"a"} and store.path.read_bytes() == content[:-9]
    with store.writing():
        assert set(store.read("p")) == {"a"}
        store.add([Caption("b", "p", "two")])
    assert store.path.read_bytes() == content


def test_the_captions_of_a_case_become_one_text():
    first, second, bad = (
        Caption("a", "p", "a patch "),
        Caption("b", "p", "a bump"),
        failed("c", "p", "broken"),
    )
    assert case_text([first, bad, second]) == "a patch a bump"
    assert case_text([first, first]) == "a patch"
    assert case_text([bad, bad]) == FAILED == "No Image describe"  # the paper's words
    assert case_text([]) == FAILED


def test_only_the_first_images_of_a_case_are_put_into_words():
    paths = tuple(Path(f"{number}.jpg") for number in range(7))
    assert images_to_caption(Case("A", images=paths)) == paths[:3]
