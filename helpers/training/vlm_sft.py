"""Fine-tuning of a VLM by transformers and PEFT: adapters, or its whole text tower."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from helpers.files import LabError
from helpers.models.processors import mismatch
from helpers.models.refs import ModelRef
from helpers.models.vlm import LocalVLM, load_vlm
from helpers.training.adapters import (
    add_adapter,
    go_on_with_adapter,
    must_recompute,
    recompute_activations,
)
from helpers.training.examples import TrainingPlan
from helpers.training.features import can_precompute, connector_of, with_features
from helpers.training.progress import Report
from helpers.training.recipe import UNFINISHED, VlmRecipe, check_trainable
from helpers.training.trainer import Trainable, fit
from helpers.training.vlm_examples import VlmExample, plan_vlm_training

# What architectures call their vision tower.
TOWERS = ("vision_model", "vision_tower", "visual", "vision_encoder")


def train_vlm_with_peft(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: VlmRecipe,
    report: Report,
) -> dict:
    """Train a VLM in this process, on any machine; see `lora_sft.train_adapter`.

    Args:
        train, valid: training examples as texts (see `vlm_examples`).
    """
    check_trainable(recipe, base)
    loaded = load_vlm(base)
    if base.adapter and isinstance(loaded.model, PeftModel) != recipe.adapts:
        raise LabError(
            f"A later stage was to train by `recipe` {recipe.recipe!r} what a stage before it has "
            "trained by another one: give all stages one `recipe`."
        )
    if must_recompute(loaded.model, loaded.device):
        recompute_activations(loaded.model)
    model = make_trainable(loaded.model, recipe)
    if isinstance(loaded.model, PeftModel):  # what is learnt from is planned with the bare model
        loaded = replace(loaded, model=loaded.model.get_base_model())
    facts = fit_vlm(model, loaded, train, valid, folder, recipe, report)
    return {"device": asdict(loaded.device)} | facts


def fit_vlm(
    model: Trainable,
    loaded: LocalVLM,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: VlmRecipe,
    report: Report,
) -> dict:
    """Train what of `model` is trainable, however it was made.

    A processor is saved beside a whole model, as beside any published one.
    """
    try:
        plan = plan_vlm_training(loaded, train, valid, recipe)
        with _features_of(loaded, plan, recipe) as plan:
            facts = fit(model, loaded.device, plan, folder, recipe, report)
    except ValueError as error:
        # Images have another size, or another number of tokens, than the model's.
        if "image" not in str(error).lower():
            raise
        raise LabError(mismatch(str(error))) from None
    if not recipe.adapts:
        loaded.processor.save_pretrained(folder / UNFINISHED)
    return facts


def _features_of(
    loaded: LocalVLM, plan: TrainingPlan[VlmExample], recipe: VlmRecipe
) -> AbstractContextManager[TrainingPlan[VlmExample]]:
    """Give the plan with features where the recipe asks for them or may and can have them."""
    learns = recipe.trains_connector
    can = can_precompute(loaded, connector_learns=learns)
    if recipe.precomputes and (recipe.features == "precomputed" or can):
        return with_features(loaded, plan, connector_learns=learns)
    return nullcontext(plan)


def make_trainable(model: PreTrainedModel, recipe: VlmRecipe) -> Trainable:
    """Give the model with nothing trainable but what the recipe trains; where there is an adapter,
    that goes on.
    """
    if isinstance(model, PeftModel):
        return go_on_with_adapter(model, recipe)
    if recipe.adapts:
        return add_adapter(model, recipe, linear_layers(model, recipe.vision))
    if recipe.way.trains == "connector":
        return _only_connector(model)
    model.requires_grad_(recipe.vision != "frozen")
    if recipe.vision == "connector":
        vision_tower(model).requires_grad_(False)
    for part in (model.get_decoder(), model.get_output_embeddings()):
        part.requires_grad_(True)
    return model


def _only_connector(model: PreTrainedModel) -> PreTrainedModel:
    connector = connector_of(model)
    if connector is None:
        raise LabError(
            f"`recipe` is 'projection', but what joins the towers of a model of type "
            f"{model.config.model_type!r} is not known here: set `recipe` to 'lora'."
        )
    model.requires_grad_(False)
    connector.requires_grad_(True)
    return model


def linear_layers(model: PreTrainedModel, vision: str) -> list[str]:
    """List the linear layers that get an adapter, by what `VlmRecipe.vision` says is trained: the
    text tower's, those of what joins it to the vision tower, too, or all but the output.

    Of a Llama, Mistral or Qwen the text tower has seven projections a layer, of a Phi six. Of
    Idefics2 "connector" gives the 248 layers that Med-Idefics' pattern of names does.
    """
    part = model.get_decoder() if vision == "frozen" else model
    left_out = set(vision_tower(model).modules()) if vision == "connector" else set()
    within, output = set(part.modules()) - left_out, model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module in within and module is not output
    ]


def vision_tower(model: PreTrainedModel) -> torch.nn.Module:
    """Return the vision tower of a VLM, whatever its architecture calls it.

    Raises:
        LabError: none of its parts is called as towers are.
    """
    for name in TOWERS:
        if isinstance(tower := getattr(model.model, name, None), torch.nn.Module):
            return tower
    raise LabError(
        f"A model of type {model.config.model_type!r} has no vision tower of a name that is known "
        f"here ({', '.join(TOWERS)}): set `vision` to 'frozen'."
    )
