"""A SkinGPT-4 from its parts: what sees of a BLIP-2, any language model of Llama's kind, and the
projection between them, which is drawn anew or taken from a published file.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from helpers.files import LabError
from helpers.models.failures import explain_loading
from helpers.models.foreign import WEIGHTS, load_config, weight_files
from helpers.models.shipped import model_path
from helpers.models.skingpt4 import MODEL_TYPE
from helpers.models.skingpt4.model import SkinGPT4Config, split_revision
from helpers.models.skingpt4.weights import rename

SEES = ("vision_model.", "qformer.", "query_tokens")
PROJECTION = "language_projection"
SPREAD = 0.02  # of a projection that is drawn
# The byte that no UTF-8 text has, as byte-level tokenizers write it.
NO_TEXT = "ÿ"


def put_together(
    folder: Path, *, eyes: str, language: str, projection: Path | None = None, seed: int = 3407
) -> Path:
    """Write a SkinGPT-4 into a new folder, whole or not at all; the language model stays where it
    is, and is named.

    Args:
        eyes: whose tower and Q-Former it gets: pocket/skingpt4, or the folder of a BLIP-2 in
            safetensors, such as a download of Salesforce/blip2-flan-t5-xxl.
        language: pocket/llama, smollm2-135m, a folder or a hub id (with @revision if need be), such
            as lmsys/vicuna-7b-v1.5; of a chat model that sees, its text tower is taken.
        projection: safetensors with published names (`llama_proj.weight`, `llama_proj.bias`); None
            draws one, as a training begins with.
    Raises:
        LabError: the folder is there, or a part is none of these.
    """
    if folder.exists():
        raise LabError(f"{folder} is there already: name a new folder.")
    seen = Path(model_path(eyes))
    with explain_loading(eyes):
        sees = load_config(str(seen))
    if sees.model_type not in ("blip-2", MODEL_TYPE):
        raise LabError(
            f"`eyes` is {eyes!r}, but a model of type {sees.model_type!r} has no Q-Former: name "
            "the folder of a BLIP-2."
        )
    config = _config(sees, language)
    weights = dict(_read_eyes(seen)) | _project(config, projection, seed)
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save_file(weights, unfinished / WEIGHTS, metadata={"format": "pt"})
    config.save_pretrained(unfinished)
    return unfinished.rename(folder)


def place_token(tokenizer) -> int:
    """Find the token that marks a picture's places, which no text contains: one that is there for
    that, of other byte-level tokenizers the byte that UTF-8 has not, or else the unknown token.

    Raises:
        LabError: the tokenizer has neither.
    """
    named: int | None = getattr(tokenizer, "image_token_id", None)
    if named is not None:
        return named
    byte = tokenizer.get_vocab().get(NO_TEXT)
    is_text = byte in tokenizer(NO_TEXT, add_special_tokens=False)["input_ids"]
    found: int | None = tokenizer.unk_token_id if byte is None or is_text else byte
    if found is None:
        raise LabError(
            "The tokenizer of `language` has no token that no text contains: name another model."
        )
    return found


def _config(sees, language: str) -> SkinGPT4Config:
    path, revision = split_revision(language)
    with explain_loading(language):
        speaks = load_config(path, revision, argument="language")
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, trust_remote_code=False)
    text = speaks.get_text_config().to_dict()
    text.pop("_name_or_path", None)  # a folder of this machine
    return SkinGPT4Config(
        vision_config=sees.vision_config.to_dict(),
        qformer_config=sees.qformer_config.to_dict(),
        text_config=text,
        num_query_tokens=sees.num_query_tokens,
        image_token_index=place_token(tokenizer),
        language=language,
    )


def _read_eyes(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Read tower and Q-Former, in half precision: a tower has a thousand million numbers."""
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (it is no dictionary)
                if name.startswith(SEES):
                    yield name, file.get_tensor(name).half()


def _project(config: SkinGPT4Config, published: Path | None, seed: int) -> dict[str, torch.Tensor]:
    shape = (config.text_config.hidden_size, config.qformer_config.hidden_size)
    if published is None:
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * SPREAD
        return {
            f"{PROJECTION}.weight": drawn.half(),
            f"{PROJECTION}.bias": torch.zeros(shape[0]).half(),
        }
    found = rename(load_file(published), blocks=config.vision_config.num_hidden_layers)
    given = {name: one.half() for name, one in found.items() if name.startswith(PROJECTION)}
    if {name: tuple(one.shape) for name, one in given.items()} != {
        f"{PROJECTION}.weight": shape,
        f"{PROJECTION}.bias": shape[:1],
    }:
        raise LabError(
            f"{published} holds no projection from {shape[1]} to {shape[0]} numbers: take the file "
            "that was trained with these parts."
        )
    return given
