"""Checkpoints that count: whole, on the disk, and as they were written."""

import shutil
from pathlib import Path

from helpers.files import Damaged, hash_tree, read_sealed, sync_tree, write_sealed

FILES = "files.json"  # written last: the hash of each file of a checkpoint


def seal_checkpoint(folder: Path) -> None:
    """Bring a checkpoint to the disk, then write down the hash of each of its files."""
    sync_tree(folder)
    write_sealed(folder / FILES, {"files": hash_tree(folder)})


def last_whole_checkpoint(folder: Path) -> str | None:
    """Find the newest checkpoint that is as it was written, and delete those that are not.

    One without its list of files was being written when the training was killed.
    """
    newest_first = sorted(
        folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True
    )
    for checkpoint in newest_first:
        if _is_whole(checkpoint):
            return str(checkpoint)
        if (checkpoint / FILES).exists():
            print(f"{checkpoint.name} is damaged: the training goes on from an older one, if any.")
        shutil.rmtree(checkpoint)
    return None


def _is_whole(checkpoint: Path) -> bool:
    try:
        written = read_sealed(checkpoint / FILES)["files"]
    except Damaged:
        return False
    return hash_tree(checkpoint, lambda name: name != FILES) == written
