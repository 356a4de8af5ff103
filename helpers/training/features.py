"""What a frozen vision tower sees of each image, computed once: then a training meets no pixels
any more.

While such a lesson is learnt, `pixel_values` are the numbers of images, and the model looks their
features up.
"""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

from helpers.files import LabError
from helpers.models.vlm import LocalVLM
from helpers.training.examples import TrainingPlan
from helpers.training.vlm_examples import VlmCollator, VlmExample


def can_precompute(loaded: LocalVLM) -> bool:
    """Whether a model's text tower is given one set of features; Qwen3-VL's gets some in deeper
    layers, too.
    """
    return hasattr(loaded.model.model, "get_image_features") and not getattr(
        loaded.model.config.vision_config, "deepstack_visual_indexes", ()
    )


def with_features(loaded: LocalVLM, lesson: TrainingPlan) -> TrainingPlan:
    """The same lesson without pixels; the model's own look at images is replaced for good.

    The features of all images are held in memory: of moondream2, 3 MB each in half precision.

    Raises:
        LabError: the model takes more from its vision tower than one set of features.
    """
    if not can_precompute(loaded):
        raise LabError(
            f"FEATURES is 'precomputed', but a model of type {loaded.model.config.model_type!r} "
            "takes features from several layers of its vision tower: set FEATURES to 'live'."
        )
    collator = FeatureCollator(loaded.model.model, lesson.collate)
    collator.look_at(
        [example for row in lesson.train.records for example in row] + list(lesson.valid)
    )
    return replace(lesson, collate=collator, facts=lesson.facts | {"features": "precomputed"})


class FeatureCollator(VlmCollator):
    """As `VlmCollator`, from what was kept of each question with its image."""

    def __init__(self, inner, pixels: VlmCollator):
        self.pad, self.pixels, self.inner, self.look = (
            pixels.pad,
            pixels,
            inner,
            inner.get_image_features,
        )
        self.asked, self.numbers, self.features, self.grids = {}, {}, [], []

    def look_at(self, examples: Sequence[VlmExample]) -> None:
        """See each image once, and let the model look features up from then on."""
        from tqdm.auto import tqdm

        for example in tqdm(examples, desc="seeing", unit="image", leave=False):
            inputs = self.pixels.prompts([example])
            shape = inputs["input_ids"].shape
            self.asked[example.prompt, example.image] = {
                name: values[0]
                for name, values in inputs.items()
                if getattr(values, "shape", None) == shape
            }
            if example.image not in self.numbers:
                self.numbers[example.image] = len(self.features)
                self.features.append(self._seen(inputs))
                self.grids.append(inputs.get("image_grid_thw"))
        self.inner.get_image_features = self._looked_up

    def prompts(self, examples: list[VlmExample]) -> dict:
        """The processor's numbers for each token, as kept, padded on the right; and the numbers of
        the images.
        """
        import torch

        rows = [self.asked[example.prompt, example.image] for example in examples]
        padded = {
            name: torch.nn.utils.rnn.pad_sequence(
                [row[name] for row in rows],
                batch_first=True,
                padding_value=self.pad if name == "input_ids" else 0,
            )
            for name in rows[0]
        }
        numbers = [self.numbers[example.image] for example in examples]
        grids = [self.grids[number] for number in numbers if self.grids[number] is not None]
        # Qwen's text tower takes the places of an image's tokens from its grid.
        placed = {"image_grid_thw": torch.cat(grids)} if grids else {}
        return padded | placed | {"pixel_values": torch.tensor(numbers)}

    def _seen(self, inputs):
        """An image's features as the model's text tower will be given them."""
        import torch

        wanted = inspect.signature(self.look).parameters
        given = {
            name: values.to(self.inner.device) for name, values in inputs.items() if name in wanted
        }
        given = {
            name: values.to(self.inner.dtype) if values.is_floating_point() else values
            for name, values in given.items()
        }
        with torch.no_grad():
            seen = self.look(**given).pooler_output
        # In main memory: a GPU has no room for those of thousands of images.
        return seen.cpu() if isinstance(seen, torch.Tensor) else [part.cpu() for part in seen]

    def _looked_up(self, pixel_values, *args, **kwargs) -> SimpleNamespace:
        """The features of numbered images in the form in which the model returns those of a
        batch.
        """
        import torch

        found = [self.features[number] for number in pixel_values.tolist()]
        if isinstance(found[0], torch.Tensor):
            return SimpleNamespace(pooler_output=torch.cat(found).to(self.inner.device))
        return SimpleNamespace(
            pooler_output=[part.to(self.inner.device) for parts in found for part in parts]
        )
