"""Features of a frozen vision tower, computed once for each image: then a training meets no pixels.

While such a plan is learnt, `pixel_values` are numbers of images, and the model looks their
features up: those that its text tower reads, or, where what joins the towers learns, too, those
that this is given.
"""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm

from helpers.files import LabError
from helpers.models.vlm import LocalVLM
from helpers.training.examples import TrainingPlan
from helpers.training.vlm_examples import VlmExample, collate, open_prompts, places_of

Features = torch.Tensor | list[torch.Tensor]
# What architectures call what joins their towers.
CONNECTORS = ("connector", "multi_modal_projector", "language_projection")


@dataclass(frozen=True)
class ConnectorInput:
    """What the connector is given of one image.

    Attributes:
        values: its arguments, those by name under their names; tensors have one image each.
        form: how the model returns features: "list" (one image each), "flat" (the places of all
            images in one row) or "images" (images, places, width).
    """

    values: dict[int | str, Any]
    form: str

    def shapes(self) -> list:
        """Return what has to be the same of images that are joined at once."""
        return [getattr(value, "shape", None) for value in self.values.values()]


@dataclass
class Precomputed:
    """What is kept of images and of questions about them.

    Attributes:
        pad: token id of the padding.
        prompts: (prompt, image) -> its inputs with one number for each token.
        numbers: image -> its number, its place in `features` and `grids`.
        features: as the text tower is given them, or the connector where that learns.
        grids: Qwen's numbers of patches (1, 3); None of other models.
    """

    pad: int
    prompts: dict[tuple[str, str], dict[str, torch.Tensor]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    features: list[Features | ConnectorInput] = field(default_factory=list)
    grids: list[torch.Tensor | None] = field(default_factory=list)

    def encode(self, examples: Sequence[VlmExample]) -> dict:
        """Give the kept inputs of the prompts, padded on the right, with the numbers of images."""
        kept = [self.prompts[example.prompt, example.image] for example in examples]
        padded = {
            name: pad_sequence(
                [prompt[name] for prompt in kept],
                batch_first=True,
                padding_value=self.pad if name == "input_ids" else 0,
            )
            for name in kept[0]
        }
        numbers = [self.numbers[example.image] for example in examples]
        grids = [grid for grid in (self.grids[number] for number in numbers) if grid is not None]
        # Qwen's text tower takes the places of an image's tokens from its grid.
        placed = {"image_grid_thw": torch.cat(grids)} if grids else {}
        return padded | placed | {"pixel_values": torch.tensor(numbers)}

    def look_up(
        self, pixel_values: torch.Tensor, *unused: object, **settings: object
    ) -> SimpleNamespace:
        """Give the features of numbered images in the form in which the model returns a batch's."""
        device = pixel_values.device
        found = [self.features[number] for number in pixel_values.tolist()]
        whole = [features for features in found if isinstance(features, torch.Tensor)]
        if whole:
            return _as_seen(torch.cat(whole).to(device))
        parts = [part for features in found for part in features]
        return _as_seen([part.to(device) for part in parts])

    def join(
        self, connector: nn.Module, pixel_values: torch.Tensor, *unused: object, **settings: object
    ) -> SimpleNamespace:
        """Give the features of numbered images through the connector as it is now: of images of one
        size at once, of others one by one.
        """
        given = [self.features[number] for number in pixel_values.tolist()]
        alike = all(one.shapes() == given[0].shapes() for one in given)
        parts = [given] if alike else [[one] for one in given]
        joined = [_join(connector, part, pixel_values.device) for part in parts]
        if given[0].form == "images":
            return _as_seen(torch.cat(joined))
        images = [image for part in joined for image in part]
        listed = given[0].form == "list"
        return _as_seen(images if listed else torch.cat(images))


def _as_seen(features: Features) -> SimpleNamespace:
    """Give features as a model does; BLIP-2's hands on what its parts saw, too: none is given."""
    return SimpleNamespace(pooler_output=features, vision_outputs=None, qformer_outputs=None)


def _join(
    connector: nn.Module, given: Sequence[ConnectorInput], device: torch.device
) -> torch.Tensor:
    """Call the connector once for images of one size; (images, places, width)."""
    values = {
        name: torch.cat([one.values[name] for one in given]).to(device)
        if isinstance(value, torch.Tensor)
        else value
        for name, value in given[0].values.items()
    }
    places = [value for name, value in values.items() if isinstance(name, int)]
    named = {name: value for name, value in values.items() if isinstance(name, str)}
    found: torch.Tensor = connector(*places, **named)
    return found


def connector_of(model: nn.Module) -> nn.Module | None:
    """Return what joins the towers of a model, None where it is called otherwise."""
    found = (getattr(model.model, name, None) for name in CONNECTORS)
    return next((one for one in found if isinstance(one, nn.Module)), None)


def can_precompute(loaded: LocalVLM, *, connector_learns: bool = False) -> bool:
    """True if the text tower gets one set of features (Qwen3-VL's gets some in deeper layers), and
    the connector is known where it learns.
    """
    has_features = hasattr(loaded.model.model, "get_image_features")
    several = getattr(loaded.model.config.vision_config, "deepstack_visual_indexes", ())
    joins = not connector_learns or connector_of(loaded.model) is not None
    return has_features and not several and joins


@contextmanager
def with_features(
    loaded: LocalVLM, plan: TrainingPlan[VlmExample], *, connector_learns: bool = False
) -> Iterator[TrainingPlan[VlmExample]]:
    """Compute the features of all images, and give the same plan without pixels.

    Until the end of the `with` statement the model looks features up instead of computing them. All
    are held in memory: of moondream2, 3 MB an image in half precision.

    Raises:
        LabError: the model takes more from its vision tower than one set of features.
    """
    if not can_precompute(loaded, connector_learns=connector_learns):
        raise LabError(
            f"`features` is 'precomputed', but a model of type {loaded.model.config.model_type!r} "
            "takes features from several layers of its vision tower, or joins its towers in a way "
            "that is not known here: set `features` to 'live'."
        )
    connector = connector_of(loaded.model) if connector_learns else None
    batch = max(map(len, plan.batches), default=1)
    kept = precompute(loaded, [*plan.train, *plan.valid], connector, at_once=batch)
    inner = loaded.model.model
    inner.get_image_features = partial(kept.join, connector) if connector else kept.look_up
    try:
        yield replace(
            plan,
            collate=partial(
                collate,
                encode=kept.encode,
                pad=kept.pad,
                places=places_of(loaded.processor.tokenizer),
            ),
            facts=plan.facts | {"features": "precomputed"},
        )
    finally:
        del inner.get_image_features  # the class's own method is seen again


def precompute(
    loaded: LocalVLM,
    examples: Iterable[VlmExample],
    connector: nn.Module | None = None,
    *,
    at_once: int = 1,
) -> Precomputed:
    """See each image once.

    Args:
        connector: keep what this is given, not what it makes of it.
        at_once: images that are seen together, if their tensors have one shape.
    """
    kept = Precomputed(loaded.processor.tokenizer.pad_token_id)
    different = {(example.prompt, example.image): example for example in examples}
    opened = open_prompts(loaded.processor, [*different.values()])
    waiting: list[dict] = []
    for key, inputs in tqdm(
        zip(different, opened), total=len(different), desc="seeing", unit="image", leave=False
    ):
        by_token = inputs["input_ids"].shape
        kept.prompts[key] = {
            name: values[0]
            for name, values in inputs.items()
            if getattr(values, "shape", None) == by_token
        }
        _, image = key
        if image in kept.numbers:
            continue
        kept.numbers[image] = len(kept.numbers)
        kept.grids.append(inputs.get("image_grid_thw"))
        seen = _shown_to_tower(loaded.model.model, inputs)
        if waiting and (len(waiting) == at_once or _shapes(waiting[0]) != _shapes(seen)):
            kept.features += _see(loaded.model.model, waiting, connector)
            waiting = []
        waiting.append(seen)
    if waiting:
        kept.features += _see(loaded.model.model, waiting, connector)
    return kept


def _shown_to_tower(inner, inputs: dict) -> dict[str, torch.Tensor]:
    """Take what the vision tower is given of a model's inputs, in its dtype."""
    wanted = inspect.signature(inner.get_image_features).parameters
    return {
        name: values.to(inner.dtype) if values.is_floating_point() else values
        for name, values in inputs.items()
        if name in wanted
    }


def _shapes(given: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in given.items()}


@torch.no_grad()
def _see(
    inner, images: Sequence[dict[str, torch.Tensor]], connector: nn.Module | None
) -> list[Features] | list[ConnectorInput]:
    """Compute the features of images whose tensors have one shape: as the text tower will be given
    them, or what the connector is given for them.
    """
    given = {name: torch.cat([one[name] for one in images]).to(inner.device) for name in images[0]}
    noted: dict[int | str, Any] = {}

    def note(module: nn.Module, places: tuple, named: dict) -> None:
        noted.update([*enumerate(places), *named.items()])

    noting = connector.register_forward_pre_hook(note, with_kwargs=True) if connector else None
    try:
        features = inner.get_image_features(**given).pooler_output
    finally:
        if noting:
            noting.remove()
    if noting is None:
        return _split(features, len(images))
    flat = "flat" if getattr(features, "ndim", 0) == 2 else "images"
    form = "list" if isinstance(features, list) else flat
    parts = {name: _split(value, len(images)) for name, value in noted.items()}
    return [
        ConnectorInput({name: values[place] for name, values in parts.items()}, form)
        for place in range(len(images))
    ]


def _split(value: Any, images: int) -> list[Any]:
    """Cut what is known of images of one size into the parts of each, in main memory: a GPU has no
    room for those of thousands. What is no tensor, such as a number, is the same for all.
    """
    if isinstance(value, torch.Tensor):
        # A part of a tensor would keep the whole of it.
        return [part.clone() for part in value.cpu().tensor_split(images)]
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], torch.Tensor):
        each = len(value) // images
        return [
            [part.cpu() for part in value[place * each : (place + 1) * each]]
            for place in range(images)
        ]
    return [value] * images
