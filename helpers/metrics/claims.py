"""A paper's claim beside what we measure: the difference of two sets of answers, its interval, and a verdict."""

from collections.abc import Sequence

import numpy as np

from helpers.cases import Case, Prediction
from helpers.metrics.bertscore import bert_scores
from helpers.metrics.deltableu import deltableu_from_sums, deltableu_signature, deltableu_statistics
from helpers.metrics.scores import Score, mean_score, score_of

# With fewer cases than this an interval says nothing, however narrow it is.
FEWEST_CASES = 10


def differences(
    cases: Sequence[Case],
    first: dict[str, Prediction],
    second: dict[str, Prediction],
    *,
    encoder: str,
    language: str = "en",
) -> dict[str, Score]:
    """`second` minus `first` by both of the challenge's metrics, with paired bootstrap intervals over the same cases.

    `first` and `second` hold predictions by case id; a missing one counts as empty. Pairing (Koehn 2004) takes
    out what makes a case hard for both. Cases without references are left out; where no case has any, as in a
    challenge's test set, there is nothing to measure and the result is empty.
    """
    cases = [case for case in cases if case.references]
    if not cases:
        return {}
    texts = [[answers[case.id].text if case.id in answers else "" for case in cases] for answers in (first, second)]
    return {
        "deltaBLEU": _deltableu_difference(cases, *texts, language=language),
        "BERTScore F1": _bertscore_difference(cases, *texts, encoder=encoder),
    }


def verdict(difference: Score) -> str:
    """Whether a claimed gain appears: "reproduced" only where the whole interval lies above 0."""
    if difference.n < FEWEST_CASES:
        return f"not measured: fewer than {FEWEST_CASES} cases"
    if difference.low > 0:
        return "reproduced"
    if difference.high < 0:
        return "not reproduced: the reverse"
    return "not reproduced: no clear difference"


def claim_rows(claim: str, paper: dict[str, str], measured: dict[str, Score]) -> list[dict]:
    """Rows of a notebook's table of claims, one per metric: the claim, the paper's value, ours, the verdict."""
    if not measured:
        return [{"claim": claim, "verdict": "not measured: no references"}]
    return [
        {
            "claim": claim, "metric": metric, "paper": paper.get(metric, ""),
            "ours": f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]",
            "n": difference.n, "verdict": verdict(difference),
        }
        for metric, difference in measured.items()
    ]


def _deltableu_difference(cases: list[Case], first: list[str], second: list[str], *, language: str) -> Score:
    references = [case.references for case in cases]
    columns = [deltableu_statistics(texts, references, language=language) for texts in (first, second)]
    width = columns[0].shape[1]

    def difference(sums: np.ndarray) -> np.ndarray:
        return deltableu_from_sums(sums[..., width:]) - deltableu_from_sums(sums[..., :width])

    signature = "difference of " + deltableu_signature(references, mode="aligned", language=language)
    return score_of(np.hstack(columns), difference, signature=signature)


def _bertscore_difference(cases: list[Case], first: list[str], second: list[str], *, encoder: str) -> Score:
    references = [[reference.text for reference in case.references] for case in cases]
    before, after = (bert_scores(texts, references, encoder=encoder) for texts in (first, second))
    return mean_score(after.f1 - before.f1, signature="difference of " + after.signature)
