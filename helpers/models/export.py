"""Merge an adapter into its base: a model folder that any program reads, `python -m helpers
export`.

Works on one tensor at a time, straight from the base's safetensors, so that an 8 B model needs
neither a GPU nor the memory to load it. (Hu et al., "LoRA: Low-Rank Adaptation of Large Language
Models", 2021, equation 3: W + s B A.) A base that sees is merged in the same way; its images'
processor comes along.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from bitsandbytes.functional import QuantState, dequantize_4bit
from huggingface_hub import snapshot_download
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key

from helpers.files import (
    LabError,
    display_path,
    file_hash,
    full_disk_told,
    move_into_place,
    read_json,
    workshop,
    write_json,
)
from helpers.models.adapter_card import ADAPTER_CARD, read_card, write_card
from helpers.models.adapter_config import ADAPTER_WEIGHTS, check_adapter, read_adapter
from helpers.models.failures import explain_loading
from helpers.models.foreign import ADAPTER_CONFIG, load_config, read_shapes
from helpers.models.refs import ModelRef

SHARD_BYTES = 2_000_000_000  # as much of the model is in memory at a time
COPIED = ("*.json", "tokenizer*", "*.jinja", "*.model", "*.txt")
NOT_COPIED = ("*.index.json", "recipe.json", ADAPTER_CARD)


def export(adapter: Path | str, to: Path | str, *, base: str = "") -> str:
    """Write base and adapter, merged, to the folder `to`, whole or not at all.

    Args:
        adapter: the folder of an adapter.
        to: a folder that is empty or not there yet.
        base: folder or hub id of the adapter's base; "" is the one that its card names.
    Returns:
        the sentence to print: what was written, in which precision, and for a text model how to go
        on to GGUF.
    Raises:
        LabError: no adapter there, another base, or something in `to` already.
        WorkFailed: the disk is full.
    """
    adapter, to = Path(os.path.expanduser(adapter)), Path(os.path.expanduser(to))
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise LabError(
            f"`to` is {str(to)!r}, and there is something already: name a new or empty folder."
        )
    source, card = _source(adapter, base)
    with full_disk_told(to), workshop(to.resolve()) as made:
        precision = _write(source, adapter, made, card)
        if to.exists():
            to.rmdir()
        move_into_place(made, to)
    return (
        f"{card['model']} with its adapter is in {to}, in {precision}: give it as `model`, or to "
        f"any program that reads safetensors. {_gguf_advice(to)}"
    )


def _gguf_advice(folder: Path) -> str:
    """Say how to go on to GGUF, and that of a VLM this lab cannot promise it."""
    script = f"`convert_hf_to_gguf.py {folder}` of llama.cpp, which is not part of this lab"
    if "vision_config" not in read_json(folder / "config.json"):
        return f"For GGUF, run {script}."
    return (
        f"GGUF is not promised for a VLM: {script}, knows only some kinds, and takes two runs, the "
        "second with --mmproj for the images' part (a file of a few kB there is a failure)."
    )


def _source(adapter: Path, base: str) -> tuple[Path, dict]:
    """Find the folder of the base's files, and read the adapter's card.

    Raises:
        LabError: another base than the adapter's, none at all, or a model that was trained whole.
    """
    card = read_card(adapter)
    # The fingerprint of a hub model is "id@commit": that very commit is merged.
    commit = card["weights"].partition("@")[2]
    named = ModelRef(base or card["model"])
    ref = named.but(name=f"{named.id}@{commit}" if commit else named.name, adapter=adapter)
    if not commit and not Path(ref.path).is_dir():
        raise LabError(
            f"The adapter's base is a folder that was called {ref.id!r}, but it is not here: say "
            "with `base` where it is."
        )
    ref.read_card()  # refuses another base
    if not (adapter / ADAPTER_CONFIG).exists():
        raise LabError(
            f"{display_path(adapter)} holds a whole model and no adapter, so there is nothing to "
            "merge: use that folder as it is."
        )
    check_adapter(adapter)
    with explain_loading(ref.id):
        load_config(ref.path, ref.resolve_commit())
    source = fetch_files(ref, ["*.safetensors", *COPIED])
    read_shapes(sorted(source.glob("*.safetensors")))  # refuses torn weights
    return source, card


def fetch_files(ref: ModelRef, patterns: list[str], *, offline: bool = False) -> Path:
    """Return the folder of a model's files; those of a hub model are fetched if need be."""
    if Path(ref.path).is_dir():
        return Path(ref.path)
    with explain_loading(ref.id):
        folder = snapshot_download(
            ref.id,
            revision=ref.resolve_commit(),
            allow_patterns=patterns,
            local_files_only=offline,
        )
    return Path(folder)


def _write(source: Path, adapter: Path, to: Path, card: dict) -> str:
    """Write all files of the merged model to `to`; return its precision in words."""
    config = read_json(source / "config.json")
    four_bit = config.pop("quantization_config", None) is not None
    dtypes = _write_weights(_merged(source, adapter), to)
    for pattern in COPIED:
        for path in source.glob(pattern):
            if not any(path.match(skipped) for skipped in NOT_COPIED):
                shutil.copyfile(path, to / path.name)
    write_json(to / "config.json", config)
    merged = {
        key: card[key] for key in ("model", "weights", "data", "prompt", "recipe") if key in card
    }
    merged |= {"adapter": file_hash(adapter / ADAPTER_WEIGHTS), "from_4_bit": four_bit}
    write_card(to, {"model": card["model"], "weights": card["weights"], "merged": merged})
    precision = " and ".join(sorted(dtypes))
    return (
        f"{precision}, unpacked from the base's 4 bit"
        if four_bit
        else f"{precision}, as the base is"
    )


def _write_weights(tensors: Iterator[tuple], to: Path) -> set[str]:
    """Write tensors to files of at most SHARD_BYTES, with an index where it takes several; return
    their dtypes.
    """
    shards: list[list[str]] = []
    held: dict[str, torch.Tensor] = {}
    dtypes: set[str] = set()
    size = total = 0

    def flush() -> None:
        shards.append(sorted(held))
        save_file(held, to / f"shard-{len(shards)}", metadata={"format": "pt"})
        held.clear()

    for name, tensor in tensors:
        if held and size + tensor.nbytes > SHARD_BYTES:
            flush()
            size = 0
        held[name], size, total = tensor, size + tensor.nbytes, total + tensor.nbytes
        dtypes.add(str(tensor.dtype).removeprefix("torch."))
    flush()
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = (
            f"model-{number:05}-of-{len(shards):05}.safetensors"
            if len(shards) > 1
            else "model.safetensors"
        )
        (to / f"shard-{number}").rename(to / file)
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": places}
        write_json(to / "model.safetensors.index.json", index)
    return dtypes


def _merged(source: Path, adapter: Path) -> Iterator[tuple]:
    """Name and tensor of every weight of the base, with the adapter's part added in float32."""
    scale, lora = read_adapter(adapter).scale, load_file(adapter / ADAPTER_WEIGHTS)
    lora = {name.removeprefix("base_model.model."): tensor.float() for name, tensor in lora.items()}
    with ExitStack() as opened:
        files = [
            opened.enter_context(safe_open(path, "pt"))
            for path in sorted(source.glob("*.safetensors"))
        ]
        where = {name: file for file in files for name in file.keys()}  # noqa: SIM118 (no dict)
        layers = {name.rpartition(".lora_")[0] for name in lora}
        # An adapter names modules. Models that see are often stored under other names, which only
        # the library knows.
        stored_as_named = all(f"{layer}.weight" in where for layer in layers)
        modules = {} if stored_as_named else _module_names(source, sorted(where))
        packed = {name.partition(".quant_state.")[0] for name in where if ".quant_state." in name}
        for name in sorted(where):
            if any(name.startswith(f"{weight}.") for weight in packed):
                continue  # what belongs to a 4-bit weight is read together with it
            tensor = _unpacked(name, where) if name in packed else where[name].get_tensor(name)
            layer = modules.get(name, name).removesuffix(".weight")
            down = lora.pop(f"{layer}.lora_A.weight", None)
            up = lora.pop(f"{layer}.lora_B.weight", None)
            if down is not None and up is not None:
                tensor = (tensor.float() + scale * (up @ down)).to(tensor.dtype)
            yield name, tensor.contiguous()
    if lora:
        raise LabError(
            f"The adapter changes {sorted(lora)[0]!r}, which the base's files do not have: this "
            "kind of model cannot be merged here; use the adapter as it is."
        )


def _module_names(source: Path, stored: list[str]) -> dict[str, str]:
    """Stored name -> the name that it has in the model; transformers renames weights when it loads
    and saves them.

    Empty for a kind of model that transformers does not have. The model is built without memory for
    its weights. Where several weights become one, as experts do, none of them has the module's
    name: such a layer cannot be merged.
    """
    config = load_config(str(source))
    if type(config) not in AutoModelForImageTextToText._model_mapping:
        return {}
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, trust_remote_code=False)
    renamings = [
        entry for entry in get_model_conversion_mapping(model) if isinstance(entry, WeightRenaming)
    ]
    built = model.state_dict()
    return {
        name: rename_source_key(name, renamings, [], model.base_model_prefix, built)[0]
        for name in stored
    }


def _unpacked(name: str, where: dict):
    """A 4-bit weight in the half precision that it was packed from."""
    parts = {key: file.get_tensor(key) for key, file in where.items() if key.startswith(f"{name}.")}
    state = QuantState.from_dict(
        {key.removeprefix(f"{name}."): part for key, part in parts.items()}, device="cpu"
    )
    return dequantize_4bit(where[name].get_tensor(name), state)


def measure_weights(ref: ModelRef) -> float:
    """Measure the weights that answer, in MB on disk: of the model and its adapter.

    A text tower that was trained whole is kept in full precision, which takes twice the room of a
    half one.
    """
    is_whole = ref.adapter and not (ref.adapter / ADAPTER_CONFIG).exists()
    base = [] if is_whole else [fetch_files(ref, ["*.safetensors"], offline=True)]
    folders = [*base, *([ref.adapter] if ref.adapter else [])]
    files = [path for folder in folders for path in folder.glob("*.safetensors")]
    return round(sum(path.stat().st_size for path in files) / 1e6, 2)
