"""Merge an adapter into its base: a model folder that any program reads, `python -m helpers
export`.

Works on one tensor at a time, straight from the base's safetensors, so that an 8 B model needs
neither a GPU nor the memory to load it. (Hu et al., "LoRA: Low-Rank Adaptation of Large Language
Models", 2021, equation 3: W + s B A.) A base that sees is merged in the same way; its images'
processor comes along.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from helpers.files import LabError, WorkFailed, disk_full, file_hash, read_json, write_json
from helpers.models.loading import ADAPTER_CARD, check_adapter, loading, model_path, split_revision

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
    adapter, to = Path(adapter).expanduser(), Path(to).expanduser()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise LabError(
            f"--to is {str(to)!r}, and there is something already: name a new or empty folder."
        )
    source, card = _source(adapter, base)
    unfinished = to.resolve().with_name(f".{to.resolve().name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        precision = _write(source, adapter, unfinished, card)
        if to.exists():
            to.rmdir()
        unfinished.rename(to)
    except Exception as error:
        sentence = disk_full(error, to)
        if not sentence:
            raise
        raise WorkFailed(sentence) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    # llama.cpp converts only some kinds of models that see, and those in two parts.
    sees = "vision_config" in read_json(to / "config.json")
    gguf = (
        ""
        if sees
        else f" For GGUF, run `convert_hf_to_gguf.py {to}` of llama.cpp, which is not part of this lab."
    )
    return (
        f"{card['model']} with its adapter is in {to}, in {precision}: give it as MODEL, or to any "
        f"program that reads safetensors.{gguf}"
    )


def _source(adapter: Path, base: str) -> tuple[Path, dict]:
    """The folder of the base's files, and the adapter's card; another base than the adapter's is
    refused.
    """
    card_path = adapter / ADAPTER_CARD
    card = read_json(card_path) if card_path.is_file() else {}
    model_id, _ = split_revision(base or card.get("model", ""))
    revision = str(card.get("weights", "")).partition("@")[2]
    from_hub = bool(
        revision
    )  # the fingerprint of a hub model is "id@commit": that very commit is merged
    path = Path(model_path(model_id))
    if card and not from_hub and not path.is_dir():
        raise LabError(
            f"The adapter's base is a folder that was called {model_id!r}, but it is not here: say "
            "with --base where it is."
        )
    card = check_adapter(adapter, model_id, revision)
    if not path.is_dir():
        from huggingface_hub import snapshot_download

        with loading(model_id):
            path = Path(
                snapshot_download(
                    model_id, revision=revision, allow_patterns=["*.safetensors", *COPIED]
                )
            )
    return path, card


def _write(source: Path, adapter: Path, to: Path, card: dict) -> str:
    """Write all files of the merged model to `to`; return its precision in words."""
    to.mkdir(parents=True)
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
    write_json(
        to / ADAPTER_CARD,
        {
            "merged": merged
            | {"adapter": file_hash(adapter / "adapter_model.safetensors"), "from_4_bit": four_bit}
        },
    )
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
    from safetensors.torch import save_file

    shards, held, size, total, dtypes = [], {}, 0, 0, set()

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
    places = {}
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
    from contextlib import ExitStack

    from safetensors import safe_open
    from safetensors.torch import load_file

    config = read_json(adapter / "adapter_config.json")
    scale, lora = (
        config["lora_alpha"] / config["r"],
        load_file(adapter / "adapter_model.safetensors"),
    )
    lora = {name.removeprefix("base_model.model."): tensor.float() for name, tensor in lora.items()}
    with ExitStack() as opened:
        files = [
            opened.enter_context(safe_open(path, "pt"))
            for path in sorted(source.glob("*.safetensors"))
        ]
        where = {name: file for file in files for name in file.keys()}
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
            down, up = (
                lora.pop(f"{layer}.lora_A.weight", None),
                lora.pop(f"{layer}.lora_B.weight", None),
            )
            if down is not None:
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
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming, rename_source_key

    config = AutoConfig.from_pretrained(source)
    if type(config) not in AutoModelForImageTextToText._model_mapping:
        return {}
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
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
    from bitsandbytes.functional import QuantState, dequantize_4bit

    parts = {key: file.get_tensor(key) for key, file in where.items() if key.startswith(f"{name}.")}
    state = QuantState.from_dict(
        {key.removeprefix(f"{name}."): part for key, part in parts.items()}, device="cpu"
    )
    return dequantize_4bit(where[name].get_tensor(name), state)
