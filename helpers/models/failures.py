"""What a failure with a model means, in one sentence each.

A sentence below `experiments/` names what to change as the argument of the function at hand, in
backticks: "lower `batch`"; whoever asked in a notebook reads the parameter's name in its place.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.files import LabError
from helpers.models.moondream import processor as moondream
from helpers.models.shipped import shipped_models


@contextmanager
def explain_loading(model_id: str) -> Iterator[None]:
    """Turn the many ways in which a model can fail to arrive into one sentence each."""
    from huggingface_hub import errors

    moondream.register()
    try:
        yield
    except LabError:
        raise
    except errors.GatedRepoError:
        raise LabError(_gated(model_id)) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise LabError(
            f"{model_id!r} is neither a folder here nor a model on Hugging Face: check `model`, or "
            "set HF_TOKEN."
        ) from None
    except (OSError, ValueError, TypeError) as error:  # the hub's own errors are OSErrors
        raise LabError(_missing(model_id, error)) from None
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise LabError(
            f"The GPU has no room for model {model_id!r}: load it in 4 bit (`quantization` 'nf4', "
            "a "
            "quarter of the memory) if it is not, or choose a smaller `model`."
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


def _gated(model_id: str) -> str:
    return (
        f"Model {model_id!r} is gated: accept its terms on its Hugging Face page and set HF_TOKEN, "
        "or choose another `model`."
    )


def _missing(model_id: str, error: Exception) -> str:
    text = str(error).strip()
    reason = text.partition("\n")[0]
    if "gated repo" in text:
        return _gated(model_id)
    if model_id in shipped_models() or Path(model_id).is_dir():
        return (
            f"The folder of model {model_id!r} could not be loaded ({reason}): it must hold "
            "config.json, tokenizer.json and safetensors weights."
        )
    return (
        f"Model {model_id!r} is not on this machine and could not be fetched ({reason}): check the "
        "name and the network, or choose one that comes with the lab "
        f"({', '.join(shipped_models())}; 'minilm' as `encoder`)."
    )
