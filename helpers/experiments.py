"""The experiments that notebooks (and sweeps) call: each opens its run, does what is not done yet, and records it.

Called twice with the same settings, an experiment finds its own finished run and returns at once.
Settings are the notebooks' parameters after the profile, by their names (`settings.MODEL`, ...).
"""

import gc
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from helpers.cases import Case, Prediction, read_predictions, write_submission
from helpers.datasets import Dataset
from helpers.files import LabError, append_jsonl, file_hash, fingerprint, write_json
from helpers.finetuning.lora_sft import LoraRecipe, train_adapter
from helpers.generation import answer_all, count_tokens
from helpers.metrics import bertscore, deltableu
from helpers.metrics.baselines import constant_answers, constant_predictions
from helpers.metrics.scoring import metrics_json, score_predictions
from helpers.models import TextModel, check_adapter, load_text_model, weights_fingerprint
from helpers.parameters import recordable
from helpers.prompts import alpaca, asked, prompt_id
from helpers.runs import Run, load_run, open_run
from helpers.shots import as_pairs, choose_shots, drop_until_fits, shot_pool

SFT, FEW_SHOT, EVALUATION = "02_lora_sft", "03_few_shot_inference", "09_evaluation"

_loaded: dict[tuple, TextModel] = {}


def finetune(data: Dataset, settings: SimpleNamespace) -> Run:
    """LoRA fine-tuning of `settings.MODEL` on the training titles and first answers; the run holds `adapter/`."""
    recipe = LoraRecipe(
        rank=settings.RANK, alpha=settings.ALPHA, learning_rate=settings.LEARNING_RATE, steps=settings.STEPS,
        batch=settings.BATCH, accumulation=settings.ACCUMULATION, max_length=settings.MAX_LENGTH, seed=settings.SEED,
    )
    # Validation answers only draw the second loss curve: a challenge's inputs have none.
    train, valid = shot_pool(data.split("train")), shot_pool(data.splits.get("valid", ()))
    if not train:
        raise LabError(
            f"The data set {data.name!r} has no training case with both a question and an answer, so "
            "there is nothing to learn: choose another DATASET."
        )
    determines = {
        "weights": weights_fingerprint(settings.MODEL, settings.REVISION), "quantization": settings.QUANTIZATION,
        "data": data.fingerprint("train"), "prompt": prompt_id(), "recipe": asdict(recipe),
    }
    model = recordable(settings)["MODEL"]
    about = _about("finetuning", f"{model} + LoRA", data, "train", settings)
    run = open_run(SFT, determines=determines, about=about)
    if run.done:
        return run
    card = {"model": model, **{key: determines[key] for key in ("weights", "data", "prompt")}}
    with run.working():
        _forget()
        text_model = load_text_model(settings.MODEL, revision=settings.REVISION, quantization=settings.QUANTIZATION)
        run.save(device=asdict(text_model.device), training_cases=len(train))
        train_adapter(text_model, train, valid, run.folder, recipe=recipe, card=card)
    return run


def answer(data: Dataset, settings: SimpleNamespace, *, shots: int, adapter: Path | str = "") -> Run:
    """Answer the cases of `settings.SPLIT` with `shots` worked examples each, and score the answers.

    Args:
        adapter: folder of a LoRA adapter; "" asks the model as it is.
    """
    cases, pool = cases_to_answer(data, settings), shot_pool(data.split("train"))
    determines = {
        "weights": weights_fingerprint(settings.MODEL, settings.REVISION), "quantization": settings.QUANTIZATION,
        "adapter": file_hash(Path(adapter) / "adapter_model.safetensors") if adapter else "", "prompt": prompt_id(),
        "data": [data.fingerprint("train"), data.fingerprint(settings.SPLIT)], "split": settings.SPLIT,
        "limit": settings.LIMIT, "shots": shots, "shot_choice": settings.SHOT_CHOICE if shots else "",
        "seed": settings.SEED if shots else 0, "max_new_tokens": settings.MAX_NEW_TOKENS,
        "scoring": _scoring(settings),
    }
    name = f"{recordable(settings)['MODEL']}{' + LoRA' if adapter else ''}, {shots} shot{'' if shots == 1 else 's'}"
    about = _about("answers", name, data, settings.SPLIT, settings) | {"tuned": bool(adapter), "shots": shots}
    run = open_run(FEW_SHOT, determines=determines, about=about, parent=_parent(adapter))
    if not run.done:
        with run.working():
            text_model = _load(settings, adapter)
            prompts, dropped = _prompts(text_model, cases, pool, settings, shots)
            run.save(device=asdict(text_model.device), shots_dropped=dropped)
            answer_all(text_model, prompts, run.folder / "predictions.jsonl",
                       max_new_tokens=settings.MAX_NEW_TOKENS, batch_size=settings.ANSWER_BATCH)
    return _scored(run, cases, settings)


def baselines(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """Score the constant answers that any model must beat: one run each, nothing is generated."""
    train = data.split("train") if "train" in data.splits else ()
    return [_baseline(data, settings, name, text) for name, text in constant_answers(train).items()]


def adapter_folder(data: Dataset, settings: SimpleNamespace) -> Path:
    """The adapter to answer with: `settings.ADAPTER` (an adapter's or a run's folder), or else notebook 02's.

    That one is trained now if it is not there yet.
    """
    if not settings.ADAPTER:
        return finetune(data, settings).folder / "adapter"
    folder = Path(settings.ADAPTER).expanduser()
    if not folder.is_dir():
        raise LabError(
            f"ADAPTER is {settings.ADAPTER!r}, but there is no such folder: name an adapter or a run of "
            "notebook 02."
        )
    if (folder / "run.json").exists():
        folder = load_run(folder).folder / "adapter"
    check_adapter(folder, settings.MODEL, settings.REVISION)
    return folder


def cases_to_answer(data: Dataset, settings: SimpleNamespace) -> tuple[Case, ...]:
    """The cases of `settings.SPLIT`, at most `settings.LIMIT` of them (0 for all)."""
    cases = data.split(settings.SPLIT)
    return cases[: settings.LIMIT] if settings.LIMIT else cases


def answers_of(run: Run) -> dict[str, Prediction]:
    """The answers of a run by case id."""
    return {answer.case_id: answer for answer in read_predictions(run.folder / "predictions.jsonl")}


def _baseline(data: Dataset, settings: SimpleNamespace, name: str, text: str) -> Run:
    cases = cases_to_answer(data, settings)
    # A hash, because a training answer is data, and records may be shared where data may not.
    determines = {
        "answer": fingerprint(text), "data": data.fingerprint(settings.SPLIT), "split": settings.SPLIT,
        "limit": settings.LIMIT, "scoring": _scoring(settings),
    }
    about = _about("baseline", f"constant: {name}", data, settings.SPLIT, settings) | {"model": "none"}
    run = open_run(EVALUATION, determines=determines, about=about)
    if not run.done:
        with run.working():
            path = run.folder / "predictions.jsonl"
            path.unlink(missing_ok=True)
            append_jsonl(path, [asdict(answer) for answer in constant_predictions(cases, text)])
    return _scored(run, cases, settings)


def _scored(run: Run, cases: tuple[Case, ...], settings: SimpleNamespace) -> Run:
    """Write the submission and, once, the scores over the cases with references."""
    answers = answers_of(run)
    write_submission(run.folder / "prediction.json", cases, list(answers.values()), run.record["language"])
    scorable = [case for case in cases if case.references]
    if scorable and not run.metrics:
        predictions = [answers[case.id] for case in scorable if case.id in answers]
        scores = score_predictions(scorable, predictions, encoder=settings.ENCODER, language=run.record["language"])
        write_json(run.folder / "metrics.json", metrics_json(scores))
    return run


def _scoring(settings: SimpleNamespace) -> dict:
    """What scores depend on besides the answers: another encoder or scorer makes another run.

    An encoder that cannot be had is found out here, before anything is trained or answered.
    """
    encoder = settings.ENCODER if settings.ENCODER == "minilm" else weights_fingerprint(settings.ENCODER)
    return {"encoder": encoder, "deltableu": deltableu.VERSION, "bertscore": bertscore.VERSION}


def _prompts(text_model: TextModel, cases, pool, settings: SimpleNamespace, shots: int) -> tuple[dict[str, str], int]:
    """Prompt of every case, and how many shots were dropped because they did not fit into the context."""
    room = text_model.context_length - settings.MAX_NEW_TOKENS
    prompts, dropped = {}, 0
    for case in cases:
        def fits(pairs) -> bool:
            return count_tokens(text_model, alpaca(asked(case), pairs)) <= room
        drawn = as_pairs(choose_shots(case, pool, count=shots, choice=settings.SHOT_CHOICE, seed=settings.SEED))
        kept = drop_until_fits(drawn, fits)
        prompts[case.id], dropped = alpaca(asked(case), kept), dropped + len(drawn) - len(kept)
    return prompts, dropped


def _load(settings: SimpleNamespace, adapter: Path | str) -> TextModel:
    """The text model of these settings; the last one is kept, because runs of one model follow each other."""
    key = (settings.MODEL, settings.REVISION, settings.QUANTIZATION, str(adapter))
    if key not in _loaded:
        _forget()
        _loaded[key] = load_text_model(
            settings.MODEL, revision=settings.REVISION, quantization=settings.QUANTIZATION, adapter=adapter
        )
    return _loaded[key]


def _forget() -> None:
    """Let go of the kept model before another one is loaded: two of 8 B do not fit on a T4."""
    _loaded.clear()
    gc.collect()


def _parent(adapter: Path | str) -> str:
    """Id of the run that made an adapter, if a run made it."""
    record = Path(adapter).parent / "run.json" if adapter else None
    return load_run(record.parent).id if record and record.exists() else ""


def _about(kind: str, name: str, data: Dataset, split: str, settings: SimpleNamespace) -> dict:
    """What `run.json` says for readers."""
    parameters = recordable(settings)
    return {
        "kind": kind, "name": name, "profile": settings.PROFILE,
        "dataset": data.name, "language": data.language, "split": split, "data_fingerprint": data.fingerprint(split),
        "model": parameters["MODEL"], "revision": settings.REVISION, "prompt": prompt_id(), "seed": settings.SEED,
        "parameters": parameters,
    }
