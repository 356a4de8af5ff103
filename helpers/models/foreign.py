"""Models from elsewhere are only data: what would run code, be unpickled, stand for another model
or fill the memory is refused before it is loaded.

All loading here begins with `load_config` or `check_model`, passes `trust_remote_code=False` and
reads safetensors alone. A refusal names the argument at hand in backticks.
"""

import os
import re
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

from helpers.files import LabError, read_json

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
# Entries of a config.json that take the rest of the model from files which nobody hashes.
ELSEWHERE = ("transformers_weights", "configuration_files")
# Numbers of which Python objects are made one by one, with the most that a model may ask for.
COUNTS = {
    re.compile(r"(^|_)(layers?|blocks?|depth|experts)$"): 1000,
    re.compile(r"(^|_)labels$"): 1_000_000,
}
# Numbers that a model may have beyond those that lie in its files, such as tables of positions.
SPARE = 10_000_000
WANTS_CODE = (
    "it wants to run code of its own, which this lab never does: choose a model that transformers "
    "knows by itself"
)
NOT_UNPICKLED = (
    "which can run code, and the lab reads safetensors alone: name a copy in safetensors, from its "
    "authors or made with transformers' save_pretrained by somebody who trusts the file"
)
LONGEST_SHOWN = 200  # letters of a name in a sentence


def shown(name: Path | str) -> str:
    """Return a name as a sentence shows it: in quotes, its control characters spelled out, cut."""
    text = str(name)
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")


def forbid_code() -> None:
    """Let transformers refuse where it would ask whether code from a model's folder may run.

    `trust_remote_code=False` alone does not do: some of its classes drop that on the way to their
    parts, and a "y" on the terminal would be enough.
    """
    from transformers import dynamic_module_utils

    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0  # seconds to wait for an answer


def load_config(path: str, commit: str | None = None, *, argument: str = "model") -> Any:
    """Read the configuration of a model that may be loaded here.

    Args:
        path: a folder or a hub id.
        commit: of a hub id.
        argument: what a refusal calls it.
    Raises:
        LabError: see `check_model`.
    """
    from transformers import AutoConfig

    forbid_code()
    check_model(path, commit, argument=argument)
    return AutoConfig.from_pretrained(path, revision=commit, trust_remote_code=False)


def check_model(path: str, commit: str | None = None, *, argument: str = "model") -> None:
    """Refuse what must not be loaded; nothing but small JSON files is read.

    Raises:
        LabError: an adapter in place of a model, pickled weights, weights or settings from
            elsewhere, or absurd numbers.
    """
    asked = f"`{argument}` is {shown(path)}, but"
    if adapter := _find(path, ADAPTER_CONFIG, commit):
        raise LabError(f"{asked} {_adapter_instead(adapter, argument)}")
    if index := _find(path, INDEX, commit):
        _check_index(index, asked)
    if os.path.isdir(path) and not list(Path(path).glob("*.safetensors")):
        names = sorted(one.name for one in Path(path).iterdir() if one.suffix in PICKLED)
        if names:
            raise LabError(f"{asked} its weights are pickled ({names[0]}), {NOT_UNPICKLED}.")
    if config := _find(path, "config.json", commit):
        _check_entries(read_json(config), asked)


def _find(path: str, name: str, commit: str | None) -> Path | None:
    """Find a file of a folder or of a hub model, which is fetched if need be."""
    if os.path.isdir(path):
        file = Path(path) / name
        return file if file.is_file() else None
    from transformers.utils import cached_file

    found = cached_file(
        path,
        name,
        revision=commit,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None


def _adapter_instead(adapter: Path, argument: str) -> str:
    """Word that an adapter stands where a model is asked for; transformers would load its base."""
    config = read_json(adapter)
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    of_base = f" (by its own account {shown(base)})" if isinstance(base, str) and base else ""
    if argument != "model":
        return f"that is an adapter ({ADAPTER_CONFIG} is in it): name a whole model."
    return (
        f"that is an adapter ({ADAPTER_CONFIG} is in it): name its base{of_base} as `model`, and "
        "its folder as `adapter`."
    )


def _check_index(index: Path, asked: str) -> None:
    """Refuse an index that names anything but safetensors files beside it."""
    entries = read_json(index)
    places = entries.get("weight_map") if isinstance(entries, dict) else None
    if not isinstance(places, dict) or not isinstance(entries.get("metadata"), dict):
        raise LabError(f"{asked} its {INDEX} lists no weights: take the model anew.")
    for name in set(map(str, places.values())):
        if Path(name).name != name or Path(name).suffix != ".safetensors":
            raise LabError(
                f"{asked} its {INDEX} names {shown(name)}, which is no safetensors file beside it: "
                "take the model anew from its authors."
            )


def _check_entries(config: Any, asked: str) -> None:
    """Refuse entries of a config.json, also of its parts."""
    if not isinstance(config, dict):
        raise LabError(f"{asked} could not be loaded (no settings in config.json): take it anew.")
    for name, value in _entries(config):
        if name in ELSEWHERE and value:
            raise LabError(
                f"{asked} its config.json has {name!r}, which takes the model from other files: "
                f"leave that out, and call the weights {WEIGHTS}."
            )
        # "somebody/kernel" would be code from the hub.
        if name.endswith("attn_implementation") and "/" in str(value):
            raise LabError(f"{asked} {WANTS_CODE}.")
        most = next((most for pattern, most in COUNTS.items() if pattern.search(name)), None)
        if most and isinstance(value, int) and value > most:
            raise LabError(
                f"{asked} its config.json has {name!r} {shown(str(value))}, and more than {most:,} "
                "are taken for a mistake: correct it or take the model anew."
            )


def _entries(config: dict) -> Iterator[tuple[str, Any]]:
    """Yield all entries of a configuration and of its parts."""
    left: list[Any] = [config]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield from ((str(name), value) for name, value in part.items())
            left += part.values()
        elif isinstance(part, list):
            left += part


def weight_files(folder: Path) -> list[Path]:
    """List the files that a model's weights are read from."""
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return [folder / WEIGHTS]
    return [folder / name for name in sorted(set(read_json(folder / INDEX)["weight_map"].values()))]


def read_shapes(files: Sequence[Path]) -> dict[str, list[int]]:
    """Read name and shape of every tensor from the heads of safetensors files.

    Raises:
        LabError: a file is torn, or no safetensors file at all.
    """
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, list[int]] = {}
    for path in files:
        try:
            with safe_open(path, framework="numpy") as file:
                names = file.keys()  # no dictionary, so it cannot be gone through itself
                shapes |= {name: file.get_slice(name).get_shape() for name in names}
        except (SafetensorError, OSError) as error:
            reason = str(error).partition("\n")[0].rpartition(" header: ")[2]
            name = shown(f"{path.parent.name}/{path.name}")
            raise LabError(
                f"The weights {name} cannot be read ({reason}): the file is torn or not "
                "safetensors, so fetch or copy it anew."
            ) from None
    return shapes


def check_sizes(auto_class: Any, config: Any, path: str, *, argument: str = "model") -> None:
    """Refuse a folder whose config.json asks for more than its weights hold.

    The model is built without memory, and its numbers are counted. (A hub model's files are not
    there yet; its commit is in the record.)

    Raises:
        LabError: it asks for more, or the weights are torn.
    """
    if not os.path.isdir(path) or not all(file.is_file() for file in weight_files(Path(path))):
        return  # the loader says what is missing
    import torch

    held = sum(prod(shape) for shape in read_shapes(weight_files(Path(path))).values())
    with torch.device("meta"):
        model = auto_class.from_config(config, trust_remote_code=False)
    asked = sum(one.numel() for one in [*model.parameters(), *model.buffers()])
    # Two 4-bit weights share a byte, and tied weights are stored once.
    if asked > 4 * held + SPARE:
        raise LabError(
            f"`{argument}` is {shown(path)}, but its config.json asks for {asked:,} weights and "
            f"its files hold {held:,}: take both from the same place."
        )
