"""LoRA adapters by PEFT, and the memory that a model's training takes."""

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel, set_seed

from helpers.files import LabError
from helpers.models.devices import Device
from helpers.training.recipe import LoraRecipe

LARGE_MODEL = 1_000_000_000  # parameters


def add_adapter(model: PreTrainedModel, recipe: LoraRecipe, layers: list[str]) -> PeftModel:
    """Give the named linear layers an adapter, the only part that is trained.

    Raises:
        ValueError: the model has none of these layers.
    """
    set_seed(recipe.seed)  # the adapter's first weights are drawn here
    return get_peft_model(
        model,
        LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            target_modules=layers,
            bias="none",
            task_type="CAUSAL_LM",
        ),
    )


def go_on_with_adapter(model: PeftModel, recipe: LoraRecipe) -> PeftModel:
    """Make the adapter that a model has trainable, as it is.

    Raises:
        LabError: the recipe makes another one.
    """
    there = model.active_peft_config
    found = {"rank": there.r, "alpha": there.lora_alpha, "dropout": there.lora_dropout}
    wanted = {name: getattr(recipe, name) for name in found}
    if found != wanted:
        raise LabError(
            f"A later stage was to train an adapter of {wanted}, but the stage before it made one "
            f"of {found}: give all stages one `rank`, `alpha` and `dropout`."
        )
    for name, weight in model.named_parameters():
        weight.requires_grad_(model.prefix in name)
    return model


def can_pack(model: PreTrainedModel) -> bool:
    """True if a mask alone decides what a token of this model sees, so that examples may stand one
    after the other: attention over all tokens in every layer, by torch's own function.
    """
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"]
    return set(kinds) == {"full_attention"} and model.config._attn_implementation == "sdpa"


def must_recompute(model: PreTrainedModel, device: Device) -> bool:
    """True if activations are to be computed anew for the backward pass instead of kept.

    Activation checkpointing costs a third more time. It pays where activations do not fit beside
    the weights: models of billions of parameters on one GPU. A small model has the room, and so has
    a CPU.
    """
    return device.name == "cuda" and model.num_parameters() > LARGE_MODEL


def recompute_activations(model: PreTrainedModel) -> None:
    """Switch activation checkpointing on."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
