"""Many experiments unattended: what they start from first, then they themselves, then their scores.

Whatever is done is found, so that the same command goes on after an interruption. Where the work is
done is one function (`each`): warm processes of this machine, or another machine's.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from helpers.experiments.environment import environment
from helpers.experiments.experiment import Experiment, layers, record, record_scored, run_id
from helpers.experiments.processes import Each, in_processes
from helpers.experiments.recorded import write_study
from helpers.experiments.runs import Run, load_run, run_folder
from helpers.experiments.scores import Grading
from helpers.experiments.studies import Study, check_claims, load_studies
from helpers.files import LabError, WorkFailed


def sweep(
    experiments: Iterable[Experiment], grading: Grading, *, each: Each = in_processes
) -> list[str]:
    """Do experiments layer by layer, and score those that answer cases; return why some failed.

    One that fails fails once more with what starts from it; all others are done.
    """
    wanted, failed = list(experiments), []
    for depth, layer in enumerate(layers(wanted), start=1):
        # The longest trainings first, so that at the end no worker waits long for another.
        tasks = sorted(layer, key=lambda one: -one.parameters().get("EPOCHS", 0))
        failed += each(record, tasks, f"experiments, layer {depth}")
    scored = {run_id(one): one for one in wanted}
    failed += each(partial(record_scored, grading=grading), list(scored.values()), "scores")
    return list(dict.fromkeys(failed))


def sweep_studies(names: Sequence[str] = (), *, each: Each = in_processes) -> list[Study]:
    """Do studies, all of them or some, and write their compact records.

    Data sets that are not on this machine are left out, with a sentence.

    Raises:
        LabError: the code has changes that are not committed, so that no record could name what
            made it.
        WorkFailed: experiments that failed; the others are done, and nothing is recorded.
    """
    planned = load_studies(names)
    if environment()["dirty"]:
        raise LabError(
            "Recorded studies name the commit that made them, but there are uncommitted changes: "
            "commit."
        )
    studies = [study.on_this_machine() for study in planned]
    points = [point for study in studies for point in study.points()]
    if failed := sweep((point.experiment for point in points), Grading(), each=each):
        raise WorkFailed(
            f"{len(failed)} failures in {len(points)} points; the same command does them again. "
            + " ".join(failed)
        )
    for study in studies:
        _record(study)
    return studies


def _record(study: Study) -> None:
    """Write the compact record of a study whose points are done."""
    made = [(point, record_scored(point.experiment, Grading())) for point in study.points()]
    distinct = list(_with_parents([run for _, run in made]).values())
    unsure = [
        run.id for run in distinct if run.record["dirty"] or run.record["commit"] == "unknown"
    ]
    if unsure:
        raise LabError(
            f"{len(unsure)} runs were made from uncommitted code ({unsure[0]} is one), so they "
            "cannot be recorded: delete them from outputs/runs, and run this again."
        )
    write_study(study.name, study.asks, distinct, check_claims(study, made))


def _with_parents(runs: Sequence[Run]) -> dict[str, Run]:
    """Return runs by id, with all that they start from, and what these start from."""
    found: dict[str, Run] = {}
    for run in runs:
        parents = [_parent(name) for name in run.record["parents"].values()]
        found |= {run.id: run} | _with_parents(parents)
    return found


def _parent(name: str) -> Run:
    kind, _, parent_id = name.partition("/")
    return load_run(run_folder(kind, parent_id))
