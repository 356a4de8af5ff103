"""One model in memory at a time: two of 8 B parameters do not fit on a T4."""

import gc
import sys
from collections.abc import Callable

from helpers.models.encoders import load_encoder

_kept: dict[tuple, object] = {}


def load_once(key: tuple, load: Callable[[], object]):
    """The model that `key` names: the one in memory, because runs of one model follow each other,
    or loaded now.
    """
    if key not in _kept:
        forget_models()
        _kept[key] = load()
    return _kept[key]


def forget_models() -> None:
    """Let go of what is in memory before another model is loaded or trained."""
    _kept.clear()
    load_encoder.cache_clear()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()  # Unsloth's process cannot use what this one keeps for later
