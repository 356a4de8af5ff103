"""Checkpoints of VLMs in published or tiny shapes, with random nf4 weights: for tests/gpu/vlm."""

import json
from pathlib import Path

from tests.models import tiny_vlms

CHAT = tiny_vlms.CHAT.replace("IMAGE", "<image>")
SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}
# HuggingFaceTB/SmolVLM-Instruct, Qwen/Qwen3-VL-8B-Instruct and HuggingFaceM4/idefics2-8b. `tokens`
# and `side` are what one image, or one of its tiles, is; `most` is the longest edge that the
# processor makes.
SHAPES = {
    "smolvlm": {
        "vision": SO400M | {"image_size": 384, "patch_size": 14},
        "scale": 3,
        "side": 384,
        "most": 1536,
        "tokens": 81,
        "text": {
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 24,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "vocab_size": 49280,
            "max_position_embeddings": 16384,
        },
    },
    "qwen3_vl": {
        "vision": {"out_hidden_size": 4096},  # the rest is transformers' default
        "text": {
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "max_position_embeddings": 262144,
        },
        "rope": {"rope_type": "default", "rope_theta": 5000000.0, "mrope_section": [24, 20, 20]},
        "side": 256,
        "most": 4096,
        "patch": 16,
    },
    "idefics2": {
        "vision": SO400M | {"image_size": 980, "patch_size": 14},
        "perceiver": {},
        "side": 378,
        "most": 980,
        "text": {
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32003,
            "max_position_embeddings": 32768,
        },
        "tokens": 64,
    },
}
NARROW = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
SMALL_TEXT = NARROW | {
    "num_key_value_heads": 2,
    "vocab_size": 2060,
    "max_position_embeddings": 2048,
}
TINY = {
    "smolvlm": {
        "vision": NARROW | {"image_size": 64, "patch_size": 8},
        "scale": 2,
        "text": SMALL_TEXT,
        "tokens": 16,
        "side": 64,
        "most": 128,
    },
    "qwen3_vl": {
        "vision": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "depth": 2,
            "num_heads": 2,
            "patch_size": 8,
            "out_hidden_size": 64,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        "rope": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 4, 4]},
        "text": SMALL_TEXT | {"head_dim": 32},
        "side": 32,
        "most": 128,
        "patch": 8,
    },
    "idefics2": {
        "vision": NARROW | {"image_size": 64, "patch_size": 8},
        "text": SMALL_TEXT,
        "tokens": 4,
        "perceiver": {
            "hidden_size": 64,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "num_key_value_heads": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 32,
        },
        "side": 32,
        "most": 64,
    },
}


def write_checkpoint(folder: Path, name: str, shape: dict) -> float:
    """Write a model of this shape with its processor, and return its size in GB.

    A block of layers at a time, and weights of one size are the same everywhere: drawing and
    packing is the slow part.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import BitsAndBytesConfig, GenerationConfig

    model_class, config, processor = described(name, shape)
    with torch.device("meta"):
        model = model_class(config)
    linear = {
        f"{path}.weight"
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and path != "lm_head"
    }
    sizes, files, drawn, places = (
        {key: tensor.shape for key, tensor in model.state_dict().items()},
        {},
        {},
        {},
    )
    for key in sizes:
        numbered = [part for part in key.split(".") if part.isdigit()]
        files.setdefault(f"{key.split('.')[1]}-{numbered[0] if numbered else 'rest'}", []).append(
            key
        )
    folder.mkdir()
    for file, keys in files.items():
        tensors = {}
        for key in keys:
            tensors |= drawn_weight(key, sizes[key], key in linear, drawn)
        save_file(tensors, folder / f"{file}.safetensors", metadata={"format": "pt"})
        places |= dict.fromkeys(tensors, f"{file}.safetensors")
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.quantization_config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float16,
        llm_int8_skip_modules=["lm_head"],
    )
    config.architectures, config.dtype = [model_class.__name__], torch.float16
    config.save_pretrained(folder)
    processor.save_pretrained(folder)
    GenerationConfig(**ends_of(processor.tokenizer)).save_pretrained(folder)
    return round(size / 1e9, 3)


def drawn_weight(key: str, size, packs: bool, drawn: dict) -> dict:
    """Give one weight as it is stored: packed into nf4 with double quantization, or in float16."""
    import torch
    from bitsandbytes.functional import quantize_4bit

    if len(size) < 2:
        return {
            key: torch.full(size, float(key.endswith("weight")), dtype=torch.float16)
        }  # of norms; biases are 0
    if (size, packs) not in drawn:
        weight = torch.empty(size, dtype=torch.float16).normal_(std=0.02)
        drawn[size, packs] = {"": weight}
        if packs:
            data, state = quantize_4bit(
                weight, blocksize=64, compress_statistics=True, quant_type="nf4"
            )
            drawn[size, packs] = {"": data} | {
                f".{name}": part for name, part in state.as_dict(packed=True).items()
            }
    return {f"{key}{name}": tensor.clone() for name, tensor in drawn[size, packs].items()}


def described(name: str, shape: dict) -> tuple:
    """The class of a model, its configuration in this shape, and its processor around the pocket
    Llama's words.
    """
    if name == "qwen3_vl":
        return _qwen3_vl(shape)
    return (_idefics2 if name == "idefics2" else _smolvlm)(shape)


def _qwen3_vl(shape: dict) -> tuple:
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer, ids = tiny_vlms.qwen_tokens()
    text = shape["text"] | ends_of(tokenizer) | {"rope_parameters": shape["rope"]}
    config = Qwen3VLConfig(
        text_config=text, vision_config=shape["vision"], tie_word_embeddings=False, **ids
    )
    images = Qwen2VLImageProcessor(
        patch_size=shape["patch"],
        merge_size=2,
        size={"shortest_edge": shape["side"] ** 2, "longest_edge": shape["most"] ** 2},
    )
    processor = Qwen3VLProcessor(
        images,
        tokenizer,
        video_processor=Qwen3VLVideoProcessor(),
        chat_template=tiny_vlms.QWEN_CHAT,
    )
    return Qwen3VLForConditionalGeneration, config, processor


def _idefics2(shape: dict) -> tuple:
    from transformers import (
        Idefics2Config,
        Idefics2ForConditionalGeneration,
        Idefics2ImageProcessor,
        Idefics2Processor,
        MistralConfig,
    )
    from transformers.models.idefics2.configuration_idefics2 import Idefics2PerceiverConfig

    tokenizer = tiny_vlms.tokenizer_with(
        "<fake_token_around_image>", "<image>", "<end_of_utterance>"
    )
    config = Idefics2Config(
        text_config=MistralConfig(
            **shape["text"], **ends_of(tokenizer), sliding_window=None
        ).to_dict(),
        perceiver_config=Idefics2PerceiverConfig(**shape["perceiver"]).to_dict(),
        vision_config=shape["vision"],
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    images = Idefics2ImageProcessor(
        size={"shortest_edge": shape["side"], "longest_edge": shape["most"]},
        do_image_splitting=True,
    )
    processor = Idefics2Processor(
        images, tokenizer, image_seq_len=shape["tokens"], chat_template=CHAT
    )
    return Idefics2ForConditionalGeneration, config, processor


def _smolvlm(shape: dict) -> tuple:
    """SmolVLM-Instruct is of Idefics3's type."""
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
        LlamaConfig,
    )

    tokenizer = tiny_vlms.tokenizer_with(
        "<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"
    )
    config = Idefics3Config(
        text_config=LlamaConfig(**shape["text"], **ends_of(tokenizer)).to_dict(),
        vision_config=shape["vision"],
        scale_factor=shape["scale"],
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    images = Idefics3ImageProcessor(
        size={"longest_edge": shape["most"]}, max_image_size={"longest_edge": shape["side"]}
    )
    processor = Idefics3Processor(
        images, tokenizer, image_seq_len=shape["tokens"], chat_template=CHAT
    )
    return Idefics3ForConditionalGeneration, config, processor


def ends_of(tokenizer) -> dict:
    """The ids of the tokens that begin, end and pad a text."""
    return {
        name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
