"""The experiments of notebook 04 and of the sweep: models that see are asked, fine-tuned, and asked
again.

Each opens its run, does what is not done yet, and records it (see `experiments`). Settings are the
notebooks' parameters after the profile, by their names.
"""

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from helpers.data import POCKET, Dataset
from helpers.experiments.answers import (
    about_run,
    answers_of,
    parent_of,
    score_run,
    scoring_identity,
)
from helpers.experiments.inputs import data_read, training_texts
from helpers.experiments.parameters import names_in, recordable, variant
from helpers.experiments.runs import Run, load_run, open_run
from helpers.experiments.vlm_inputs import (
    cases_to_learn,
    cases_to_show,
    check_model,
    first_image,
    images_fingerprint,
    prompt_identity,
    vlm_example,
)
from helpers.files import LabError, file_hash, fingerprint
from helpers.metrics import duplicates
from helpers.metrics.scores import Score, mean_score
from helpers.models.generation import answer_images
from helpers.models.loading import (
    check_adapter,
    generation_fingerprint,
    model_path,
    resolve_commit,
    split_revision,
    weights_fingerprint,
)
from helpers.models.memory import forget_models, load_once
from helpers.models.prompts import VISUAL_PROMPTS, vlm_question
from helpers.models.refs import ModelRef
from helpers.models.vlm import VLM, load_processor, load_vlm
from helpers.training.backends import Backend, backend_for
from helpers.training.recipe import VLM_RECIPES, VlmRecipe, check_trainable

VLM_FINETUNE = "04_vlm_finetune"
# What a name says of answers and of a training, where it is not as the profile has it.
VLM_ANSWERS_VARY = ("VLM_QUANTIZATION", "VLM_TOKENS", "PICTURE_SIDE", "LIMIT")
VLM_TRAINING_VARIES = (
    "VLM_RECIPE",
    "VLM_LEARNING_RATE",
    "RANK",
    "ALPHA",
    "VLM_BATCH",
    "VLM_ACCUMULATION",
    "VLM_MAX_LENGTH",
    "TRAIN_LIMIT",
    "AUGMENTATION",
    "REFERENCES",
    "SLIPS",
    "VISION",
    "BACKEND",
    *VLM_ANSWERS_VARY[:-1],
)


def with_vlm(settings: SimpleNamespace, **changes) -> SimpleNamespace:
    """The same settings with another model, number of epochs, ..."""
    return SimpleNamespace(**vars(settings) | changes)


def vlm_grid(data: Dataset, settings: SimpleNamespace) -> dict[float, Run]:
    """Answers of `settings.VLM` as it is (at 0), and fine-tuned for each number of VLM_EPOCHS."""
    runs = {0: answer_with_vlm(data, settings)}
    for training in train_vlms(data, settings):
        runs[training.record["epochs"]] = answer_with_vlm(data, settings, training)
    return runs


def train_vlms(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """The run that `settings.VLM_ADAPTER` names, or else a fine-tuning for each number of
    VLM_EPOCHS.

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
    check_adapter(run.folder / "adapter", *split_revision(settings.VLM), "VLM")
    return [run]


def ask_directly(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """Answers of every model of VLMS to every prompt of the paper, as they are.

    A model that cannot be had, such as a gated one without its token, is left out with a sentence;
    if all are, that is a `LabError`.
    """
    there, missing = [], []
    for name in names_in(settings.VLMS):
        try:
            check_model(with_vlm(settings, VLM=name))
            there.append(name)
        except LabError as error:
            missing.append(error)
            print(f"Left out: {error}")
    if not there:
        raise missing[0]
    return [
        answer_with_vlm(data, with_vlm(settings, VLM=name, VLM_PROMPT=prompt))
        for name in there
        for prompt in VISUAL_PROMPTS
    ]


def finetune_vlm(data: Dataset, settings: SimpleNamespace, epochs: float) -> Run:
    """Fine-tune `settings.VLM` on the first image and the answers of training cases, for so many
    epochs.

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
    name, revision = split_revision(settings.VLM)
    base, recipe = _base(settings), vlm_recipe(settings, epochs)
    identity = {
        "weights": weights_fingerprint(name, revision),
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
    model, title = (
        recordable(settings)["VLM"],
        _tuned_name(settings, epochs) + variant(settings, VLM_TRAINING_VARIES),
    )
    about = about_run(
        "picture_finetuning", title, data, "train", settings, model=model, prompt=identity["prompt"]
    )
    run = open_run(VLM_FINETUNE, determines=determines, about=about | {"epochs": epochs})
    with run.working() as needed:
        if needed:
            from helpers.training.lora_sft import train_adapter

            forget_models()
            processor = load_processor(settings.VLM, setting="VLM")
            records = [
                [vlm_example(processor, case, settings) for case in cases]
                for cases in (train, valid)
            ]
            card = {"model": model} | identity
            run.save(
                **train_adapter(
                    base, *records, run.folder, recipe=recipe, card=card, backend=settings.BACKEND
                )
            )
    return run


def answer_with_vlm(data: Dataset, settings: SimpleNamespace, training: Run | None = None) -> Run:
    """Ask `settings.VLM` about the first image of each case of `settings.SPLIT`, and score the
    answers.

    Args:
        training: the run that fine-tuned it; None asks the model as it is.
    """
    check_model(settings)
    cases = cases_to_show(data, settings)
    name, revision = split_revision(settings.VLM)
    tuned = training.folder / "adapter" if training else None
    determines = {
        "weights": weights_fingerprint(name, revision),
        "quantization": settings.VLM_QUANTIZATION,
        "tuned": weights_hash(tuned) if tuned else "",
        "prompt": prompt_identity(settings, glued=False),
        "images": images_fingerprint(cases),
        "max_side": settings.PICTURE_SIDE,
        "data": data_read(data, settings),
        "generation": generation_fingerprint(name),
        "split": settings.SPLIT,
        "limit": settings.LIMIT,
        "max_new_tokens": settings.VLM_TOKENS,
        "scoring": scoring_identity(settings) | {"duplicates": duplicates.VERSION},
    }
    epochs = training.record["epochs"] if training else 0
    model = recordable(settings)["VLM"]
    title, varies = f"{model}, {settings.VLM_PROMPT}", VLM_ANSWERS_VARY
    if training and settings.VLM_ADAPTER:  # it was not made with these settings
        title = f"{model} + {training.id[:6]}, {settings.VLM_PROMPT}"
    elif training:
        title, varies = (
            _tuned_name(settings, epochs),
            dict.fromkeys([*VLM_TRAINING_VARIES, *VLM_ANSWERS_VARY]),
        )
    about = about_run(
        "picture_answers",
        title + variant(settings, varies),
        data,
        settings.SPLIT,
        settings,
        model=model,
        prompt=determines["prompt"],
    )
    run = open_run(
        VLM_FINETUNE,
        determines=determines,
        parent=parent_of(tuned),
        about=about | {"tuned": bool(training), "epochs": epochs},
    )
    with run.working() as needed:
        if needed:
            loaded = _loaded(settings, tuned)
            asked = {
                case.id: (first_image(case), vlm_question(case, settings.VLM_PROMPT))
                for case in cases
            }
            answer_images(
                loaded,
                asked,
                run.folder / "predictions.jsonl",
                max_new_tokens=settings.VLM_TOKENS,
                batch_size=settings.VLM_ANSWER_BATCH,
            )
            run.save(
                device=asdict(loaded.device),
                weights_mb=_size_mb(settings.VLM, tuned),
                largest_groups=_largest_groups(run, data, settings, cases),
            )
    return score_run(run, data, settings, more=lambda: _more_scores(run, data, cases))


def training_backend(settings: SimpleNamespace) -> Backend:
    """What will train the model of these settings, and why."""
    return backend_for(settings.BACKEND, _base(settings), vlm_recipe(settings, 1))


def vlm_recipe(settings: SimpleNamespace, epochs: float) -> VlmRecipe:
    """The recipe that the settings name, for so many epochs.

    VLM_LEARNING_RATE 0 is the recipe's own; that of moondream's authors is part of their recipe,
    and always theirs.
    """
    named = VLM_RECIPES[settings.VLM_RECIPE]
    own_rate = not settings.VLM_LEARNING_RATE or settings.VLM_RECIPE == "moondream"
    rate = {} if own_rate else {"learning_rate": settings.VLM_LEARNING_RATE}
    return VlmRecipe(
        **named
        | rate
        | {
            "rank": settings.RANK,
            "alpha": settings.ALPHA,
            "epochs": epochs,
            "batch": settings.VLM_BATCH,
            "accumulation": settings.VLM_ACCUMULATION,
            "max_length": settings.VLM_MAX_LENGTH,
            "seed": settings.SEED,
            "vision": settings.VISION,
            "references": settings.REFERENCES,
            "augmentation": settings.AUGMENTATION,
            "slips": settings.SLIPS,
            "features": settings.FEATURES,
            "max_side": settings.PICTURE_SIDE,
        }
    )


def _base(settings: SimpleNamespace) -> ModelRef:
    name, revision = split_revision(settings.VLM)
    return ModelRef(name, resolve_commit(name, revision), settings.VLM_QUANTIZATION)


def _loaded(settings: SimpleNamespace, tuned: Path | None) -> VLM:
    trained = weights_hash(tuned) if tuned else ""
    key = ("vlm", settings.VLM, settings.VLM_QUANTIZATION, settings.PICTURE_SIDE, tuned, trained)
    return load_once(
        key,
        lambda: load_vlm(
            settings.VLM,
            quantization=settings.VLM_QUANTIZATION,
            setting="VLM",
            tuned=tuned,
            max_side=settings.PICTURE_SIDE,
        ),
    )


def weights_hash(folder: Path) -> str:
    """Hash of an adapter's or a tuned model's weights."""
    return fingerprint([file_hash(path) for path in sorted(Path(folder).glob("*.safetensors"))])


def _size_mb(model_id: str, tuned: Path | None) -> float:
    """Megabytes on disk of the weights that answer: of the model and its adapter.

    A text tower that was trained whole is kept in full precision, which takes twice the room of a
    half one.
    """
    name, revision = split_revision(model_id)
    base = Path(model_path(name))
    if not base.is_dir():
        from huggingface_hub import snapshot_download

        base = Path(
            snapshot_download(
                name,
                revision=resolve_commit(name, revision),
                allow_patterns="*.safetensors",
                local_files_only=True,
            )
        )
    whole = tuned and not (tuned / "adapter_config.json").exists()
    folders = [tuned] if whole else [base, *([tuned] if tuned else [])]
    return round(
        sum(path.stat().st_size for folder in folders for path in folder.glob("*.safetensors"))
        / 1e6,
        2,
    )


def _largest_groups(run: Run, data: Dataset, settings: SimpleNamespace, cases) -> list[dict]:
    """The largest groups of answers that repeat each other, in the form of VisionQAries' Table 3.

    Of simulated data only: an answer that repeats a training answer holds data, and records may be
    shared.
    """
    if data.name not in POCKET:
        return []
    found = answers_of(run)
    groups = duplicates.duplicate_groups(
        {case.id: found[case.id].text for case in cases}, training_texts(data)
    )
    return duplicates.duplicate_rows(groups, settings.SPLIT, largest=3)


def _more_scores(run: Run, data: Dataset, cases) -> dict[str, Score]:
    """What only these runs measure: seconds per answer, and how many answers repeat each other or a
    training answer.
    """
    import numpy as np

    found = answers_of(run)
    seconds = np.array([found[case.id].seconds for case in cases if found[case.id].tokens])
    texts = {case.id: found[case.id].text for case in cases}
    scores = duplicates.duplicate_scores(texts, training_texts(data))
    return scores | (
        {"seconds": mean_score(seconds, signature="seconds|share of its batch")}
        if len(seconds)
        else {}
    )


def _tuned_name(settings: SimpleNamespace, epochs: float) -> str:
    """What tables call a fine-tuned model."""
    trained = {"lora": "LoRA", "text": "whole text tower", "moondream": "moondream's recipe"}[
        settings.VLM_RECIPE
    ]
    plural = "" if epochs == 1 else "s"
    return f"{recordable(settings)['VLM']} + {trained}, {settings.VLM_PROMPT}, {epochs:g} epoch{plural}"
