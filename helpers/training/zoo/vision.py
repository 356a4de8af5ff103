"""How a vision tower learns to look before it is given a language: it names facts of drawings.

A small captioner that is trained end to end from scratch does not learn to look: it learns the
sentences and guesses. The heads are thrown away; the tower goes into the captioner.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

from helpers.pocket.conditions import (
    ARRANGEMENTS,
    BORDERS,
    COLOUR_CONCEPTS,
    CONCEPTS,
    NUMBERS,
    PRIMARIES,
    SURFACES,
    body_sites,
    load_conditions,
)
from helpers.training.zoo.images import Drawing, DrawnImages, normalize
from helpers.training.zoo.training import descend, random_batches

# Numbers (images, 3, height, width) -> what the language model will see (images, tokens, width).
Look = Callable[[torch.Tensor], torch.Tensor]


def fact_values() -> dict[str, tuple]:
    """Return the facts that a tower has to tell, and the values of each."""
    return {
        "primary": PRIMARIES,
        "colour": tuple(COLOUR_CONCEPTS),
        "surface": SURFACES,
        "border": BORDERS,
        "arrangement": ARRANGEMENTS,
        "number": NUMBERS,
        "skin_tone": (1, 2, 3, 4, 5, 6),
        "site": tuple(body_sites()),
        "distance": ("close", "middle", "far"),
        "hair": (False, True),
        "light": ("bright", "even", "dim"),
        "sharpness": ("sharp", "blurred"),
        "condition": tuple(condition.id for condition in load_conditions()),
    }


def facts_of(drawing: Drawing) -> dict:
    """Return all facts of one drawing by name."""
    return drawing.seen | drawing.view | {"site": drawing.site, "condition": drawing.condition}


class Heads(torch.nn.Module):
    """Heads that look at an image's tokens each by its own attention.

    There is one for each fact, and one for all concepts.
    """

    def __init__(self, width: int):
        super().__init__()
        self.norm = torch.nn.LayerNorm(width)
        self.attention = torch.nn.Linear(width, len(fact_values()) + 1)
        self.facts = torch.nn.ModuleList(
            [torch.nn.Linear(width, len(values)) for values in fact_values().values()]
        )
        self.concepts = torch.nn.Linear(width, len(CONCEPTS))

    def forward(self, tokens: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Give each fact's scores (images, values), and the concepts' (images, concepts)."""
        tokens = self.norm(tokens)
        attention = self.attention(tokens).softmax(1)  # (images, tokens, heads)
        pooled = attention.transpose(1, 2) @ tokens  # (images, heads, width)
        told = {
            name: head(pooled[:, index])
            for index, (name, head) in enumerate(zip(fact_values(), self.facts))
        }
        return told, self.concepts(pooled[:, -1])


def learn_to_look(tower: torch.nn.Module, look: Look, drawn: DrawnImages, recipe: dict) -> Heads:
    """Train a vision tower on the facts of images, and return the heads that name them.

    Args:
        tower: a vision model of transformers; all of it is trained.
        look: the tower's forward pass.
        recipe: width, epochs, batch, seed, shift, naming (what the condition's name counts beside
            the mean of all other facts), and what `descend` needs.
    """
    labels, concepts = _labels(drawn.drawings)
    heads = Heads(recipe["width"])
    both = torch.nn.ModuleDict({"tower": tower, "heads": heads})
    generator = torch.Generator().manual_seed(recipe["seed"])

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        batch = _move(normalize(drawn.pixels[rows]), recipe["shift"], generator)
        told, signs = heads(look(batch))
        losses = {
            name: functional.cross_entropy(scores, labels[name][rows])
            for name, scores in told.items()
        }
        naming = recipe["naming"] * losses.pop("condition")
        # Most concepts are absent from most images, so their mean is small: weighed up to count
        # like three facts.
        signs_loss = functional.binary_cross_entropy_with_logits(signs, concepts[rows])
        return sum(losses.values()) / len(losses) + 3 * signs_loss + naming

    tower.train()
    descend(both, random_batches(len(drawn.drawings), recipe), loss_of, recipe, "looking")
    tower.eval()
    return heads


def look_at_all(look: Look, pixels: torch.Tensor) -> torch.Tensor:
    """Give what a tower sees of all images, given as bytes (images, 3, height, width)."""
    with torch.inference_mode():
        seen = torch.cat([look(normalize(part)) for part in pixels.split(256)])
    return seen.clone()  # a tensor made in inference mode could not be trained on


def right_facts(heads: Heads, look: Look, drawn: DrawnImages) -> dict[str, float]:
    """Measure for how many images each head is right, and F1 of the concepts, in percent."""
    labels, concepts = _labels(drawn.drawings)
    with torch.inference_mode():
        parts = [heads(look(normalize(part))) for part in drawn.pixels.split(256)]
    rounded = {}
    for name, truth in labels.items():
        guess = torch.cat([facts[name] for facts, _ in parts]).argmax(1)
        rounded[name] = round(100 * (guess == truth).float().mean().item(), 1)
    named = torch.cat([signs for _, signs in parts]) > 0
    overlap = (named & (concepts > 0)).sum() * 2 / (named.sum() + concepts.sum())
    return rounded | {"concepts_f1": round(100 * overlap.item(), 1)}


def _move(batch: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image or not, and shift it by up to `most` pixels, edges repeated."""
    count, size = len(batch), batch.shape[-1]
    places = torch.randint(0, 2 * most + 1, (count, 2), generator=generator).tolist()
    mirrored = torch.rand(count, generator=generator) < 0.5
    wider = functional.pad(batch, (most,) * 4, mode="replicate")
    shifted = torch.stack(
        [
            image[:, down : down + size, across : across + size]
            for image, (down, across) in zip(wider, places)
        ]
    )
    return torch.where(mirrored[:, None, None, None], shifted.flip(-1), shifted)


def _labels(drawings: list[Drawing]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Give the number of each fact's value (images,), and concepts as 1 or 0 (images, 48)."""
    known = [facts_of(drawing) for drawing in drawings]
    labels = {
        name: torch.tensor([values.index(facts[name]) for facts in known])
        for name, values in fact_values().items()
    }
    concepts = [[float(concept in facts["concepts"]) for concept in CONCEPTS] for facts in known]
    return labels, torch.tensor(concepts)
