"""What the measurements for a GPU share: parts in processes of their own, and a T4's limits."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

# What random complaints and answers are made of.
WORDS = (
    "itchy red spots on the left arm since three weeks worse at night in a woman of forty"
).split()


def in_its_own_process(script: str, part: str, arguments: argparse.Namespace, *more: str) -> dict:
    """Measure a part where it cannot touch the next: figures, or {"error": its last words}."""
    out, scratch = arguments.folder / f"{part}.json", arguments.folder
    command = [
        sys.executable,
        str(Path(script).resolve()),
        "--part",
        part,
        "--folder",
        str(scratch),
        "--out",
        str(out),
        "--cap",
        str(arguments.cap),
        "--steps",
        str(arguments.steps),
        *(["--tiny"] if arguments.tiny else []),
        *more,
    ]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "UNSLOTH_COMPILE_LOCATION": str(scratch / "unsloth_compiled_cache"),
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(out.read_text())
    return {
        "error": (done.stderr.strip().splitlines() or ["it said nothing"])[-1],
        "status": done.returncode,
    }


def as_on_a_t4(work: Callable[[], dict], arguments: argparse.Namespace, modules: Sequence) -> dict:
    """Measure in float16 and under the cap, with the memory that it takes.

    Args:
        modules: those that ask for the device by `choose_device`.
    """
    import torch

    from helpers.models.devices import Device

    there = torch.cuda.is_available()
    if there:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, arguments.cap * 1e9 / total))
        a_t4 = Device("cuda", "float16", "as on a T4, which only emulates bfloat16")
        for module in modules:
            module.choose_device = lambda: a_t4
    elif not arguments.tiny:
        raise SystemExit("There is no CUDA GPU here: run this where there is one, or with --tiny.")
    figures = work() | {"device": torch.cuda.get_device_name() if there else "cpu"}
    if there:
        figures["allocated_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        figures["reserved_gb"] = round(torch.cuda.max_memory_reserved() / 1e9, 2)
    return figures


def even_seconds(seconds: Sequence[float]) -> float:
    """Return the mean time between entries of a training's log, once it runs evenly.

    The first steps compile kernels, and every few steps write a checkpoint: the faster half is free
    of both.
    """
    each = sorted(after - before for before, after in pairwise(seconds))
    faster = each[: max(1, len(each) // 2)]
    return sum(faster) / len(faster)
