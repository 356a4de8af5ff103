"""One local model in memory at a time: two of 8 B parameters do not fit on a T4.

A kind of model is a module of this folder with two functions: `fits(ref)` and
`open_model(ref, allow_upload=...)`. A new one is one module, with no change elsewhere.
"""

import gc
import importlib
import pkgutil
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import torch

from helpers.models.base import Model
from helpers.models.encoders import load_encoder
from helpers.models.refs import ModelRef

_in_memory: dict[tuple[ModelRef, str], Model] = {}


def load(ref: ModelRef, *, allow_upload: bool = False) -> Model:
    """Load whatever a reference means: an LLM, a VLM, or the client of a model behind an API.

    Args:
        allow_upload: the person's word that what is asked may leave this machine.
    Raises:
        LabError: the model cannot be had; or it is behind an API, and consent or key is missing.
    """
    kind = next(module for module in list_kinds() if module.fits(ref))
    return kind.open_model(ref, allow_upload=allow_upload)


@lru_cache
def list_kinds() -> list[ModuleType]:
    """List the modules that load a kind of model each."""
    folder = Path(__file__).parent
    names = [module.name for module in pkgutil.iter_modules([str(folder)])]
    modules = [importlib.import_module(f"{__package__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "fits")]


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
