"""What this machine can run, and why not the rest: cores, memory, GPU, packages, models and data at hand."""

import os
import platform
import shutil

from helpers.files import outputs_folder, shown
from helpers.models import POCKET_MODELS, choose_device
from helpers.runs import package_versions

GB = 1e9


def report() -> str:
    """A few lines for a person: facts first, then one line per profile."""
    device = choose_device()
    lines = [
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{_memory_gb():.0f} GB of memory, {shutil.disk_usage(_existing(outputs_folder())).free / GB:.0f} GB of disk free",
        f"Device: {device.name}, {device.dtype} ({device.reason})",
        "Packages: " + ", ".join(f"{name} {number}" for name, number in package_versions().items()),
        "Models shipped with the lab: " + (", ".join(sorted(f"pocket/{path.parent.name}" for path in POCKET_MODELS.glob("*/config.json"))) or "none"),
        "Pocket clinic: " + (f"built in {shown(outputs_folder() / 'pocket')}" if (outputs_folder() / "pocket").exists() else "not built yet; it is built when first needed"),
        "",
    ]
    return "\n".join(lines + [f"{name:7} {'yes' if not why else 'no'}   {why or what}" for name, what, why in _profiles(device)])


def _profiles(device) -> list[tuple[str, str, str]]:
    """Each profile: its name, what it does here, and why it can't run (empty if it can)."""
    gpu_gb = _gpu_gb(device)
    no_gpu = "needs an NVIDIA GPU, and none was found: use a Colab GPU runtime, or the pocket profile"
    return [
        ("pocket", "the simulated clinic and the shipped models, without network", ""),
        ("t4", "8 B models in 4 bit, LoRA; models and data are fetched from the network", "" if gpu_gb >= 14 else no_gpu if not gpu_gb else f"needs 15 GB of GPU memory, and this GPU has {gpu_gb:.0f}"),
        ("a100", "as t4 with larger batches", "" if gpu_gb >= 38 else no_gpu if not gpu_gb else f"needs 40 GB of GPU memory, and this GPU has {gpu_gb:.0f}: use t4"),
    ]


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
