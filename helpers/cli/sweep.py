"""`sweep`: the experiments of a notebook in all combinations, or the recorded studies, in warm
processes, without a kernel for each.
"""

import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from helpers.cli.arguments import (
    Commands,
    Typed,
    add_parameters,
    count_values,
    read_typed,
    read_value,
    refuse_many,
    with_defaults,
)
from helpers.files import LabError, WorkFailed, display_path, outputs_folder
from helpers.settings.notebook_file import Parameter, find_notebooks, read_kinds, read_parameters
from helpers.settings.section import Section, all_parameters, is_optional, sections_in

if TYPE_CHECKING:  # they take a moment, and other commands come without them
    from helpers.experiments.experiment import Experiment
    from helpers.experiments.parameters import Parameters

STUDIES = "studies"  # in the place of a notebook: the recorded studies
# Of these a sweep has one value: what all its scores have in common.
NEVER_VARIED = ("PROFILE", "ENCODER")


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "sweep", help=f"a notebook's experiments in warm processes, or `{STUDIES}` to record"
    )
    command.add_argument("notebook", metavar="NOTEBOOK", help=f"01, 03, ..., or {STUDIES}")
    command.add_argument("names", nargs="*", metavar="STUDY", help="only these studies")
    command.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="NAME=1,2,3",
        help="values of one parameter; repeatable, for all combinations",
    )
    add_parameters(command, "a parameter that is the same everywhere")
    command.set_defaults(command=sweep)


def sweep(options: Namespace) -> int:
    """Sweep a notebook's experiments or the studies, and write the leaderboard page."""
    if options.notebook == STUDIES:
        if options.grid or options.parameters or (options.names and options.profile):
            raise LabError(
                "Studies say themselves what they vary: name some, or with --profile those of a "
                "profile, without --grid and -p."
            )
        _check_outputs()
        sweep_recorded(options.names, profile=options.profile or "pocket")
    else:
        if options.names:
            raise LabError(f"sweep takes one notebook, and {options.names[0]!r} stands beside it.")
        typed, grid = options.parameters, options.grid
        sweep_notebook(options.notebook, profile=options.profile, typed=typed, grid=grid)
    from helpers.report.leaderboard import write_page

    print(f"Leaderboard: {display_path(write_page())}")
    return 0


def sweep_recorded(names: Sequence[str] = (), *, profile: str = "pocket") -> None:
    """Do some of the recorded studies, or all of a profile; see `experiments.sweep.sweep_studies`.

    Raises:
        LabError: there is no study of a name, or none of the profile.
    """
    from helpers.models.process import prepare_process

    prepare_process()
    from helpers.experiments.studies import studies_of
    from helpers.experiments.sweep import sweep_studies

    print(f"{len(sweep_studies(names or studies_of(profile)))} studies recorded.")


def sweep_notebook(
    name: str, *, profile: str = "", typed: Typed = (), grid: Sequence[str] = ()
) -> None:
    """Do the experiments of a notebook.

    Args:
        name: number or file name of the notebook.
        profile: "" takes the notebook's default.
        typed: pairs of parameter name and text, the same for all points.
        grid: texts such as "SEED=1,2,3"; all combinations are done.
    Raises:
        LabError: a notebook that cannot be swept, an unknown parameter, a value of the wrong type
            or size, data that is not there; all of it before anything is done.
        WorkFailed: points that failed; the others are done.
    """
    from helpers.experiments.parameters import read
    from helpers.experiments.scores import Grading
    from helpers.models.process import prepare_process

    known, kinds = _open_notebook(name)
    for parameter, _ in typed:
        _refuse_unknown(parameter, known)
    varied = dict(_read_grid(text, known) for text in grid)
    parameters = read(with_defaults(known, read_typed(typed, known, profile) | varied), kinds)
    _check_outputs()
    prepare_process()
    from helpers.experiments.sweep import sweep as sweep_experiments

    points = notebook_experiments(parameters)
    if failed := sweep_experiments(points, parameters.settings(Grading)):
        raise WorkFailed(
            f"{len(failed)} failures in {len(points)} points; the same command does them again. "
            + " ".join(failed)
        )
    print(f"{len(points)} points done.")


def _check_outputs() -> None:
    """Fail now, not once in every worker, where nothing can be written.

    Raises:
        OSError: a folder that cannot be, or a disk that is full or read-only.
    """
    outputs_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=outputs_folder()):
        pass


def notebook_experiments(parameters: "Parameters") -> "list[Experiment]":
    """Make the experiments of a notebook: its first kind, in all combinations of parameters that
    hold a list, without what they may start from and with it (an adapter that the notebook trains);
    equal ones stand once.
    """
    from helpers.experiments.advice import parameters_named
    from helpers.experiments.experiment import run_id

    found: dict[str, Experiment] = {}
    for chosen in parameters.combinations():
        plain = parameters.settings(parameters.kinds[0], **chosen)
        for one in plain.variants(partial(parameters.settings, **chosen)):
            for experiment in _with_starts(one, parameters, chosen):
                with parameters_named(type(experiment)):
                    found.setdefault(run_id(experiment), experiment)
    return list(found.values())


def _with_starts(
    one: "Experiment", parameters: "Parameters", chosen: Mapping[str, Any]
) -> "list[Experiment]":
    """Return an experiment without what it may start from, and with it; one that asks a model
    behind an API starts from nothing.
    """
    model, starts = getattr(one, "model", None), {}
    if model is None or not model.is_remote:
        for name, field in type(one).model_fields.items():
            choices = sections_in(field.annotation) if is_optional(field.annotation) else []
            if start := _start(choices, parameters):
                starts[name] = [None, parameters.settings(start, **chosen)]
    return [one.but(dict(zip(starts, values))) for values in product(*starts.values())]


def _start(choices: Sequence[type[Section]], parameters: "Parameters") -> type[Section] | None:
    """Return what fills an optional field: what a person names (an adapter's folder), or the kind
    that the notebook does first; None where the notebook knows none.
    """
    from helpers.experiments.experiment import Experiment

    done_first = [kind for kind in choices if kind in parameters.kinds[1:]]
    named = [
        section
        for section in choices
        if not issubclass(section, Experiment)
        and any(name in parameters.given for name, *_ in all_parameters(section))
    ]
    return [*named, *done_first][0] if done_first else None


def _open_notebook(name: str) -> tuple[dict[str, Parameter], list[str]]:
    """Return parameters and kinds of the one notebook that is swept."""
    paths = find_notebooks([name])
    if len(paths) > 1:
        raise LabError(f"sweep takes one notebook, but {name!r} is {len(paths)}: name one of them.")
    path, kinds = paths[0], read_kinds(paths[0])
    if not kinds:
        able = [other.stem for other in find_notebooks(["all"]) if read_kinds(other)]
        raise LabError(
            f"Notebook {path.stem} cannot be swept, because it names no kind of experiment: the "
            f"ones that can are {', '.join(able) or 'none'}."
        )
    return read_parameters(path), kinds


def _read_grid(text: str, known: Mapping[str, Parameter]) -> tuple[str, list[Any]]:
    """Return parameter and values of one --grid."""
    name, _, values = text.partition("=")
    if not values:
        raise LabError(f"--grid {text!r} names no values: write it as --grid NAME=1,2,3.")
    _refuse_unknown(name, known)
    if name in NEVER_VARIED:
        raise LabError(f"--grid {name}: a sweep has one {name}; sweep once for each.")
    refuse_many(f"--grid {name}", count_values(values))
    kind = known[name].kind
    if kind == "list":
        return name, read_value(name, values, kind)
    return name, [read_value(name, value, kind) for value in values.split(",")]


def _refuse_unknown(name: str, known: Mapping[str, Parameter]) -> None:
    if name not in known:
        raise LabError(
            f"{name} is no parameter of this notebook; it knows {', '.join(sorted(known))}."
        )
