"""The challenge's metrics for a set of predictions: one grader for every baseline and every tuned
model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.cases import Answer, Case, check_matching
from helpers.files import LabError
from helpers.metrics import bertscore, deltableu
from helpers.metrics.measure import Measured, has_reference
from helpers.metrics.scores import Score

MEASURES = ("deltableu", "bertscore")
MODES = ("aligned", "official")
# What the challenge's program calls the metrics; it adds the language ("deltableu_en").
CHALLENGE_NAMES = {
    "deltableu": "deltableu",
    "bertscore_f1": "BERTScore",
    "bertscore_precision": "BERTScore_precision",
    "bertscore_recall": "BERTScore_recall",
}


@dataclass(frozen=True)
class Scores:
    """Scores by metric, the language of the answers, the number of cases, the cases without an
    answer, and how many answers were out of place.

    `out_of_place` counts answers that do not stand at their case's position: it matters in
    `official` mode, which compares by position.
    """

    scores: dict[str, Score]
    language: str
    n: int
    missing: tuple[str, ...]
    out_of_place: int


def score_predictions(
    cases: Sequence[Case],
    predictions: Sequence[Answer],
    *,
    metrics: Sequence[str] = MEASURES,
    mode: str = "aligned",
    encoder: str = "minilm",
    language: str = "en",
    seed: int = 0,
) -> Scores:
    """Score answers against the references of their cases.

    `metrics`: "deltableu" (0 to 100), "bertscore" (0 to 1). `mode`: "aligned" matches answers by
    case id, a missing one counts as empty; "official" repeats the challenge's program with its
    faults: answers are compared by position, and deltaBLEU lower-cases answers only. `encoder`: for
    BERTScore, see `bert_scores`. `seed`: of the bootstrap. Returns scores by the keys of
    `METRICS`: `deltableu`, `bertscore_f1`, `bertscore_precision`, `bertscore_recall`. Raises
    `LabError` for unknown metrics or modes, unknown or doubled ids, cases without references and,
    in `official` mode, a number of answers that is not the number of cases.
    """
    _check_request(cases, metrics, mode)
    missing = check_matching(cases, predictions)
    answers = _answers(cases, predictions, mode)
    measured: dict[str, Measured] = {}
    if "deltableu" in metrics:
        measured |= deltableu.score_texts(cases, answers, mode=mode, language=language, seed=seed)
    if "bertscore" in metrics:
        measured |= bertscore.score_texts(cases, answers, mode=mode, encoder=encoder, seed=seed)
    moved = sum(case.id != prediction.case_id for case, prediction in zip(cases, predictions))
    return Scores(
        scores={key: found.score for key, found in measured.items()},
        language=language,
        n=len(cases),
        missing=tuple(missing),
        out_of_place=moved,
    )


def scores_json(scores: Scores) -> dict:
    """Return what the command `score` prints: values, intervals, `n`, `missing` (how many) and the
    signatures in one line.

    Metrics have the challenge's names, with the language at the end ("BERTScore_en" is the F1).
    """
    shown: dict[str, object] = {}
    for key, score in scores.scores.items():
        name = f"{CHALLENGE_NAMES[key]}_{scores.language}"
        shown[name] = score.value
        shown[f"{name}_interval"] = [score.low, score.high]
    shown |= {"n": scores.n, "missing": len(scores.missing)}
    if scores.missing:
        shown["missing_ids"] = list(scores.missing)
    signatures = dict.fromkeys(score.signature for score in scores.scores.values())
    if any("|mode:official|" in signature for signature in signatures):
        shown["out_of_place"] = scores.out_of_place
    return shown | {"signature": " ".join(signatures)}


def _check_request(cases: Sequence[Case], metrics: Sequence[str], mode: str) -> None:
    unknown = [metric for metric in metrics if metric not in MEASURES]
    if unknown or not metrics:
        asked = ", ".join(map(repr, unknown)) or "no metric"
        raise LabError(
            f"The metrics asked for are {asked}, but there are {' and '.join(MEASURES)}: name one "
            "or both."
        )
    if mode not in MODES:
        raise LabError(
            f"The mode asked for is {mode!r}, but there are {' and '.join(MODES)}: name one of "
            "them."
        )
    if not cases:
        raise LabError(
            "Scores were asked for, but there are no cases: check the references file and the "
            "split."
        )
    if bare := [case.id for case in cases if not has_reference(case)]:
        raise LabError(
            f"Scores were asked for, but {len(bare)} of the {len(cases)} cases have no reference "
            f"answer (the first is {bare[0]!r}): such cases can be answered, not scored; choose a "
            "split that has references."
        )


def _answers(cases: Sequence[Case], predictions: Sequence[Answer], mode: str) -> list[str]:
    """The answer that each case is scored with, in the order of the cases."""
    if mode == "aligned":
        texts = {prediction.case_id: prediction.text for prediction in predictions}
        return [texts.get(case.id, "") for case in cases]
    if len(predictions) != len(cases):
        raise LabError(
            f"The mode official compares by position, but there are {len(predictions)} answers for "
            f"{len(cases)} cases: give every case an answer, or use the mode aligned."
        )
    return [prediction.text for prediction in predictions]
