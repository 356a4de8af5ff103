"""The training itself, the same for both backends, which differ in how they make an adapter."""

import math
import shutil
import time
from itertools import count, islice
from pathlib import Path
from typing import TypeAlias

import torch
from peft import PeftModel
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainingArguments,
)

from helpers.files import WorkFailed, write_json
from helpers.models.devices import Device, peak_memory_gb
from helpers.models.loading import disable_avx512
from helpers.training.checkpoints import last_whole_checkpoint, seal_checkpoint
from helpers.training.examples import TrainingPlan
from helpers.training.progress import LOSSES, Report
from helpers.training.recipe import UNFINISHED, LoraRecipe

LOG = "training.json"  # of a run: losses by step and epoch

Trainable: TypeAlias = PreTrainedModel | PeftModel


class SftTrainer(Trainer):
    """transformers' trainer over planned batches.

    The validation loss is one per token, and the log has seconds.
    """

    def __init__(
        self, *, model: Trainable, plan: TrainingPlan, recipe: LoraRecipe, args: TrainingArguments
    ):
        super().__init__(
            model=model, args=args, train_dataset=plan.train, eval_dataset=plan.valid or None
        )
        self.plan = plan
        self.recipe = recipe
        # Qwen's models say that they take no number of tokens, but hand it on to the loss like all
        # others.
        self.model_accepts_loss_kwargs = True
        self.begun = time.monotonic()
        self.seconds_validating = 0.0
        self.seconds_before: float | None = None

    def get_train_dataloader(self) -> DataLoader:
        """Give the planned batches as one epoch.

        The trainer's place in it is then a number of steps, whatever their batch.
        """
        places = count()
        batches = [list(islice(places, len(batch))) for batch in self.plan.batches]
        loader: DataLoader = DataLoader(
            self.plan.train,  # type: ignore[arg-type]  # a list has all that is needed
            batch_sampler=batches,
            collate_fn=self.plan.collate,
        )
        return self.accelerator.prepare(loader)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Write a checkpoint under the names that the model has here.

        By default transformers writes a model under the names that it was published with, and when
        the trainer goes on from there, no weight of that name is found, and none is loaded, without
        a word.
        """
        super()._save(output_dir, state_dict)
        if output_dir and isinstance(self.model, PreTrainedModel):
            self.model.save_pretrained(output_dir, save_original_format=False)

    def _save_checkpoint(self, model, trial) -> None:
        """Seal a checkpoint once all of it is written: without its seal it does not count."""
        super()._save_checkpoint(model, trial)
        seal_checkpoint(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")

    def create_scheduler(self, num_training_steps: int, optimizer=None):
        """Take the recipe's own schedule, where it has one that transformers does not know."""
        rate = self.recipe.rate(num_training_steps)
        if not rate:
            return super().create_scheduler(num_training_steps, optimizer)
        optimizer = optimizer or self.optimizer
        assert optimizer is not None  # the trainer makes it first
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return self.lr_scheduler

    def evaluate(self, *args, **kwargs) -> dict:
        """Compute the mean loss over all learnt tokens of the validation examples.

        It does not depend on how they are batched.
        """
        started = time.monotonic()
        metrics = {"eval_loss": self._validation_loss()}
        self.seconds_validating += time.monotonic() - started
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _validation_loss(self) -> float:
        examples = sorted(self.plan.valid, key=lambda example: len(example.ids))
        tokens = sum(example.learnt for example in examples)
        size = self.args.eval_batch_size
        loss = 0.0
        assert self.model is not None  # it was given
        self.model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for start in range(0, len(examples), size):
                batch = self._prepare_inputs(self.plan.collate(examples[start : start + size]))
                loss += float(self.compute_loss(self.model, batch, num_items_in_batch=tokens))
        return loss

    def log(self, logs: dict, start_time: float | None = None) -> None:
        """Keep losses with the seconds they took, and stop a training that diverged."""
        loss = logs.get("loss", logs.get("eval_loss"))
        if loss is None:
            return
        if not math.isfinite(loss):
            raise WorkFailed(
                "The training diverged: its loss is not a number at step "
                f"{self.state.global_step}; lower `learning_rate`."
            )
        super().log(logs | {"seconds": round(self.seconds_training(), 3)}, start_time)

    def seconds_training(self) -> float:
        """Return the time without validation, with the steps before an interruption."""
        if self.seconds_before is None:  # a checkpoint's log is there only after it was loaded
            logged = (entry["seconds"] for entry in self.state.log_history)
            self.seconds_before = max(logged, default=0.0)
        return self.seconds_before + time.monotonic() - self.begun - self.seconds_validating


class ProgressCallback(TrainerCallback):
    """Passes a trainer's progress on."""

    def __init__(self, report: Report):
        self.report = report

    def on_train_begin(self, args, state, control, **kwargs):
        self._tell(state, {})

    def on_step_end(self, args, state, control, **kwargs):
        self._tell(state, {})

    def on_log(self, args, state, control, logs=None, **kwargs):
        self._tell(state, {name: logs[name] for name in LOSSES if name in logs})

    def _tell(self, state, losses: dict) -> None:
        self.report({"step": state.global_step, "total": state.max_steps} | losses)


class CheckpointCallback(TrainerCallback):
    """Has a checkpoint written whenever the last one is so many seconds old: a training of less
    time needs none.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.last = time.monotonic()

    def on_train_begin(self, args, state, control, **kwargs):
        self.last = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs):
        control.should_save = time.monotonic() - self.last >= self.seconds

    def on_save(self, args, state, control, **kwargs):
        self.last = time.monotonic()


def fit(
    model: Trainable,
    device: Device,
    plan: TrainingPlan,
    folder: Path,
    recipe: LoraRecipe,
    report: Report,
) -> dict:
    """Train what of a model is trainable, from its last checkpoint on, into `folder/.adapter`.

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
    _prepare(model)
    arguments = _arguments(device, folder / "checkpoints", recipe, plan, fresh=checkpoint is None)
    trainer = SftTrainer(model=model, plan=plan, recipe=recipe, args=arguments)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(CheckpointCallback(recipe.checkpoint_seconds))
    trainer.add_callback(ProgressCallback(report))
    trainer.train(resume_from_checkpoint=checkpoint)
    seconds = trainer.seconds_training()
    _write_log(folder, trainer.state.log_history, recipe, plan)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    model.save_pretrained(str(folder / UNFINISHED))
    tokens = sum(len(example.ids) for example in plan.train)
    return plan.facts | {
        "optimiser_steps": trainer.state.global_step,
        "tokens_seen": tokens,
        "tokens_per_second": round(tokens / seconds, 1),
        "train_minutes": round(seconds / 60, 3),
        "peak_memory_gb": peak_memory_gb(),
    }


def _write_log(folder: Path, history: list[dict], recipe: LoraRecipe, plan: TrainingPlan) -> None:
    """Write losses by step and epoch; the trainer itself counts the whole plan as one epoch."""
    passes = recipe.examples_per_step / plan.per_epoch
    log = [entry | {"epoch": round(entry["step"] * passes, 4)} for entry in history]
    write_json(folder / LOG, log)


def _prepare(model: Trainable) -> None:
    """Put what is trained into full precision, and keep 4-bit layers from losing their gradient."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            # fp16's gradient scaler refuses half-precision weights; bf16 loses small steps.
            parameter.data = parameter.data.to(torch.float32)
    disable_avx512(model)
    model.config.use_cache = False


def _arguments(
    device: Device, folder: Path, recipe: LoraRecipe, plan: TrainingPlan, *, fresh: bool
) -> TrainingArguments:
    steps = recipe.count_steps(plan.per_epoch)
    validates = bool(plan.valid)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        learning_rate=recipe.peak_rate,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulation,
        warmup_steps=recipe.warmup,
        seed=recipe.seed,
        fp16=device.dtype == "float16",
        bf16=device.dtype == "bfloat16",
        use_cpu=device.name == "cpu",
        logging_steps=max(1, steps // 20),
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validates else "no",
        eval_steps=max(1, steps // 5),
        eval_on_start=validates and fresh,
        save_strategy="no",  # but for `CheckpointCallback`
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device.name == "cuda",
        **recipe.optimiser(),
    )
    # With two GPUs the trainer would wrap the model in DataParallel.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments
