"""Answers of an LLM, with worked examples or none, and the constants that any model must beat.

An experiment opens its run, does what is not done yet, and records it. Called twice with the same
settings, an experiment finds its own finished run and returns at once.
Settings are the notebooks' parameters after the profile, by their names (`settings.MODEL`, ...).
"""

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from helpers.data import Dataset
from helpers.experiments.about import about_run, captions_identity, parent_of
from helpers.experiments.advice import LLM_ANSWERS, parameters_named
from helpers.experiments.inputs import (
    cases_to_answer,
    check_questions,
    data_read,
    image_words,
    prompt_identity,
    prompts_with_shots,
    training_cases,
)
from helpers.experiments.made_with import ANSWERS_VARY, CAPTIONS_VARY, NONE, TRAINING_VARIES
from helpers.experiments.model_refs import llm_ref
from helpers.experiments.parameters import recordable, variant
from helpers.experiments.runs import Run, open_run
from helpers.experiments.scoring import score_run, scoring_identity
from helpers.files import fingerprint, write_json
from helpers.metrics.baselines import constant_answer_set, constant_answers
from helpers.models.answering import answer_all
from helpers.models.memory import load_once
from helpers.models.prompts import stop_text
from helpers.models.refs import ModelRef

FEW_SHOT, EVALUATION = "03_few_shot_inference", "09_evaluation"


@parameters_named(LLM_ANSWERS)
def answer(
    data: Dataset, settings: SimpleNamespace, *, shots: int, adapter: Path | None = None
) -> Run:
    """Answer the cases of a split with `shots` worked examples each, and score the answers.

    Args:
        adapter: folder of a LoRA adapter; None asks the model as it is.
    """
    if not shots and settings.IMAGE_TEXT == "shots":  # without shots it is what "question" is
        settings = SimpleNamespace(**vars(settings) | {"IMAGE_TEXT": "question"})
    cases = cases_to_answer(data, settings)
    check_questions(cases, settings)
    words = image_words(data, settings, cases, shots)
    ref = llm_ref(settings).but(adapter=adapter)
    determines = _determines(data, settings, ref, shots) | captions_identity(
        words.asked, words.shots
    )
    name = _answers_name(settings, shots, ref)
    about = about_run("answers", name, data, settings.SPLIT, settings)
    about |= {"tuned": bool(adapter), "shots": shots}
    run = open_run(FEW_SHOT, determines=determines, about=about, parent=parent_of(adapter))
    with run.working() as needed:
        if needed:
            model = load_once(ref, allow_upload=settings.ALLOW_UPLOAD)
            prompts, trace = prompts_with_shots(model, data, cases, settings, shots, words)
            write_json(run.folder / "shots.json", trace)
            dropped = sum(len(row["dropped"]) for row in trace.values())
            run.save(device=asdict(model.device), shots_dropped=dropped)
            answer_all(
                model,
                prompts,
                run.answers,
                batch=settings.ANSWER_BATCH,
                max_new_tokens=settings.MAX_NEW_TOKENS,
                stop=stop_text(settings.PROMPT, settings.ANSWER_ENDS),
            )
    return score_run(run, data, settings)


def _determines(data: Dataset, settings: SimpleNamespace, ref: ModelRef, shots: int) -> dict:
    """What a set of answers depends on, but for the captions in its prompts."""
    return {
        "weights": ref.fingerprint_weights(),
        "quantization": ref.quantization,
        "adapter": ref.fingerprint_adapter(),
        "prompt": prompt_identity(settings),
        "shots": shots,
        "data": data_read(data, settings),
        "generation": ref.fingerprint_generation(),
        "split": settings.SPLIT,
        "limit": settings.LIMIT,
        "shot_choice": settings.SHOT_CHOICE if shots else "",
        "seed": settings.SEED if shots else 0,
        "max_new_tokens": settings.MAX_NEW_TOKENS,
        "stop": stop_text(settings.PROMPT, settings.ANSWER_ENDS),
        "scoring": scoring_identity(settings),
    }


def baselines(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """Score the constant answers that any model must beat: one run each, nothing is generated."""
    return [
        _baseline(data, settings, name, text)
        for name, text in constant_answers(training_cases(data)).items()
    ]


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
        "model": "none",
        "constant": name,
    }
    run = open_run(EVALUATION, determines=determines, about=about)
    with run.working() as needed:
        if needed:
            run.answers.add(constant_answer_set(cases, text))
    return score_run(run, data, settings)


def _answers_name(settings: SimpleNamespace, shots: int, ref: ModelRef) -> str:
    """Return what tables call a set of answers."""
    system = recordable(settings)["MODEL"] + (" + LoRA" if ref.adapter else "")
    if ref.adapter and settings.ADAPTER:
        system += f" {ref.fingerprint_adapter()[:6]}"
    choice = f" ({settings.SHOT_CHOICE})" if shots else ""
    # Another adapter was not made with these settings.
    training = TRAINING_VARIES if ref.adapter and not settings.ADAPTER else ()
    captions = CAPTIONS_VARY if settings.CAPTIONER != NONE else ()
    varies = dict.fromkeys([*training, *ANSWERS_VARY, *captions])
    return f"{system}, {shots} shot{'' if shots == 1 else 's'}{choice}{variant(settings, varies)}"
