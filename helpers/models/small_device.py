"""A model that sees on a small device: how large, slow and hungry it is in float32, bfloat16, int8
and nf4.

VisionQAries (2024) chose small models for machines like a Raspberry Pi, and measured none of this.
Here a model answers on a few CPU threads in a process of its own, so that memory and load time are
its alone. Other processors have other
kernels: what is faster here need not be so elsewhere, and in a tiny model packing costs more time
    than it saves.
"""

import gc
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median

import torch
import torch.ao.quantization
from transformers import AutoModelForImageTextToText

from helpers.cases import Answer
from helpers.data.images import MAX_SIDE, BadImage, open_image
from helpers.files import REPOSITORY, LabError, WorkFailed, display_path
from helpers.models.base import ImagePrompt
from helpers.models.devices import Device
from helpers.models.failures import explain_loading
from helpers.models.foreign import check_sizes, load_config
from helpers.models.loading import disable_avx512, place
from helpers.models.processors import load_processor
from helpers.models.refs import FORMS, ModelRef
from helpers.models.shipped import model_path
from helpers.models.vlm import LocalVLM


def measure(
    folder: Path | str,
    asked: Sequence[tuple[Path | str, str]],
    *,
    form: str,
    threads: int = 2,
    max_new_tokens: int,
    max_side: int = 0,
) -> dict:
    """Measure a VLM on the CPU, one image at a time; nothing is fetched.

    Args:
        folder: a model with its processor, as `export` writes it, or `pocket/<name>`.
        asked: (image, text); the first is asked once more, before, to warm up.
        form: one of `FORMS`; int8 and nf4 (4 bit) quantize linear layers, the rest is float32.
        threads: CPU threads; more than idle cores are many times slower than one.
        max_new_tokens: where an answer is cut.
        max_side: pixels; see `processors.limit_max_side`.
    Returns:
        "form", "threads", "answers": texts in the order of `asked`. "seconds": median per answer,
        and "seconds_mean", the preparation of an opened image included. "tokens",
        "tokens_per_second": new tokens, over all that time. "load_seconds": from files to ready,
        quantizing included, imports not. "weights_mb": what `torch.save` writes of this form,
        scales included and shared weights once. Memory is resident memory beyond that of the
        imported libraries and the processor ("import_mb"): "load_mb" the peak until ready, when
        quantized forms pass through full precision, "answer_mb" the peak after that (other systems
        than Linux know only one peak). MB are 10^6 bytes.
    Raises:
        LabError: an unknown form, nothing asked, no such folder, no VLM, or no image.
        WorkFailed: the process ended without a result, as it does where memory runs out.
    """
    path = Path(os.path.expanduser(model_path(str(folder))))
    if form not in FORMS:
        raise LabError(f"The form is {form!r}, but it must be one of: {', '.join(FORMS)}.")
    if not os.path.isfile(path / "config.json") or not asked:
        raise LabError(
            f"{len(asked)} images for the model in {display_path(path)}: give images and a model's "
            "folder."
        )
    images = [(str(Path(image).expanduser().resolve()), text) for image, text in asked]
    job = {
        "folder": str(path.resolve()),
        "asked": images,
        "form": form,
        "threads": threads,
        "limit": max_new_tokens,
        "max_side": max_side,
    }
    return _in_its_own_process(job)


def _in_its_own_process(job: dict) -> dict:
    environment = os.environ | {
        "OMP_NUM_THREADS": str(job["threads"]),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "helpers.models.small_device"],
        input=json.dumps(job).encode(),
        capture_output=True,
        cwd=REPOSITORY,
        env=environment,
        check=False,
    )
    if done.returncode or not done.stdout:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        status = f"status {done.returncode} ({words[-1].strip()})"
        raise WorkFailed(
            f"The measurement in {job['form']} ended with {status}: choose another form or a "
            "smaller model."
        )
    found = json.loads(done.stdout)
    if "error" in found:
        raise LabError(found["error"])
    return found


def main() -> None:
    """Measure in a process of its own: a job as JSON on standard input, the result on output."""
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to standard error
    try:
        found = _measured(**json.load(sys.stdin))
    except (LabError, BadImage) as error:
        found = {"error": str(error)}
    print(json.dumps(found), file=result, flush=True)


def _measured(folder: str, asked: list, form: str, threads: int, limit: int, max_side: int) -> dict:
    torch.set_num_threads(threads)
    ref = ModelRef(folder, quantization="nf4" if form == "nf4" else "none", max_side=max_side)
    processor = load_processor(ref)
    prompts = [ImagePrompt(open_image(image, max_side=MAX_SIDE), text) for image, text in asked]
    with explain_loading(folder):
        # It also imports the model's classes, so that the clock does not count that.
        check_sizes(AutoModelForImageTextToText, load_config(folder), folder)
    dtype = "bfloat16" if form == "bfloat16" else "float32"
    device = Device("cpu", dtype, "measured as on a small device")
    before, started = _memory("VmRSS"), time.perf_counter()
    with explain_loading(folder):
        model = place(AutoModelForImageTextToText, folder, None, ref.quantization, device)
    vlm = LocalVLM(_quantize(model, form), processor, device)
    load_seconds, load_peak = time.perf_counter() - started, _memory("VmHWM")
    gc.collect()
    if (reset := Path("/proc/self/clear_refs")).exists():
        reset.write_text("5")  # the peak starts anew
    said: list[Answer] = []
    seconds: list[float] = []
    for prompt in [prompts[0], *prompts]:  # the first one warms up
        started = time.perf_counter()
        said += vlm.answer_batch({"": prompt}, max_new_tokens=limit)
        seconds.append(time.perf_counter() - started)
    said, seconds, peak = said[1:], seconds[1:], _memory("VmHWM")
    tokens, counter = sum(answer.tokens for answer in said), _Counter()
    torch.save(model.state_dict(), counter)  # type: ignore[arg-type]  # it only counts
    return {
        "form": form,
        "threads": threads,
        "answers": [answer.text for answer in said],
        "seconds": median(seconds),
        "seconds_mean": mean(seconds),
        "tokens": tokens,
        "tokens_per_second": tokens / sum(seconds),
        "load_seconds": load_seconds,
        "import_mb": before,
        "load_mb": load_peak - before,
        "answer_mb": peak - before,
        "weights_mb": counter.size / 1e6,
    }


def _quantize(model, form: str):
    """Quantize linear layers to int8; nf4 was done while loading.

    int8 is torch's dynamic quantization, activations rounded on the way. torch calls it deprecated,
    but torchao's, which is to follow it, was slower than float32 where this was measured.
    """
    if form == "int8":
        return torch.ao.quantization.quantize_dynamic(
            model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True
        )
    if form == "nf4":
        disable_avx512(model)
    return model


class _Counter(io.RawIOBase):
    size = 0  # bytes that were to be written

    def write(self, content) -> int:
        self.size += len(content)
        return len(content)


def _memory(entry: str) -> float:
    """Resident memory in MB, now (VmRSS) or at its peak (VmHWM). On Linux getrusage's peak would
    not do: it begins with what the parent held when it started this process."""
    if not Path("/proc/self/status").exists():
        import resource  # macOS counts in bytes

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{entry}:")) * 1024 / 1e6


if __name__ == "__main__":
    main()
