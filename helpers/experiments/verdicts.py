"""A claim held against runs: the difference of two sides by each metric, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.experiments.runs import Run
from helpers.metrics.claims import difference, verdict, verdict_on_repetition
from helpers.metrics.scores import Score

# What is compared; of these, the last two are neither gain nor loss.
COMPARED = ("deltableu", "bertscore_f1", "named")
REPEATED = ("repeated", "from_training")

# What a paper reports of a claim, by metric: [of `than`, of `better`], or in which direction it
# says that `better` differs ("higher", "lower"), without figures.
Paper = Mapping[str, Sequence[float] | str]


@dataclass(frozen=True)
class Verdict:
    """What became of a claim by one metric.

    Attributes:
        score: the difference, the claimed better side minus the other one, with its interval over
            cases and seeds.
        verdict: "agrees", "disagrees" or "undecided" where a paper says something; "better",
            "worse" or "undecided" where nobody has; "more" or "fewer" of repetition.
        paper: what the paper reports, for reading.
        than, better: the ids of both sides' runs.
    """

    says: str
    metric: str
    score: Score
    verdict: str
    paper: str = ""
    study: str = ""
    dataset: str = ""
    seeds: int = 1
    than: tuple[str, ...] = ()
    better: tuple[str, ...] = ()


def compare(
    says: str,
    than: Sequence[Run],
    better: Sequence[Run],
    *,
    paper: Paper | None = None,
    study: str = "",
    repetition: bool = False,
) -> list[Verdict]:
    """Hold the claim that `better` is better than `than` (one run per seed each) against their
    scores.

    A metric that a side lacks is left out: without references and labels the list is empty.

    Args:
        paper: what the paper reports, by metric.
        repetition: also whether `better` repeats more answers, or fewer.
    """
    paper, found = paper or {}, []
    sides = [_distinct(than), _distinct(better)]
    keys = (*COMPARED, *REPEATED) if repetition else COMPARED
    columns = [[run.measured(keys) for run in side] for side in sides]
    for key in keys:
        if not all(key in measured for side in columns for measured in side):
            continue
        score = difference(key, *([measured[key] for measured in side] for side in columns))
        if score:
            said = (
                verdict_on_repetition(score)
                if key in REPEATED
                else verdict(score, paper=direction_of(paper.get(key)))
            )
            found.append(
                Verdict(
                    says,
                    key,
                    score,
                    said,
                    paper=paper_text(paper.get(key)),
                    study=study,
                    dataset=str(than[0].record["dataset"]),
                    seeds=max(map(len, sides)),
                    than=tuple(run.id for run in sides[0]),
                    better=tuple(run.id for run in sides[1]),
                )
            )
    return found


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
