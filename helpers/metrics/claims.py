"""A paper's claim beside what we measure: the difference of two sets of answers, its interval, and a verdict."""

from collections.abc import Sequence

import numpy as np

from helpers.cases import Case, Prediction
from helpers.metrics.deltableu import deltableu_from_sums, deltableu_signature, deltableu_statistics
from helpers.metrics.scores import Score, score_of


def deltableu_difference(
    cases: Sequence[Case],
    first: dict[str, Prediction],
    second: dict[str, Prediction],
    *,
    language: str = "en",
    seed: int = 0,
) -> Score | None:
    """deltaBLEU of `second` minus `first` in points, with a paired bootstrap interval over the same cases.

    `first` and `second` hold predictions by case id; a missing one counts as empty. Pairing (Koehn 2004) takes
    out what makes a case hard for both. Cases without references are left out; where no case has any, as in a
    challenge's test set, there is no difference to measure: None.
    """
    cases = [case for case in cases if case.references]
    if not cases:
        return None
    references = [case.references for case in cases]
    columns = [
        deltableu_statistics([_text(answers, case) for case in cases], references, language=language)
        for answers in (first, second)
    ]
    width = columns[0].shape[1]

    def difference(sums: np.ndarray) -> np.ndarray:
        return deltableu_from_sums(sums[..., width:]) - deltableu_from_sums(sums[..., :width])

    signature = "difference of " + deltableu_signature(references, mode="aligned", language=language)
    return score_of(np.hstack(columns), difference, signature=signature, seed=seed)


def verdict(difference: Score | None) -> str:
    """Whether a claimed gain appears: "reproduced" only where the whole interval lies above 0."""
    if difference is None:
        return "not measured: no references"
    if difference.low > 0:
        return "reproduced"
    if difference.high < 0:
        return "not reproduced: the reverse"
    return "not reproduced: no clear difference"


def claim_row(claim: str, paper: str, difference: Score | None) -> dict:
    """One row of a notebook's table of claims: the claim, the paper's value, ours with its interval, the verdict."""
    ours, n = "", 0
    if difference:
        ours, n = f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]", difference.n
    return {"claim": claim, "paper": paper, "ours (deltaBLEU points)": ours, "n": n, "verdict": verdict(difference)}


def _text(answers: dict[str, Prediction], case: Case) -> str:
    return answers[case.id].text if case.id in answers else ""
