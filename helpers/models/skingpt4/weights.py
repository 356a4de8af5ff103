"""The published names of SkinGPT-4's weights, and ours."""

import re
from collections.abc import Mapping

import torch

from helpers.files import LabError

TOWER, BLOCK = r"visual_encoder\.", r"visual_encoder\.blocks\.(\d+)\."
OUR_TOWER, OUR_BLOCK = "vision_model.embeddings.", r"vision_model.encoder.layers.\1."
QFORMER = r"Qformer\.bert\."
# Published name (a pattern) -> ours. The tower is EVA's, the Q-Former BLIP-2's as LAVIS saves it.
NAMES = {
    rf"{TOWER}cls_token": f"{OUR_TOWER}class_embedding",
    rf"{TOWER}pos_embed": f"{OUR_TOWER}position_embedding",
    rf"{TOWER}patch_embed\.proj\.(\w+)": rf"{OUR_TOWER}patch_embedding.\1",
    rf"{BLOCK}norm([12])\.(\w+)": rf"{OUR_BLOCK}layer_norm\2.\3",
    rf"{BLOCK}attn\.qkv\.weight": f"{OUR_BLOCK}self_attn.qkv.weight",
    rf"{BLOCK}attn\.proj\.(\w+)": rf"{OUR_BLOCK}self_attn.projection.\2",
    rf"{BLOCK}mlp\.(fc[12])\.(\w+)": rf"{OUR_BLOCK}mlp.\2.\3",
    r"ln_vision\.(\w+)": r"vision_model.post_layernorm.\1",
    "query_tokens": "query_tokens",
    rf"{QFORMER}embeddings\.LayerNorm\.(\w+)": r"qformer.layernorm.\1",
    rf"{QFORMER}(.+attention)\.self\.(.+)": r"qformer.\1.attention.\2",
    rf"{QFORMER}(encoder\.layer\.\d+\..+)": r"qformer.\1",
    r"llama_proj\.(\w+)": r"language_projection.\1",
    r"(?:llm_model|llama_model)\.(.+)": r"language_model.\1",
}
# Queries and values of a block have biases of their own, keys have none.
BIAS = re.compile(rf"{BLOCK}attn\.([qv])_bias")
# What other models need of the same files, and buffers: BLIP-2's words, head and feed-forward of
# texts.
UNUSED = re.compile(
    r"Qformer\.cls\..*"
    rf"|{QFORMER}embeddings\.(?:word|position)_.*"
    rf"|{QFORMER}encoder\.layer\.\d+\.(?:intermediate|output)\.(?:dense|LayerNorm)\..*"
    r"|.*\.inv_freq|.*position_ids"
)


def rename(published: Mapping[str, torch.Tensor], *, blocks: int) -> dict[str, torch.Tensor]:
    """Return published weights by our names.

    Args:
        blocks: of the tower; EVA's file has one more, which SkinGPT-4 drops.
    Raises:
        LabError: a name that no file of SkinGPT-4 has, or half of a block's biases.
    """
    found: dict[str, torch.Tensor] = {}
    biases: dict[str, dict[str, torch.Tensor]] = {}
    for name, weight in published.items():
        block = re.match(BLOCK, name)
        if UNUSED.fullmatch(name) or (block and int(block[1]) >= blocks):
            continue
        if bias := BIAS.fullmatch(name):
            biases.setdefault(bias[1], {})[bias[2]] = weight
        else:
            found[_our_name(name)] = weight
    for number, parts in biases.items():
        if parts.keys() != {"q", "v"}:
            raise LabError(
                f"Block {number} of the published tower has one of its biases q and v alone: the "
                "file is damaged; fetch it again."
            )
        zeros = torch.zeros_like(parts["q"])
        name = f"vision_model.encoder.layers.{number}.self_attn.qkv.bias"
        found[name] = torch.cat([parts["q"], zeros, parts["v"]])
    return found


def _our_name(name: str) -> str:
    for pattern, ours in NAMES.items():
        if match := re.fullmatch(pattern, name):
            return match.expand(ours)
    raise LabError(
        f"{name[:80]!r} is no weight of SkinGPT-4: check that the file is one of its published "
        "checkpoints."
    )
