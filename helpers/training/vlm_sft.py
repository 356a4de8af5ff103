"""Fine-tuning of a VLM by transformers and PEFT: adapters, or its whole text tower."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from transformers import PreTrainedModel

from helpers.files import LabError
from helpers.models.processors import mismatch
from helpers.models.refs import ModelRef
from helpers.models.vlm import LocalVLM, load_vlm
from helpers.training.adapters import add_adapter, must_recompute, recompute_activations
from helpers.training.examples import TrainingPlan
from helpers.training.features import can_precompute, with_features
from helpers.training.progress import Report
from helpers.training.recipe import UNFINISHED, VlmRecipe, check_trainable
from helpers.training.trainer import Trainable, fit
from helpers.training.vlm_examples import VlmExample, plan_vlm_training


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
    if must_recompute(loaded.model, loaded.device):
        recompute_activations(loaded.model)
    model = make_trainable(loaded.model, recipe)
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
    if recipe.trains_text_tower:
        loaded.processor.save_pretrained(folder / UNFINISHED)
    return facts


def _features_of(
    loaded: LocalVLM, plan: TrainingPlan[VlmExample], recipe: VlmRecipe
) -> AbstractContextManager[TrainingPlan[VlmExample]]:
    """Give the plan with features where the recipe asks for them or may and can have them."""
    if recipe.precomputes and (recipe.features == "precomputed" or can_precompute(loaded)):
        return with_features(loaded, plan)
    return nullcontext(plan)


def make_trainable(model: PreTrainedModel, recipe: VlmRecipe) -> Trainable:
    """Give the model with nothing trainable but what the recipe trains."""
    if not recipe.trains_text_tower:
        return add_adapter(model, recipe, linear_layers(model, vision=recipe.vision == "trained"))
    model.requires_grad_(recipe.vision == "trained")
    for part in (model.get_decoder(), model.get_output_embeddings()):
        part.requires_grad_(True)
    return model


def linear_layers(model: PreTrainedModel, *, vision: bool) -> list[str]:
    """List the linear layers that get an adapter: the text tower's, or all but the output.

    Of a Llama, Mistral or Qwen these are the seven projections, of a Phi its six.
    """
    text = {id(module) for module in model.get_decoder().modules()}
    output = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and (vision or id(module) in text)
        and module is not output
    ]
