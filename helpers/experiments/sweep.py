"""Many experiments unattended: points of a grid in warm workers, no kernel per run, resumed by the
same command.

A worker loads its libraries once. On a CPU there is one per core, with one thread each; on a GPU
there is one. First the adapters that the points need are trained, then the points are answered;
whatever is done is found.
"""

import shutil
from collections.abc import Sequence
from itertools import product
from types import SimpleNamespace

from helpers.data import Dataset, load_dataset
from helpers.experiments.answers import EVALUATION, FEW_SHOT, baselines
from helpers.experiments.caption_texts import with_captioner
from helpers.experiments.captions import CAPTIONING, caption, compare_captioners
from helpers.experiments.finetune import SFT, finetune
from helpers.experiments.made_with import CAPTIONS_VARY, constant_of
from helpers.experiments.parameters import parse, prepare
from helpers.experiments.runs import RECORDED, Run, environment, load_run
from helpers.experiments.small_device import measure_on_small_device
from helpers.experiments.studies import Cell, cells, check_claims, few_shot_grid, load_plan
from helpers.experiments.vlm_answers import vlm_grid
from helpers.experiments.vlm_finetune import VLM_FINETUNE, finetune_vlm
from helpers.experiments.workers import in_workers
from helpers.files import LabError, WorkFailed, display_path, read_json
from helpers.models.api.address import is_api_model
from helpers.settings.notebook_file import find_notebooks, read_parameters
from helpers.settings.profiles import resolve

# What a point of each notebook's grid calls: the functions that the notebook itself calls.
SWEPT = {
    CAPTIONING: lambda data, settings: list(compare_captioners(data, settings).values()),
    SFT: lambda data, settings: [finetune(data, settings)],
    FEW_SHOT: lambda data, settings: list(few_shot_grid(data, settings).values()),
    VLM_FINETUNE: lambda data, settings: list(vlm_grid(data, settings).values()),
    EVALUATION: baselines,
}

# Settings on which a training does not depend: of a text model, and of one that sees.
SEEN_ANSWERING = ("SPLIT", "LIMIT", "VLM_TOKENS", "VLM_ANSWER_BATCH", "VLMS", "ENCODER")
ANSWERING = (
    "SHOTS",
    "SHOT_CHOICE",
    "SPLIT",
    "LIMIT",
    "MAX_NEW_TOKENS",
    "ANSWER_ENDS",
    "ANSWER_BATCH",
    "ENCODER",
    "ALLOW_UPLOAD",
    "CAPTIONERS",
    "CAPTION_BATCH",
)


def sweep_notebook(name: str, *, profile: str, typed: list[list[str]], grid: list[str]) -> None:
    """Run every point of a grid of one notebook's parameters.

    Args:
        name: number or file name of the notebook.
        profile: "" takes the notebook's default.
        typed: pairs of parameter name and text, the same for all points.
        grid: texts such as "SEED=1,2,3"; all combinations are run.
    Raises:
        LabError: a notebook that cannot be swept, an unknown parameter, a value of the wrong type
            or size.
        WorkFailed: points that failed; the others are done.
    """
    path = find_notebooks([name])[0]
    if path.stem not in SWEPT:
        raise LabError(
            f"Notebook {path.stem} cannot be swept: the ones that can are {', '.join(SWEPT)}."
        )
    known = read_parameters(path)
    kinds = {name: parameter.kind for name, parameter in known.items()}
    fixed = {name: parameter.default for name, parameter in known.items()}
    fixed |= {name: parse(name, text, _kind(kinds, name)) for name, text in typed}
    fixed |= {"PROFILE": profile} if profile else {}
    varied = dict(_varied(text, kinds) for text in grid)
    points = [fixed | dict(zip(varied, values)) for values in product(*varied.values())]
    for point in points:
        prepare(point, kinds)  # a mistake is found before anything is done
    _do([(path.stem, point) for point in points])
    print(f"{len(points)} points done.")


def sweep_plan() -> None:
    """Run the studies of `studies.yaml`, check their claims, and copy the records to
    `outputs/recorded`.

    Raises:
        LabError: the code has changes that are not committed, so that no record could name what
            made it.
        WorkFailed: experiments that failed; the others are done, and nothing is copied.
    """
    if environment()["dirty"]:
        raise LabError(
            "Recorded studies name the commit that made them, but there are uncommitted changes: "
            "commit."
        )
    plan = load_plan()
    there = {name: values for name, values in plan.data.items() if _is_there(name, values)}
    _do(
        [
            (study.notebook, there[name] | point)
            for study in plan.studies
            for name in study.data
            if name in there
            for point in study.points(plan.seeds)
        ]
    )
    runs = [run for name, values in there.items() for run in _study_runs(plan, name, values)]
    _record(runs, set(there))
    print(f"{len(runs)} runs recorded in {display_path(RECORDED)}.")


def _varied(text: str, kinds: dict[str, str]) -> tuple[str, list]:
    """Parameter and values of one --grid."""
    name, _, values = text.partition("=")
    if not values:
        raise LabError(f"--grid {text!r} names no values: write it as --grid NAME=1,2,3.")
    return name, [parse(name, value, _kind(kinds, name)) for value in values.split(",")]


def _kind(kinds: dict[str, str], name: str) -> str:
    if name not in kinds:
        raise LabError(
            f"{name} is no parameter of this notebook; it knows {', '.join(sorted(kinds))}."
        )
    return kinds[name]


def _is_there(name: str, parameters: dict) -> bool:
    """Whether a data set of the plan can be had on this machine; if not, say so and why."""
    try:
        load_dataset(parameters["DATASET"], parameters.get("DATA_ROOT", ""))
    except LabError as error:
        print(f"Left out: {name}. {error}")
        return False
    return True


def _study_runs(plan, name: str, parameters: dict) -> list[Run]:
    """All runs of one data set, found as they are done by now, and its comparisons."""
    data, settings = _opened(parameters | {"SEED": plan.seeds[0]})
    runs = baselines(data, settings)
    constants = [Cell({"CONSTANT": constant_of(run.record)}, run) for run in runs]
    runs += [
        caption(data, with_captioner(settings, captioner))
        for captioner in plan.captioners.get(name, ())
    ]
    if name in plan.edge:
        data, point = _opened(parameters | plan.edge[name] | {"SEED": plan.seeds[0]})
        runs.append(
            measure_on_small_device(data, point, finetune_vlm(data, point, point.VLM_EPOCHS[0]))
        )
    for study in plan.studies:
        if name in study.data:
            made = [
                cell
                for point in study.points(plan.seeds)
                for cell in cells(study.notebook, *_opened(parameters | point))
            ]
            runs += [cell.run for cell in made] + check_claims(
                study, data, settings, [*constants, *made]
            )
    parents = {run.record["parent"]: run for run in runs if run.record.get("parent")}
    runs += [
        load_run(next(run.folder.parents[1].glob(f"*/{parent}"))) for parent, run in parents.items()
    ]
    return list({run.id: run for run in runs}.values())


def _record(runs: Sequence[Run], swept: set[str]) -> None:
    """Copy `run.json` and `metrics.json` of these runs, in place of all records of the data sets
    that were swept.
    """
    unsure = [run.id for run in runs if run.record["dirty"] or run.record["commit"] == "unknown"]
    if unsure:
        raise LabError(
            f"{len(unsure)} runs were made from uncommitted code ({unsure[0]} is one), so they "
            "cannot be recorded: delete them from outputs/runs, and run this again."
        )
    for path in RECORDED.glob("*/*/run.json"):
        if read_json(path)["dataset"] in swept:
            shutil.rmtree(path.parent)
    for run in runs:
        folder = RECORDED / run.record["notebook"] / run.id
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("run.json", "metrics.json"):
            if (run.folder / name).exists():
                shutil.copy(run.folder / name, folder / name)


def _opened(point: dict) -> tuple[Dataset, SimpleNamespace]:
    """Data and settings of a point."""
    settings = SimpleNamespace(**resolve(point.get("PROFILE", "pocket"), point))
    return load_dataset(settings.DATASET, settings.DATA_ROOT, language=settings.LANGUAGE), settings


def _trainings(points: Sequence[tuple[str, dict]]) -> list[tuple[str, dict]]:
    """The different trainings that these points need: their settings after the profile, but for the
    answers'.

    The longest of models that see come first, so that at the end no worker waits long for another.
    """
    found = []
    for notebook, point in points:
        values = resolve(point.get("PROFILE", "pocket"), point)
        if notebook == VLM_FINETUNE and not values["VLM_ADAPTER"]:
            kept = {name: value for name, value in values.items() if name not in SEEN_ANSWERING}
            found += [
                (notebook, kept | {"VLM_EPOCHS": [epochs]}) for epochs in values["VLM_EPOCHS"]
            ]
        elif (
            notebook in (SFT, FEW_SHOT)
            and not values["ADAPTER"]
            and not is_api_model(values["MODEL"])
        ):
            kept = {
                name: value for name, value in values.items() if name not in _without_effect(values)
            }
            found.append((notebook, kept))
    return sorted(
        found,
        key=lambda task: -max(task[1]["VLM_EPOCHS"], default=0) if task[0] == VLM_FINETUNE else 0,
    )


def _without_effect(settings: dict) -> tuple[str, ...]:
    """Return the settings on which this training does not depend."""
    return ANSWERING if settings["IMAGE_TEXT"] == "training" else (*ANSWERING, *CAPTIONS_VARY)


def _train(notebook: str, point: dict) -> None:
    data, settings = _opened(point)
    if notebook == VLM_FINETUNE:
        finetune_vlm(data, settings, settings.VLM_EPOCHS[0])
    else:
        finetune(data, settings)


def _point(notebook: str, point: dict) -> None:
    SWEPT[notebook](*_opened(point))


def _do(points: Sequence[tuple[str, dict]]) -> None:
    """Train, then answer; what fails is said at the end, after all the others are done."""
    # A training that fails fails once more with its point.
    in_workers(_train, _trainings(points), "adapters")
    failed = in_workers(_point, points, "points")
    if failed:
        raise WorkFailed(
            f"{len(failed)} of {len(points)} points failed; the same command does them again. "
            + " ".join(dict.fromkeys(failed))
        )
