"""Fine-tuning of a model that sees, by transformers and PEFT: adapters in the text tower, or that
tower whole.
"""

from dataclasses import asdict
from pathlib import Path

from helpers.files import LabError
from helpers.models.processors import mismatch
from helpers.models.refs import ModelRef
from helpers.models.vlm import LocalVLM, load_vlm
from helpers.training.progress import Report
from helpers.training.recipe import (
    UNFINISHED,
    VlmRecipe,
    check_trainable,
    recomputes_activations,
)


def train_vlm_with_peft(
    base: ModelRef,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: VlmRecipe,
    report: Report,
) -> dict:
    """Train in this process, on any machine; see `lora_sft.train_adapter`.

    Args:
        train, valid: records (see `vision_records`).
    """
    check_trainable(recipe, base)
    loaded = load_vlm(base.but(max_side=recipe.max_side))
    recomputes = recomputes_activations(loaded.device.name, loaded.model.num_parameters())
    if recomputes:
        loaded.model.gradient_checkpointing_enable(
            gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    model = make_trainable(loaded.model, recipe)
    return {"device": asdict(loaded.device)} | fit_vlm(
        model, loaded, train, valid, folder, recipe, report
    )


def fit_vlm(
    model,
    loaded: LocalVLM,
    train: list[dict],
    valid: list[dict],
    folder: Path,
    recipe: VlmRecipe,
    report: Report,
) -> dict:
    """Train what of `model` is trainable, however it was made, and save its processor beside a
    whole model.
    """
    from helpers.training.features import can_precompute, with_features
    from helpers.training.trainer import fit
    from helpers.training.vlm_examples import plan_vlm_training

    lesson = plan_vlm_training(loaded, train, valid, recipe)
    try:
        if recipe.precomputes and (recipe.features == "precomputed" or can_precompute(loaded)):
            lesson = with_features(loaded, lesson)
        facts = fit(model, loaded.device, lesson, folder, recipe, report)
    except (
        ValueError
    ) as error:  # images have another size, or another number of tokens, than the model's
        if "image" not in str(error).lower():
            raise
        raise LabError(mismatch(str(error))) from None
    if recipe.trained == "text":
        loaded.processor.save_pretrained(folder / UNFINISHED)
    return facts


def make_trainable(model, recipe: VlmRecipe):
    """The model with nothing trainable but what the recipe trains."""
    from transformers import set_seed

    set_seed(recipe.seed)  # the adapter's first weights are drawn here
    if recipe.trained == "lora":
        from peft import LoraConfig, get_peft_model

        return get_peft_model(
            model,
            LoraConfig(
                r=recipe.rank,
                lora_alpha=recipe.alpha,
                lora_dropout=recipe.dropout,
                bias="none",
                target_modules=linear_layers(model, vision=recipe.vision == "trained"),
                task_type="CAUSAL_LM",
            ),
        )
    model.requires_grad_(recipe.vision == "trained")
    for part in (model.get_decoder(), model.get_output_embeddings()):
        part.requires_grad_(True)
    return model


def linear_layers(model, *, vision: bool) -> list[str]:
    """The names of the linear layers that get an adapter: of the text tower's layers, with `vision`
    all but the output.

    Of a Llama, Mistral or Qwen these are the seven projections, of a Phi its six.
    """
    import torch

    text = model.get_decoder()
    inside = {id(module) for module in text.modules()}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and (vision or id(module) in inside)
        and module is not model.get_output_embeddings()
    ]
