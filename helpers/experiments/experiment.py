"""What an experiment is, and the one way to do it: found if it is done, taken up if it is not.

One kind of experiment is one class in one module of this folder. Its fields are what determines its
result; a field that is itself an experiment is done first. `work` does the work, and is called
again after an interruption. Everything else is written here, once.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import helpers.experiments as folder
from helpers.experiments.advice import parameters_named
from helpers.experiments.damage import reopened
from helpers.experiments.runs import Run, find_run, open_run, run_folder
from helpers.experiments.scores import Grading
from helpers.files import LabError, fingerprint, full_disk_told
from helpers.settings.section import Section, all_values, setting


class Experiment(Section):
    """One kind of experiment. A subclass declares its fields, and does its `work`.

    `version`: raised by hand when results of this kind change their meaning. `said`: parameters
    that `label` says, or that tables show in columns of their own. `needs_images`: True for a kind
    that can do nothing without images on disk.
    """

    version: ClassVar[int] = 1
    needs_images: ClassVar[bool] = False
    said: ClassVar[frozenset[str]] = frozenset()
    profile: str = setting(
        "pocket",
        "pocket (no network, minutes), laptop (a real LLM, an hour), t4 (free Colab GPU) or a100",
        effect=False,
    )

    @classmethod
    def of_profile(cls, profile: str, given: Mapping[str, Any] | None = None) -> Self:
        """Make the experiment that a profile has; see `Section.of_profile`."""
        return super().of_profile(profile, dict(given or {}) | {"PROFILE": profile})

    @classmethod
    def kind(cls) -> str:
        """Return the name of the kind: that of its module."""
        return cls.__module__.rpartition(".")[2]

    def needs(self) -> dict[str, "Experiment"]:
        """Return the experiments that are done first, by what they are called here.

        A kind may start from more than its fields (the captions of its cases).
        """
        return self.fields_done_first()

    def fields_done_first(self) -> dict[str, "Experiment"]:
        """Return the fields that are experiments themselves."""
        values = self.effective().items()
        return {name: value for name, value in values if isinstance(value, Experiment)}

    def inputs(self) -> dict[str, Any]:
        """Return all that the result depends on, by fingerprints; hashed into the run's id."""
        return super().identity()

    def identity(self) -> str:
        """Return what identifies the experiment where another one starts from it: its run's id."""
        return run_id(self)

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the experiment for readers, besides its settings."""
        found: dict[str, Any] = {}
        for value in self.effective().values():
            if isinstance(value, Section) and not isinstance(value, Experiment):
                found |= value.about()
        return found

    def check(self) -> None:
        """Refuse at once what could only fail later; nothing is loaded for it but data."""

    def variants(self, settings: Callable[[type[Section]], Any]) -> Sequence[Self]:
        """Return what a notebook that compares such experiments does, this one among them.

        Args:
            settings: makes a section as the notebook's parameters and the profile have it.
        """
        return [self]

    def label(self) -> str:
        """Return what tables call it, but for what is not as the profile has it."""
        return self.kind()

    def work(self, run: Run) -> None:
        """Do what is not done yet. `run.needs` holds the runs of `needs`, by field."""
        raise NotImplementedError

    def score(self, run: Run, grading: Grading) -> None:
        """Write the scores of a finished run, if it has any and they are not there."""

    def title(self) -> str:
        """Return the label, with the parameters that are not as the profile has them."""
        usual = usual_parameters(self)
        said = ALWAYS_SAID.union(*(one.said for one in with_inner(self)))
        varied = {
            name: value
            for name, value in self.parameters().items()
            if name not in said and value != usual.get(name)
        }
        more = ", ".join(f"{name} {value}" for name, value in varied.items())
        return f"{self.label()}; {more}" if more else self.label()


# What stands in columns or headlines of its own.
ALWAYS_SAID = {"PROFILE", "SEED", "DATASET", "LANGUAGE", "SPLIT", "MODEL"}


def with_inner(experiment: Experiment) -> list[Experiment]:
    """Return an experiment, those that are its fields, and theirs."""
    inner = experiment.fields_done_first().values()
    return [experiment, *(one for field in inner for one in with_inner(field))]


def usual_parameters(experiment: Experiment) -> dict[str, Any]:
    """Return the parameters that this kind, and those that it starts from, have by the profile."""
    usual: dict[str, Any] = {}
    for one in with_inner(experiment):
        plain = type(one).of_profile(one.profile)
        usual = all_values(plain) | plain.parameters() | usual
    return usual


def run_id(experiment: Experiment) -> str:
    """Return the id of an experiment's run, from its inputs alone: no model is loaded for it."""
    kind, version = experiment.kind(), experiment.version
    return fingerprint({"kind": kind, "version": version, "inputs": experiment.inputs()})


def record(experiment: Experiment) -> Run:
    """Do an experiment and those that it starts from, or find it done.

    Raises:
        LabError: a setting that cannot be; the sentence names the notebook parameter.
        WorkFailed: what was done is kept, and the same call goes on from there.
    """
    with parameters_named(type(experiment)):
        own_id = run_id(experiment)
    with full_disk_told(run_folder(experiment.kind(), own_id)):
        return _find_or_do(experiment, own_id)


def _find_or_do(experiment: Experiment, own_id: str) -> Run:
    """Do an experiment under its id, or find it done and as it was written."""
    run = find_run(experiment.kind(), own_id)
    if run and run.done and not reopened(run):
        return run
    needs = {name: record(need) for name, need in experiment.needs().items()}
    run = run or open_run(experiment.kind(), own_id, about=_about(experiment), parents=needs)
    run.needs = needs
    with run.working() as needed, parameters_named(type(experiment)):
        if needed:
            experiment.work(run)
    return run


def record_scored(experiment: Experiment, grading: Grading) -> Run:
    """Do an experiment, or find it done, and score its result."""
    run = record(experiment)
    with parameters_named(Grading), run.alone():
        experiment.score(run, grading)
    return run


def find_kind(name: str) -> type[Experiment]:
    """Find a kind of experiment by its name, that of its module in this folder.

    Raises:
        LabError: there is no such kind.
    """
    known = {module.name for module in pkgutil.iter_modules(folder.__path__)}
    kind = _kind_in(name) if name in known else None
    if kind is None:
        raise LabError(f"There is no kind of experiment {name!r}: correct its name.")
    return kind


def list_kinds() -> list[type[Experiment]]:
    """List all kinds of experiment, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    return [kind for kind in map(_kind_in, names) if kind]


def _kind_in(name: str) -> type[Experiment] | None:
    """Return the kind that a module of this folder declares, if it declares one that does work."""
    module = importlib.import_module(f"{folder.__name__}.{name}")
    for value in vars(module).values():
        here = getattr(value, "__module__", "") == module.__name__
        if here and isinstance(value, type) and issubclass(value, Experiment):
            return value if value.work is not Experiment.work else None
    return None


def layers(experiments: Iterable[Experiment]) -> list[list[Experiment]]:
    """Order experiments, with all that they start from, by what must be done before what.

    Returns:
        lists in which nothing depends on anything beside it; equal experiments stand once.
    """
    depths: dict[str, tuple[int, Experiment]] = {}
    for experiment in experiments:
        _place(experiment, depths)
    deepest = max((depth for depth, _ in depths.values()), default=0)
    return [[one for depth, one in depths.values() if depth == n] for n in range(1, deepest + 1)]


def _place(experiment: Experiment, depths: dict[str, tuple[int, Experiment]]) -> int:
    """Place an experiment one above the highest of those that it starts from; return its depth."""
    key = f"{experiment.kind()}/{run_id(experiment)}"
    if key not in depths:
        below = [_place(need, depths) for need in experiment.needs().values()]
        depths[key] = (1 + max(below, default=0), experiment)
    return depths[key][0]


def _about(experiment: Experiment) -> dict[str, Any]:
    """Return what a run's record says of its experiment."""
    parameters = experiment.parameters()
    return {
        "name": experiment.title(),
        "profile": experiment.profile,
        "version": experiment.version,
        **experiment.about(),
        "seed": parameters.get("SEED", 0),
        "parameters": parameters,
        "inputs": experiment.inputs(),
    }
