"""The fine-tuning of an LLM: notebook 02, and the adapters that notebook 03 answers with."""

from pathlib import Path
from types import SimpleNamespace

from helpers.cases import Case
from helpers.data import Dataset
from helpers.experiments.about import about_run, captions_identity
from helpers.experiments.advice import LLM_ANSWERS, LLM_TRAINING, parameters_named
from helpers.experiments.inputs import llm_examples, prompt_identity, training_words
from helpers.experiments.made_with import CAPTIONS_VARY, TRAINING_VARIES
from helpers.experiments.model_refs import llm_ref
from helpers.experiments.parameters import recordable, variant
from helpers.experiments.runs import Run, load_run, open_run
from helpers.files import LabError
from helpers.models.memory import forget_models
from helpers.models.refs import ModelRef
from helpers.models.shots import shot_pool
from helpers.training.backends import choose_backend
from helpers.training.lora_sft import train_adapter
from helpers.training.recipe import LoraRecipe

SFT = "02_lora_sft"


@parameters_named(LLM_TRAINING)
def finetune(data: Dataset, settings: SimpleNamespace) -> Run:
    """Fine-tune `settings.MODEL` by LoRA on training questions and first answers.

    The run holds `adapter/`.
    """
    base = _trainable(settings)
    train, valid = _training_cases(data)
    recipe, backend = lora_recipe(settings), choose_backend(settings.BACKEND)
    identity = {
        "weights": base.fingerprint_weights(),
        "data": data.fingerprint("train"),
        "prompt": prompt_identity(settings),
    }
    words = training_words(data, settings, train)
    determines = (
        identity
        | {
            "quantization": settings.QUANTIZATION,
            "recipe": recipe.determines(),
            "backend": backend.name,
        }
        | captions_identity(words)
    )
    model = recordable(settings)["MODEL"]
    name = _name(settings, has_captions=bool(words))
    run = open_run(
        SFT, determines=determines, about=about_run("finetuning", name, data, "train", settings)
    )
    with run.working() as needed:
        if needed:
            forget_models()
            facts = train_adapter(
                base,
                llm_examples(train, settings, words),
                llm_examples(valid, settings, training_words(data, settings, valid)),
                run.folder,
                recipe=recipe,
                card={"model": model} | identity,
                backend=settings.BACKEND,
            )
            run.save(**facts)
    return run


def _trainable(settings: SimpleNamespace) -> ModelRef:
    """Return the LLM that is to be fine-tuned, or refuse one behind an API."""
    base = llm_ref(settings)
    if base.is_remote:
        raise LabError(
            f"MODEL is {settings.MODEL!r}, but no model behind an API can be fine-tuned here: name "
            "another."
        )
    return base


def _training_cases(data: Dataset) -> tuple[list[Case], list[Case]]:
    """Return the training and the validation cases with a question and an answer.

    Validation answers only draw the second loss curve: a challenge's inputs have none.
    """
    train, valid = shot_pool(data.split("train")), shot_pool(data.splits.get("valid", ()))
    if not train:
        raise LabError(
            f"The data set {data.name!r} has no training case with both a question and an answer, "
            "so there is nothing to learn: choose another DATASET."
        )
    return train, valid


def _name(settings: SimpleNamespace, *, has_captions: bool) -> str:
    """Return what tables call a fine-tuned LLM."""
    varies = (*TRAINING_VARIES, *(CAPTIONS_VARY if has_captions else ()))
    return f"{recordable(settings)['MODEL']} + LoRA{variant(settings, varies)}"


def lora_recipe(settings: SimpleNamespace) -> LoraRecipe:
    """The LoRA recipe that the settings name."""
    return LoraRecipe(
        rank=settings.RANK,
        alpha=settings.ALPHA,
        learning_rate=settings.LEARNING_RATE,
        steps=settings.STEPS,
        epochs=settings.EPOCHS,
        batch=settings.BATCH,
        accumulation=settings.ACCUMULATION,
        max_length=settings.MAX_LENGTH,
        loss=settings.LOSS,
        seed=settings.SEED,
    )


@parameters_named(LLM_ANSWERS)
def find_or_train_adapter(data: Dataset, settings: SimpleNamespace) -> Path:
    """Find the adapter to answer with, or train notebook 02's if it is not there yet.

    `settings.ADAPTER` names an adapter's or a run's folder; "" means notebook 02's.
    """
    if not settings.ADAPTER:
        return finetune(data, settings).folder / "adapter"
    folder = Path(settings.ADAPTER).expanduser()
    if not folder.is_dir():
        raise LabError(
            f"ADAPTER is {settings.ADAPTER!r}, but there is no such folder: name an adapter or a "
            "run of notebook 02."
        )
    if (folder / "run.json").exists():
        folder = load_run(folder).folder / "adapter"
    card = llm_ref(settings).but(adapter=folder).read_card()
    if card["prompt"] != prompt_identity(settings):
        asked = prompt_identity(settings)
        print(
            f"Note: this adapter was trained with the prompt {card['prompt']}, and is asked with "
            f"{asked}."
        )
    return folder
