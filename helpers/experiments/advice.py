"""Which parameter of a notebook an error means: the rooms below name their own arguments.

A sentence from below says "lower `batch` from 8 to 4"; whoever set ANSWER_BATCH in a notebook reads
that name in its place.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from helpers.files import LabError, WorkFailed

DATA = {"root": "DATA_ROOT", "language": "LANGUAGE", "profile": "PROFILE", "name": "DATASET"}
LLM_ANSWERS = {
    "model": "MODEL",
    "quantization": "QUANTIZATION",
    "adapter": "ADAPTER",
    "batch": "ANSWER_BATCH",
    "max_new_tokens": "MAX_NEW_TOKENS",
    "shots": "SHOTS",
    "count": "SHOTS",
    "choice": "SHOT_CHOICE",
    "layout": "PROMPT",
    "encoder": "ENCODER",
    "allow_upload": "ALLOW_UPLOAD",
}
# Of a recipe, other names are those of its fields in capitals.
LLM_TRAINING = LLM_ANSWERS | {
    name: name.upper()
    for name in (
        "rank",
        "alpha",
        "dropout",
        "learning_rate",
        "steps",
        "epochs",
        "batch",
        "accumulation",
        "max_length",
        "loss",
        "seed",
        "backend",
    )
}
VLM_ANSWERS = {
    "model": "VLM",
    "quantization": "VLM_QUANTIZATION",
    "adapter": "VLM_ADAPTER",
    "batch": "VLM_ANSWER_BATCH",
    "max_new_tokens": "VLM_TOKENS",
    "max_side": "PICTURE_SIDE",
    "encoder": "ENCODER",
}
VLM_TRAINING = (
    VLM_ANSWERS
    | {
        name: f"VLM_{name.upper()}"
        for name in ("recipe", "learning_rate", "epochs", "batch", "accumulation", "max_length")
    }
    | {
        name: name.upper()
        for name in (
            "rank",
            "alpha",
            "seed",
            "vision",
            "references",
            "augmentation",
            "slips",
            "features",
            "backend",
        )
    }
)
CAPTIONS = {
    "model": "CAPTIONER",
    "quantization": "CAPTION_QUANTIZATION",
    "batch": "CAPTION_BATCH",
    "max_new_tokens": "CAPTION_TOKENS",
    "allow_upload": "ALLOW_UPLOAD",
}


@contextmanager
def parameters_named(names: Mapping[str, str]) -> Iterator[None]:
    """Put the names of parameters into an error's sentence, in place of `argument` in backticks."""
    try:
        yield
    except (LabError, WorkFailed) as error:
        sentence = str(error)
        for argument, parameter in names.items():
            sentence = sentence.replace(f"`{argument}`", parameter)
        error.args = (sentence,)
        raise
