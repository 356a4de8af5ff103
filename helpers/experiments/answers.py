"""The experiments that notebooks and sweeps call: each opens its run, does what is not done yet,
and records it.

Called twice with the same settings, an experiment finds its own finished run and returns at once.
Settings are the notebooks' parameters after the profile, by their names (`settings.MODEL`, ...).
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from helpers.cases import Prediction, read_answers, write_submission
from helpers.data import Dataset
from helpers.experiments.caption_texts import NONE
from helpers.experiments.inputs import (
    cases_to_answer,
    check_questions,
    data_read,
    image_words,
    llm_examples,
    prompt_identity,
    prompts_with_shots,
    training_cases,
    training_words,
)
from helpers.experiments.parameters import recordable, variant
from helpers.experiments.runs import Run, load_run, open_run
from helpers.files import LabError, append_jsonl, file_hash, fingerprint, read_jsonl, write_json
from helpers.metrics import answers, bertscore, deltableu, diagnosis
from helpers.metrics.answers import answer_statistics
from helpers.metrics.baselines import constant_answer_set, constant_answers
from helpers.metrics.scores import Score
from helpers.metrics.scoring import metrics_json, score_predictions
from helpers.models.api.address import is_api_model
from helpers.models.api.model import ApiModel, open_api_model, upload_notice
from helpers.models.generation import answer_all
from helpers.models.loading import (
    LLM,
    check_adapter,
    generation_fingerprint,
    load_llm,
    resolve_commit,
    weights_fingerprint,
)
from helpers.models.memory import forget_models, load_once
from helpers.models.prompts import IMAGE_LINE, stop_text
from helpers.models.refs import ModelRef
from helpers.models.shots import shot_pool
from helpers.training.backends import choose_backend
from helpers.training.recipe import LoraRecipe

SFT, FEW_SHOT, EVALUATION = "02_lora_sft", "03_few_shot_inference", "09_evaluation"
# What a name says of a training and of a set of answers, where it is not as the profile has it.
ANSWERS_VARY = ("QUANTIZATION", "MAX_NEW_TOKENS", "ANSWER_ENDS", "LIMIT", "QUESTION", "PROMPT")
TRAINING_VARIES = (
    "RANK",
    "ALPHA",
    "LEARNING_RATE",
    "STEPS",
    "EPOCHS",
    "BATCH",
    "ACCUMULATION",
    "LOSS",
    "MAX_LENGTH",
    "BACKEND",
    "QUANTIZATION",
    "QUESTION",
    "PROMPT",
)

# What else it says where images are put into words.
CAPTIONS_VARY = (
    "CAPTIONER",
    "CAPTION_PROMPT",
    "CAPTION_TOKENS",
    "CAPTION_QUANTIZATION",
    "IMAGE_TEXT",
)


def finetune(data: Dataset, settings: SimpleNamespace) -> Run:
    """LoRA fine-tuning of `settings.MODEL` on the training questions and first answers; the run
    holds `adapter/`.
    """
    if is_api_model(settings.MODEL):
        raise LabError(
            f"MODEL is {settings.MODEL!r}, but no model behind an API can be fine-tuned here: name "
            "another."
        )
    # Validation answers only draw the second loss curve: a challenge's inputs have none.
    train, valid = shot_pool(data.split("train")), shot_pool(data.splits.get("valid", ()))
    if not train:
        raise LabError(
            f"The data set {data.name!r} has no training case with both a question and an answer, "
            "so there is nothing to learn: choose another DATASET."
        )
    recipe, backend = lora_recipe(settings), choose_backend(settings.BACKEND)
    identity = {
        "weights": weights_fingerprint(settings.MODEL, settings.REVISION),
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
        | _said(words)
    )
    model = recordable(settings)["MODEL"]
    name = (
        f"{model} + LoRA{variant(settings, (*TRAINING_VARIES, *(CAPTIONS_VARY if words else ())))}"
    )
    run = open_run(
        SFT, determines=determines, about=about_run("finetuning", name, data, "train", settings)
    )
    with run.working() as needed:
        if needed:
            from helpers.training.lora_sft import train_adapter

            forget_models()
            base = ModelRef(
                settings.MODEL,
                resolve_commit(settings.MODEL, settings.REVISION),
                settings.QUANTIZATION,
            )
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


def answer(
    data: Dataset, settings: SimpleNamespace, *, shots: int, adapter: Path | None = None
) -> Run:
    """Answer the cases of `settings.SPLIT` with `shots` worked examples each, and score the
    answers.

    Args:
        adapter: folder of a LoRA adapter; None asks the model as it is.
    """
    if not shots and settings.IMAGE_TEXT == "shots":  # without shots it is what "question" is
        settings = SimpleNamespace(**vars(settings) | {"IMAGE_TEXT": "question"})
    cases = cases_to_answer(data, settings)
    check_questions(cases, settings)
    words = image_words(data, settings, cases, shots)
    determines = {
        "weights": weights_fingerprint(settings.MODEL, settings.REVISION),
        "quantization": settings.QUANTIZATION,
        "adapter": file_hash(adapter / "adapter_model.safetensors") if adapter else "",
        "prompt": prompt_identity(settings),
        "shots": shots,
        "data": data_read(data, settings),
        "generation": generation_fingerprint(settings.MODEL),
        "split": settings.SPLIT,
        "limit": settings.LIMIT,
        "shot_choice": settings.SHOT_CHOICE if shots else "",
        "seed": settings.SEED if shots else 0,
        "max_new_tokens": settings.MAX_NEW_TOKENS,
        "stop": stop_text(settings.PROMPT, settings.ANSWER_ENDS),
        "scoring": scoring_identity(settings),
    } | _said(words.asked, words.shots)
    about = about_run(
        "answers", _answers_name(settings, shots, adapter), data, settings.SPLIT, settings
    )
    about |= {"tuned": bool(adapter), "shots": shots}
    run = open_run(FEW_SHOT, determines=determines, about=about, parent=parent_of(adapter))
    with run.working() as needed:
        if needed:
            model = _load(settings, adapter)
            prompts, trace = prompts_with_shots(model, data, cases, settings, shots, words)
            write_json(run.folder / "shots.json", trace)
            run.save(
                device=_device(model),
                shots_dropped=sum(len(row["dropped"]) for row in trace.values()),
            )
            if isinstance(model, ApiModel):
                there = {
                    row["case_id"]
                    for row in read_jsonl(run.folder / "predictions.jsonl", allow_torn_end=True)
                }
                print(
                    upload_notice(
                        model,
                        {name: prompt for name, prompt in prompts.items() if name not in there},
                    )
                )
            answer_all(
                model,
                prompts,
                run.folder / "predictions.jsonl",
                max_new_tokens=settings.MAX_NEW_TOKENS,
                batch_size=settings.ANSWER_BATCH,
                stop=stop_text(settings.PROMPT, settings.ANSWER_ENDS),
            )
    return score_run(run, data, settings)


def baselines(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """Score the constant answers that any model must beat: one run each, nothing is generated."""
    return [
        _baseline(data, settings, name, text)
        for name, text in constant_answers(training_cases(data)).items()
    ]


def find_or_train_adapter(data: Dataset, settings: SimpleNamespace) -> Path:
    """The adapter to answer with: `settings.ADAPTER` (an adapter's or a run's folder), or else
    notebook 02's.

    That one is trained now if it is not there yet.
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
    card = check_adapter(folder, settings.MODEL, settings.REVISION)
    if card["prompt"] != prompt_identity(settings):
        asked = prompt_identity(settings)
        print(
            f"Note: this adapter was trained with the prompt {card['prompt']}, and is asked with "
            f"{asked}."
        )
    return folder


def answers_of(run: Run) -> dict[str, Prediction]:
    """The answers of a run by case id."""
    return {answer.case_id: answer for answer in read_answers(run.folder / "predictions.jsonl")}


def _baseline(data: Dataset, settings: SimpleNamespace, name: str, text: str) -> Run:
    cases = cases_to_answer(data, settings)
    # A hash, because a training answer is data, and records may be shared where data may not.
    determines = {
        "answer": fingerprint(text),
        "data": data_read(data, settings),
        "split": settings.SPLIT,
        "limit": settings.LIMIT,
        "scoring": scoring_identity(settings),
    }
    about = about_run("baseline", f"constant: {name}", data, settings.SPLIT, settings) | {
        "model": "none"
    }
    run = open_run(EVALUATION, determines=determines, about=about)
    with run.working() as needed:
        if needed:
            path = run.folder / "predictions.jsonl"
            path.unlink(missing_ok=True)
            append_jsonl(path, [asdict(answer) for answer in constant_answer_set(cases, text)])
    return score_run(run, data, settings)


def score_run(
    run: Run, data: Dataset, settings: SimpleNamespace, more: Callable[[], dict[str, Score]] = dict
) -> Run:
    """Write the submission and, once, the scores: of all answers, and against references where
    there are any.

    `more` gives further scores of this kind of run.
    """
    cases, found = cases_to_answer(data, settings), answers_of(run)
    if run.metrics:
        return run
    write_submission(
        run.folder / "prediction.json", cases, list(found.values()), run.record["language"]
    )
    texts = [reference.text for case in training_cases(data) for reference in case.references]
    measured = answer_statistics(cases, found, texts) | more()
    metrics = {name: score.as_dict() for name, score in measured.items()}
    scorable = [case for case in cases if case.references]
    if scorable:
        predictions = [found[case.id] for case in scorable if case.id in found]
        scores = score_predictions(
            scorable, predictions, encoder=settings.ENCODER, language=run.record["language"]
        )
        metrics = metrics_json(scores) | metrics
    write_json(run.folder / "metrics.json", metrics)
    return run


def scoring_identity(settings: SimpleNamespace) -> dict:
    """What scores depend on besides the answers: another encoder or scorer makes another run.

    An encoder that cannot be had is found out here, before anything is trained or answered.
    """
    encoder = (
        settings.ENCODER if settings.ENCODER == "minilm" else weights_fingerprint(settings.ENCODER)
    )
    return {
        "encoder": encoder,
        "deltableu": deltableu.VERSION,
        "bertscore": bertscore.VERSION,
        "answers": answers.VERSION,
        "diagnosis": diagnosis.VERSION,
    }


def _load(settings: SimpleNamespace, adapter: Path | None) -> LLM | ApiModel:
    """The model of these settings; see `memory.load_once` about local ones."""
    if is_api_model(settings.MODEL):
        return open_api_model(settings.MODEL, allow_upload=settings.ALLOW_UPLOAD)
    trained = (adapter / "adapter_model.safetensors").stat().st_mtime_ns if adapter else 0
    key = (settings.MODEL, settings.REVISION, settings.QUANTIZATION, adapter, trained)
    return load_once(
        key,
        lambda: load_llm(
            settings.MODEL,
            revision=settings.REVISION,
            quantization=settings.QUANTIZATION,
            adapter=adapter,
        ),
    )


def _device(model: LLM | ApiModel) -> dict:
    """Where a model computes, for the record."""
    return api_device(model.host) if isinstance(model, ApiModel) else asdict(model.device)


def api_device(host: str) -> dict:
    """What a record says of where a model behind an API computes."""
    return {"name": host, "dtype": "unknown", "reason": "behind an API"}


def _said(*words: dict[str, str]) -> dict:
    """What an experiment depends on where words for images are in its prompts: these very words;
    {} without any.
    """
    return {"image_text": fingerprint([IMAGE_LINE, *words])} if any(words) else {}


def parent_of(adapter: Path | None) -> str:
    """Id of the run that made an adapter, if a run made it."""
    made_by_run = adapter is not None and (adapter.parent / "run.json").exists()
    return load_run(adapter.parent).id if made_by_run else ""


def _answers_name(settings: SimpleNamespace, shots: int, adapter: Path | None) -> str:
    """What tables call a set of answers."""
    system = recordable(settings)["MODEL"] + (" + LoRA" if adapter else "")
    if adapter and settings.ADAPTER:
        system += f" {file_hash(adapter / 'adapter_model.safetensors')[:6]}"
    choice = f" ({settings.SHOT_CHOICE})" if shots else ""
    trained_here = (
        adapter and not settings.ADAPTER
    )  # another adapter was not made with these settings
    captions_vary = CAPTIONS_VARY if settings.CAPTIONER != NONE else ()
    varies = dict.fromkeys(
        [*(TRAINING_VARIES if trained_here else ()), *ANSWERS_VARY, *captions_vary]
    )
    return f"{system}, {shots} shot{'' if shots == 1 else 's'}{choice}{variant(settings, varies)}"


def about_run(
    kind: str,
    name: str,
    data: Dataset,
    split: str,
    settings: SimpleNamespace,
    *,
    model: str = "",
    prompt: str = "",
) -> dict:
    """What `run.json` says for readers; `model` and `prompt` where they are not those of the text
    model.
    """
    parameters = recordable(settings)
    return {
        "kind": kind,
        "name": name,
        "profile": settings.PROFILE,
        "dataset": data.name,
        "language": data.language,
        "split": split,
        "data_fingerprint": data.fingerprint(split),
        "model": model or parameters["MODEL"],
        "revision": settings.REVISION,
        "prompt": prompt or prompt_identity(settings),
        "seed": settings.SEED,
        "parameters": parameters,
    }
