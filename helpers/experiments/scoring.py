"""The scores of a run's answers: one grader for every kind of experiment."""

from collections.abc import Callable
from types import SimpleNamespace

from helpers.cases import Answer, read_answers, write_submission
from helpers.data import Dataset
from helpers.experiments.inputs import cases_to_answer, training_cases
from helpers.experiments.runs import Run
from helpers.metrics import answers, bertscore, deltableu, diagnosis
from helpers.metrics.answers import answer_statistics
from helpers.metrics.scores import Score
from helpers.metrics.scoring import score_predictions
from helpers.models.refs import ModelRef


def answers_of(run: Run) -> dict[str, Answer]:
    """The answers of a run by case id."""
    return {answer.case_id: answer for answer in read_answers(run.folder / "predictions.jsonl")}


def score_run(
    run: Run, data: Dataset, settings: SimpleNamespace, more: Callable[[], dict[str, Score]] = dict
) -> Run:
    """Write the submission and, once, the scores: of all answers, and against references if any.

    Args:
        more: gives further scores of this kind of run.
    """
    cases, found = cases_to_answer(data, settings), answers_of(run)
    if run.scores:
        return run
    language = run.record["language"]
    write_submission(run.folder / "prediction.json", cases, list(found.values()), language)
    texts = [reference.text for case in training_cases(data) for reference in case.references]
    measured = answer_statistics(cases, found, texts) | more()
    if scorable := [case for case in cases if case.references]:
        predictions = [found[case.id] for case in scorable if case.id in found]
        against = score_predictions(
            scorable, predictions, encoder=settings.ENCODER, language=language
        )
        measured = against.scores | measured
    run.save_scores(measured)
    return run


def scoring_identity(settings: SimpleNamespace) -> dict:
    """What scores depend on besides the answers: another encoder or scorer makes another run.

    An encoder that cannot be had is found out here, before anything is trained or answered.
    """
    encoder = (
        settings.ENCODER
        if settings.ENCODER == "minilm"
        else ModelRef(settings.ENCODER).fingerprint_weights()
    )
    return {
        "encoder": encoder,
        "deltableu": deltableu.VERSION,
        "bertscore": bertscore.VERSION,
        "answers": answers.VERSION,
        "diagnosis": diagnosis.VERSION,
    }
