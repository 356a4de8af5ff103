"""One local model in memory at a time: two of 8 B parameters do not fit on a T4."""

import gc

import torch

from helpers.models.api.model import open_api_model
from helpers.models.base import Model
from helpers.models.encoders import load_encoder
from helpers.models.llm import load_llm
from helpers.models.processors import is_vlm_type, model_type
from helpers.models.refs import ModelRef
from helpers.models.vlm import load_vlm

_in_memory: dict[tuple[ModelRef, str], Model] = {}


def load(ref: ModelRef, *, allow_upload: bool = False) -> Model:
    """Load whatever a reference means: an LLM, a VLM, or the client of a model behind an API.

    Args:
        allow_upload: the person's word that what is asked may leave this machine.
    Raises:
        LabError: the model cannot be had; or it is behind an API, and consent or key is missing.
    """
    if ref.is_remote:
        return open_api_model(ref.id, allow_upload=allow_upload)
    return load_vlm(ref) if is_vlm_type(model_type(ref)) else load_llm(ref)


def load_once(ref: ModelRef, *, allow_upload: bool = False) -> Model:
    """Return the model in memory if it is this one; on a miss let go of it and load."""
    if ref.is_remote:  # its client takes no memory
        return load(ref, allow_upload=allow_upload)
    key = (ref, ref.fingerprint_adapter())
    if key not in _in_memory:
        forget_models()
        _in_memory[key] = load(ref)
    return _in_memory[key]


def forget_models() -> None:
    """Let go of what is in memory before another model is loaded or trained."""
    _in_memory.clear()
    load_encoder.cache_clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # Unsloth's process cannot use what this one keeps for later
