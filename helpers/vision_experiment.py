"""The experiments of notebook 04 and of the sweep: models that see are asked, fine-tuned, and asked again.

Each opens its run, does what is not done yet, and records it (see `experiments`). Settings are the notebooks'
parameters after the profile, by their names.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from helpers.api_models import is_api_model
from helpers.captioning import content_key
from helpers.cases import Case
from helpers.datasets import POCKET, Dataset
from helpers.experiments import about_run, answers_of, parent_of, scored, scoring_identity
from helpers.files import LabError, file_hash, fingerprint
from helpers.finetuning.lora_sft import BaseModel, backend_for, train_adapter
from helpers.finetuning.recipe import VISION_RECIPES, VisionRecipe
from helpers.generation import answer_pictures
from helpers.inputs import cases_to_answer, data_read, training_cases, training_texts
from helpers.memory import forget, kept
from helpers.metrics import duplicates
from helpers.metrics.scores import Score, mean_score
from helpers.models import (
    check_adapter, generation_fingerprint, model_path, pinned, split_revision, weights_fingerprint,
)
from helpers.parameters import names_in, recordable, variant
from helpers.prompts import VISUAL_PROMPTS, visual_question
from helpers.runs import Run, load_run, open_run
from helpers.vision_inputs import LONGEST, completion, turn_text
from helpers.vision_models import VisionModel, load_processor, load_vision_model, seeing_type

VLM_FINETUNE = "04_vlm_finetune"
# What a name says of answers and of a training, where it is not as the profile has it.
VLM_ANSWERS_VARY = ("VLM_QUANTIZATION", "VLM_TOKENS", "PICTURE_SIDE", "LIMIT")
VLM_TRAINING_VARIES = (
    "VLM_RECIPE", "VLM_LEARNING_RATE", "RANK", "ALPHA", "VLM_BATCH", "VLM_ACCUMULATION", "VLM_MAX_LENGTH",
    "TRAIN_LIMIT", "AUGMENTATION", "REFERENCES", "SLIPS", "VISION", "BACKEND", *VLM_ANSWERS_VARY[:-1],
)


def with_vlm(settings: SimpleNamespace, **changes) -> SimpleNamespace:
    """The same settings with another model, number of epochs, ..."""
    return SimpleNamespace(**vars(settings) | changes)


def vlm_grid(data: Dataset, settings: SimpleNamespace) -> dict[float, Run]:
    """Answers of `settings.VLM` as it is (at 0), and fine-tuned for each number of VLM_EPOCHS."""
    runs = {0: answer_seen(data, settings)}
    for training in vlm_trainings(data, settings):
        runs[training.record["epochs"]] = answer_seen(data, settings, training)
    return runs


def vlm_trainings(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """The run that `settings.VLM_ADAPTER` names, or else a fine-tuning for each number of VLM_EPOCHS.

    Raises:
        LabError: there is no finished run of this notebook, or it had another base.
    """
    if not settings.VLM_ADAPTER:
        return [finetune_vlm(data, settings, epochs) for epochs in settings.VLM_EPOCHS]
    run = load_run(Path(settings.VLM_ADAPTER).expanduser())
    if run.record["kind"] != "picture_finetuning" or not run.done:
        raise LabError(
            f"VLM_ADAPTER is {settings.VLM_ADAPTER!r}, but that is no finished fine-tuning of notebook 04: name its "
            "run's folder."
        )
    check_adapter(run.folder / "adapter", *split_revision(settings.VLM), "VLM")
    return [run]


def ask_directly(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """Answers of every model of VLMS to every prompt of the paper, as they are."""
    return [
        answer_seen(data, with_vlm(settings, VLM=name, VLM_PROMPT=prompt))
        for name in names_in(settings.VLMS) for prompt in VISUAL_PROMPTS
    ]


def finetune_vlm(data: Dataset, settings: SimpleNamespace, epochs: float) -> Run:
    """Fine-tune `settings.VLM` on the first picture and the answers of training cases, for so many epochs.

    The run holds `adapter/`: an adapter, or the whole model where VLM_RECIPE trains the text tower.
    """
    _check_model(settings)
    train, valid = _to_learn(data, settings, "train"), _to_learn(data, settings, "valid")
    if not train:
        raise LabError(
            f"The data set {data.name!r} has no training case with an answer and a picture on disk, so there is "
            "nothing to learn: choose another DATASET, or put its pictures where the README says."
        )
    name, revision = split_revision(settings.VLM)
    base, recipe = BaseModel(name, pinned(name, revision), settings.VLM_QUANTIZATION), vision_recipe(settings, epochs)
    identity = {"weights": weights_fingerprint(name, revision), "data": data.fingerprint("train"),
                "prompt": prompt_identity(settings)}
    determines = identity | {
        "quantization": settings.VLM_QUANTIZATION, "recipe": recipe.determines(),
        "backend": backend_for(settings.BACKEND, base, recipe).name, "pictures": pictures_identity(train),
        "train_limit": settings.TRAIN_LIMIT,
    }
    model, title = recordable(settings)["VLM"], _tuned_name(settings, epochs) + variant(settings, VLM_TRAINING_VARIES)
    about = about_run(
        "picture_finetuning", title, data, "train", settings, model=model, prompt=identity["prompt"]
    )
    run = open_run(VLM_FINETUNE, determines=determines, about=about | {"epochs": epochs})
    with run.working() as needed:
        if needed:
            forget()
            processor = load_processor(settings.VLM, setting="VLM")
            records = [[_record(processor, case, settings) for case in cases] for cases in (train, valid)]
            card = {"model": model} | identity
            run.save(**train_adapter(base, *records, run.folder, recipe=recipe, card=card, backend=settings.BACKEND))
    return run


def answer_seen(data: Dataset, settings: SimpleNamespace, training: Run | None = None) -> Run:
    """Ask `settings.VLM` about the first picture of each case of `settings.SPLIT`, and score the answers.

    Args:
        training: the run that fine-tuned it; None asks the model as it is.
    """
    _check_model(settings)
    cases = cases_to_answer(data, settings)
    if not any(case.pictures for case in cases):
        raise LabError(
            f"A model that sees was to be asked about the split {settings.SPLIT!r} of the data set {data.name!r}, but "
            "none of its pictures is on disk: put them where the README says, and name their folder as DATA_ROOT."
        )
    name, revision = split_revision(settings.VLM)
    tuned = training.folder / "adapter" if training else ""
    determines = {
        "weights": weights_fingerprint(name, revision), "quantization": settings.VLM_QUANTIZATION,
        "tuned": weights_hash(tuned) if tuned else "", "prompt": prompt_identity(settings, glued=False),
        "pictures": pictures_identity(cases), "picture_side": settings.PICTURE_SIDE, "data": data_read(data, settings),
        "generation": generation_fingerprint(name), "split": settings.SPLIT, "limit": settings.LIMIT,
        "max_new_tokens": settings.VLM_TOKENS,
        "scoring": scoring_identity(settings) | {"duplicates": duplicates.VERSION},
    }
    epochs = training.record["epochs"] if training else 0
    model = recordable(settings)["VLM"]
    title, varies = f"{model}, {settings.VLM_PROMPT}", VLM_ANSWERS_VARY
    if training and settings.VLM_ADAPTER:  # it was not made with these settings
        title = f"{model} + {training.id[:6]}, {settings.VLM_PROMPT}"
    elif training:
        title, varies = _tuned_name(settings, epochs), dict.fromkeys([*VLM_TRAINING_VARIES, *VLM_ANSWERS_VARY])
    about = about_run(
        "picture_answers", title + variant(settings, varies), data, settings.SPLIT, settings, model=model,
        prompt=determines["prompt"],
    )
    run = open_run(VLM_FINETUNE, determines=determines, parent=parent_of(tuned),
                   about=about | {"tuned": bool(training), "epochs": epochs})
    with run.working() as needed:
        if needed:
            loaded = _loaded(settings, tuned)
            asked = {case.id: (first_picture(case), visual_question(case, settings.VLM_PROMPT)) for case in cases}
            answer_pictures(loaded, asked, run.folder / "predictions.jsonl",
                            max_new_tokens=settings.VLM_TOKENS, batch_size=settings.VLM_ANSWER_BATCH)
            run.save(device=asdict(loaded.device), weights_mb=_size_mb(settings.VLM, tuned),
                     largest_groups=_largest_groups(run, data, settings, cases))
    return scored(run, data, settings, more=lambda: _more_scores(run, data, cases))


def vision_recipe(settings: SimpleNamespace, epochs: float) -> VisionRecipe:
    """The recipe that the settings name, for so many epochs; VLM_LEARNING_RATE 0 is the recipe's own."""
    named = VISION_RECIPES[settings.VLM_RECIPE]
    rate = {"learning_rate": settings.VLM_LEARNING_RATE} if settings.VLM_LEARNING_RATE else {}
    return VisionRecipe(**named | rate | {
        "rank": settings.RANK, "alpha": settings.ALPHA, "epochs": epochs, "batch": settings.VLM_BATCH,
        "accumulation": settings.VLM_ACCUMULATION, "max_length": settings.VLM_MAX_LENGTH, "seed": settings.SEED,
        "vision": settings.VISION, "references": settings.REFERENCES, "augmentation": settings.AUGMENTATION,
        "slips": settings.SLIPS, "features": settings.FEATURES, "picture_side": settings.PICTURE_SIDE,
    })


def prompt_identity(settings: SimpleNamespace, *, glued: bool | None = None) -> str:
    """What identifies the wording, the model's own template included; `glued` where it is not as SLIPS says."""
    glued = settings.SLIPS == "authors" if glued is None else glued
    template = str(load_processor(settings.VLM, setting="VLM").chat_template)
    words = fingerprint([*VISUAL_PROMPTS[settings.VLM_PROMPT], template])[:6]
    return f"{settings.VLM_PROMPT}{'-glued' if glued else ''}-{words}"


def _check_model(settings: SimpleNamespace) -> None:
    """Refuse a model that does not see, or that is not on this machine."""
    if is_api_model(settings.VLM):
        raise LabError(
            f"VLM is {settings.VLM!r}, but models behind an API are not asked here: name a local one, or let it put "
            "pictures into words as CAPTIONER."
        )
    seeing_type(settings.VLM, "VLM")


def _to_learn(data: Dataset, settings: SimpleNamespace, split: str) -> list[Case]:
    """The cases of a split with an answer and a picture on disk; of the training split at most TRAIN_LIMIT."""
    cases = training_cases(data) if split == "train" else data.splits.get(split, ())
    found = [case for case in cases if case.pictures and any(reference.text for reference in case.references)]
    return found[: settings.TRAIN_LIMIT] if split == "train" and settings.TRAIN_LIMIT else found


def _record(processor, case: Case, settings: SimpleNamespace) -> dict:
    """A training record (see `vision_records`): the question as it will be asked, and the answers in their order."""
    question = visual_question(case, settings.VLM_PROMPT, glued=settings.SLIPS == "authors")
    return {
        "id": case.id, "picture": str(first_picture(case)), "prompt": turn_text(processor, question),
        "completions": [
            completion(processor, question, reference.text) for reference in case.references if reference.text
        ],
    }


def first_picture(case: Case) -> Path | None:
    """The first picture of a case, as VisionQAries took it, or None where it has none on disk."""
    return case.pictures[0] if case.pictures else None


def pictures_identity(cases: Sequence[Case]) -> str:
    """What identifies the pictures that are shown, by their content."""
    return fingerprint([LONGEST, *(content_key(first_picture(case)) if case.pictures else "" for case in cases)])


def _loaded(settings: SimpleNamespace, tuned: Path | str) -> VisionModel:
    trained = weights_hash(tuned) if tuned else ""
    key = ("vlm", settings.VLM, settings.VLM_QUANTIZATION, settings.PICTURE_SIDE, str(tuned), trained)
    return kept(key, lambda: load_vision_model(
        settings.VLM, quantization=settings.VLM_QUANTIZATION, setting="VLM", tuned=tuned,
        picture_side=settings.PICTURE_SIDE,
    ))


def weights_hash(folder: Path) -> str:
    """Hash of an adapter's or a tuned model's weights."""
    return fingerprint([file_hash(path) for path in sorted(Path(folder).glob("*.safetensors"))])


def _size_mb(model_id: str, tuned: Path | str) -> float:
    """Megabytes on disk of the weights that answer: of the model and its adapter; 0 where the hub keeps them."""
    base = Path(model_path(split_revision(model_id)[0]))
    whole = tuned and not (Path(tuned) / "adapter_config.json").exists()
    folders = [Path(tuned)] if whole else [base, *([Path(tuned)] if tuned else [])]
    return round(sum(path.stat().st_size for folder in folders for path in folder.glob("*.safetensors")) / 1e6, 2)


def _largest_groups(run: Run, data: Dataset, settings: SimpleNamespace, cases) -> list[dict]:
    """The largest groups of answers that repeat each other, in the form of VisionQAries' Table 3.

    Of simulated data only: an answer that repeats a training answer holds data, and records may be shared.
    """
    if data.name not in POCKET:
        return []
    found = answers_of(run)
    groups = duplicates.duplicate_groups({case.id: found[case.id].text for case in cases}, training_texts(data))
    return duplicates.duplicate_rows(groups, settings.SPLIT, largest=3)


def _more_scores(run: Run, data: Dataset, cases) -> dict[str, Score]:
    """What only these runs measure: seconds per answer, and how many answers repeat each other or a training answer."""
    import numpy as np

    found = answers_of(run)
    seconds = np.array([found[case.id].seconds for case in cases if found[case.id].tokens])
    texts = {case.id: found[case.id].text for case in cases}
    scores = duplicates.duplicate_scores(texts, training_texts(data))
    return scores | ({"seconds": mean_score(seconds, signature="seconds|share of its batch")} if len(seconds) else {})


def _tuned_name(settings: SimpleNamespace, epochs: float) -> str:
    """What tables call a fine-tuned model."""
    trained = {"lora": "LoRA", "text": "whole text tower", "moondream": "moondream's recipe"}[settings.VLM_RECIPE]
    plural = "" if epochs == 1 else "s"
    return f"{recordable(settings)['VLM']} + {trained}, {settings.VLM_PROMPT}, {epochs:g} epoch{plural}"
