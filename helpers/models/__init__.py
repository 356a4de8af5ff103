"""What loads and answers: LLMs, VLMs, moondream2, models behind an API, captions, export.

    from helpers import models
    models.load("pocket/llava").answer("photo.jpg", "What is this?").text

Built on `files`, `cases` and `data`. Nothing here knows an experiment, or how a notebook calls a
setting: an error names the argument to change in backticks. `base` is the one face of all models,
`refs` says which one is meant, `answering` has the loops, `answer_file` what is kept of them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.models.base import Model
    from helpers.models.refs import ModelRef


def load(
    model: "str | ModelRef", *, quantization: str = "none", allow_upload: bool = False
) -> "Model":
    """Load a model by its name: `pocket/<name>`, a folder, a hub id (with @revision), `openai:...`.

    Args:
        quantization: "none" or "nf4" (4 bit, for a GPU of 16 GB).
        allow_upload: your word that what you ask a model behind an API may leave this machine.
    Raises:
        LabError: the model cannot be had; the sentence says why and what to do.
    """
    # Late, so that importing this room stays light: these import torch and transformers.
    from helpers.models.process import prepare_process

    prepare_process()
    from helpers.models.memory import load as load_model
    from helpers.models.refs import ModelRef

    ref = ModelRef(model, quantization=quantization) if isinstance(model, str) else model
    return load_model(ref, allow_upload=allow_upload)
