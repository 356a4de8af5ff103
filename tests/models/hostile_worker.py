"""Loads each folder that wants to run its own code, in every way that a person has.

Usage: hostile_worker.py FOLDERS RESULTS CANARY. Meant for a terminal on which somebody answers "y".
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PIL import Image
from transformers import AutoConfig

from helpers.models import load
from helpers.models.captioning import caption_prompt
from helpers.models.captions import Captioner
from helpers.models.encoders import load_encoder
from helpers.models.export import export
from helpers.models.llm import load_llm, load_tokenizer
from helpers.models.processors import load_processor
from helpers.models.refs import ModelRef
from helpers.models.small_device import _measured
from helpers.models.vlm import load_vlm


def ways(folder: Path, image: str) -> dict[str, Callable]:
    """The ways in which a model's folder is loaded, by what a person calls them."""
    name = str(folder)
    return {
        "prompt": lambda: load(name),
        "text model": lambda: load_llm(ModelRef(name)),
        "VLM": lambda: load_vlm(ModelRef(name)),
        "processor": lambda: load_processor(ModelRef(name)),
        "tokenizer": lambda: load_tokenizer(ModelRef(name)),
        "encoder": lambda: load_encoder(name, "cpu"),
        "captioner": lambda: caption_prompt(Captioner(name=name)),
        "small device": lambda: _measured(name, [(image, "What is it?")], "float32", 1, 1, 0),
        "export": lambda: export(
            folder.parent / f"{folder.name}-adapter", folder.parent / f"{folder.name}-to"
        ),
    }


def main(folders: Path, results: Path, canary: Path) -> None:
    """Write folder, way, kind of error and sentence of each attempt, and whether code ran."""
    found = []
    image = str(results.with_suffix(".png"))
    Image.new("RGB", (96, 96), "pink").save(image)
    models = sorted(path for path in folders.iterdir() if not path.match("*-adapter"))
    for folder in models:
        for way, attempt in ways(folder, image).items():
            kind, said = "", ""
            try:
                attempt()
            except Exception as error:
                kind, said = type(error).__name__, str(error)
            found.append([folder.name, way, kind, said])
    results.write_text(json.dumps({"ran": canary.exists(), "said": found}))
    with suppress(Exception):
        AutoConfig.from_pretrained(models[0], trust_remote_code=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
