"""Tiny models that see, with random weights, built from transformers' own classes and saved in
their own formats.

They say nothing sensible; they prove that the real loading, prompting and generation work for their
architectures.
"""

import json
from functools import partial
from pathlib import Path

from helpers.models.shipped import POCKET_MODELS

SIDE = 32  # pixels
CHAT = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ eos_token if message['role'] == 'assistant' }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 4, 4]}
QWEN_CHAT = CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")


def build(kind: str, folder: Path) -> Path:
    """Save a tiny model of a kind of `BUILDERS` with its processor; returns its folder."""
    from transformers import set_seed

    set_seed(0)
    model, *parts = BUILDERS[kind]()
    tokenizer = getattr(parts[-1], "tokenizer", parts[-1])
    if not kind.startswith("blip-2"):
        model.generation_config.update(
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    model.save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder


def tokenizer_with(*special: str, **named: str):
    """The pocket Llama's tokenizer with more special tokens, some of which have a name of their
    own.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(POCKET_MODELS / "llama", extra_special_tokens=named)
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def _sentence_piece(*special: str):
    """The pocket Llama's words in the manner of Llama 2: a text begins with a space that nobody
    wrote.
    """
    from transformers import LlamaTokenizer

    words = json.loads((POCKET_MODELS / "llama" / "tokenizer.json").read_text(encoding="utf-8"))[
        "model"
    ]

    def spelt(token: str) -> str:
        return token.replace("\u0120", "\u2581").replace("\u010a", "\n")

    vocabulary = {spelt(token): number for token, number in words["vocab"].items()}
    tokenizer = LlamaTokenizer(
        vocab=vocabulary | {"<unk>": len(vocabulary)},
        pad_token="<pad>",
        merges=[(spelt(first), spelt(second)) for first, second in words["merges"]],
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def _llava():
    """As the published TinyLLaVA is: CLIP's tower, and a repository without processor_config.json
    and chat template.
    """
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    tokenizer = _sentence_piece("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            image_size=SIDE,
            num_attention_heads=2,
            patch_size=8,
            projection_dim=64,
        ).to_dict(),
        text_config=LlamaConfig(**TEXT, vocab_size=len(tokenizer)).to_dict(),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    images = CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    return LlavaForConditionalGeneration(config), images, tokenizer


def _idefics2(tiles: bool = False):
    """A perceiver between the towers; images keep their proportions and are padded, or cut into
    four tiles.
    """
    from transformers import (
        Idefics2Config,
        Idefics2ForConditionalGeneration,
        Idefics2ImageProcessor,
        Idefics2Processor,
        MistralConfig,
    )

    tokenizer = tokenizer_with("<fake_token_around_image>", "<image>", "<end_of_utterance>")
    config = Idefics2Config(
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": 8,
        },
        perceiver_config={
            "hidden_size": 64,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 32,
            "num_key_value_heads": 1,
        },
        text_config=MistralConfig(
            **TEXT, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id
        ).to_dict(),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    images = Idefics2ImageProcessor(
        size={"shortest_edge": SIDE // 2, "longest_edge": SIDE}, do_image_splitting=tiles
    )
    processor = Idefics2Processor(
        images, tokenizer, image_seq_len=4, chat_template=CHAT.replace("IMAGE", "<image>")
    )
    return Idefics2ForConditionalGeneration(config), processor


def _blip_2(text_config=None):
    """A decoder alone speaks, as in BLIP-2's OPT models; or what `text_config` makes."""
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        Blip2QFormerConfig,
        Blip2VisionConfig,
        BlipImageProcessor,
        LlamaConfig,
    )

    tokenizer = tokenizer_with("<image>")
    speaks = text_config or LlamaConfig(
        **TEXT, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id
    )
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=1,
            image_size=SIDE,
            num_attention_heads=2,
            patch_size=16,
        ).to_dict(),
        qformer_config=Blip2QFormerConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=1,
            vocab_size=8,
            num_attention_heads=2,
            encoder_hidden_size=64,
        ).to_dict(),
        text_config=speaks.to_dict(),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    images = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return Blip2ForConditionalGeneration(config), Blip2Processor(
        images, tokenizer, num_query_tokens=4
    )


def _blip_2_t5():
    """An encoder and a decoder speak, as in BLIP-2's Flan-T5 models; the decoder starts with the
    padding token.
    """
    from transformers import T5Config

    tokenizer = tokenizer_with("<image>")
    model, processor = _blip_2(
        T5Config(
            d_model=64,
            d_ff=128,
            d_kv=32,
            num_layers=1,
            num_heads=2,
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    # Random weights would repeat the token before, padding first of all.
    model.language_model.shared.weight.data[tokenizer.pad_token_id] = 0
    return model, processor


def _idefics3(model_class: str = "Idefics3", tiles: bool = False):
    """Images of one tile, or, as published, of as many as their size asks for."""
    import transformers

    names = ("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>")
    tokenizer = tokenizer_with(*names)
    config = getattr(transformers, f"{model_class}Config")(
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": 8,
        },
        text_config=transformers.LlamaConfig(**TEXT, vocab_size=len(tokenizer)).to_dict(),
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    images = getattr(transformers, f"{model_class}ImageProcessor")(
        size={"longest_edge": (1 + tiles) * SIDE},
        max_image_size={"longest_edge": SIDE},
        do_image_splitting=tiles,
    )
    processor = getattr(transformers, f"{model_class}Processor")
    chat = CHAT.replace("IMAGE", "<image>")
    extra = (
        {"video_processor": transformers.SmolVLMVideoProcessor()}
        if model_class == "SmolVLM"
        else {}
    )
    built = processor(images, tokenizer, image_seq_len=4, chat_template=chat, **extra)
    return getattr(transformers, f"{model_class}ForConditionalGeneration")(config), built


def _smolvlm():
    return _idefics3("SmolVLM")


QWEN_VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "depth": 2,
    "num_heads": 2,
    "out_hidden_size": 64,
    "patch_size": 8,
}


def _qwen3_vl():
    from transformers import (
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer, ids = qwen_tokens()
    config = Qwen3VLConfig(
        text_config=TEXT | {"vocab_size": len(tokenizer), "head_dim": 32, "rope_parameters": MROPE},
        vision_config=QWEN_VISION
        | {
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        **ids,
    )
    processor = _qwen_processor(Qwen3VLProcessor, tokenizer, Qwen3VLVideoProcessor())
    return Qwen3VLForConditionalGeneration(config), processor


def _qwen2_5_vl():
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer, ids = qwen_tokens()
    config = Qwen2_5_VLConfig(
        text_config=TEXT | {"vocab_size": len(tokenizer), "rope_parameters": MROPE},
        vision_config=QWEN_VISION | {"window_size": 32, "fullatt_block_indexes": [1]},
        **ids,
    )
    processor = _qwen_processor(Qwen2_5_VLProcessor, tokenizer, Qwen2VLVideoProcessor())
    return Qwen2_5_VLForConditionalGeneration(config), processor


def qwen_tokens():
    """A tokenizer with Qwen's tokens for images, and their ids as the configuration names them."""
    names = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    tokenizer = tokenizer_with(*names)
    ids = tokenizer.convert_tokens_to_ids(list(names))
    return tokenizer, dict(
        zip(
            ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"),
            ids,
        )
    )


def _qwen_processor(kind, tokenizer, videos):
    """Images are as many tokens as their size asks for: here 4 to 16."""
    from transformers import Qwen2VLImageProcessor

    images = Qwen2VLImageProcessor(
        patch_size=8, merge_size=2, size={"shortest_edge": SIDE**2, "longest_edge": 4 * SIDE**2}
    )
    return kind(images, tokenizer, video_processor=videos, chat_template=QWEN_CHAT)


def _gemma3():
    """The type of MedGemma."""
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3ImageProcessor,
        Gemma3Processor,
        Gemma3TextConfig,
        SiglipVisionConfig,
    )

    tokenizer = tokenizer_with(image_token="<image>", boi_token="<boi>", eoi_token="<eoi>")
    config = Gemma3Config(
        text_config=Gemma3TextConfig(
            **TEXT, vocab_size=len(tokenizer), head_dim=32, pad_token_id=tokenizer.pad_token_id
        ).to_dict(),
        vision_config=SiglipVisionConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=8,
        ).to_dict(),
        mm_tokens_per_image=4,
        image_token_id=tokenizer.image_token_id,
    )
    images = Gemma3ImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = Gemma3Processor(
        images, tokenizer, image_seq_length=4, chat_template=CHAT.replace("IMAGE", "<boi>")
    )
    return Gemma3ForConditionalGeneration(config), processor


BUILDERS = {
    "llava": _llava,
    "idefics2": _idefics2,
    "idefics3": _idefics3,
    "smolvlm": _smolvlm,
    "qwen3_vl": _qwen3_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "gemma3": _gemma3,
    "blip-2": _blip_2,
    "blip-2 with T5": _blip_2_t5,
    "idefics2 in tiles": partial(_idefics2, tiles=True),
    "idefics3 in tiles": partial(_idefics3, tiles=True),
}
