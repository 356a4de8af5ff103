"""Adapters for the pocket Llama, made without training."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from helpers.files import write_json
from helpers.models.adapter_card import write_card
from helpers.models.refs import ModelRef

# As PEFT 0.21 writes it, but for entries that are empty.
CONFIG = {
    "auto_mapping": None,
    "base_model_name_or_path": "pocket/llama",
    "bias": "none",
    "inference_mode": True,
    "init_lora_weights": True,
    "lora_alpha": 16,
    "lora_dropout": 0.0,
    "megatron_core": "megatron.core",
    "modules_to_save": None,
    "peft_type": "LORA",
    "qalora_group_size": 16,
    "r": 4,
    "rank_pattern": {},
    "target_modules": ["q_proj"],
    "task_type": "CAUSAL_LM",
    "use_dora": False,
}


def lora_weights(rank: int = 4) -> dict[str, torch.Tensor]:
    """Weights that change what the pocket Llama says."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for number in range(4):
        layer = f"base_model.model.model.layers.{number}.self_attn.q_proj"
        weights[f"{layer}.lora_A.weight"] = torch.randn(rank, 192, generator=generator)
        weights[f"{layer}.lora_B.weight"] = torch.randn(256, rank, generator=generator)
    return weights


def plain_adapter(folder: Path) -> Path:
    """An adapter that may be loaded, with its card."""
    folder.mkdir(parents=True)
    write_json(folder / "adapter_config.json", CONFIG)
    save_file(lora_weights(), folder / "adapter_model.safetensors")
    return seal(folder)


def seal(folder: Path) -> Path:
    """Write a card that fits whatever is in the folder, as somebody from elsewhere can."""
    weights = ModelRef("pocket/llama").fingerprint_weights()
    write_card(folder, {"model": "pocket/llama", "weights": weights})
    return folder
