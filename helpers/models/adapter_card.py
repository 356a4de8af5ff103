"""The card of a folder of weights, `lab.json`: what made them, and the hash of each file there.

Whoever loads such a folder reads the card first, so that a flipped bit, a file that is cut or one
from another training is told before it answers anything.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from helpers.files import Damaged, LabError, file_hash, hash_tree, read_sealed, write_sealed

ADAPTER_CARD = "lab.json"
# What a folder is loaded from: no such file may lie there that the card does not know.
LOADED = (".safetensors", ".json", ".jinja", ".model", ".txt", ".bin", ".pt", ".pth")


class _Card(BaseModel):
    """What every reader of a card counts on."""

    model: str
    weights: str
    files: dict[str, str]


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write what a folder's weights say of themselves, with the hashes of all files in it."""
    files = hash_tree(folder, lambda name: name != ADAPTER_CARD)
    write_sealed(folder / ADAPTER_CARD, {**card, "files": files})


def read_card(folder: Path) -> dict[str, Any]:
    """Read a folder's card, and hold every file against it.

    Raises:
        LabError: there is no card.
        Damaged: the card, or a file that it names, is not as it was written.
    """
    if not (folder / ADAPTER_CARD).is_file():
        raise LabError(
            f"`adapter` is {str(folder)!r}, but there is no {ADAPTER_CARD} in it: name the "
            "adapter folder of a finished training run."
        )
    card = read_sealed(folder / ADAPTER_CARD)
    try:
        written = _Card.model_validate(card).files
    except ValidationError:
        raise LabError(
            f"{folder / ADAPTER_CARD} is no card of an adapter of this lab: name the adapter "
            "folder of a finished training run."
        ) from None
    if wrong := _wrong_file(folder, written):
        raise Damaged(
            f"{folder} is not as its training wrote it, {wrong}: copy the folder again from where "
            "it was made, or train it again."
        )
    return card


def is_whole_folder(folder: Path) -> bool:
    """Tell whether a folder with a card is as it was written."""
    try:
        return bool(read_card(folder))
    except LabError:
        return False


def _wrong_file(folder: Path, written: Mapping[str, str]) -> str:
    """Say which file is not as the card has it; "" if all are."""
    for name, digest in written.items():
        path = folder / name
        if not os.path.isfile(path):
            return f"for {name} is gone"
        if file_hash(path) != digest:
            return f"for {name} has changed"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    foreign = [name for name in sorted(there - {*written, ADAPTER_CARD}) if name.endswith(LOADED)]
    return f"for it did not write {foreign[0]}" if foreign else ""
