"""Unsloth in a process of its own, because it rewrites transformers and must be imported first.

What it prints is noise, and goes to a file that is read only where the process dies without a word.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.files import REPOSITORY, LabError, WorkFailed
from helpers.models.refs import ModelRef
from helpers.training.backends import check_unsloth
from helpers.training.progress import Report
from helpers.training.recipe import LoraRecipe, VlmRecipe

WORKER = "helpers.training.unsloth_worker"


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
    check_unsloth(base, recipe)
    job = {
        "base": _base(base),
        "train": _with_whole_paths(train),
        "valid": _with_whole_paths(valid),
        "folder": str(folder.resolve()),
        "recipe": recipe.model_dump(),
        "vlm": isinstance(recipe, VlmRecipe),
    }
    with tempfile.TemporaryDirectory(prefix="unsloth-") as scratch:
        with _process(Path(scratch)) as process:
            _send(process, job)
            facts = _listen(process, report)
            if facts is None:
                raise WorkFailed(_last_words(process, Path(scratch)))
            return facts


def _base(base: ModelRef) -> dict:
    """Give the model's fields for a process that works in another folder."""
    if not base.name.startswith("pocket/") and Path(base.path).is_dir():
        base = base.but(name=str(Path(base.path).resolve()))
    return base.but(adapter=None).model_dump()


def _with_whole_paths(texts: list[dict]) -> list[dict]:
    """Give the training examples with paths of images that hold in another folder, too."""
    return [
        text | {"image": str(Path(text["image"]).resolve())} if "image" in text else text
        for text in texts
    ]


def _send(process: subprocess.Popen[str], job: dict) -> None:
    assert process.stdin is not None  # a pipe
    with suppress(BrokenPipeError):  # it died at once; its last words say why
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()


def _listen(process: subprocess.Popen[str], report: Report) -> dict | None:
    """Pass reports on until the training's facts come; None if the process ends before that."""
    assert process.stdout is not None  # a pipe
    for line in process.stdout:
        message = json.loads(line)
        if "facts" in message:
            return message["facts"]
        if "error" in message:
            raise (LabError if message["wrong_input"] else WorkFailed)(message["error"])
        report(message)
    return None


@contextmanager
def _process(scratch: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the worker in a scratch folder, where it may drop what it compiles, and end it.

    It has a session of its own, so that Ctrl-C reaches this process alone, which then ends it.
    """
    path = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "UNSLOTH_COMPILE_LOCATION": str(scratch / "unsloth_compiled_cache"),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
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
        for pipe in (process.stdout, process.stdin):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()


def _last_words(process: subprocess.Popen[str], scratch: Path) -> str:
    """Say why the worker ended without a result, by the last line that it printed."""
    status = process.wait()
    lines = (scratch / "noise").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it said nothing"
    return (
        f"Unsloth's process ended with status {status} ({last}): run it again, or set "
        "`backend` to 'peft'; what was trained so far is kept."
    )
