"""A claim held against runs: the difference of two sides by each metric, and the verdict.

Verdicts are corrected for their number (Holm): a study asks so much that some of its differences
look clear by chance alone. A family is all that a reader reads as one answer: everything a study
says, over its claims, metrics and data sets. What it says of repetition, which is neither gain nor
loss, is a family of its own, so that it makes no verdict on a claim harder to reach.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from helpers.experiments.runs import Run
from helpers.files import LabError
from helpers.metrics.claims import (
    can_decide,
    difference,
    holm,
    verdict,
    verdict_on_repetition,
)
from helpers.metrics.differences import LEVEL, Difference
from helpers.metrics.measure import Measured, statistic_of

# What is compared; of these, the last two are neither gain nor loss.
COMPARED = ("deltableu", "bertscore_f1", "named")
REPEATED = ("repeated", "from_training")
UNKNOWN = float("nan")

# What a paper reports of a claim, by metric: [of `than`, of `better`], or in which direction it
# says that `better` differs ("higher", "lower"), without figures.
Paper = Mapping[str, Sequence[float] | str]


@dataclass(frozen=True)
class Verdict:
    """What became of a claim by one metric.

    Attributes:
        score: the difference, the claimed better side minus the other one, with its interval over
            cases and seeds (95 %, for itself alone).
        verdict: "agrees", "disagrees" or "undecided" where a paper says something; "better",
            "worse" or "undecided" where nobody has; "more" or "fewer" of repetition.
        paper: what the paper reports, for reading.
        direction: its sign: 1, -1, or 0 for nothing, or no difference.
        than, better: the ids of both sides' runs.
        adjusted: the p value, corrected for the number of verdicts of the study; the verdict goes
            by it.
        could_show: the smallest true difference, without its sign, that this comparison would show
            with a probability of 80 % if it were the clearest one of its study; nan if unknown.
        level: the p value that the clearest one needs: 5 % over the number of verdicts.
    """

    says: str
    metric: str
    score: Difference
    verdict: str = ""
    paper: str = ""
    study: str = ""
    dataset: str = ""
    seeds: int = 1
    than: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    direction: int = 0
    adjusted: float = UNKNOWN
    could_show: float = UNKNOWN
    level: float = LEVEL

    @property
    def p(self) -> float:
        """The p value of no difference, for itself alone."""
        return self.score.p


def compare(
    says: str,
    than: Sequence[Run],
    better: Sequence[Run],
    *,
    paper: Paper | None = None,
    study: str = "",
    repetition: bool = False,
    metrics: Sequence[str] = (),
) -> list[Verdict]:
    """Hold the claim that `better` is better than `than` (one run per seed each) against their
    scores.

    Verdicts are corrected for the metrics of this claim; those of several claims that are read as
    one answer are put together and given to `judge`. A metric that a side lacks is left out:
    without references and labels the list is empty.

    Args:
        paper: what the paper reports, by metric.
        repetition: also whether `better` repeats more answers, or fewer.
        metrics: only these, instead of `COMPARED`.

    Raises:
        LabError: a metric cannot be compared.
    """
    paper, than, better = paper or {}, _distinct(than), _distinct(better)
    keys = (*_comparable(metrics or COMPARED), *(REPEATED if repetition else ()))
    sides = [[run.measured(keys) for run in side] for side in (than, better)]
    found = [
        Verdict(
            says,
            key,
            score,
            paper=paper_text(paper.get(key)),
            study=study,
            dataset=str(than[0].record["dataset"]),
            seeds=score.seeds,
            than=tuple(run.id for run in than),
            better=tuple(run.id for run in better),
            direction=direction_of(paper.get(key)),
        )
        for key in keys
        if (score := _difference(key, sides))
    ]
    return judge(found)


def judge(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Give the verdicts that one reader reads as one answer anew, corrected for their number.

    Comparisons of too few cases decide nothing, and do not count.
    """
    places = [place for place, one in enumerate(verdicts) if can_decide(one.score)]
    found = [_word(one, 1.0, LEVEL) for one in verdicts]
    for repetition in (False, True):
        family = [place for place in places if (verdicts[place].metric in REPEATED) == repetition]
        adjusted = holm([verdicts[place].p for place in family])
        for place, p in zip(family, adjusted):
            found[place] = _word(verdicts[place], p, LEVEL / len(family))
    return found


def verdicts_again(verdicts: Sequence[Verdict], runs: Sequence[Run]) -> list[Verdict]:
    """Give the verdicts of a study anew, from what each case contributes to its runs' scores.

    Raises:
        LabError: runs of a side are missing, or what their cases contribute.
    """
    known = {run.id: run for run in runs}
    return judge([replace(one, score=_difference_again(one, known)) for one in verdicts])


def _difference_again(one: Verdict, runs: Mapping[str, Run]) -> Difference:
    absent = [name for name in (*one.than, *one.better) if name not in runs]
    if absent or not (one.than and one.better):
        raise LabError(
            f"The record of the study {one.study!r} lacks runs of the claim {one.says!r} "
            f"({', '.join(absent) or 'all of a side'}): run the sweep of this study again."
        )
    sides = [
        [runs[name].measured([one.metric]) for name in side] for side in (one.than, one.better)
    ]
    found = _difference(one.metric, sides)
    if not found:
        raise LabError(
            f"The study {one.study!r} is recorded without what each case contributes to "
            f"{one.metric!r}, so that nothing can be computed from it again: run the sweep of "
            "this study again."
        )
    return found


def _difference(
    metric: str, sides: Sequence[Sequence[Mapping[str, Measured]]]
) -> Difference | None:
    """Compute the difference of two sides, measured once per seed; None if one lacks the metric."""
    if not all(metric in measured for side in sides for measured in side):
        return None
    return difference(metric, *([measured[metric] for measured in side] for side in sides))


def _word(one: Verdict, adjusted: float, level: float) -> Verdict:
    """Return a verdict with its word for a corrected p value, and with what it could have shown."""
    said = (
        verdict_on_repetition(one.score, p=adjusted)
        if one.metric in REPEATED
        else verdict(one.score, paper=one.direction, p=adjusted)
    )
    could_show = one.score.could_show(level)
    return replace(one, verdict=said, adjusted=adjusted, could_show=could_show, level=level)


def _comparable(metrics: Sequence[str]) -> Sequence[str]:
    """Return the metrics if all can be compared.

    Raises:
        LabError: one cannot.
    """
    for key in metrics:
        if not statistic_of(key):
            raise LabError(
                f"{key!r} was to be compared, but it is no metric with a value for each case: "
                f"name some of {', '.join((*COMPARED, *REPEATED))}."
            )
    return metrics


def direction_of(reported: Sequence[float] | str | None) -> int:
    """Return the sign of what a paper reports: 1, -1, or 0 for nothing, or no difference."""
    if isinstance(reported, str):
        return {"higher": 1, "lower": -1}[reported]
    if not reported:
        return 0
    before, after = reported
    return (after > before) - (after < before)


def paper_text(reported: Sequence[float] | str | None) -> str:
    """Return what a paper reports, for reading."""
    if isinstance(reported, str):
        return f"{reported}, without figures"
    return f"{reported[0]:.3f} to {reported[1]:.3f}" if reported else ""


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """Return runs without repetition: where nothing is random, every seed finds the same one."""
    return list({run.id: run for run in runs}.values())
