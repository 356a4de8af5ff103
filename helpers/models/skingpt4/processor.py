"""What makes a SkinGPT-4 load through transformers' ordinary calls, and what it reads.

`register()` before `AutoConfig` or `AutoModelForImageTextToText`; the classes are in
`helpers.models.skingpt4.model`, which is slow to import.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from PIL import Image

from helpers.models.skingpt4 import MODEL_TYPE

END = "###"
PLACE = "<ImageHere>"
# The published template. A text before the picture makes it the demo's, which has no space at its
# end where training has one: the original's mismatch.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{% if message['content'] is string %}{{ '###Human: ' + message['content'] + ' ###Assistant: ' "
    "}}{% else %}{% set parts = message['content'] %}{% set demo = parts[0]['type'] == 'text' %}"
    "{% if demo %}{{ parts[0]['text'] }}{% endif %}{{ '###Human: <Img><ImageHere></Img> ' + "
    "parts[-1]['text'] + ('###Assistant:' if demo else ' ###Assistant: ') }}{% endif %}"
    "{% else %}{{ message['content'][0]['text'] + '###' }}{% endif %}{% endfor %}"
)


@cache
def register() -> None:
    """Make SkinGPT-4 known to transformers' auto classes, once."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    from helpers.models.skingpt4 import model as skingpt4_model

    AutoConfig.register(MODEL_TYPE, skingpt4_model.SkinGPT4Config)
    AutoModelForImageTextToText.register(
        skingpt4_model.SkinGPT4Config, skingpt4_model.SkinGPT4Model
    )


class SkinGPT4Processor:
    """Pictures and texts as SkinGPT-4's code prepares them.

    Each piece of a text, before and behind a picture's places, is tokenized by itself and without
    special tokens, so that each begins with Llama's prefix space; one begin token stands before
    everything. A picture is squeezed into the tower's square (bicubic, by Pillow).

    Attributes:
        image_token: the token of a picture's places, which no text contains.
        stop: the text that ends an answer.
    """

    stop = END
    chat_template = CHAT_TEMPLATE

    def __init__(self, image_processor: Any, tokenizer: Any, *, place: int, places: int) -> None:
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.image_token = tokenizer.convert_ids_to_tokens(place)
        self.places = [place] * places

    def apply_chat_template(self, messages: list[dict], **settings: Any) -> Any:
        """Render messages by the published template."""
        template = self.chat_template
        return self.tokenizer.apply_chat_template(messages, chat_template=template, **settings)

    def __call__(
        self,
        *,
        text: Sequence[str],
        images: Sequence[Sequence[Image.Image]],
        padding_side: str,
        **settings: Any,
    ) -> Any:
        """Prepare texts with one picture each.

        Returns: input_ids and attention_mask (texts, tokens), pixel_values (texts, 3, side, side).
        """
        from transformers import BatchFeature

        ids = self.tokenizer.pad(
            {"input_ids": [self.tokens(one) for one in text]},
            padding_side=padding_side,
            return_tensors="pt",
        )
        pictures = [image for pair in images for image in pair]
        seen = self.image_processor(pictures, return_tensors="pt")
        return BatchFeature({**ids, "pixel_values": seen["pixel_values"]})

    def save_pretrained(self, folder: Any) -> None:
        """Save nothing: it is made anew from the model's configuration and its tokenizer."""

    def tokens(self, text: str) -> list[int]:
        """Give the tokens of a rendered text: first the begin token; a picture as its places."""
        before, place, after = text.partition(PLACE)
        pieces = [self.piece(before), self.places if place else [], self.piece(after)]
        return [self.tokenizer.bos_token_id, *(token for piece in pieces for token in piece)]

    def piece(self, text: str) -> list[int]:
        """Give the tokens of a piece of a text by itself."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found


def make_processor(config: Any, tokenizer: Any) -> SkinGPT4Processor:
    """Make the processor of a model around the tokenizer of its language model."""
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    side = config.vision_config.image_size
    images = BlipImageProcessorPil(size={"height": side, "width": side})
    return SkinGPT4Processor(
        images, tokenizer, place=config.image_token_id, places=config.num_query_tokens
    )


def load_processor(config: Any) -> SkinGPT4Processor:
    """Make the processor of a model from its configuration, which names its language model."""
    from transformers import AutoTokenizer

    from helpers.models.foreign import check_model
    from helpers.models.skingpt4.model import split_revision

    path, revision = split_revision(config.language)
    check_model(path, revision)
    tokenizer = AutoTokenizer.from_pretrained(
        path, revision=revision, padding_side="left", trust_remote_code=False
    )
    return make_processor(config, tokenizer)
