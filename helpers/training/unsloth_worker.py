"""The process in which Unsloth trains: `python -m helpers.training.unsloth_worker`, started by
`unsloth_process`.

It reads one job as a line of JSON from standard input, and writes reports as lines of JSON to
standard output: {"step", "total", ...} while it trains, at the end {"facts": ...} or {"error":
sentence, "wrong_input": bool}.
"""

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from helpers.files import LabError, WorkFailed
from helpers.models.devices import Device, choose_device
from helpers.models.refs import ModelRef
from helpers.training.failures import explain_failures
from helpers.training.progress import Report
from helpers.training.recipe import (
    PROJECTIONS,
    LoraRecipe,
    VlmRecipe,
    recomputes_activations,
)

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
        recipe = (VlmRecipe if job["sees"] else LoraRecipe)(**job["recipe"])
        with explain_failures(recipe, folder):
            report({"facts": train(base, job["train"], job["valid"], folder, recipe, report)})
    except (LabError, WorkFailed) as error:
        report({"error": str(error), "wrong_input": isinstance(error, LabError)})
    return 0


def _end_with_the_parent() -> None:
    """Standard input ends when the parent does, whatever way it ends: then nobody waits for this
    work any more.
    """
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
    """Train as `train_with_peft` or `train_vlm_with_peft` do, with a model and an adapter made
    by Unsloth.
    """
    import unsloth  # noqa: F401  (before torch and transformers, which it patches)

    job = _train_seeing if isinstance(recipe, VlmRecipe) else _train_reading
    return job(base, train, valid, folder, recipe, report)


def _train_reading(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: LoraRecipe,
    report: Report,
) -> dict:
    import torch
    from transformers import AutoConfig, set_seed
    from unsloth import FastLanguageModel

    from helpers.models.failures import explain_loading
    from helpers.models.llm import load_tokenizer
    from helpers.training.examples import plan_llm_training
    from helpers.training.trainer import fit

    device, tokenizer = choose_device(), load_tokenizer(base)
    path, revision = base.path, base.revision or None
    with explain_loading(base.id):
        context = AutoConfig.from_pretrained(path, revision=revision).max_position_embeddings
        model, _ = FastLanguageModel.from_pretrained(
            path,
            revision=revision,
            use_exact_model_name=True,
            max_seq_length=min(
                recipe.max_length, context
            ),  # above the context it would stretch the positions
            dtype=getattr(torch, device.dtype),
            load_in_4bit=base.quantization == "nf4",
        )
    recomputes = recomputes_activations(device.name, model.num_parameters())
    set_seed(recipe.seed)
    model = FastLanguageModel.get_peft_model(
        model,
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(PROJECTIONS),
        bias="none",
        random_state=recipe.seed,
        max_seq_length=recipe.max_length,
        use_gradient_checkpointing="unsloth" if recomputes else False,
    )
    # Unsloth's own forward pass takes keys and values for generation only.
    lesson = plan_llm_training(
        tokenizer, train, valid, recipe, context=context, share_prompts=False
    )
    return {"device": asdict(device)} | fit(model, device, lesson, folder, recipe, report)


def _train_seeing(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: VlmRecipe,
    report: Report,
) -> dict:
    import torch
    from transformers import AutoConfig, set_seed
    from unsloth import FastVisionModel

    from helpers.models.failures import explain_loading
    from helpers.models.processors import check_pair, load_processor
    from helpers.models.vlm import LocalVLM
    from helpers.training.vlm_sft import fit_vlm

    device, processor = (
        choose_device(),
        load_processor(base.but(max_side=recipe.max_side)),
    )
    path, revision = base.path, base.revision or None
    with explain_loading(base.id):
        config = AutoConfig.from_pretrained(path, revision=revision)
        context = getattr(config.get_text_config(), "max_position_embeddings", recipe.max_length)
        model, _ = (
            FastVisionModel.from_pretrained(  # the processor of ours is the one that generation takes, too
                path,
                revision=revision,
                use_exact_model_name=True,
                max_seq_length=min(recipe.max_length, context),
                dtype=getattr(torch, device.dtype),
                load_in_4bit=base.quantization == "nf4",
                **_packing(base, config, device),
            )
        )
    check_pair(model, processor, base.id)
    loaded = LocalVLM(model, processor, device)
    recomputes = recomputes_activations(device.name, model.num_parameters())
    set_seed(recipe.seed)
    model = FastVisionModel.get_peft_model(
        model,
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        bias="none",
        finetune_vision_layers=recipe.vision == "trained",
        finetune_language_layers=True,
        finetune_attention_modules=True,
        finetune_mlp_modules=True,
        random_state=recipe.seed,
        use_gradient_checkpointing="unsloth" if recomputes else False,
    )
    return {"device": asdict(device)} | fit_vlm(model, loaded, train, valid, folder, recipe, report)


def _packing(base: ModelRef, config, device: Device) -> dict:
    """4-bit weights where answers have them: left to itself, Unsloth keeps the vision tower in 16
    bit.
    """
    import torch
    from transformers import BitsAndBytesConfig

    if base.quantization == "none" or getattr(
        config, "quantization_config", None
    ):  # stored in 4 bit
        return {}
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=getattr(torch, device.dtype),
        )
    }


if __name__ == "__main__":
    sys.exit(main())
