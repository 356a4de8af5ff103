"""What a T4 would do with Llama-3 8B, by Unsloth and by PEFT, on any CUDA machine without network.

Run `python tests/gpu/text.py --out figures.json`. It writes a checkpoint of Llama-3 8B's shape with
random weights in nf4 (7 GB of disk, in the temporary folder), then trains an adapter with each
backend and answers a batch, each in a process of its own, in float16 and with the GPU's memory
capped at 15 GB. Random weights cost what real ones cost. A faster GPU than a T4 shows the ratio of
the backends and the memory, not a T4's seconds.

`--tiny` does the same with a tiny model on whatever there is (a test runs it on the CPU). Status 1
if a part failed.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.gpu.parts import WORDS, as_on_a_t4, even_seconds, in_its_own_process

LLAMA_3_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
}
TINY = LLAMA_3_8B | {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 2048,
    "max_position_embeddings": 1024,
}
PARTS = ("unsloth", "peft", "answers")
ANSWERED, NEW_TOKENS = 8, 64  # prompts in one batch, and tokens per answer at most


def main() -> int:
    """Measure all parts, or the one named, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="where the figures go, as JSON")
    parser.add_argument(
        "--tiny", action="store_true", help="a tiny model, on the CPU where there is no GPU"
    )
    parser.add_argument("--cap", type=float, default=15.0, help="GPU memory in GB of 10^9 bytes")
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps of 2 x 4 examples")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        figures = measure(arguments)
        arguments.out.write_text(json.dumps(figures))
        return 0
    figures = {"tiny": arguments.tiny, "cap_gb": arguments.cap}
    with tempfile.TemporaryDirectory() as scratch:
        arguments.folder = Path(scratch)
        figures["checkpoint_gb"] = write_checkpoint(
            Path(scratch) / "model", TINY if arguments.tiny else LLAMA_3_8B
        )
        for part in PARTS:
            figures[part] = in_its_own_process(__file__, part, arguments)
            print(f"{part:8} {json.dumps(figures[part])}", flush=True)
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if any("error" in figures[part] for part in PARTS) else 0


def measure(arguments: argparse.Namespace) -> dict:
    """Measure one part in this process."""
    if arguments.part == "unsloth":
        import unsloth  # noqa: F401  (before torch and transformers, which it patches)
    from helpers.models import loading as models
    from helpers.training import unsloth_worker

    work = answers if arguments.part == "answers" else training
    return as_on_a_t4(lambda: work(arguments), arguments, (models, unsloth_worker))


def training(arguments: argparse.Namespace) -> dict:
    """Measure tokens per second of the paper's recipe, once it runs evenly."""
    from helpers.models.refs import ModelRef
    from helpers.training.lora_sft import train_with_peft
    from helpers.training.recipe import LoraRecipe
    from helpers.training.unsloth_worker import train as train_with_unsloth_here

    folder, recipe = arguments.folder / f"run-{arguments.part}", LoraRecipe(steps=arguments.steps)
    base = ModelRef(str(arguments.folder / "model"), quantization="nf4")
    train = train_with_peft if arguments.part == "peft" else train_with_unsloth_here
    facts = train(base, texts(64), [], folder, recipe, lambda report: None)
    seconds = [entry["seconds"] for entry in json.loads((folder / "training.json").read_text())]
    even = facts["tokens_seen"] / facts["optimiser_steps"] / even_seconds(seconds)
    return {"even_tokens_per_second": round(even, 1), "seconds_to_first_step": seconds[0], **facts}


def answers(arguments: argparse.Namespace) -> dict:
    """Measure tokens per second of one batch of answers, the second time it is asked."""
    from helpers.models.llm import load_llm
    from helpers.models.refs import ModelRef

    loaded = load_llm(ModelRef(str(arguments.folder / "model"), quantization="nf4"))
    prompts = {str(number): text["prompt"] for number, text in enumerate(texts(ANSWERED))}
    for _ in range(2):
        started = time.perf_counter()
        made = list(loaded.prepare(prompts).answer_batch(prompts, max_new_tokens=NEW_TOKENS))
        seconds = time.perf_counter() - started
    tokens = sum(answer.tokens for answer in made)
    return {
        "prompts": len(prompts),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 1),
    }


def texts(count: int) -> list[dict]:
    """Make texts as long as DermaVQA's: about 200 tokens of prompt, 60 of answer."""
    draw = random.Random(0)
    return [
        {
            "prompt": " ".join(draw.choices(WORDS, k=150)),
            "completion": " ".join(draw.choices(WORDS, k=45)) + "</s>",
        }
        for _ in range(count)
    ]


def write_checkpoint(folder: Path, shape: dict) -> float:
    """Write a Llama of this shape in nf4 with random weights, and return its size in GB.

    Its tokenizer is the pocket Llama's. It is written a layer at a time, and every layer has the
    same weights: drawing and packing them is the slow part.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import BitsAndBytesConfig, GenerationConfig, LlamaConfig

    from helpers.models.llm import load_tokenizer
    from helpers.models.refs import ModelRef

    folder.mkdir()
    tokenizer = load_tokenizer(ModelRef("pocket/llama"))
    tokenizer.save_pretrained(folder)
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlamaConfig(
        **shape,
        **special,
        dtype="float16",
        tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"],
    )
    config.quantization_config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float16,
    )
    config.save_pretrained(folder)
    GenerationConfig(**special).save_pretrained(folder)
    hidden, norm = shape["hidden_size"], torch.ones(shape["hidden_size"], dtype=torch.float16)
    embedding = torch.empty(shape["vocab_size"], hidden, dtype=torch.float16)
    files = {
        "embeddings": {
            "model.embed_tokens.weight": embedding.normal_(std=0.02),
            "lm_head.weight": embedding.clone(),
            "model.norm.weight": norm,
        }
    }
    save_file(files["embeddings"], folder / "embeddings.safetensors", metadata={"format": "pt"})
    places = dict.fromkeys(files["embeddings"], "embeddings.safetensors")
    one_layer = packed_layer(shape) | {
        "input_layernorm.weight": norm,
        "post_attention_layernorm.weight": norm.clone(),
    }
    for number in range(shape["num_hidden_layers"]):
        layer = {f"model.layers.{number}.{name}": tensor for name, tensor in one_layer.items()}
        save_file(layer, folder / f"layer-{number}.safetensors", metadata={"format": "pt"})
        places |= dict.fromkeys(layer, f"layer-{number}.safetensors")
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return round(size / 1e9, 3)


def packed_layer(shape: dict) -> dict:
    """Draw the seven projections of one layer, and pack them into nf4 with double quantization."""
    import torch
    from bitsandbytes.functional import quantize_4bit

    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    narrow = hidden // shape["num_attention_heads"] * shape["num_key_value_heads"]
    sizes = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (narrow, hidden),
        "self_attn.v_proj": (narrow, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    packed = {}
    for name, size in sizes.items():
        weight = torch.empty(size, dtype=torch.float16).normal_(std=0.02)
        data, state = quantize_4bit(
            weight, blocksize=64, compress_statistics=True, quant_type="nf4"
        )
        parts = state.as_dict(packed=True)
        packed |= {f"{name}.weight": data} | {
            f"{name}.weight.{key}": part for key, part in parts.items()
        }
    return packed


if __name__ == "__main__":
    sys.exit(main())
