"""Image classifiers with real weights: right on real images, and equal to the original's values."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from helpers.files import LabError
from helpers.models import classifiers
from helpers.models.classifiers import (
    LESIONS,
    Patient,
    load_imagenet_classifier,
    load_lesion_classifier,
)
from helpers.models.packaged import PACKAGED

pytestmark = pytest.mark.slow


def needs(*modules: str):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


needs_imagenet = needs(PACKAGED["efficientnet-lite0"].module, "timm")
needs_lesions = needs(PACKAGED["sklesion"].module, "keras")


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """A temple and a flower, which come with scikit-learn."""
    from sklearn.datasets import load_sample_images

    return [Image.fromarray(pixels) for pixels in load_sample_images().images]


@needs_imagenet
def test_it_sees_a_temple_and_a_flower(photographs):
    temple, flower = load_imagenet_classifier().classify(photographs)
    assert {"palace", "monastery", "bell cote"} <= set(list(temple)[:8])
    assert next(iter(flower)) == "daisy"
    assert len(flower) > 990 and sum(flower.values()) == pytest.approx(1, abs=1e-3)
    assert list(flower.values()) == sorted(flower.values(), reverse=True)


@needs_imagenet
def test_images_of_one_thing_lie_near_each_other(photographs):
    temple, flower = photographs
    again = temple.crop((20, 20, 600, 400)).rotate(3)
    vectors = load_imagenet_classifier().embed([temple, flower, again])
    assert vectors.shape == (3, 1280)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[2] > 0.7 > 0.4 > vectors[0] @ vectors[1]


@needs_lesions
def test_lesions_get_the_probabilities_of_the_original(shared):
    golden = load_file(shared / "golden" / "sklesion" / "expected.safetensors")
    model = load_lesion_classifier()
    found = model.probabilities(golden["image_uint8"], golden["features"])
    assert np.abs(np.array(found) - golden["probabilities"].numpy()).max() < 1e-4


@needs_lesions
def test_lesions_are_classified_with_what_is_known_of_the_patient(photographs):
    model, image = load_lesion_classifier(), photographs[1]
    unknown, again, old = (
        model.classify([image])[0],
        model.classify([image], [Patient()])[0],
        model.classify([image], [Patient("male", "trunk", 80)])[0],
    )
    assert set(unknown) == set(LESIONS) and sum(unknown.values()) == pytest.approx(1, abs=1e-4)
    assert unknown == again != old
    assert model.classify([]) == []
    with pytest.raises(LabError, match="1 images were to be classified with 2 patients"):
        model.classify([image], [Patient(), Patient()])


def test_a_patient_becomes_ten_numbers():
    assert Patient("female", "leg-or-genital", 45).as_features() == [1, 0, 0, 0, 0, 1, 0, 0, 0.5, 0]
    nobody = Patient().as_features()
    assert nobody == [0, 0, 1, 0, 0, 0, 0, 1, pytest.approx(0.5767, abs=1e-3), 1]


def test_what_is_missing_is_told(monkeypatch):
    for name, load in (
        ("efficientnet-lite0", load_imagenet_classifier),
        ("sklesion", load_lesion_classifier),
    ):
        load.cache_clear()
        monkeypatch.setitem(PACKAGED, name, replace(PACKAGED[name], module="no_such_package"))
        with pytest.raises(LabError, match=f"{name}.*--no-deps .*MB"):
            load()
    with pytest.raises(LabError, match="no_such_library is not installed: run `pip install no_s"):
        classifiers._library("no_such_library")
