"""LoRA supervised fine-tuning in YuanAI's recipe, by PEFT or by Unsloth.

The seven projections of every layer get an adapter. The loss is on the completion only; the paper's
notebook took it over the whole example, which is `loss` "whole" here.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helpers.files import (
    LabError,
    display_path,
    fingerprint,
    move_into_place,
    read_json,
    set_aside,
    write_json,
)
from helpers.models.adapter_card import read_card, write_card
from helpers.models.llm import load_llm
from helpers.models.refs import ModelRef
from helpers.training.adapters import add_adapter, can_pack, must_recompute, recompute_activations
from helpers.training.backends import Backend, backend_for
from helpers.training.examples import plan_llm_training
from helpers.training.failures import explain_failures
from helpers.training.progress import Report, TrainingBar
from helpers.training.recipe import PROJECTIONS, UNFINISHED, LoraRecipe, VlmRecipe
from helpers.training.trainer import LOG, fit
from helpers.training.unsloth_process import train_with_unsloth
from helpers.training.vlm_sft import train_vlm_with_peft

FACTS = "training"  # the entry of an adapter's card that says how its training went
LOSSES = "losses"  # and the one that holds its log


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
    """Train a LoRA adapter and write it to `folder/adapter`, whole.

    A half-done training is taken up again, and a finished adapter is left as it is.

    Args:
        train, valid: training examples as texts (see `examples` and, for a `VlmRecipe`,
            `vlm_examples`). `valid` gives the validation loss, and may be empty.
        folder: the run's folder; checkpoints lie in it until the adapter is written.
            `training.json` holds the log: step, epoch, seconds, and loss or eval_loss (in nats per
            learnt token).
        card: what the adapter says of itself (model, weights, data, prompt), kept beside its
            weights.
        backend: "auto", "unsloth" or "peft".
    Returns:
        facts for `run.json`: device, backend with its reason, examples, tokens, tokens per second,
        minutes, memory.
    Raises:
        LabError: the model can't be had, or a setting is impossible.
        WorkFailed: no room on GPU or disk, or the loss is not a number; what was done is kept.
    """
    adapter, wanted = folder / "adapter", card | {"recipe": recipe.model_dump()}
    found = _kept(adapter, wanted)
    if not found:
        chosen = backend_for(backend, base, recipe)
        train_by = _trainer(chosen, recipe)
        with TrainingBar() as bar, explain_failures(recipe, folder):
            facts = train_by(base, train, valid, folder, recipe, bar)
            facts |= {"backend": chosen.name, "backend_reason": chosen.reason}
            _finish(folder, wanted | {FACTS: facts, LOSSES: read_json(folder / LOG)})
        found = read_card(adapter)
    if not (folder / LOG).exists():
        write_json(folder / LOG, found[LOSSES])
    return found[FACTS]


def _kept(adapter: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Read the card of the adapter that this training has written; {} where there is none.

    One that is damaged, or that another training wrote, is set aside.
    """
    if not adapter.exists():
        return {}
    try:
        found = read_card(adapter)
    except LabError as error:
        found, why = {}, str(error)
    else:
        why = f"{display_path(adapter)} was made by another training."
    if fingerprint({name: found.get(name) for name in wanted}) == fingerprint(wanted):
        return found
    print(f"{why} It is kept as {set_aside(adapter).name}, and the adapter is trained again.")
    return {}


def _trainer(chosen: Backend, recipe: LoraRecipe) -> Callable[..., dict]:
    if chosen.name == "unsloth":
        return train_with_unsloth
    return train_vlm_with_peft if isinstance(recipe, VlmRecipe) else train_with_peft


def train_with_peft(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: LoraRecipe,
    report: Report,
) -> dict:
    """Train an LLM with transformers and PEFT, in this process, on any machine."""
    loaded = load_llm(base)
    if must_recompute(loaded.model, loaded.device):
        recompute_activations(loaded.model)
    try:
        model = add_adapter(loaded.model, recipe, list(PROJECTIONS))
    except ValueError:
        raise LabError(
            f"`model` is {base.id!r}, but its layers have none of the projections that get an "
            f"adapter ({', '.join(PROJECTIONS)}): choose a model that is built like Llama."
        ) from None
    plan = plan_llm_training(
        loaded.tokenizer,
        train,
        valid,
        recipe,
        context=loaded.context_length,
        packs=can_pack(loaded.model),
    )
    facts = fit(model, loaded.device, plan, folder, recipe, report)
    return {"device": asdict(loaded.device)} | facts


def _finish(folder: Path, card: dict) -> None:
    """Give the trained weights their card and, in one rename, their name; delete checkpoints."""
    unfinished = folder / UNFINISHED
    config_path = unfinished / "adapter_config.json"
    if config_path.exists():  # PEFT notes the base's folder on this machine, not its name
        config, name = read_json(config_path), ModelRef(card["model"]).id
        modules = config["target_modules"]  # a list comes from a set, in another order each time
        modules = sorted(modules) if isinstance(modules, list) else modules
        changes = {"base_model_name_or_path": name, "target_modules": modules}
        write_json(config_path, config | changes)
    (unfinished / "README.md").unlink(missing_ok=True)
    write_card(unfinished, card)
    move_into_place(unfinished, folder / "adapter")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
