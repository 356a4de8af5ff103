"""LoRA supervised fine-tuning of a causal language model, in YuanAI's recipe, by PEFT or by
Unsloth.

The seven projections of every layer get an adapter. The loss is on the completion only; the paper's
notebook took it over the whole record, which is LOSS "whole" here.
"""

import shutil
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from helpers.files import LabError, read_json, write_json
from helpers.models.devices import choose_device
from helpers.models.llm import load_llm
from helpers.models.refs import ADAPTER_CARD, ModelRef
from helpers.training.failures import explain_failures
from helpers.training.progress import Report, training_bar
from helpers.training.recipe import (
    PROJECTIONS,
    UNFINISHED,
    LoraRecipe,
    VlmRecipe,
    recomputes_activations,
)

BACKENDS = ("auto", "unsloth", "peft")
FACTS = "training"  # the entry of an adapter's card that says how its training went


@dataclass(frozen=True)
class Backend:
    """What trains, and why: printed by the start cell and kept in `run.json`."""

    name: str
    reason: str


def choose_backend(asked: str) -> Backend:
    """Pick what trains: "auto" is Unsloth where there is a CUDA GPU and it is installed, and PEFT
    anywhere else.

    Raises:
        LabError: an unknown name, or Unsloth is asked for and not installed.
    """
    if asked not in BACKENDS:
        raise LabError(f"BACKEND is {asked!r}, but it must be one of: {', '.join(BACKENDS)}.")
    installed = find_spec("unsloth") is not None
    if asked == "unsloth" and not installed:
        raise LabError(
            "BACKEND is 'unsloth', but unsloth is not installed: install it, or set BACKEND to "
            "'auto'."
        )
    if asked != "auto":
        return Backend(asked, "BACKEND asks for it")
    if choose_device().name != "cuda":
        return Backend("peft", "there is no CUDA GPU; Unsloth's kernels are made for one")
    if not installed:
        return Backend("peft", "unsloth is not installed")
    return Backend("unsloth", "there is a CUDA GPU, where it is faster than PEFT alone")


def backend_for(asked: str, base: ModelRef, recipe: LoraRecipe) -> Backend:
    """What trains this model by this recipe: as `choose_backend` says, but PEFT where Unsloth
    cannot do it.

    Raises:
        LabError: Unsloth is asked for by name, and cannot do it.
    """
    chosen = choose_backend(asked)
    if chosen.name != "unsloth":
        return chosen
    from helpers.training.unsloth_process import cannot_train

    reason = cannot_train(base, recipe)
    if reason and asked == "unsloth":
        raise LabError(f"BACKEND is 'unsloth', but {reason}: set BACKEND to 'peft'.")
    return Backend("peft", reason) if reason else chosen


def train_adapter(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    *,
    recipe: LoraRecipe,
    card: dict,
    backend: str = "auto",
) -> dict:
    """Train a LoRA adapter and write it to `folder/adapter`, whole; a half-done training is taken
    up again.

    Args:
        train, valid: records {"prompt", "completion"}, rendered; a completion ends with the model's
            end token. `valid` gives the validation loss, and may be empty.
        folder: the run's folder; checkpoints lie in it until the adapter is written.
            `training.json` holds the log: step, epoch, seconds, and loss or eval_loss (in nats per
            learnt token).
        card: what the adapter says of itself (model, weights, data, prompt), kept beside its
            weights.
        backend: "auto", "unsloth" or "peft".
    Returns:
        facts for `run.json`: device, backend with its reason, records, tokens, tokens per second,
        minutes, memory.
    Raises:
        LabError: the model can't be had, or a setting is impossible.
        WorkFailed: no room on GPU or disk, or the loss is not a number; what was done is kept.
    """
    adapter = folder / "adapter"
    if not adapter.exists():
        chosen = backend_for(backend, base, recipe)
        with training_bar() as bar, explain_failures(recipe, folder):
            facts = _backend(chosen, recipe)(base, train, valid, folder, recipe, bar)
            facts |= {"backend": chosen.name, "backend_reason": chosen.reason}
            _finish(folder, card | {"recipe": asdict(recipe), FACTS: facts})
    return read_json(adapter / ADAPTER_CARD)[FACTS]


def _backend(chosen: Backend, recipe: LoraRecipe):
    if chosen.name == "peft" and isinstance(recipe, VlmRecipe):
        from helpers.training.vlm_sft import train_vlm_with_peft

        return train_vlm_with_peft
    if chosen.name == "peft":
        return train_with_peft
    from helpers.training.unsloth_process import train_with_unsloth

    return train_with_unsloth


def train_with_peft(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: LoraRecipe,
    report: Report,
) -> dict:
    """Train with transformers and PEFT, in this process, on any machine."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    from helpers.training.examples import plan_llm_training
    from helpers.training.trainer import fit

    loaded = load_llm(base)
    device, model = loaded.device, loaded.model
    recomputes = recomputes_activations(device.name, model.num_parameters())
    if recomputes:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    set_seed(recipe.seed)  # the adapter's first weights are drawn here
    try:
        model = get_peft_model(
            model,
            LoraConfig(
                r=recipe.rank,
                lora_alpha=recipe.alpha,
                lora_dropout=recipe.dropout,
                target_modules=list(PROJECTIONS),
                bias="none",
                task_type="CAUSAL_LM",
            ),
        )
    except ValueError:
        raise LabError(
            f"MODEL is {base.id!r}, but its layers have none of the projections that get an "
            f"adapter ({', '.join(PROJECTIONS)}): choose a model that is built like Llama."
        ) from None
    # Keys and values can't be kept where activations are not.
    lesson = plan_llm_training(
        loaded.tokenizer,
        train,
        valid,
        recipe,
        context=loaded.context_length,
        share_prompts=not recomputes,
    )
    return {"device": asdict(device)} | fit(model, device, lesson, folder, recipe, report)


def _finish(folder: Path, card: dict) -> None:
    """Give the trained weights their card and their name, in one rename, and let go of the
    checkpoints.
    """
    unfinished = folder / UNFINISHED
    adapter = unfinished / "adapter_config.json"
    if adapter.exists():  # PEFT notes the base's folder on this machine, not its name
        write_json(
            adapter,
            read_json(adapter) | {"base_model_name_or_path": ModelRef.parse(card["model"]).id},
        )
    (unfinished / "README.md").unlink(missing_ok=True)
    write_json(unfinished / ADAPTER_CARD, card)
    unfinished.rename(folder / "adapter")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
