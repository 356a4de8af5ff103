"""Unsloth in a process of its own: it rewrites transformers when it is imported, and must come
before it.

What it prints is noise, and goes to a file that is read only where the process dies without a word.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from helpers.files import REPOSITORY, LabError, WorkFailed
from helpers.models.devices import choose_device
from helpers.models.moondream.processor import MODEL_TYPE
from helpers.models.refs import ModelRef
from helpers.models.shipped import model_path
from helpers.training.progress import Report
from helpers.training.recipe import LoraRecipe, VlmRecipe

WORKER = "helpers.training.unsloth_worker"


def cannot_train(base: ModelRef, recipe: LoraRecipe) -> str:
    """Why Unsloth cannot do this training, as part of a sentence; "" where it can."""
    if not isinstance(recipe, VlmRecipe):
        return ""
    if recipe.trained != "lora":
        return "Unsloth trains adapters here, and VLM_RECIPE trains the text tower whole"
    device = choose_device()
    if device.name != "cuda":
        return "Unsloth trains models that see on a CUDA GPU only, and there is none"
    from helpers.models.devices import device_for
    from helpers.models.processors import vlm_type

    kind = vlm_type(base)
    if kind == MODEL_TYPE:
        return "Unsloth does not know moondream2"
    return "Gemma 3 needs float32 on this GPU" if device_for(kind, device) != device else ""


def train_with_unsloth(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: LoraRecipe,
    report: Report,
) -> dict:
    """Train with Unsloth, in a process that ends with this one, and pass its reports on.

    Raises:
        LabError, WorkFailed: with the sentence that the process gave, or with its last words.
        LabError: Unsloth cannot do it.
    """
    if reason := cannot_train(base, recipe):
        raise LabError(f"BACKEND is 'unsloth', but {reason}: set BACKEND to 'peft'.")
    local = Path(model_path(base.id))
    if local.is_dir() and not base.id.startswith("pocket/"):
        base = replace(base, id=str(local.resolve()))  # the process works in another folder
    job = {
        "base": asdict(base),
        "train": _found_anywhere(train),
        "valid": _found_anywhere(valid),
        "folder": str(folder.resolve()),
        "recipe": asdict(recipe),
        "sees": isinstance(recipe, VlmRecipe),
    }
    with (
        tempfile.TemporaryDirectory(prefix="unsloth-") as scratch,
        _process(Path(scratch)) as process,
    ):
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it died at once; its last words say why
        for line in process.stdout:
            message = json.loads(line)
            if "facts" in message:
                return message["facts"]
            if "error" in message:
                raise (LabError if message["wrong_input"] else WorkFailed)(message["error"])
            report(message)
        raise WorkFailed(_last_words(process, Path(scratch)))


def _found_anywhere(records: list[dict]) -> list[dict]:
    """Records whose images are found from another folder, too."""
    return [
        record | {"image": str(Path(record["image"]).resolve())} if "image" in record else record
        for record in records
    ]


@contextmanager
def _process(scratch: Path) -> Iterator[subprocess.Popen]:
    """The worker, in a scratch folder where it may drop what it compiles; it is ended on the way
    out.

    It has a session of its own, so that Ctrl-C reaches this process alone, which then ends it.
    """
    environment = os.environ | {
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "UNSLOTH_COMPILE_LOCATION": str(scratch / "unsloth_compiled_cache"),
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        ),
    }
    with open(scratch / "noise", "wb") as noise:
        process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            cwd=scratch,
            env=environment,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()  # what it made is on the disk, whole; there is nothing to wait for
        process.wait()
        process.stdout.close()
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass


def _last_words(process: subprocess.Popen, scratch: Path) -> str:
    """Why the worker ended without a result: the last line that it printed."""
    status = process.wait()
    lines = (scratch / "noise").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it said nothing"
    return (
        f"Unsloth's process ended with status {status} ({last}): run it again, or set BACKEND to "
        "'peft'; what was trained so far is kept."
    )
