"""`doctor`: what this machine has (cores, memory, GPU, packages, models) and what it can run."""

import os
import platform
import shutil
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.cli.arguments import Commands
from helpers.files import display_path, outputs_folder

if TYPE_CHECKING:  # other commands come without it
    from helpers.models.devices import Device

GB = 1e9


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser("doctor", help="what this machine can run, and why not the rest")
    command.set_defaults(command=doctor)


def doctor(options: Namespace) -> int:
    """Say what this machine can run, and why not the rest."""
    print(report())
    return 0


def report() -> str:
    """Return a few lines for a person: facts first, then one line per profile."""
    from helpers.models.devices import choose_device

    device = choose_device()
    lines = [_machine(), *_software(device), ""]
    for name, what, obstacle in _profiles(device):
        lines.append(f"{name:7} {'no ' if obstacle else 'yes'}  {obstacle or what}")
    return "\n".join(lines)


def _machine() -> str:
    disk = shutil.disk_usage(_existing(outputs_folder())).free / GB
    return (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {_memory_gb():.0f} GB of memory, {disk:.0f} GB of disk free"
    )


def _software(device: "Device") -> list[str]:
    from helpers.experiments.environment import package_versions
    from helpers.models.packaged import PACKAGED, say_state
    from helpers.models.shipped import shipped_models
    from helpers.training.backends import choose_backend

    backend = choose_backend("auto")
    packages = [f"{name} {number}" for name, number in package_versions().items()]
    clinic = outputs_folder() / "pocket"
    built = (
        f"built in {display_path(clinic)}" if clinic.exists() else "built when it is first needed"
    )
    return [
        f"Device: {device.name}, {device.dtype} ({device.reason})",
        f"Training by {backend.name}: {backend.reason}",
        f"Packages: {', '.join(packages)}",
        f"Models shipped with the lab: {', '.join(shipped_models()) or 'none'}",
        *(f"Model in a package: {name}, {say_state(name)}" for name in PACKAGED),
        f"Pocket clinic: {built}",
    ]


def _profiles(device: "Device") -> list[tuple[str, str, str | None]]:
    """List each profile: its name, what it does here, and why it cannot run (None if it can)."""
    from helpers.models.packaged import why_missing
    from helpers.models.refs import Llm

    gpu_gb = _gpu_gb(device)
    return [
        ("pocket", "the simulated clinic and the shipped models, without network", None),
        (
            "laptop",
            "a real language model of 135 M, LoRA; the texts come over the network, or it is the "
            "clinic",
            why_missing(Llm.of_profile("laptop").name),
        ),
        (
            "t4",
            "8 B models in 4 bit, LoRA; models and data come over the network",
            _too_small(gpu_gb, 14, "pocket"),
        ),
        ("a100", "as t4, with larger batches", _too_small(gpu_gb, 38, "t4")),
    ]


def _too_small(gpu_gb: float, needed: float, smaller: str) -> str | None:
    """Say why a GPU of this size is too small for a profile; None if it is not."""
    if not gpu_gb:
        return (
            "needs an NVIDIA GPU, and none was found: use a Colab GPU runtime, or the pocket "
            "profile"
        )
    if gpu_gb < needed:
        return (
            f"needs {needed:.0f} GB of GPU memory, and this GPU has {gpu_gb:.0f}: use the profile "
            f"{smaller}"
        )
    return None


def _gpu_gb(device: "Device") -> float:
    """Return the memory of the GPU in GB, 0 without one."""
    import torch

    if device.name != "cuda":
        return 0.0
    return torch.cuda.get_device_properties(0).total_memory / GB


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    except (AttributeError, ValueError):  # Windows
        return float("nan")


def _existing(path: Path) -> Path:
    """Return the nearest folder above a path that is there, or the path itself."""
    while not path.exists():
        path = path.parent
    return path
