"""How a vision tower learns to look, before it is given a language: it says what was drawn, fact by
fact.

A small captioner that is trained end to end from scratch does not learn to look: it learns the
sentences and guesses. The heads are thrown away; the tower goes into the captioner.
"""

from helpers.pocket.conditions import (
    ARRANGEMENTS,
    BORDERS,
    COLOUR_CONCEPTS,
    CONCEPTS,
    NUMBERS,
    PRIMARIES,
    SURFACES,
    body_sites,
)
from helpers.training.zoo.images import Example, normal
from helpers.training.zoo.training import descend


def facts() -> dict[str, tuple]:
    """What a tower has to tell, and the values of each fact."""
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
    }


def stated(example: Example) -> dict:
    """All facts of one image by name."""
    return example.seen | example.view | {"site": example.site}


def learn_to_look(tower, look, pixels, made: list[Example], recipe: dict):
    """Train a vision tower on the facts of images; returns the heads, which are not part of any
    captioner.

    Args:
        tower: a vision model of transformers; all of it is trained.
        look: numbers (images, 3, height, width) -> what the language model will see (images,
            tokens, width).
        pixels: bytes (images, 3, height, width), in the order of `made`.
        recipe: width, epochs, batch, seed, and what `descend` needs.
    """
    import torch

    labels, concepts = _labels(made)
    heads = _heads(recipe["width"])
    both, generator = torch.nn.ModuleDict({"tower": tower, "heads": heads}), torch.Generator()
    generator.manual_seed(recipe["seed"])

    def loss_of(rows):
        batch = _moved(normal(pixels[rows]), recipe["shift"], generator)
        told, signs = heads(look(batch))
        losses = [
            torch.nn.functional.cross_entropy(scores, labels[name][rows])
            for name, scores in told.items()
        ]
        # Most concepts are absent from most images, so their mean is small: weighed up to count
        # like three facts.
        signs_loss = torch.nn.functional.binary_cross_entropy_with_logits(signs, concepts[rows])
        return sum(losses) / len(losses) + 3 * signs_loss

    tower.train()
    descend(both, _batches(len(made), recipe), loss_of, recipe, "looking")
    tower.eval()
    return heads


def right_facts(heads, look, pixels, made: list[Example]) -> dict[str, float]:
    """The share of images for which each head is right, and F1 of the concepts, in percent."""
    import torch

    labels, concepts = _labels(made)
    with torch.inference_mode():
        parts = [heads(look(normal(part))) for part in pixels.split(256)]
    told = {name: torch.cat([part[0][name] for part in parts]).argmax(1) for name in labels}
    share = {
        name: 100 * (guess == labels[name]).float().mean().item() for name, guess in told.items()
    }
    named = torch.cat([part[1] for part in parts]) > 0
    overlap = (named & (concepts > 0)).sum() * 2 / (named.sum() + concepts.sum())
    return {
        name: round(value, 1)
        for name, value in (share | {"concepts_f1": 100 * overlap.item()}).items()
    }


def _moved(batch, most: int, generator):
    """The same images mirrored or not, and cut a few pixels off the middle: up to `most`, edges
    repeated.
    """
    import torch

    down, across, mirrored = torch.randint(0, 2 * most + 1, (3,), generator=generator).tolist()
    size = batch.shape[-1]
    wider = torch.nn.functional.pad(batch, (most,) * 4, mode="replicate")[
        ..., down : down + size, across : across + size
    ]
    return wider.flip(-1) if mirrored % 2 else wider


def _batches(count: int, recipe: dict) -> list:
    """Row numbers of all batches of all epochs, each epoch in an order of its own."""
    import torch

    generator = torch.Generator().manual_seed(recipe["seed"])
    return [
        rows
        for _ in range(recipe["epochs"])
        for rows in torch.randperm(count, generator=generator).split(recipe["batch"])
    ]


def _labels(made: list[Example]):
    """The number of each fact's value (images,), and the concepts as ones and zeros (images,
    48).
    """
    import torch

    known = [stated(example) for example in made]
    labels = {
        name: torch.tensor([values.index(row[name]) for row in known])
        for name, values in facts().items()
    }
    concepts = torch.tensor(
        [[float(concept in row["concepts"]) for concept in CONCEPTS] for row in known]
    )
    return labels, concepts


def _heads(width: int):
    """Heads that look at an image's tokens each by its own attention: one per fact, and one for
    all concepts.
    """
    import torch

    class Heads(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.LayerNorm(width)
            self.attention = torch.nn.Linear(width, len(facts()) + 1)
            self.facts = torch.nn.ModuleList(
                [torch.nn.Linear(width, len(values)) for values in facts().values()]
            )
            self.concepts = torch.nn.Linear(width, len(CONCEPTS))

        def forward(self, tokens):
            tokens = self.norm(tokens)
            # (images, heads, tokens) times (images, tokens, width)
            pooled = self.attention(tokens).softmax(1).transpose(1, 2) @ tokens
            told = {
                name: head(pooled[:, index])
                for index, (name, head) in enumerate(zip(facts(), self.facts))
            }
            return told, self.concepts(pooled[:, -1])

    return Heads()
