"""The training itself, the same for both backends: they differ in how model and adapter are made.

Imported only by functions that train, and after Unsloth where that is used, so that its own imports
stand on top.
"""

import json
import math
import shutil
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from transformers import DynamicCache, PrinterCallback, Trainer, TrainingArguments

from helpers.files import WorkFailed, write_json
from helpers.models.devices import Device, peak_memory_gb
from helpers.training.examples import TrainingPlan
from helpers.training.progress import Report, progress_callback
from helpers.training.recipe import UNFINISHED, LoraRecipe


class SftTrainer(Trainer):
    """transformers' trainer over planned batches, with a validation loss per token and seconds in
    its log.
    """

    def __init__(self, *, lesson: TrainingPlan, recipe: LoraRecipe, **settings):
        super().__init__(**settings)
        self.batches, self.valid, self.recipe = lesson.batches, lesson.valid, recipe
        # Qwen's models say that they take no number of tokens, but hand it on to the loss like all
        # others.
        self.model_accepts_loss_kwargs = True
        self.begun, self.validating = time.monotonic(), 0.0

    def get_train_dataloader(self) -> DataLoader:
        """The planned batches as one epoch: the trainer's place in it is a number of steps,
        whatever their batch.
        """
        loader = DataLoader(
            self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator
        )
        return self.accelerator.prepare(loader)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Write a checkpoint under the names that the model has here.

        By default transformers writes a model under the names that it was published with, and when
        the trainer goes on from there, no weight of that name is found, and none is loaded, without
        a word.
        """
        super()._save(output_dir, state_dict)
        if not hasattr(self.model, "peft_config"):
            self.model.save_pretrained(output_dir, save_original_format=False)

    def create_scheduler(self, num_training_steps: int, optimizer=None):
        """The recipe's own schedule, where it has one that transformers does not know."""
        if rate := self.recipe.rate(num_training_steps):
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, rate)
            return self.lr_scheduler
        return super().create_scheduler(num_training_steps, optimizer)

    def compute_loss(self, model, inputs: dict, return_outputs=False, num_items_in_batch=None):
        """The model's loss; what all prompts of a batch begin with goes through the model once, not
        once a record.

        The keys and values of that beginning are repeated for the records, and gradients flow back
        through them: the result is the same (for LoRA without dropout), with half the work where
        prompts are mostly template.
        """
        inputs = dict(inputs)
        prefix = inputs.pop("prefix", None)
        if prefix is not None:
            cache = DynamicCache(config=model.config)
            model(input_ids=prefix, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.batch_repeat_interleave(len(inputs["input_ids"]))
            inputs |= {"past_key_values": cache, "use_cache": True}
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def evaluate(self, *args, **kwargs) -> dict:
        """Mean loss over all learnt tokens of the validation records: it does not depend on how
        they are batched.
        """
        started = time.monotonic()
        examples = sorted(self.valid, key=lambda example: len(example.ids))
        tokens, size = (
            sum(len(example.ids) - example.first for example in examples),
            self.args.eval_batch_size,
        )
        loss = 0.0
        self.model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for start in range(0, len(examples), size):
                batch = self._prepare_inputs(self.data_collator(examples[start : start + size]))
                loss += float(self.compute_loss(self.model, batch, num_items_in_batch=tokens))
        self.validating += time.monotonic() - started
        metrics = {"eval_loss": loss}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def log(self, logs: dict, start_time: float | None = None) -> None:
        """Keep losses with the seconds they took; a training that diverged is no result, and going
        on is no use.
        """
        loss = logs.get("loss", logs.get("eval_loss"))
        if loss is None:
            return
        if not math.isfinite(loss):
            raise WorkFailed(
                "The training diverged: its loss is not a number at step "
                f"{self.state.global_step}; lower {self.recipe.setting('learning_rate')}."
            )
        super().log(logs | {"seconds": round(self.seconds(), 3)}, start_time)

    def seconds(self) -> float:
        """Time spent on training without validation, those of the steps before an interruption
        included.
        """
        if not hasattr(self, "before"):  # the log of a checkpoint is there only after it was loaded
            self.before = max((entry["seconds"] for entry in self.state.log_history), default=0.0)
        return self.before + time.monotonic() - self.begun - self.validating


def fit(
    model, device: Device, lesson: TrainingPlan, folder: Path, recipe: LoraRecipe, report: Report
) -> dict:
    """Train what of a model is trainable, from its last checkpoint if there is one, into
    `folder/.adapter`.

    Args:
        model: a PEFT model, or one whose other weights are frozen.
        folder: the run's folder: `checkpoints/` while training, and `training.json` (the log) at
            the end.
        report: told of every step.
    Returns:
        what `run.json` says of the training.
    Raises:
        WorkFailed: the loss is not a number any more.
    """
    checkpoint = last_whole_checkpoint(folder / "checkpoints")
    _ready(model)
    trainer = SftTrainer(
        model=model,
        lesson=lesson,
        recipe=recipe,
        data_collator=lesson.collate,
        train_dataset=lesson.train,
        eval_dataset=lesson.valid or None,
        args=_arguments(device, folder / "checkpoints", recipe, lesson, fresh=checkpoint is None),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(progress_callback(report))
    trainer.train(resume_from_checkpoint=checkpoint)
    seconds = trainer.seconds()
    passes = (
        recipe.records_per_step / lesson.records
    )  # the trainer counts the whole plan as one epoch
    log = [
        entry | {"epoch": round(entry["step"] * passes, 4)} for entry in trainer.state.log_history
    ]
    write_json(folder / "training.json", log)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    model.save_pretrained(folder / UNFINISHED)
    tokens = sum(len(lesson.train[key].ids) for keys in lesson.batches for key in keys)
    return lesson.facts | {
        "optimiser_steps": trainer.state.global_step,
        "tokens_seen": tokens,
        "tokens_per_second": round(tokens / seconds, 1),
        "train_minutes": round(seconds / 60, 3),
        "peak_memory_gb": peak_memory_gb(),
    }


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end.

    transformers writes `trainer_state.json` last; a kill before that leaves a checkpoint without
    it.
    """
    for checkpoint in sorted(
        folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])
    ):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text())
            return str(checkpoint)
        except (OSError, json.JSONDecodeError):
            shutil.rmtree(checkpoint)
    return None


def _ready(model) -> None:
    """Make a model's adapter trainable in full precision, and keep its 4-bit layers from losing
    their gradient.
    """
    for parameter in model.parameters():
        if (
            parameter.requires_grad
        ):  # fp16's gradient scaler refuses half-precision weights; bf16 loses small steps
            parameter.data = parameter.data.to(torch.float32)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # On such CPUs bitsandbytes would repack a 4-bit layer at the first validation, for
            # good, for a kernel without a backward pass: what is trained after that gets wrong
            # gradients, and no error.
            module.support_avx512bf16_for_cpu = False
    model.config.use_cache = False


def _arguments(
    device: Device, folder: Path, recipe: LoraRecipe, lesson: TrainingPlan, *, fresh: bool
) -> TrainingArguments:
    steps, validates = recipe.steps_of(lesson.records), bool(lesson.valid)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulation,
        warmup_steps=recipe.warmup_steps,
        seed=recipe.seed,
        fp16=device.dtype == "float16",
        bf16=device.dtype == "bfloat16",
        use_cpu=device.name == "cpu",
        logging_steps=max(1, steps // 20),
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validates else "no",
        eval_steps=max(1, steps // 5),
        eval_on_start=validates and fresh,
        save_steps=max(1, steps // 10),
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device.name == "cuda",
        **recipe.optimiser(),
    )
    arguments._n_gpu = min(
        1, arguments.n_gpu
    )  # with two GPUs the trainer would wrap the model in DataParallel
    return arguments
