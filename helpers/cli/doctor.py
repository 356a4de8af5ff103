"""What this machine can run, and why not the rest: cores, memory, GPU, packages, models and data at
hand.
"""

import os
import platform
import shutil

from helpers.experiments.runs import package_versions
from helpers.files import display_path, outputs_folder
from helpers.models.devices import choose_device
from helpers.models.loading import shipped_models
from helpers.training.backends import choose_backend

GB = 1e9


def report() -> str:
    """A few lines for a person: facts first, then one line per profile."""
    device, backend, clinic = choose_device(), choose_backend("auto"), outputs_folder() / "pocket"
    disk = shutil.disk_usage(_existing(outputs_folder())).free / GB
    lines = [
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {_memory_gb():.0f} GB of memory, {disk:.0f} GB of disk free",
        f"Device: {device.name}, {device.dtype} ({device.reason})",
        f"Training by {backend.name}: {backend.reason}",
        "Packages: " + ", ".join(f"{name} {number}" for name, number in package_versions().items()),
        "Models shipped with the lab: " + (", ".join(shipped_models()) or "none"),
        "Pocket clinic: "
        + (
            f"built in {display_path(clinic)}"
            if clinic.exists()
            else "built when it is first needed"
        ),
        "",
    ]
    lines += [
        f"{name:7} {'no ' if why else 'yes'}  {why or what}"
        for name, what, why in _profiles(device)
    ]
    return "\n".join(lines)


def _profiles(device) -> list[tuple[str, str, str]]:
    """Each profile: its name, what it does here, and why it can't run (empty if it can)."""
    gpu_gb = _gpu_gb(device)
    return [
        ("pocket", "the simulated clinic and the shipped models, without network", ""),
        (
            "t4",
            "8 B models in 4 bit, LoRA; models and data come over the network",
            _too_small(gpu_gb, 14, "pocket"),
        ),
        ("a100", "as t4, with larger batches", _too_small(gpu_gb, 38, "t4")),
    ]


def _too_small(gpu_gb: float, needed: float, smaller: str) -> str:
    """Why a GPU of this size does not do for a profile; empty if it does."""
    if not gpu_gb:
        return "needs an NVIDIA GPU, and none was found: use a Colab GPU runtime, or the pocket profile"
    if gpu_gb < needed:
        return f"needs {needed:.0f} GB of GPU memory, and this GPU has {gpu_gb:.0f}: use the profile {smaller}"
    return ""


def _gpu_gb(device) -> float:
    import torch

    return torch.cuda.get_device_properties(0).total_memory / GB if device.name == "cuda" else 0.0


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    except (AttributeError, ValueError):  # Windows
        return float("nan")


def _existing(path):
    while not path.exists():
        path = path.parent
    return path
