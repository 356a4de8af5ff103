"""What a failure with a model means, in one sentence each.

A sentence below `experiments/` names what to change as the argument of the function at hand, in
backticks: "lower `batch`"; whoever asked in a notebook reads the parameter's name in its place.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from helpers.files import LabError
from helpers.models.foreign import NOT_UNPICKLED, WANTS_CODE, forbid_code, shown
from helpers.models.moondream import processor as moondream
from helpers.models.shipped import shipped_models
from helpers.models.skingpt4 import processor as skingpt4

LONGEST_REASON = 300  # letters of what a library says


@contextmanager
def explain_loading(model_id: str) -> Iterator[None]:
    """Turn the many ways in which a model can fail to arrive into one sentence each."""
    from huggingface_hub import errors

    moondream.register()
    skingpt4.register()
    forbid_code()
    try:
        yield
    except LabError:
        raise
    except errors.GatedRepoError:
        raise LabError(_gated(model_id)) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise LabError(
            f"{shown(model_id)} is neither a folder here nor a model on Hugging Face: check "
            "`model`, or set HF_TOKEN."
        ) from None
    except Exception as error:  # whatever a missing, torn or foreign model is answered with
        if isinstance(error, NotImplementedError) or "CUDA error" in str(error):
            raise  # no fault of the model's files
        if not is_out_of_memory(error):
            raise LabError(_missing(model_id, error)) from None
        raise LabError(
            f"The GPU has no room for model {model_id!r}: load it in 4 bit (`quantization` 'nf4', "
            "a quarter of the memory) if it is not, or choose a smaller `model`."
        ) from None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a GPU's memory ran out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def no_room(count: int, what: str, otherwise: str) -> str:
    """Word that the GPU has no room for a batch; `otherwise` is the cure where it is one alone."""
    cure = f"lower `batch` from {count} to {count // 2}" if count > 1 else otherwise
    return (
        f"The GPU has no room for {count} {what} at a time: {cure}; the same command goes on from "
        "there."
    )


def reason_of(error: BaseException) -> str:
    """Return the first line of what a library says of a model that it cannot load, in few words."""
    text = str(error).strip()
    if "trust_remote_code" in text:
        return WANTS_CODE
    if "cannot be loaded with `safetensors`" in text:
        return f"it has no safetensors weights, {NOT_UNPICKLED}"
    if "ignore_mismatched_sizes" in text:
        return "its weights have other shapes than its config.json says"
    said = text.partition("\n")[0].rstrip(".:") or "it said nothing"
    said = said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}..."
    explained = isinstance(error, (OSError, ValueError))  # others are cryptic without their names
    return said if explained else f"{type(error).__name__}: {said}"


def _gated(model_id: str) -> str:
    return (
        f"Model {model_id!r} is gated: accept its terms on its Hugging Face page and set HF_TOKEN, "
        "or choose another `model`."
    )


def _missing(model_id: str, error: Exception) -> str:
    reason = reason_of(error)
    if "gated repo" in str(error):
        return _gated(model_id)
    if WANTS_CODE in reason or NOT_UNPICKLED in reason:
        return f"`model` is {shown(model_id)}, but {reason}."
    if model_id in shipped_models() or os.path.isdir(model_id):
        return (
            f"The folder of model {shown(model_id)} could not be loaded ({reason}): it must hold "
            "config.json, tokenizer.json and safetensors weights."
        )
    return (
        f"Model {shown(model_id)} is not on this machine and could not be fetched ({reason}): "
        "check the name and the network, or choose one that comes with the lab "
        f"({', '.join(shipped_models())}; 'minilm' as `encoder`)."
    )
