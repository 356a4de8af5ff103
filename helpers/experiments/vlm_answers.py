"""Answers of VLMs about images, as they are and fine-tuned.

Each experiment opens its run, does what is not done yet, and records it (see `answers`). Settings
are the notebooks' parameters after the profile, by their names.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from helpers.cases import Case
from helpers.data import POCKET, Dataset
from helpers.experiments.about import about_run, parent_of
from helpers.experiments.advice import VLM_ANSWERS, parameters_named
from helpers.experiments.inputs import data_read, training_texts
from helpers.experiments.made_with import VLM_ANSWERS_VARY, VLM_TRAINING_VARIES
from helpers.experiments.model_refs import vlm_ref
from helpers.experiments.parameters import names_in, recordable, variant
from helpers.experiments.runs import Run, open_run
from helpers.experiments.scoring import answers_of, score_run, scoring_identity
from helpers.experiments.vlm_finetune import (
    VLM_FINETUNE,
    train_vlms,
    tuned_name,
)
from helpers.experiments.vlm_inputs import (
    cases_to_show,
    check_model,
    first_image,
    images_fingerprint,
    prompt_identity,
)
from helpers.files import LabError
from helpers.metrics import duplicates
from helpers.metrics.scores import Score, mean_score
from helpers.models.answering import answer_images, longest_first
from helpers.models.export import fetch_files
from helpers.models.memory import load_once
from helpers.models.prompts import VISUAL_PROMPTS, vlm_question
from helpers.models.refs import ModelRef


def with_vlm(settings: SimpleNamespace, **changes) -> SimpleNamespace:
    """The same settings with another model, number of epochs, ..."""
    return SimpleNamespace(**vars(settings) | changes)


def vlm_grid(data: Dataset, settings: SimpleNamespace) -> dict[float, Run]:
    """Answers of `settings.VLM` as it is (at 0), and fine-tuned for each number of VLM_EPOCHS."""
    runs: dict[float, Run] = {0: answer_with_vlm(data, settings)}
    for training in train_vlms(data, settings):
        runs[training.record["epochs"]] = answer_with_vlm(data, settings, training)
    return runs


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


@parameters_named(VLM_ANSWERS)
def answer_with_vlm(data: Dataset, settings: SimpleNamespace, training: Run | None = None) -> Run:
    """Ask `settings.VLM` about the first image of each case of a split, and score the answers.

    Args:
        training: the run that fine-tuned it; None asks the model as it is.
    """
    check_model(settings)
    cases = cases_to_show(data, settings)
    adapter = training.folder / "adapter" if training else None
    ref = vlm_ref(settings).but(adapter=adapter)
    determines = _determines(data, settings, ref, cases)
    about = about_run(
        "picture_answers",
        _answers_name(settings, training),
        data,
        settings.SPLIT,
        settings,
        model=recordable(settings)["VLM"],
        prompt=determines["prompt"],
    )
    epochs = training.record["epochs"] if training else 0
    about |= {"tuned": bool(training), "epochs": epochs}
    run = open_run(VLM_FINETUNE, determines=determines, parent=parent_of(adapter), about=about)
    with run.working() as needed:
        if needed:
            model = load_once(ref)
            answer_images(
                model,
                _questions(cases, settings),
                run.answers,
                batch=settings.VLM_ANSWER_BATCH,
                max_new_tokens=settings.VLM_TOKENS,
            )
            run.save(
                device=asdict(model.device),
                weights_mb=_size_mb(ref),
                largest_groups=_largest_groups(run, data, settings, cases),
            )
    return score_run(run, data, settings, more=lambda: _more_scores(run, data, cases))


def _determines(
    data: Dataset, settings: SimpleNamespace, ref: ModelRef, cases: Sequence[Case]
) -> dict:
    """What a set of answers depends on."""
    return {
        "weights": ref.fingerprint_weights(),
        "quantization": ref.quantization,
        "tuned": ref.fingerprint_adapter(),
        "prompt": prompt_identity(settings, glued=False),
        "images": images_fingerprint(cases),
        "max_side": ref.max_side,
        "data": data_read(data, settings),
        "generation": ref.fingerprint_generation(),
        "split": settings.SPLIT,
        "limit": settings.LIMIT,
        "max_new_tokens": settings.VLM_TOKENS,
        "scoring": scoring_identity(settings) | {"duplicates": duplicates.VERSION},
    }


def _questions(
    cases: Sequence[Case], settings: SimpleNamespace
) -> dict[str, tuple[Path | None, str]]:
    """First image and question of each case, the longest question first."""
    texts = {case.id: vlm_question(case, settings.VLM_PROMPT) for case in cases}
    images = {case.id: first_image(case) for case in cases}
    lengths = {case_id: len(text) for case_id, text in texts.items()}
    return {case_id: (images[case_id], texts[case_id]) for case_id in longest_first(lengths)}


def _answers_name(settings: SimpleNamespace, training: Run | None) -> str:
    """Return what tables call a set of answers."""
    model = recordable(settings)["VLM"]
    if training and settings.VLM_ADAPTER:  # it was not made with these settings
        name = f"{model} + {training.id[:6]}, {settings.VLM_PROMPT}"
        return name + variant(settings, VLM_ANSWERS_VARY)
    if training:
        varies = dict.fromkeys([*VLM_TRAINING_VARIES, *VLM_ANSWERS_VARY])
        return tuned_name(settings, training.record["epochs"]) + variant(settings, varies)
    return f"{model}, {settings.VLM_PROMPT}" + variant(settings, VLM_ANSWERS_VARY)


def _size_mb(ref: ModelRef) -> float:
    """Measure the weights that answer, in MB on disk: of the model and its adapter.

    A text tower that was trained whole is kept in full precision, which takes twice the room of a
    half one.
    """
    is_whole = ref.adapter and not (ref.adapter / "adapter_config.json").exists()
    base = [] if is_whole else [fetch_files(ref, ["*.safetensors"], offline=True)]
    folders = [*base, *([ref.adapter] if ref.adapter else [])]
    files = [path for folder in folders for path in folder.glob("*.safetensors")]
    return round(sum(path.stat().st_size for path in files) / 1e6, 2)


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
    found = answers_of(run)
    seconds = np.array([found[case.id].seconds for case in cases if found[case.id].tokens])
    texts = {case.id: found[case.id].text for case in cases}
    scores = duplicates.duplicate_scores(texts, training_texts(data))
    return scores | (
        {"seconds": mean_score(seconds, signature="seconds|share of its batch")}
        if len(seconds)
        else {}
    )
