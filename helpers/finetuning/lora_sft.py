"""LoRA supervised fine-tuning of a causal language model, in YuanAI's recipe, with TRL and PEFT.

The seven projections of every layer get an adapter; prompts are Alpaca records without worked examples;
the loss is on the answer only. (The paper's notebook took the loss over the whole record.)
"""

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.cases import Case
from helpers.files import LabError, WorkFailed, read_json, write_json
from helpers.finetuning.progress import one_bar
from helpers.models import ADAPTER_CARD, TextModel
from helpers.prompts import alpaca, asked

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class LoraRecipe:
    """The numbers of a LoRA fine-tuning.

    Rank, alpha and dropout are YuanAI's (section 3.3). They published no others and named Unsloth's defaults; the
    rest are those of Unsloth's Alpaca notebook for Llama-3 8B, but for its 8-bit AdamW, which is plain AdamW here.

    `steps` are optimiser steps of `batch * accumulation` records, `max_length` is in tokens, longer records
    are cut at the end.
    """

    rank: int = 16
    alpha: int = 16
    dropout: float = 0.0
    learning_rate: float = 2e-4
    steps: int = 60
    batch: int = 2
    accumulation: int = 4
    warmup_steps: int = 5
    weight_decay: float = 0.01
    max_length: int = 2048
    seed: int = 3407

    def __post_init__(self) -> None:
        for name in ("rank", "alpha", "steps", "batch", "accumulation", "max_length", "learning_rate"):
            if getattr(self, name) <= 0:
                raise LabError(f"{name.upper()} is {getattr(self, name)}, but it must be above 0.")


def training_records(cases: list[Case], eos: str) -> list[dict[str, str]]:
    """One prompt and completion per case: its first reference answer, closed by the model's EOS token."""
    return [{"prompt": alpaca(asked(case)), "completion": case.references[0].text + eos} for case in cases]


def train_adapter(
    text_model: TextModel, train: list[Case], valid: list[Case], folder: Path, *, recipe: LoraRecipe, card: dict
) -> Path:
    """Train a LoRA adapter and write it to `folder/adapter`, whole; a half-done training is taken up again.

    Args:
        train, valid: cases with a question and at least one reference; `valid` gives the validation loss, and may
            be empty.
        folder: the run's folder; checkpoints lie in it until the adapter is written.
        card: what the adapter says of itself (model, weights, data, prompt), kept beside its weights.
    Returns:
        the adapter's folder; `folder/training.json` holds the log (step, loss, eval_loss, ...).
    """
    adapter = folder / "adapter"
    if adapter.exists():
        return adapter
    trainer = _trainer(text_model, train, valid, folder / "checkpoints", recipe)
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(folder / "checkpoints"))
    _check_loss(trainer.state.log_history)
    write_json(folder / "training.json", trainer.state.log_history)
    unfinished = folder / ".adapter"
    shutil.rmtree(unfinished, ignore_errors=True)
    trainer.model.save_pretrained(unfinished)
    _name_the_base(unfinished, card["model"])
    write_json(unfinished / ADAPTER_CARD, card | {"recipe": asdict(recipe)})
    unfinished.rename(adapter)
    shutil.rmtree(folder / "checkpoints")
    return adapter


def _check_loss(log: list[dict]) -> None:
    """A training that diverged is no result."""
    bad = [entry["step"] for entry in log if not math.isfinite(entry.get("loss", entry.get("eval_loss", 0.0)))]
    if bad:
        raise WorkFailed(f"The training diverged: its loss is not a number from step {bad[0]} on; lower LEARNING_RATE.")


def _name_the_base(adapter: Path, model: str) -> None:
    """PEFT notes the base model's folder on this machine; note its name instead, and drop the blank model card."""
    config = read_json(adapter / "adapter_config.json")
    write_json(adapter / "adapter_config.json", config | {"base_model_name_or_path": model})
    (adapter / "README.md").unlink(missing_ok=True)


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end.

    transformers writes `trainer_state.json` last; a kill before that leaves a checkpoint without it.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())
            return str(checkpoint)
        except (OSError, json.JSONDecodeError):
            shutil.rmtree(checkpoint)
    return None


def _trainer(text_model: TextModel, train: list[Case], valid: list[Case], folder: Path, recipe: LoraRecipe):
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    device, eos = text_model.device, text_model.tokenizer.eos_token
    arguments = SFTConfig(
        output_dir=str(folder), max_steps=recipe.steps, learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch, per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulation, warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay, lr_scheduler_type="linear", seed=recipe.seed, max_length=recipe.max_length,
        fp16=device.dtype == "float16", bf16=device.dtype == "bfloat16", use_cpu=device.name == "cpu",
        gradient_checkpointing=device.name == "cuda", completion_only_loss=True, packing=False,
        logging_steps=max(1, recipe.steps // 20),
        eval_strategy="steps" if valid else "no", eval_steps=max(1, recipe.steps // 5),
        save_steps=max(1, recipe.steps // 10), save_total_limit=2, report_to="none", disable_tqdm=True,
        logging_nan_inf_filter=False,
        dataloader_pin_memory=device.name == "cuda",
    )
    lora = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules=PROJECTIONS,
        bias="none", task_type="CAUSAL_LM",
    )
    set_seed(recipe.seed)  # the adapter's first weights are drawn before the trainer seeds anything
    trainer = SFTTrainer(
        model=text_model.model, processing_class=text_model.tokenizer, args=arguments, peft_config=lora,
        train_dataset=Dataset.from_list(training_records(train, eos)),
        eval_dataset=Dataset.from_list(training_records(valid, eos)) if valid else None,
    )
    one_bar(trainer)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:  # TRL casts QLoRA adapters to bf16, which fp16's gradient scaler refuses
            parameter.data = parameter.data.to(torch.float32)
    return trainer
