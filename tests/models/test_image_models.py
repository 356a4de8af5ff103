"""Image classifiers before and after their training: first weights, files, what is refused."""

import pytest
import torch

from helpers.files import LabError
from helpers.models.classifiers import load_imagenet_classifier
from helpers.models.image_models import (
    SMALL,
    TrainedClassifier,
    build_image_model,
    half_precision,
    image_device,
    load_classifier,
    save_classifier,
    score_images,
)
from helpers.models.image_refs import ImageModelRef
from helpers.models.pixels import AT_ONCE, normalize
from helpers.models.views import views

LABELS = ("acne", "eczema", "rosacea")


def draw(count, side=32):
    draws = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=draws)


def build(name="small-resnet", seed=0, **more):
    torch.manual_seed(seed)
    return build_image_model(ImageModelRef(name=name, **more), 3, 32)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_written_is_what_is_loaded(tmp_path, name):
    pixels = draw(4)
    before = TrainedClassifier(build(name).eval(), LABELS, 32, 1.75)
    save_classifier(tmp_path / "made", before)
    after = load_classifier(ImageModelRef(name=name), tmp_path / "made")
    assert (after.labels, after.side, after.temperature) == (LABELS, 32, 1.75)
    expected = before.scores(pixels)
    assert expected.shape == (4, 3) and expected.std(0).min() > 0
    assert torch.equal(after.scores(pixels), expected)


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_the_first_weights(name):
    first, again, other = (build(name, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[one], again[one]) for one in first)
    assert not all(torch.equal(first[one], other[one]) for one in first)


def test_scores_are_the_mean_over_views_of_a_model_that_does_not_learn():
    model, pixels = build(), draw(AT_ONCE + 3)
    shown = views(4)
    with torch.inference_mode(), half_precision(image_device()):
        model.eval()
        numbers = normalize(pixels)
        expected = torch.stack([model(view(numbers)).float() for view in shown]).mean(0)
    found = score_images(model.train(), pixels, shown)
    once = score_images(model, pixels)
    assert (found - expected).abs().max() < 0.1 * (found - once).abs().max()


def test_no_images_have_no_scores():
    assert len(score_images(build(), draw(0))) == 0


def test_imagenets_weights_are_those_of_the_package_but_for_the_last_layer():
    packaged = load_imagenet_classifier().model.state_dict()
    head = {"classifier.weight", "classifier.bias"}
    for pretrained in (True, False):
        own = build("efficientnet-lite0", pretrained=pretrained).state_dict()
        assert own.keys() == packaged.keys()
        same = {name for name in own if own[name].shape == packaged[name].shape}
        assert own.keys() - same == head
        equal = [torch.equal(own[name], packaged[name]) for name in same if own[name].dim() == 4]
        assert len(equal) > 40
        assert all(equal) if pretrained else not any(equal)


@pytest.mark.parametrize("name", ["resnet1", "nobody knows", "small-resnet50", "hf-hub:", "vit"])
def test_a_name_that_nobody_knows_is_refused_in_one_sentence(name):
    with pytest.raises(
        LabError, match=f"`classifier` is '{name}', which timm could not build"
    ) as told:
        build(name)
    assert "small-resnet, small-vgg" in str(told.value)


@pytest.mark.slow
def test_a_model_of_the_hub_cannot_be_had_without_the_network():
    with pytest.raises(LabError) as told:
        build("timm/resnet18.a1_in1k", pretrained=True)
    assert "timm/resnet18.a1_in1k" in str(told.value)


def test_weights_identify_a_classifier_that_begins_with_some():
    plain, imagenet = (
        ImageModelRef(name="efficientnet-lite0", pretrained=one) for one in (False, True)
    )
    assert "weights" not in plain.identity() and "weights" not in plain.about()
    assert imagenet.identity()["weights"] == imagenet.about()["weights"] != ""
    assert plain.identity() != imagenet.identity() != imagenet.but(frozen=True).identity()
    assert ImageModelRef(name="timm/a@v1").about() == {"model": "timm/a"}
    assert ImageModelRef(name="timm/a@v1").timm_name() == "hf-hub:timm/a"
