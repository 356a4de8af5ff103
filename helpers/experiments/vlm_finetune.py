"""The fine-tuning of a VLM: one run for each number of epochs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from helpers.data import Dataset
from helpers.experiments.about import about_run
from helpers.experiments.advice import VLM_ANSWERS, VLM_TRAINING, parameters_named
from helpers.experiments.made_with import VLM_TRAINING_VARIES
from helpers.experiments.model_refs import vlm_ref
from helpers.experiments.parameters import recordable, variant
from helpers.experiments.runs import Run, load_run, open_run
from helpers.experiments.vlm_inputs import (
    cases_to_learn,
    check_model,
    images_fingerprint,
    prompt_identity,
    vlm_example,
)
from helpers.files import LabError
from helpers.models.memory import forget_models
from helpers.models.processors import load_processor
from helpers.training.backends import Backend, backend_for
from helpers.training.lora_sft import train_adapter
from helpers.training.recipe import VLM_RECIPES, VlmRecipe, check_trainable

VLM_FINETUNE = "04_vlm_finetune"


@parameters_named(VLM_ANSWERS)
def train_vlms(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """Find the run that VLM_ADAPTER names, or fine-tune for each number of VLM_EPOCHS.

    Raises:
        LabError: there is no finished run of this notebook, or it had another base.
    """
    if not settings.VLM_ADAPTER:
        return [finetune_vlm(data, settings, epochs) for epochs in settings.VLM_EPOCHS]
    try:
        run = load_run(Path(settings.VLM_ADAPTER).expanduser())
    except LabError as error:
        raise LabError(f"VLM_ADAPTER is {settings.VLM_ADAPTER!r}, but: {error}") from None
    if run.record["kind"] != "picture_finetuning" or not run.done:
        raise LabError(
            f"VLM_ADAPTER is {settings.VLM_ADAPTER!r}, but that is no finished fine-tuning of "
            "notebook 04: name its run's folder."
        )
    vlm_ref(settings).but(adapter=run.folder / "adapter").read_card()
    return [run]


@parameters_named(VLM_TRAINING)
def finetune_vlm(data: Dataset, settings: SimpleNamespace, epochs: float) -> Run:
    """Fine-tune `settings.VLM` on first images and answers of training cases, for so many epochs.

    The run holds `adapter/`: an adapter, or the whole model where VLM_RECIPE trains the text tower.
    """
    check_model(settings)
    train, valid = cases_to_learn(data, settings, "train"), cases_to_learn(data, settings, "valid")
    if not train:
        raise LabError(
            f"The data set {data.name!r} has no training case with an answer and an image on "
            "disk, so there is nothing to learn: choose another DATASET, or put its images where "
            "the README says."
        )
    base, recipe = vlm_ref(settings), vlm_recipe(settings, epochs)
    identity = {
        "weights": base.fingerprint_weights(),
        "data": data.fingerprint("train"),
        "prompt": prompt_identity(settings),
    }
    check_trainable(recipe, base)
    determines = identity | {
        "quantization": settings.VLM_QUANTIZATION,
        "recipe": recipe.determines(),
        "backend": backend_for(settings.BACKEND, base, recipe).name,
        "images": images_fingerprint(train),
        "train_limit": settings.TRAIN_LIMIT,
    }
    model = recordable(settings)["VLM"]
    title = tuned_name(settings, epochs) + variant(settings, VLM_TRAINING_VARIES)
    about = about_run(
        "picture_finetuning", title, data, "train", settings, model=model, prompt=identity["prompt"]
    )
    run = open_run(VLM_FINETUNE, determines=determines, about=about | {"epochs": epochs})
    with run.working() as needed:
        if needed:
            forget_models()
            processor = load_processor(base)
            facts = train_adapter(
                base,
                [vlm_example(processor, case, settings) for case in train],
                [vlm_example(processor, case, settings) for case in valid],
                run.folder,
                recipe=recipe,
                card={"model": model} | identity,
                backend=settings.BACKEND,
            )
            run.save(**facts)
    return run


@parameters_named(VLM_TRAINING)
def training_backend(settings: SimpleNamespace) -> Backend:
    """What will train the model of these settings, and why."""
    return backend_for(settings.BACKEND, vlm_ref(settings), vlm_recipe(settings, 1))


@parameters_named(VLM_TRAINING)
def vlm_recipe(settings: SimpleNamespace, epochs: float) -> VlmRecipe:
    """The recipe that the settings name, for so many epochs.

    VLM_LEARNING_RATE 0 is the recipe's own; that of moondream's authors is part of their recipe,
    and always theirs.
    """
    named: dict[str, Any] = VLM_RECIPES[settings.VLM_RECIPE]
    if settings.VLM_LEARNING_RATE and settings.VLM_RECIPE != "moondream":
        named = named | {"learning_rate": settings.VLM_LEARNING_RATE}
    return VlmRecipe(
        **named,
        rank=settings.RANK,
        alpha=settings.ALPHA,
        epochs=epochs,
        batch=settings.VLM_BATCH,
        accumulation=settings.VLM_ACCUMULATION,
        max_length=settings.VLM_MAX_LENGTH,
        seed=settings.SEED,
        vision=settings.VISION,
        references=settings.REFERENCES,
        augmentation=settings.AUGMENTATION,
        slips=settings.SLIPS,
        features=settings.FEATURES,
        max_side=settings.PICTURE_SIDE,
    )


def tuned_name(settings: SimpleNamespace, epochs: float) -> str:
    """What tables call a fine-tuned model."""
    trained = {"lora": "LoRA", "text": "whole text tower", "moondream": "moondream's recipe"}[
        settings.VLM_RECIPE
    ]
    plural = "" if epochs == 1 else "s"
    model = recordable(settings)["VLM"]
    return f"{model} + {trained}, {settings.VLM_PROMPT}, {epochs:g} epoch{plural}"
