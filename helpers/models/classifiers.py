"""Image classifiers with real weights, out of installed packages: no hub is needed.

`efficientnet-lite0` knows the thousand classes of ImageNet, none of them of the skin; what it
computes before them tells images apart. `sklesion` knows seven kinds of skin lesions as a
dermatoscope shows them, which a photograph of a whole arm is not: its answers there mean nothing.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal, Protocol

import numpy as np
import torch
from PIL import Image
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from helpers.data.ham10000 import LESIONS
from helpers.files import LabError
from helpers.models.packaged import check_weights, find_weights

AT_ONCE = 16  # images
SEXES = ("female", "male", "unknown")
LOCATIONS = ("arm", "head-or-neck", "leg-or-genital", "trunk", "unknown")
# Years; the mean of sklesion's training cases stands for an age that nobody knows.
OLDEST, MEAN_AGE = 90.0, 51.9
Options = dict[str, float]  # labels with probabilities


@dataclass(frozen=True)
class Patient:
    """What `sklesion` is told besides the image.

    Attributes:
        location: of the lesion.
        age: years; None if unknown.
    """

    sex: Literal["female", "male", "unknown"] = "unknown"
    location: Literal["arm", "head-or-neck", "leg-or-genital", "trunk", "unknown"] = "unknown"
    age: float | None = None

    def as_features(self) -> list[float]:
        """Return the ten numbers that the model reads."""
        age = MEAN_AGE if self.age is None else self.age
        one_hot = [self.sex == one for one in SEXES] + [self.location == one for one in LOCATIONS]
        return [*map(float, one_hot), age / OLDEST, float(self.age is None)]


class ImageClassifier(Protocol):
    """What gives each image options.

    Attributes:
        labels: all that it can say.
    """

    labels: tuple[str, ...]

    def classify(self, images: Sequence[Image.Image]) -> list[Options]:
        """Return a probability for each label, most probable first, of each image."""


@dataclass(frozen=True)
class ImageNetClassifier:
    """EfficientNet-Lite0: `classify` by ImageNet's classes, `embed` for an index of images."""

    model: Any
    labels: tuple[str, ...]

    def classify(self, images: Sequence[Image.Image]) -> list[Options]:
        """Return a probability for each label, most probable first, of each image."""
        probabilities = [
            row
            for features in self._features(images)
            for row in self.model.forward_head(features).softmax(-1).tolist()
        ]
        return [_options(self.labels, row) for row in probabilities]

    def embed(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return a vector of length 1 for each image, (images, 1280): what the last layer reads."""
        pooled = [
            self.model.forward_head(features, pre_logits=True)
            for features in self._features(images)
        ]
        return torch.nn.functional.normalize(torch.cat(pooled), dim=1).numpy()

    @torch.inference_mode()
    def _features(self, images: Sequence[Image.Image]) -> Iterator[torch.Tensor]:
        prepare = v2.Compose(
            [
                v2.ToImage(),
                v2.Resize(256, v2.InterpolationMode.BICUBIC),
                v2.CenterCrop(224),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([127 / 255] * 3, [128 / 255] * 3),
            ]
        )
        for part in _batches(images):
            yield self.model.forward_features(
                torch.stack([prepare(one.convert("RGB")) for one in part])
            )


@dataclass(frozen=True)
class LesionClassifier:
    """sklesion: seven kinds of skin lesions, by an image and what is known of the patient."""

    model: Any
    labels: tuple[str, ...] = tuple(LESIONS)
    side = 254  # pixels

    def classify(
        self, images: Sequence[Image.Image], patients: Sequence[Patient] = ()
    ) -> list[Options]:
        """Return a probability for each label, most probable first, of each image.

        Args:
            patients: one for each image; none if nothing is known of any.
        Raises:
            LabError: there are more or fewer patients than images.
        """
        patients = patients or [Patient()] * len(images)
        if len(patients) != len(images):
            raise LabError(
                f"{len(images)} images were to be classified with {len(patients)} patients: give "
                "one for each image, or none."
            )
        features = torch.tensor([one.as_features() for one in patients])
        pixels = torch.stack([self._pixels(one) for one in images]) if images else torch.empty(0)
        return [_options(self.labels, row) for row in self.probabilities(pixels, features)]

    @torch.inference_mode()
    def probabilities(self, pixels: torch.Tensor, features: torch.Tensor) -> list[list[float]]:
        """Return probabilities (images, 7).

        Args:
            pixels: (images, 254, 254, 3), 0 to 255.
            features: (images, 10), see `Patient.as_features`.
        """
        rows: list[list[float]] = []
        for start in range(0, len(pixels), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            rows += self.model([pixels[part].float(), features[part]], training=False).tolist()
        return rows

    def _pixels(self, image: Image.Image) -> torch.Tensor:
        """Shrink an image as its authors did, by linear interpolation without smoothing."""
        whole = torch.tensor(np.asarray(image.convert("RGB"))).permute(2, 0, 1)[None].float()
        shrunk = torch.nn.functional.interpolate(whole, (self.side, self.side), mode="bilinear")
        return shrunk[0].permute(1, 2, 0)


def _batches(images: Sequence[Image.Image]) -> Iterator[Sequence[Image.Image]]:
    yield from (images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE))


def _options(labels: Sequence[str], probabilities: Sequence[float]) -> Options:
    return dict(sorted(zip(labels, probabilities), key=lambda option: -option[1]))


@lru_cache
def load_imagenet_classifier() -> ImageNetClassifier:
    """Load EfficientNet-Lite0; nothing is unpickled but numbers.

    Raises:
        LabError: a package is missing, or its file is another one.
    """
    path = check_weights("efficientnet-lite0", find_weights("efficientnet-lite0"))
    weights = torch.load(path, weights_only=True)
    model = _library("timm").create_model("tf_efficientnet_lite0", pretrained=False).eval()
    # The same layers in the same order, under other names.
    model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    labels = ResNet18_Weights.DEFAULT.meta["categories"]  # ImageNet's; no weights are fetched
    return ImageNetClassifier(model, tuple(labels))


@lru_cache
def load_lesion_classifier() -> LesionClassifier:
    """Load sklesion by Keras on torch; no TensorFlow, and no code from the file.

    Raises:
        LabError: a package is missing, its file is another one, or Keras runs on something else.
    """
    path = check_weights("sklesion", find_weights("sklesion"))
    os.environ.setdefault("KERAS_BACKEND", "torch")  # read when Keras is loaded
    keras = _library("keras")
    if (backend := keras.backend.backend()) != "torch":
        raise LabError(
            f"Keras runs on {backend} in this process, but on torch is wanted: set the environment "
            "variable KERAS_BACKEND to torch before Python starts."
        )
    return LesionClassifier(keras.saving.load_model(path, compile=False, safe_mode=True))


def _library(name: str) -> Any:
    """Import what builds a model; it is needed for nothing else, so it may be missing."""
    try:
        return import_module(name)
    except ImportError:
        raise LabError(
            f"An image classifier was asked for, but {name} is not installed: run `pip install "
            f"{name}`."
        ) from None
