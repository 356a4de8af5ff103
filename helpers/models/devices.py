"""Where a model computes, in which dtype and why, and how much memory that took. torch is asked,
not imported, here.
"""

import sys
import time
from dataclasses import dataclass, replace
from functools import lru_cache


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


# A model with narrower layers than this is small, and computes in float32 on every CPU; of wider
# ones, products up to this width tell enough.
WIDE, WIDEST_MEASURED = 512, 1024
TOKENS = 256  # about what a step of training, or a batch of prompts, multiplies at once
# A dtype with half the digits has to be worth it.
WORTH_IT = 1.3


@lru_cache
def measure_bfloat16(width: int) -> float:
    """Measure how many times as fast as float32 this CPU multiplies in bfloat16.

    Args:
        width: of the layers that are to be computed.
    """
    import torch

    width = min(width, WIDEST_MEASURED)

    def seconds(dtype: "torch.dtype") -> float:
        tokens = torch.ones(TOKENS, width, dtype=dtype)
        weights = torch.ones(width, width, dtype=dtype)
        spent = []
        for _ in range(3):  # the first is slower than all others
            started = time.perf_counter()
            tokens @ weights
            spent.append(time.perf_counter() - started)
        return min(spent)

    return seconds(torch.float32) / seconds(torch.bfloat16)


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


def device_for(model_type: str, device: Device, width: int = 0) -> Device:
    """Return the device for a model of this type: float32 where it would overflow in float16, and
    bfloat16 on a CPU that computes faster with it.

    Args:
        width: of the model's layers.
    """
    if device.name == "cpu" and isinstance(width, int) and width >= WIDE:
        ratio = measure_bfloat16(width)
        dtype = "bfloat16" if ratio >= WORTH_IT else "float32"
        reason = f"no GPU found; bfloat16 is {ratio:.2g} times as fast as float32 on this CPU"
        return replace(device, dtype=dtype, reason=reason)
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
