"""The process in which Unsloth trains: `python -m helpers.training.unsloth_worker`.

`unsloth_process` starts it. It reads one job as a line of JSON from standard input, and writes
reports as lines of JSON to standard output: {"step", "total", ...} while it trains, at the end
{"facts": ...} or {"error": sentence, "wrong_input": bool}.

Unsloth patches torch and transformers when it is imported, and must come before them. So nothing
that loads them is imported at the top of this module: `train` imports Unsloth first, and the
functions below it import the rest.
"""

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from helpers.files import LabError, WorkFailed
from helpers.models.devices import Device, choose_device
from helpers.models.failures import explain_loading
from helpers.models.refs import ModelRef
from helpers.training.failures import explain_failures
from helpers.training.progress import Report
from helpers.training.recipe import PROJECTIONS, LoraRecipe, VlmRecipe

ORPHANED = 3  # exit status of a worker whose parent ended first


def main() -> int:
    """Do the job on standard input; status 0 where it was done or its failure reported."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to standard error
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()

    def report(message: dict) -> None:
        print(json.dumps(message), file=reports, flush=True)

    try:
        base, folder = ModelRef(**job["base"]), Path(job["folder"])
        recipe = (VlmRecipe if job["vlm"] else LoraRecipe)(**job["recipe"])
        with explain_failures(recipe, folder):
            report({"facts": train(base, job["train"], job["valid"], folder, recipe, report)})
    except (LabError, WorkFailed) as error:
        report({"error": str(error), "wrong_input": isinstance(error, LabError)})
    return 0


def _end_with_the_parent() -> None:
    """Wait until standard input ends, as it does with the parent; nobody wants this work then."""
    sys.stdin.read()
    os._exit(ORPHANED)


def train(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: LoraRecipe,
    report: Report,
) -> dict:
    """Train as PEFT does (see `lora_sft`, `vlm_sft`), with model and adapter made by Unsloth."""
    import unsloth  # noqa: F401

    if isinstance(recipe, VlmRecipe):
        return _train_vlm(base, train, valid, folder, recipe, report)
    return _train_llm(base, train, valid, folder, recipe, report)


def _train_llm(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: LoraRecipe,
    report: Report,
) -> dict:
    from transformers import set_seed
    from unsloth import FastLanguageModel

    from helpers.models.llm import load_tokenizer
    from helpers.training.adapters import must_recompute
    from helpers.training.examples import plan_llm_training
    from helpers.training.trainer import fit

    device = choose_device()
    tokenizer = load_tokenizer(base)
    with explain_loading(base.id):
        context = _config(base).max_position_embeddings
        # Above the context it would stretch the positions.
        length = min(recipe.max_length, context)
        model, _ = FastLanguageModel.from_pretrained(
            base.path, trust_remote_code=False, **_loading(base, device, length)
        )
    recomputes = must_recompute(model, device)
    set_seed(recipe.seed)
    model = FastLanguageModel.get_peft_model(
        model,
        target_modules=list(PROJECTIONS),
        max_seq_length=recipe.max_length,
        **_adapter(recipe, recomputes),
    )
    # Unsloth's own forward pass takes keys and values for generation only.
    plan = plan_llm_training(tokenizer, train, valid, recipe, context=context, packs=False)
    return {"device": asdict(device)} | fit(model, device, plan, folder, recipe, report)


def _train_vlm(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: VlmRecipe,
    report: Report,
) -> dict:
    from transformers import set_seed
    from unsloth import FastVisionModel

    from helpers.models.processors import check_pair, load_processor
    from helpers.models.vlm import LocalVLM
    from helpers.training.adapters import must_recompute
    from helpers.training.vlm_sft import fit_vlm

    device = choose_device()
    # Ours, which is the one that generation takes, too.
    processor = load_processor(base)
    with explain_loading(base.id):
        config = _config(base)
        context = getattr(config.get_text_config(), "max_position_embeddings", recipe.max_length)
        length = min(recipe.max_length, context)
        model, _ = FastVisionModel.from_pretrained(
            base.path,
            trust_remote_code=False,
            **_loading(base, device, length),
            **_packing(base, config, device),
        )
    check_pair(model, processor, base.id)
    loaded = LocalVLM(model, processor, device)
    recomputes = must_recompute(model, device)
    set_seed(recipe.seed)
    model = FastVisionModel.get_peft_model(
        model,
        finetune_vision_layers=recipe.vision == "trained",
        finetune_language_layers=True,
        finetune_attention_modules=True,
        finetune_mlp_modules=True,
        **_adapter(recipe, recomputes),
    )
    return {"device": asdict(device)} | fit_vlm(model, loaded, train, valid, folder, recipe, report)


def _config(base: ModelRef):
    from helpers.models.foreign import load_config

    return load_config(base.path, base.resolve_commit())


def _loading(base: ModelRef, device: Device, length: int) -> dict:
    """Give the arguments with which Unsloth loads a model."""
    import torch

    return {
        "revision": base.revision or None,
        "use_exact_model_name": True,
        "max_seq_length": length,
        "dtype": getattr(torch, device.dtype),
        "load_in_4bit": base.quantization == "nf4",
    }


def _adapter(recipe: LoraRecipe, recomputes: bool) -> dict:
    """Give the arguments with which Unsloth adds an adapter."""
    return {
        "r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "bias": "none",
        "random_state": recipe.seed,
        "use_gradient_checkpointing": "unsloth" if recomputes else False,
    }


def _packing(base: ModelRef, config, device: Device) -> dict:
    """Ask for 4-bit weights where answers have them.

    Left to itself, Unsloth keeps the vision tower in 16 bit.
    """
    from helpers.models.loading import nf4_config

    stored_in_4bit = getattr(config, "quantization_config", None)
    if base.quantization == "none" or stored_in_4bit:
        return {}
    return {"quantization_config": nf4_config(device)}


if __name__ == "__main__":
    sys.exit(main())
