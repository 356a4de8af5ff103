"""A model that sees in every form: measured in a process of its own, with its answers, and what is
refused.
"""

import json
import subprocess
import sys

import pytest
from PIL import Image

from helpers.files import REPOSITORY, LabError, WorkFailed
from helpers.models.refs import ModelRef
from helpers.models.small_device import FORMS, measure
from helpers.models.vlm import load_vlm

QUESTION = "What is it?"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number, colour in enumerate([(200, 120, 110), (90, 60, 50)]):
        Image.new("RGB", (96, 96), colour).save(folder / f"{number}.png")
    return [folder / "0.png", folder / "1.png"]


LARGE_PARENT = """
import json, sys
from helpers.models.small_device import measure
held = bytearray(b"x") * 1_600_000_000
asked = json.loads(sys.argv[1])
print(json.dumps(measure("pocket/llava", asked, form="float32", threads=1, max_new_tokens=8)))
"""


@pytest.fixture(scope="module")
def measured(images):
    """What was found by form; float32 by a parent that holds much more memory than the model."""
    asked = [(str(image), QUESTION) for image in images]
    command = [sys.executable, "-c", LARGE_PARENT, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    others = (form for form in FORMS if form != "float32")
    return {"float32": json.loads(done.stdout)} | {
        form: measure("pocket/llava", asked, form=form, threads=1, max_new_tokens=8)
        for form in others
    }


@pytest.mark.slow
def test_every_form_answers_and_is_measured(measured, images):
    seeing = load_vlm(ModelRef("pocket/llava"))
    expected = [seeing.answer(image, QUESTION, max_new_tokens=8).text for image in images]
    assert measured["float32"]["answers"] == expected
    # The vision tower is 96 wide, no multiple of a block of 4-bit weights: one of bitsandbytes'
    # paths would fail.
    for form, found in measured.items():
        assert found["form"] == form and found["threads"] == 1 and all(found["answers"])
        assert found["tokens"] > 0 < found["seconds"] and found["load_seconds"] > 0
        assert found["tokens_per_second"] == pytest.approx(
            found["tokens"] / (2 * found["seconds_mean"])
        )


@pytest.mark.slow
def test_weights_are_counted_as_they_would_be_saved(measured):
    """Linear layers hold most weights, the embeddings a sixth; names and the archive's own bytes
    add little.
    """
    weights = load_vlm(ModelRef("pocket/llava")).model.num_parameters()
    size = {form: found["weights_mb"] * 1e6 / weights for form, found in measured.items()}
    assert 4 < size["float32"] < 4.05 and 2 < size["bfloat16"] < 2.05
    assert size["nf4"] < size["int8"] < size["bfloat16"]


@pytest.mark.slow
def test_memory_is_the_models_own(measured):
    """A large parent leaves no trace, though Linux hands its peak on to the processes that it
    starts.
    """
    found = measured["float32"]
    assert 100 < found["import_mb"] < 1500
    assert 5 < found["load_mb"] < 400 and 5 < found["answer_mb"] < 400  # 11 MB of weights


def test_what_is_refused_before_a_process_starts(images, tmp_path):
    asked = [(images[0], QUESTION)]
    with pytest.raises(LabError, match="form is 'int4'.*float32, bfloat16, int8, nf4"):
        measure("pocket/llava", asked, form="int4", max_new_tokens=2)
    with pytest.raises(LabError, match="1 images for the model in nowhere"):
        measure(tmp_path / "nowhere", asked, form="int8", max_new_tokens=2)
    with pytest.raises(LabError, match="0 images"):
        measure("pocket/llava", [], form="int8", max_new_tokens=2)


@pytest.mark.slow
def test_what_the_process_refuses_is_one_sentence(images, tmp_path):
    with pytest.raises(LabError, match="sees no images"):
        measure("pocket/llama", [(images[0], QUESTION)], form="float32", max_new_tokens=2)
    (tmp_path / "words.png").write_text("no image")
    with pytest.raises(LabError, match="image"):
        measure(
            "pocket/llava", [(tmp_path / "words.png", QUESTION)], form="float32", max_new_tokens=2
        )


def test_a_process_that_dies_is_reported(images, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkFailed, match=r"int8 ended with status 1 \(it said nothing\)"):
        measure("pocket/llava", [(images[0], QUESTION)], form="int8", max_new_tokens=2)
