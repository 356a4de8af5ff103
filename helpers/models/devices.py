"""Where a model computes, in which dtype and why, and how much memory that took. torch is asked,
not imported, here.
"""

import sys
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Device:
    """Where a model runs and in which dtype, and why: printed by the start cell and kept in
    `run.json`.
    """

    name: str
    dtype: str
    reason: str


def choose_device() -> Device:
    """Pick device and dtype by what the machine computes natively."""
    import torch

    if torch.cuda.is_available():
        major, minor = (
            torch.cuda.get_device_capability()
        )  # torch itself says that a T4, which emulates it, has bf16
        dtype = "bfloat16" if major >= 8 else "float16"
        name = torch.cuda.get_device_name()
        return Device(
            "cuda", dtype, f"{name} has compute capability {major}.{minor}; bfloat16 needs 8.0"
        )
    if torch.backends.mps.is_available():
        return Device(
            "mps", "float32", "Apple GPU; float32 is the dtype that all operations support there"
        )
    return Device(
        "cpu", "float32", "no GPU found; half precision is slower than float32 on most CPUs"
    )


# Kinds of models that overflow in float16, in the forward or the backward pass, by the beginning of
# their type. (Unsloth's list FORCE_FLOAT32 in unsloth_zoo/model_lists.py, and Gemma 3.)
OVERFLOW_IN_FLOAT16 = (
    "gemma3",
    "gemma4",
    "qwen3_5",
    "qwen3_moe",
    "glm4_moe",
    "gpt_oss",
    "embedding_gemma2",
)


def device_for(model_type: str, device: Device) -> Device:
    """Return the device for a model of this type: float32 where it would overflow in float16."""
    if device.dtype == "float16" and model_type.startswith(OVERFLOW_IN_FLOAT16):
        reason = f"{device.reason}; in float16 {model_type} would overflow"
        return replace(device, dtype="float32", reason=reason)
    return device


def reset_gpu_peak() -> None:
    """Begin a new peak of GPU memory, where torch is loaded and uses one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory_gb() -> dict[str, float]:
    """Peak memory in GB (10^9 bytes): RAM of this process since it began, and GPU of this run where
    torch used one.
    """
    try:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = {"ram": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)}
    except ImportError:  # Windows has no such module
        peak = {}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        peak["gpu"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return peak
