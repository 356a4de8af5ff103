"""The small device, VisionQAries' motive: a tuned model merged, packed into fewer bits, timed, and
its quality held against the unpacked one's. Settings are the notebooks' parameters after the
profile, by their names.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from helpers.cases import Answer, Case
from helpers.data import Dataset
from helpers.experiments.about import about_run
from helpers.experiments.inputs import cases_to_answer
from helpers.experiments.parameters import names_in
from helpers.experiments.runs import Run, open_run
from helpers.experiments.scoring import scoring_identity
from helpers.experiments.vlm_finetune import VLM_FINETUNE
from helpers.experiments.vlm_inputs import images_fingerprint, prompt_identity
from helpers.files import LabError
from helpers.metrics.claims import score_differences, verdict
from helpers.metrics.diagnosis import diagnosis_named
from helpers.metrics.scores import Score
from helpers.metrics.scoring import score_predictions
from helpers.models import small_device as edge
from helpers.models.export import export
from helpers.models.prompts import vlm_question
from helpers.models.refs import ModelRef, hash_weights


def measure_on_small_device(data: Dataset, settings: SimpleNamespace, training: Run) -> Run:
    """Merge what a run trained, and measure it in each of EDGE_FORMS on a few threads of a CPU.

    The run's `forms` has a row per form, see `small_device.measure`; its metrics hold what each
    form loses against the first of them ("int8: deltableu", ...), with paired intervals over the
    cases. `merged/` is the model.

    Raises:
        LabError: an unknown form, or no image of the split is on disk.
        WorkFailed: a form could not be measured.
    """
    forms, cases = _forms(settings), _cases(data, settings)
    tuned = training.folder / "adapter"
    determines = {
        "tuned": hash_weights(tuned),
        "forms": forms,
        "threads": settings.EDGE_THREADS,
        "images": images_fingerprint(cases),
        "data": data.fingerprint(settings.SPLIT),
        "limit": settings.LIMIT,
        "prompt": prompt_identity(settings, glued=False),
        "max_new_tokens": settings.VLM_TOKENS,
        "max_side": settings.PICTURE_SIDE,
        "scoring": scoring_identity(settings),
    }
    name = f"{training.record['name']}, on {settings.EDGE_THREADS} threads"
    model, prompt = training.record["model"], training.record["prompt"]
    about = about_run("edge", name, data, settings.SPLIT, settings, model=model, prompt=prompt)
    run = open_run(VLM_FINETUNE, determines=determines, about=about, parent=training.id)
    with run.working() as needed:
        if needed:
            folder = _merged(tuned, run.folder / "merged", ModelRef.parse(settings.VLM).id)
            measured = [_measure(folder, form, cases, settings) for form in forms]
            _record(run, measured, cases, settings, data)
    return run


def _forms(settings: SimpleNamespace) -> list[str]:
    forms = names_in(settings.EDGE_FORMS)
    if not forms or set(forms) - set(edge.FORMS):
        raise LabError(
            f"EDGE_FORMS is {settings.EDGE_FORMS!r}, but it lists some of: {', '.join(edge.FORMS)}."
        )
    return forms


def _cases(data: Dataset, settings: SimpleNamespace) -> list[Case]:
    """Return the cases with an image to show and an answer to score against."""
    found = [case for case in cases_to_answer(data, settings) if case.images_on_disk]
    cases = [case for case in found if case.references]
    if not cases:
        raise LabError(
            f"No case of the split {settings.SPLIT!r} of {data.name!r} has an image on disk and "
            "an answer to score against: choose another SPLIT or DATASET."
        )
    return cases


def _measure(folder: Path, form: str, cases: Sequence[Case], settings: SimpleNamespace) -> dict:
    asked = [(case.images_on_disk[0], vlm_question(case, settings.VLM_PROMPT)) for case in cases]
    return edge.measure(
        folder,
        asked,
        form=form,
        threads=settings.EDGE_THREADS,
        max_new_tokens=settings.VLM_TOKENS,
        max_side=settings.PICTURE_SIDE,
    )


def _record(
    run: Run,
    measured: list[dict],
    cases: Sequence[Case],
    settings: SimpleNamespace,
    data: Dataset,
) -> None:
    """Write what each form loses against the first one, and a row of figures for each."""
    answers = {found["form"]: _predictions(cases, found.pop("answers")) for found in measured}
    first = next(iter(answers.values()))
    lost = {
        f"{form}: {key}": score
        for form, scores in _lost(cases, answers, settings, data.language).items()
        for key, score in scores.items()
    }
    run.save_scores(lost, {key: verdict(score) for key, score in lost.items()})
    rows = []
    for found in measured:
        said = answers[found["form"]]
        quality = _quality(cases, said, settings, data)
        rows.append(found | {"same_answers": _same(first, said)} | quality)
    run.save(forms=rows)


def _merged(tuned: Path, to: Path, base: str) -> Path:
    """The folder of an ordinary model: adapter and base in one, or what was trained whole."""
    if not (tuned / "adapter_config.json").exists():
        return tuned
    if not to.exists():
        export(tuned, to, base=base)
    return to


def _predictions(cases: Sequence[Case], texts: Sequence[str]) -> dict[str, Answer]:
    return {case.id: Answer(case.id, text) for case, text in zip(cases, texts)}


def _lost(
    cases: Sequence[Case],
    answers: dict[str, dict[str, Answer]],
    settings: SimpleNamespace,
    language: str,
) -> dict[str, dict[str, Score]]:
    """By form, its scores minus those of the first form."""
    first, *others = answers
    return {
        form: score_differences(
            cases, [answers[first]], [answers[form]], encoder=settings.ENCODER, language=language
        )
        for form in others
    }


def _quality(
    cases: Sequence[Case], answers: dict[str, Answer], settings: SimpleNamespace, data: Dataset
) -> dict:
    scores = score_predictions(
        cases, list(answers.values()), encoder=settings.ENCODER, language=data.language
    ).scores
    named = diagnosis_named(cases, answers)
    return {
        "deltableu": scores["deltableu"].value,
        "bertscore_f1": scores["bertscore_f1"].value,
    } | ({"named": named.value} if named else {})


def _same(first: dict[str, Answer], second: dict[str, Answer]) -> float:
    """The share of answers that are the same to the letter."""
    return sum(first[case_id].text == answer.text for case_id, answer in second.items()) / len(
        first
    )
