"""Weights from disk or hub to where they compute: safetensors only, without code beside them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from transformers import BitsAndBytesConfig

from helpers.files import LabError, display_path
from helpers.models.adapter_config import ADAPTER_WEIGHTS, peft_fields, read_adapter
from helpers.models.devices import Device, choose_device, device_for
from helpers.models.failures import explain_loading, is_out_of_memory, reason_of
from helpers.models.foreign import check_sizes, load_config, read_shapes, shown
from helpers.models.refs import ModelRef

UNKNOWN_CONTEXT = 2048  # tokens assumed of a model that states no limit
HEAD = "score.weight"  # the last layer of a text classifier
TRIAL_TOKENS = 8  # a model's first logits are looked at on so many tokens


def load_weights(
    auto_class,
    ref: ModelRef,
    *,
    weights: str = "",
    reads_text_alone: bool = True,
    labels: int = 0,
) -> tuple[Any, Device]:
    """Load a model of a transformers auto class where it computes, ready to answer.

    In float16, which some kinds of models overflow, its first logits are looked at: if they are
    not finite, the model is loaded in float32, which the device's reason then says.

    Args:
        weights: the folder of a whole model after a training; "" takes the ref's own weights.
        reads_text_alone: False for a model that takes no text without an image: no logits are
            looked at.
        labels: of a classifier, whose last layer is drawn anew for so many.
    Returns:
        the model, and its device with the reason.
    Raises:
        LabError: the model is missing, gated, unreachable or no model that may be loaded here, or
            the GPU has no room for it.
    """
    path, commit = weights or ref.path, None if weights else ref.resolve_commit()
    with explain_loading(weights or ref.id):
        config = load_config(path, commit)
        check_sizes(auto_class, config, path)
        width = getattr(config.get_text_config(), "hidden_size", 0)
        device = device_for(config.model_type, choose_device(), width)
        model = place(auto_class, path, commit, ref.quantization, device, labels)
        if device.dtype == "float16" and reads_text_alone and not has_finite_logits(model):
            reason = f"{device.reason}; in float16 its first logits were not finite"
            device = replace(device, dtype="float32", reason=reason)
            del model
            model = place(auto_class, path, commit, ref.quantization, device, labels)
    return model, device


def place(
    auto_class,
    path: str,
    commit: str | None,
    quantization: str,
    device: Device,
    labels: int = 0,
) -> Any:
    """Load a model from safetensors, in the device's dtype, and put it there.

    Args:
        labels: of a classifier, whose last layer is drawn anew for so many.

    Raises:
        LabError: its files lack weights that it needs, which would be drawn at random.
    """
    dtype = getattr(torch, device.dtype)
    where = {"device_map": {"": 0}} if device.name == "cuda" else {}
    # Left out where there is none: a checkpoint that was stored in 4 bit brings its own.
    packing = {"quantization_config": nf4_config(device)} if quantization == "nf4" else {}
    packing |= {"num_labels": labels} if labels else {}
    model, found = auto_class.from_pretrained(
        path,
        revision=commit,
        # Without it, an adapter is looked for in the main branch, and its base would be loaded.
        adapter_kwargs={"revision": commit} if commit else None,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        dtype=dtype,
        **packing,
        **where,
    )
    needed = {name for name, _ in model.named_parameters()} - ({HEAD} if labels else set())
    drawn = sorted(set(found["missing_keys"]) & needed)
    if drawn:
        raise LabError(
            f"The weights of {shown(display_path(path))} lack {drawn[0]!r}"
            f"{f' and {len(drawn) - 1} more' if len(drawn) > 1 else ''}, which would be drawn at "
            "random: fetch or copy the model anew."
        )
    if not where:
        model.to(device.name)
    if getattr(model, "is_loaded_in_4bit", False):
        compute_in(model, dtype)
    return model.eval()


def attach_adapter(model, folder: Path) -> Any:
    """Put a LoRA adapter on a model, ready to answer; its base is the model, whatever it says.

    Raises:
        LabError: it is no plain LoRA within bounds, or does not fit the model.
    """
    config = read_adapter(folder)
    try:
        adapted = PeftModel.from_pretrained(
            model, str(folder), config=LoraConfig(**peft_fields(config), inference_mode=True)
        )
    except Exception as error:  # whatever an adapter for another model is answered with
        if is_out_of_memory(error):
            raise
        raise _misfit(folder, reason_of(error)) from None
    # PEFT passes over what it has no place for, and draws what is not there.
    places = get_peft_model_state_dict(adapted, save_embedding_layers=False).keys()
    weights = read_shapes([folder / ADAPTER_WEIGHTS]).keys()
    if without := sorted(weights - places):
        raise _misfit(folder, f"which has no place for {shown(without[0])}")
    if empty := sorted(places - weights):
        raise _misfit(folder, f"the adapter has no weights for {shown(empty[0])}")
    return adapted.eval()


def _misfit(folder: Path, reason: str) -> LabError:
    return LabError(
        f"The adapter {shown(display_path(folder))} does not fit `model` ({reason}): name the base "
        "that it was trained on."
    )


def nf4_config(device: Device) -> BitsAndBytesConfig:
    """Return how weights are quantized to 4 bit, computing in the device's dtype."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=getattr(torch, device.dtype),
    )


def compute_in(model, dtype: torch.dtype) -> None:
    """Let 4-bit layers compute in `dtype`.

    A checkpoint that was stored in 4 bit brings its own compute dtype, which beats the one we ask
    for; that is bfloat16 in the common ones, and a T4 only emulates it.
    """
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.compute_dtype = dtype
    disable_avx512(model)


def disable_avx512(model) -> None:
    """Keep 4-bit layers from bitsandbytes' path for CPUs with AVX512-BF16.

    It wants a kernel from the network and fails on widths such as 96; and at the first validation
    of a training it repacks weights for good, for a kernel without a backward pass: what is trained
    after that gets wrong gradients, and no error.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def has_finite_logits(model) -> bool:
    """Tell whether a model's logits on a few tokens are numbers: no infinity, no NaN."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    tokens = torch.arange(TRIAL_TOKENS, device=model.device)[None] * (vocabulary // TRIAL_TOKENS)
    with torch.inference_mode():
        logits = model(input_ids=tokens, use_cache=False).logits
    return bool(torch.isfinite(logits).all())


def context_length(model) -> int:
    """Return how many tokens question and answer may have together."""
    text = model.config.get_text_config()
    return getattr(text, "max_position_embeddings", UNKNOWN_CONTEXT)
