"""SkinGPT-4 as a transformers model: BLIP-2 with a language model of Llama's family.

An EVA-CLIP tower (its 39 first blocks), BLIP-2's Q-Former with 32 queries, one linear projection to
the width of the language model: the projection is all that is trained. transformers' BLIP-2 is this
very architecture but for the norm after the tower, whose epsilon is torch's default here. Sources:
the paper, section 4.2, and its code (JoshuaChou2018/SkinGPT-4).
"""

from collections.abc import Iterator

from torch import nn
from transformers import Blip2Config, Blip2ForConditionalGeneration

QUERIES = 32  # places that a picture takes in the text
TOWER_NORM_EPS = 1e-5


class SkinGPT4Config(Blip2Config):
    """Sizes of tower, Q-Former and language model.

    A picture's places are marked in the text by `image_token_index`, the unknown token of Llama's
    tokenizers, which no text contains because they fall back to bytes.
    """

    model_type = "skingpt4"


class SkinGPT4Model(Blip2ForConditionalGeneration):
    """The model; `freeze` leaves the projection to be trained, as the paper does in both steps."""

    config_class = SkinGPT4Config

    def __init__(self, config: SkinGPT4Config):
        super().__init__(config)
        self.vision_model.post_layernorm.eps = TOWER_NORM_EPS

    def freeze(self) -> Iterator[nn.Parameter]:
        """Freeze everything but the projection, and return its weights."""
        for weight in self.parameters():
            weight.requires_grad_(False)
        for weight in self.language_projection.parameters():
            weight.requires_grad_(True)
        return self.language_projection.parameters()
