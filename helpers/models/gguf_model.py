"""From a GGUF file to an ordinary folder of a model: safetensors, settings, a tokenizer.

transformers reads such files, but a model that it has read from one counts as quantised: it cannot
be saved or trained further. So its weights are de-quantised once.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from helpers.files import full_disk_told, move_into_place, read_json, workshop, write_json
from helpers.models.adapter_card import write_card

# What says which version of a library wrote a settings file, or where on this machine it lay.
OF_THIS_MACHINE = ("transformers_version", "_name_or_path", "is_local", "local_files_only")


def unpack(weights: Path, place: Path, card: Mapping[str, Any]) -> None:
    """Write the model of a GGUF file to a folder, whole; one that is there is replaced.

    Weights are float16, in which the factors of 4-bit numbers are stored.

    Args:
        card: what the folder says of itself; the hashes of its files are added.
    Raises:
        WorkFailed: the disk is full.
    """
    with full_disk_told(place.parent), workshop(place) as made:
        _write_model(weights, made)
        for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
            settings = read_json(made / name)
            write_json(made / name, {k: v for k, v in settings.items() if k not in OF_THIS_MACHINE})
        write_card(made, card)
        shutil.rmtree(place, ignore_errors=True)
        move_into_place(made, place)


def _write_model(weights: Path, folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        weights.parent, gguf_file=weights.name, dtype=torch.float16, trust_remote_code=False
    )
    # Its weights are ordinary numbers by now; these say otherwise, and forbid to save it.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config, model.quantization_method
    tokenizer = AutoTokenizer.from_pretrained(
        weights.parent, gguf_file=weights.name, trust_remote_code=False
    )
    _mend(tokenizer, model.generation_config.eos_token_id, model.config.max_position_embeddings)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _mend(tokenizer: PreTrainedTokenizerBase, end: int, longest: int) -> None:
    """Give a tokenizer the end that the model itself names.

    As read from GGUF, a text ends with the sign that begins a turn, nothing pads, spaces before
    punctuation are removed, and no length is too long.
    """
    tokenizer.eos_token = tokenizer.pad_token = tokenizer.convert_ids_to_tokens(end)
    tokenizer.clean_up_tokenization_spaces = False
    tokenizer.model_max_length = longest
