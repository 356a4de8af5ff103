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
from helpers.experiments.vlm_inputs import first_image, images_fingerprint, prompt_identity
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
    """Merge what a run trained, and measure it in each of EDGE_FORMS on EDGE_THREADS threads of a
    CPU.

    The run's `forms` has a row per form, see `edge.measure`; its metrics hold what each form loses
    against the first of them ("int8: deltableu", ...), with paired intervals over the cases.
    `merged/` is the model.

    Raises:
        LabError: an unknown form, or no image of the split is on disk.
        WorkFailed: a form could not be measured.
    """
    forms = names_in(settings.EDGE_FORMS)
    if not forms or set(forms) - set(edge.FORMS):
        raise LabError(
            f"EDGE_FORMS is {settings.EDGE_FORMS!r}, but it lists some of: {', '.join(edge.FORMS)}."
        )
    cases = [
        case for case in cases_to_answer(data, settings) if case.images_on_disk and case.references
    ]
    if not cases:
        raise LabError(
            f"No case of the split {settings.SPLIT!r} of {data.name!r} has an image on disk and "
            "an answer to score against: choose another SPLIT or DATASET."
        )
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
    about = about_run(
        "edge",
        f"{training.record['name']}, on {settings.EDGE_THREADS} threads",
        data,
        settings.SPLIT,
        settings,
        model=training.record["model"],
        prompt=training.record["prompt"],
    )
    run = open_run(VLM_FINETUNE, determines=determines, about=about, parent=training.id)
    with run.working() as needed:
        if needed:
            folder = _merged(tuned, run.folder / "merged", ModelRef.parse(settings.VLM).id)
            asked = [(first_image(case), vlm_question(case, settings.VLM_PROMPT)) for case in cases]
            limits = {"max_new_tokens": settings.VLM_TOKENS, "max_side": settings.PICTURE_SIDE}
            measured = [
                edge.measure(folder, asked, form=form, threads=settings.EDGE_THREADS, **limits)
                for form in forms
            ]
            answers = {
                found["form"]: _predictions(cases, found.pop("answers")) for found in measured
            }
            lost = _lost(cases, answers, settings, data.language)
            by_form = {
                f"{form}: {key}": score
                for form, scores in lost.items()
                for key, score in scores.items()
            }
            run.save_scores(by_form, {key: verdict(score) for key, score in by_form.items()})
            same = {form: _same(answers[forms[0]], found) for form, found in answers.items()}
            run.save(
                forms=[
                    found
                    | {"same_answers": same[found["form"]]}
                    | _quality(cases, answers[found["form"]], settings, data)
                    for found in measured
                ]
            )
    return run


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
