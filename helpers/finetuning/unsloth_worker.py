"""The process in which Unsloth trains: `python -m helpers.finetuning.unsloth_worker`, started by `unsloth_process`.

It reads one job as a line of JSON from standard input, and writes reports as lines of JSON to standard output:
{"step", "total", ...} while it trains, at the end {"facts": ...} or {"error": sentence, "wrong_input": bool}.
"""

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from helpers.files import LabError, WorkFailed
from helpers.finetuning.failures import explained
from helpers.finetuning.progress import Report
from helpers.finetuning.recipe import PROJECTIONS, BaseModel, LoraRecipe, recomputes_activations
from helpers.models import choose_device, load_tokenizer, loading, model_path

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
        base, recipe, folder = BaseModel(**job["base"]), LoraRecipe(**job["recipe"]), Path(job["folder"])
        with explained(recipe, folder):
            report({"facts": train(base, job["train"], job["valid"], folder, recipe, report)})
    except (LabError, WorkFailed) as error:
        report({"error": str(error), "wrong_input": isinstance(error, LabError)})
    return 0


def _end_with_the_parent() -> None:
    """Standard input ends when the parent does, whatever way it ends: then nobody waits for this work any more."""
    sys.stdin.read()
    os._exit(ORPHANED)


def train(
    base: BaseModel, train: list[dict], valid: list[dict], folder: Path, recipe: LoraRecipe, report: Report
) -> dict:
    """Train as `train_with_peft` does, with a model and an adapter made by Unsloth."""
    from unsloth import FastLanguageModel  # before torch and transformers, which it patches

    import torch
    from transformers import AutoConfig, set_seed

    from helpers.finetuning.trainer import fit

    device, tokenizer = choose_device(), load_tokenizer(base.model_id, base.revision)
    path, revision = model_path(base.model_id), base.revision or None
    with loading(base.model_id):
        context = AutoConfig.from_pretrained(path, revision=revision).max_position_embeddings
        model, _ = FastLanguageModel.from_pretrained(
            path, revision=revision, use_exact_model_name=True,
            max_seq_length=min(recipe.max_length, context),  # above the context it would stretch the positions
            dtype=getattr(torch, device.dtype), load_in_4bit=base.quantization == "nf4",
        )
    recomputes = recomputes_activations(device.name, model.num_parameters())
    set_seed(recipe.seed)
    model = FastLanguageModel.get_peft_model(
        model, r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules=list(PROJECTIONS),
        bias="none", random_state=recipe.seed, max_seq_length=recipe.max_length,
        use_gradient_checkpointing="unsloth" if recomputes else False,
    )
    # Unsloth's own forward pass takes keys and values for generation only.
    facts = fit(model, tokenizer, device, train, valid, folder, recipe, report, share_prompts=False)
    return {"device": asdict(device)} | facts


if __name__ == "__main__":
    sys.exit(main())
