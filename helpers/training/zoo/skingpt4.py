"""How `pocket/skingpt4` is made, which SkinGPT-4 begins with: it describes skin, and was never told
what a picture's disease is called.

A real BLIP-2 whose language model is pocket/llava's text tower, which stays as it is, and where it
is: tower and Q-Former learn to look first; then the Q-Former and the projection learn to let it
describe what they see (BLIP-2's second stage, MiniGPT-4's alignment). pocket/llama in its place was
tried: it has never read what a picture shows, and a projection alone does not teach it to.
"""

import random
from pathlib import Path

import torch
from torch import nn
from transformers import AutoTokenizer, set_seed
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from helpers.models.processors import completion, turn_text
from helpers.models.shipped import model_path
from helpers.models.skingpt4.model import SkinGPT4Config, SkinGPT4Model, load_language
from helpers.models.skingpt4.parts import place_token
from helpers.models.skingpt4.processor import SkinGPT4Processor, make_processor
from helpers.pocket import descriptions
from helpers.training.zoo.images import SIZE, Drawing, DrawnImages
from helpers.training.zoo.talking import Encoded, learn_to_speak
from helpers.training.zoo.vision import learn_to_look, look_at_all, right_facts

SPEAKER = "pocket/llava"


class Eyes(nn.Module):
    """Tower and Q-Former: what they see of images is (images, queries, width)."""

    def __init__(self, model: SkinGPT4Model):
        super().__init__()
        self.tower, self.qformer, self.queries = (
            model.vision_model,
            model.qformer,
            model.query_tokens,
        )

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Look at images with numbers from -1 to 1."""
        return self.gather(self.look(batch))

    def look(self, batch: torch.Tensor) -> torch.Tensor:
        """Give the tower's states; its numbers are those of CLIP."""
        mean, std = (
            torch.tensor(numbers)[:, None, None] for numbers in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
        )
        seen: torch.Tensor = self.tower(((batch + 1) / 2 - mean) / std).last_hidden_state
        return seen

    def gather(self, seen: torch.Tensor) -> torch.Tensor:
        """Give the queries' states."""
        asked = self.queries.expand(len(seen), -1, -1)
        found: torch.Tensor = self.qformer(
            query_embeds=asked, encoder_hidden_states=seen
        ).last_hidden_state
        return found


class Speaker(nn.Module):
    """What learns to speak, and the language model that does it."""

    def __init__(self, model: SkinGPT4Model, eyes: Eyes):
        super().__init__()
        self.eyes, self.projection = eyes, model.language_projection
        self.model, self.lm_head = model.language_model.model, model.language_model.lm_head

    def get_input_embeddings(self) -> nn.Module:
        """Return the language model's words."""
        words: nn.Module = self.model.get_input_embeddings()
        return words

    def connect(self, seen: torch.Tensor) -> torch.Tensor:
        """Give what the language model reads in place of an image."""
        found: torch.Tensor = self.projection(self.eyes.gather(seen))
        return found


def train(recipe: dict, folder: Path, drawn: DrawnImages, held: DrawnImages) -> dict:
    """Train and save the model; return size, loss, and what the heads know of `held`."""
    set_seed(recipe["seed"])
    model, processor = _build(recipe)
    eyes = Eyes(model)
    heads = learn_to_look(eyes, eyes, drawn, recipe["look"] | {"width": recipe["qformer"]["width"]})
    facts = right_facts(heads, eyes, held)
    loss = _learn_to_speak(model, processor, eyes, drawn, recipe["speak"])
    model.half().save_pretrained(folder)
    own = sum(
        weight.numel() for name, weight in model.named_parameters() if "language_model" not in name
    )
    return {"parameters": own, "final_loss": round(loss, 3), "heads": facts}


def _build(recipe: dict) -> tuple[SkinGPT4Model, SkinGPT4Processor]:
    """Build the architecture around its language model."""
    speaks = load_language(SPEAKER, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model_path(SPEAKER), padding_side="left")
    look, gather = recipe["look"], recipe["qformer"]
    text = speaks.config.to_dict()
    text.pop("_name_or_path", None)  # the folder of this machine that it came from
    config = SkinGPT4Config(
        vision_config={
            "hidden_size": look["width"],
            "intermediate_size": look["intermediate"],
            "num_hidden_layers": look["layers"],
            "num_attention_heads": look["heads"],
            "image_size": SIZE,
            "patch_size": recipe["patch"],
        },
        qformer_config={
            "vocab_size": 1,  # it reads no text
            "hidden_size": gather["width"],
            "intermediate_size": gather["intermediate"],
            "num_hidden_layers": gather["layers"],
            "num_attention_heads": gather["heads"],
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        text_config=text,
        num_query_tokens=gather["queries"],
        image_token_index=place_token(tokenizer),
        language=SPEAKER,
    )
    model = SkinGPT4Model._from_config(config, attn_implementation="eager")
    model.language_model = speaks.requires_grad_(False)
    nn.init.normal_(model.query_tokens, std=gather["spread"])
    return model, make_processor(config, tokenizer)


def _learn_to_speak(
    model: SkinGPT4Model,
    processor: SkinGPT4Processor,
    eyes: Eyes,
    drawn: DrawnImages,
    recipe: dict,
) -> float:
    """Train Q-Former and projection on descriptions; return the last loss."""
    eyes.tower.requires_grad_(False)
    count = recipe["pictures"]
    seen = look_at_all(eyes.look, drawn.pixels[:count])
    rng = random.Random("skingpt4")
    lessons = [_encode(drawing, processor, rng) for drawing in drawn.drawings[:count]]
    speaker = Speaker(model, eyes)
    place = model.config.image_token_id
    taught = [(lessons, recipe["batch"])]
    return learn_to_speak(speaker, seen, taught, speaker.connect, place, recipe)


def _encode(drawing: Drawing, processor: SkinGPT4Processor, rng: random.Random) -> Encoded:
    """Encode a request and a description as they are trained: the latter alone is learnt."""
    request = rng.choice(descriptions.prompts())
    caption = descriptions.describe(
        drawing.seen, drawing.view, site=drawing.site, style="clinical", rng=rng
    )
    before = processor.tokens(turn_text(processor, request))
    after = processor.piece(completion(processor, request, caption))
    return before + after, [-100] * len(before) + after
