"""Where things lie on this machine, and how a place is shown without naming a folder of it."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def disable_statistics() -> None:
    """Switch off the usage statistics of libraries; call it before they are imported.

    Nothing leaves this machine unless a person asks for it.
    """
    os.environ |= {"UNSLOTH_DISABLE_STATISTICS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def outputs_folder() -> Path:
    """Return the folder that runs write to: `LAB_OUTPUTS`, or `outputs/` of the repository."""
    folder = os.environ.get("LAB_OUTPUTS") or str(REPOSITORY / "outputs")
    return resolve(folder)


def cache_folder() -> Path:
    """Return the folder of what is made once and can be made again, outside the repository: below
    `LAB_OUTPUTS` where that is set, or else in this user's cache.
    """
    if os.environ.get("LAB_OUTPUTS"):
        return outputs_folder() / "cache"
    return resolve(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "medical-vqa-lab"


def resolve(path: Path | str) -> Path:
    """Return an absolute path without links; unlike pathlib's, this leaves the home of nobody
    ("~nouser/x") and a circle of links as they are.
    """
    return Path(os.path.realpath(os.path.expanduser(path)))


def display_path(path: Path | str) -> str:
    """Return a path to print or record: one that names no folder of this machine."""
    path = resolve(path)
    for root, name in ((outputs_folder(), "outputs"), (REPOSITORY, "")):
        if path.is_relative_to(root):
            return (Path(name) / path.relative_to(root)).as_posix()
    return path.name
