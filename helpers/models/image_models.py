"""Image classifiers that are trained here: small ones of known families, and whole ones of timm."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from timm import create_model
from timm.models.vgg import VGG

from helpers.files import LabError, read_json, write_json
from helpers.models.classifiers import load_imagenet_classifier
from helpers.models.devices import WIDE, Device, choose_device, device_for
from helpers.models.image_refs import IMAGENET, ImageModelRef
from helpers.models.pixels import AT_ONCE, normalize

WEIGHTS, FACTS = "model.safetensors", "classifier.json"
# From scratch, of a size that learns in minutes on two cores.
SMALL: dict[str, Callable[..., torch.nn.Module]] = {
    "small-resnet": partial(create_model, "resnet18", layers=[1] * 4, channels=(16, 32, 64, 128)),
    "small-vgg": partial(
        VGG,
        [16, "M", 32, "M", 64, "M", 128, "M"],
        norm_layer=torch.nn.BatchNorm2d,
        mlp_ratio=1 / 16,
    ),
    "small-efficientnet": partial(create_model, "test_efficientnet"),
    "small-vit": partial(
        create_model, "vit_tiny_patch16_224", patch_size=8, embed_dim=96, depth=4, num_heads=4
    ),
}
# One way to show a batch of numbers (images, 3, side, side) to a classifier.
View = Callable[[torch.Tensor], torch.Tensor]


def build_image_model(ref: ImageModelRef, labels: int, side: int) -> torch.nn.Module:
    """Build a classifier of so many labels for images of `side` pixels, with its first weights.

    Raises:
        LabError: timm has no model of that name, or its weights can't be had.
    """
    sizes = {"img_size": side} if "vit" in ref.name else {}
    if ref.name in SMALL:
        model = SMALL[ref.name](num_classes=labels, **sizes)
    elif ref.name == IMAGENET:
        model = create_model("tf_efficientnet_lite0", num_classes=labels)
        if ref.pretrained:
            model.load_state_dict(_without_head(load_imagenet_classifier().model), strict=False)
    else:
        model = _from_timm(ref, num_classes=labels, **sizes)
    return model.to(memory_format=torch.channels_last)


def _from_timm(ref: ImageModelRef, **sizes: Any) -> torch.nn.Module:
    try:
        return create_model(ref.timm_name(), pretrained=ref.pretrained, **sizes)
    except LabError:
        raise
    except Exception as error:  # whatever a name that timm does not know is answered with
        raise LabError(
            f"`classifier` is {ref.name!r}, which timm could not build ({error}): choose one of "
            f"{', '.join([*SMALL, IMAGENET])}, or a model of timm."
        ) from None


def _without_head(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    weights = model.state_dict()
    return {name: value for name, value in weights.items() if not name.startswith("classifier.")}


def image_device() -> Device:
    """Return where classifiers compute, and in which dtype: bfloat16 where the CPU is faster with
    it.
    """
    return device_for("", choose_device(), WIDE)


def half_precision(device: Device) -> AbstractContextManager:
    """Compute in the dtype of a device; weights stay in float32."""
    dtype = getattr(torch, device.dtype)
    return torch.autocast(device.name, dtype, enabled=dtype != torch.float32)


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier as its training has written it.

    Attributes:
        side: pixels of the images that it reads.
        temperature: what scores are divided by, so that probabilities are as sure as they are
            right on the validation split.
    """

    model: torch.nn.Module
    labels: tuple[str, ...]
    side: int
    temperature: float = 1.0

    def scores(self, pixels: torch.Tensor, views: Sequence[View] = (lambda x: x,)) -> torch.Tensor:
        """Return logits (images, labels), the mean over views, of bytes (images, 3, side, side)."""
        return score_images(self.model, pixels, views)


@torch.inference_mode()
def score_images(
    model: torch.nn.Module, pixels: torch.Tensor, views: Sequence[View] = (lambda x: x,)
) -> torch.Tensor:
    """Return logits (images, labels), the mean over views, of bytes (images, 3, side, side)."""
    device = image_device()
    model = model.to(device.name).eval()
    parts = []
    with half_precision(device):
        for batch in pixels.split(AT_ONCE):
            numbers = normalize(batch.to(device.name))
            parts.append(torch.stack([model(view(numbers)).float() for view in views]).mean(0))
    return torch.cat(parts).cpu() if parts else torch.zeros(0, 0)


def save_classifier(folder: Path, classifier: TrainedClassifier) -> None:
    """Write weights, and what else is needed to load them."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: one.contiguous() for name, one in classifier.model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    facts: dict[str, Any] = {
        "labels": list(classifier.labels),
        "side": classifier.side,
        "temperature": classifier.temperature,
    }
    write_json(folder / FACTS, facts)


def load_classifier(ref: ImageModelRef, folder: Path) -> TrainedClassifier:
    """Load what `save_classifier` wrote for a model."""
    facts = read_json(folder / FACTS)
    labels, side = tuple(facts["labels"]), facts["side"]
    model = build_image_model(ref.but(pretrained=False), len(labels), side)
    model.load_state_dict(load_file(folder / WEIGHTS))
    return TrainedClassifier(model, labels, side, facts["temperature"])
