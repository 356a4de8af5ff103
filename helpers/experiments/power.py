"""What a recorded study can show: the smallest difference for each of its claims, and what it would
take to show half of it.
"""

from dataclasses import dataclass

from helpers.experiments.recorded import read_study
from helpers.experiments.verdicts import Verdict
from helpers.files import LabError
from helpers.metrics.power import Need, what_it_takes


@dataclass(frozen=True)
class Power:
    """What one claim can show by one metric.

    Attributes:
        verdict: the claim, its difference, and the smallest one that it could have shown.
        half: what it takes to show half of that; None where nothing varied, so that it is unknown.
    """

    verdict: Verdict
    half: Need | None


def power_of(name: str) -> list[Power]:
    """Compute what a recorded study can show, from what each case contributes to its scores.

    Raises:
        LabError: the study is not recorded, makes no claims, or lacks runs or cases.
    """
    study = read_study(name)
    if not study.verdicts:
        raise LabError(
            f"The study {name!r} makes no claims, so there is no difference that it could show."
        )
    return [Power(one, _half(one)) for one in study.verdicts_again()]


def _half(one: Verdict) -> Need | None:
    return what_it_takes(one.score, one.could_show / 2, one.level)
