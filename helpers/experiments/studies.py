"""Studies as data: one question, the points that answer it, and the claims that are held against
them. All studies are in `studies.yaml`; none of them needs code.
"""

import os
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from helpers.data import load_dataset
from helpers.experiments.experiment import Experiment, find_kind
from helpers.experiments.runs import Run
from helpers.experiments.trainings import in_stages
from helpers.experiments.verdicts import Paper, Verdict, compare, judge
from helpers.files import REPOSITORY, LabError
from helpers.settings.section import all_values, sections_in

PLAN = Path(__file__).with_name("studies.yaml")
SEEDS = (3407, 1, 2)
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """A claim that one side of a study is better than the other.

    `better` and `than` select points by what was changed in them, or by their parameters. `paper`:
    what the paper reports, by metric. `metrics`: what it is held against, if not what the study
    says.
    """

    says: str
    better: Changes
    than: Changes
    paper: Paper | None = None
    metrics: Sequence[str] = ()


@dataclass(frozen=True)
class Point:
    """One experiment of a study: what was changed for it, and what it is."""

    changes: Changes
    experiment: Experiment

    def matches(self, selector: Changes) -> bool:
        """True if the point was made with all that the selector names."""
        found = all_values(self.experiment) | self.experiment.parameters() | dict(self.changes)
        return all(name in found and found[name] == value for name, value in selector.items())


@dataclass(frozen=True)
class Study:
    """One question.

    Attributes:
        kind: the kind of experiment that a point is, unless it says so itself.
        base: changes that all points share.
        vary: axes; every combination is a point. The values of an axis are changes; plain values
            are those of the axis' own name.
        data: data sets, as changes.
        seeds: each is a run of its own wherever something is random.
        repetition: whether claims also say which side repeats more answers.
        metrics: what its claims are held against, if not `COMPARED`.
    """

    name: str
    asks: str
    kind: str
    data: Sequence[Changes]
    vary: Mapping[str, Sequence[Any]]
    base: Changes
    claims: Sequence[Claim] = ()
    seeds: Sequence[int] = SEEDS
    repetition: bool = False
    metrics: Sequence[str] = ()

    @property
    def profile(self) -> str:
        """The profile that all points have, unless they say so themselves."""
        return str(self.base.get("profile", "pocket"))

    def points(self) -> Iterator[Point]:
        """Make every point of the study: data sets, combinations of the axes, seeds."""
        axes = [[_changes(name, value) for value in values] for name, values in self.vary.items()]
        for steps in product(self.data, *axes):
            changes = dict(ChainMap(*reversed([dict(step) for step in (self.base, *steps)])))
            for seed in self.seeds:
                yield Point(changes, make_experiment(self.kind, changes, seed))

    def on_this_machine(self) -> "Study":
        """Return the study with those of its data sets that are here; tell which are not."""
        return replace(self, data=[values for values in self.data if _is_here(values, self.name)])


def make_experiment(kind: str, changes: Changes, seed: int) -> Experiment:
    """Make an experiment of a kind with changes.

    `changes` may name another "kind", and a "profile" (pocket if not). A field of experiments is
    changed by the name of their kind; by null; or, where it holds a training, by a list of stages,
    each with a "kind" and changes of its own besides those of the whole.
    """
    wanted = dict(changes)
    profile = wanted.pop("profile", "pocket")
    made = find_kind(wanted.pop("kind", kind)).of_profile(profile)
    nested = {name: wanted.pop(name) for name in list(wanted) if _kinds_in(made, name)}
    staged = {name: value for name, value in nested.items() if isinstance(value, list)}
    made = made.but(
        {
            name: find_kind(value).of_profile(profile) if value else None
            for name, value in nested.items()
            if name not in staged
        }
    )
    own = all_values(made)
    if "SEED" in own or staged:
        wanted["SEED"] = seed
    trained = {name: _in_stages(profile, stages, wanted) for name, stages in staged.items()}
    theirs = {name for one in trained.values() for name in all_values(one)}
    return made.but({k: v for k, v in wanted.items() if k in own or k not in theirs}).but(trained)


def _in_stages(profile: str, stages: Sequence[Changes], shared: Changes) -> Experiment:
    """Make stages of a training, one after the other, and return the last one."""
    made = []
    for stage in stages:
        changes = dict(stage)
        plain = find_kind(changes.pop("kind")).of_profile(profile)
        taken = {name: value for name, value in shared.items() if name in all_values(plain)}
        made.append(plain.but(taken | changes))
    return in_stages(made)


def _kinds_in(made: Experiment, name: str) -> list[type[Experiment]]:
    """Return the kinds of experiment that a field may hold, or one further down ("a.b")."""
    *above, last = name.split(".")
    holder: Any = made
    for part in above:
        holder = getattr(holder, part, None)
    field = type(holder).model_fields.get(last) if isinstance(holder, Experiment) else None
    kinds = sections_in(field.annotation) if field else []
    return [kind for kind in kinds if issubclass(kind, Experiment)]


def check_claims(study: Study, made: Sequence[tuple[Point, Run]]) -> list[Verdict]:
    """Hold the claims of a study against its runs, one data set after another.

    All verdicts together are corrected for their number.
    """
    found: list[Verdict] = []
    for dataset in dict.fromkeys(run.record["dataset"] for _, run in made):
        here = [(point, run) for point, run in made if run.record["dataset"] == dataset]
        for claim in study.claims:
            found += compare(
                claim.says,
                _side(study, here, claim.than),
                _side(study, here, claim.better),
                paper=claim.paper,
                study=study.name,
                repetition=study.repetition,
                metrics=claim.metrics or study.metrics,
            )
    return judge(found)


def load_studies(names: Sequence[str] = ()) -> list[Study]:
    """Read the studies of `studies.yaml`, all or some.

    Raises:
        LabError: there is no study of a name.
    """
    import yaml

    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    if unknown := [name for name in names if name not in plan["studies"]]:
        raise LabError(f"There is no study {unknown[0]!r}; there are {', '.join(plan['studies'])}.")
    return [
        _read_study(name, entry, plan["data"])
        for name, entry in plan["studies"].items()
        if not names or name in names
    ]


def studies_of(profile: str) -> list[str]:
    """Name the studies of a profile.

    Raises:
        LabError: there are none.
    """
    studies = load_studies()
    found = [study.name for study in studies if study.profile == profile]
    if not found:
        there = ", ".join(dict.fromkeys(study.profile for study in studies))
        raise LabError(f"There are no studies of the profile {profile!r}, only of {there}.")
    return found


def _read_study(name: str, entry: dict, data: Mapping[str, dict]) -> Study:
    claims = [Claim(**claim) for claim in entry.pop("claims", ())]
    sets = [_where(data[one]) for one in entry.pop("data")]
    entry = {"base": {}, "vary": {}} | entry
    return Study(name, claims=claims, data=sets, **entry)


def _where(changes: dict) -> dict:
    """Return a data set with its folder under LAB_SHARED, if it is there; else it is fetched or
    built, as one is that is named by another parameter.
    """
    shared = Path(os.environ.get("LAB_SHARED") or REPOSITORY.parent / "shared")
    named = dict(changes)
    if "DATASET" not in named:
        return named
    folder = shared / "data" / "dermavqa" / named.pop("folder", named["DATASET"])
    return named | {"DATA_ROOT": str(folder)} if folder.is_dir() else named


def _is_here(changes: Changes, study: str) -> bool:
    """Tell whether a data set can be had on this machine; if not, say why."""
    if "DATASET" not in changes:
        return True
    try:
        load_dataset(changes["DATASET"], changes.get("DATA_ROOT", ""))
    except LabError as error:
        print(f"{study}: {changes['DATASET']} is left out. {error}")
        return False
    return True


def _changes(axis: str, value: Any) -> Changes:
    """Return one step along an axis as changes."""
    return value if isinstance(value, dict) else {axis: value}


def _side(study: Study, made: Sequence[tuple[Point, Run]], selector: Changes) -> list[Run]:
    runs = [run for point, run in made if point.matches(selector)]
    if not runs:
        raise LabError(
            f"Study {study.name!r} has no point with {dict(selector)}: correct studies.yaml."
        )
    return runs
