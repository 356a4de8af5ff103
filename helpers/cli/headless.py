"""Notebooks without a browser: papermill with checked names and types, and a success that is really
one.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from helpers.experiments.parameters import parse, prepare
from helpers.files import LabError, WorkFailed, display_path, outputs_folder, write_text
from helpers.notebook import RUN_RECORD
from helpers.report.leaderboard import write_page
from helpers.settings.notebook_file import Parameter, find_notebooks, read_parameters

# Every kernel warns that its loopback connection is not encrypted, and an interrupted one reports
# its closed connection as an error; neither is news to anybody here.
KERNEL_OPTIONS = ["--IPKernelApp.log_level=CRITICAL"]


def run_notebooks(names: list[str], *, profile: str = "", typed: Sequence[list[str]] = ()) -> None:
    """Execute notebooks one after another and write the leaderboard page.

    Args:
        names: numbers or file names ("02", "03_few_shot_inference"), or "all".
        profile: "" keeps what the notebooks say.
        typed: pairs of parameter name and text, each put into the notebooks that know it.
    Raises:
        LabError: an unknown notebook, a parameter that none of them knows, a value of the wrong
            type or size, data that is not there; all of it before any notebook is executed.
        WorkFailed: a cell failed, a kernel died, or a notebook did not come to its end.
    """
    known = {path: read_parameters(path) for path in find_notebooks(names)}
    _refuse_unknown(typed, {name for parameters in known.values() for name in parameters})
    plan = {path: _injected(parameters, profile, typed) for path, parameters in known.items()}
    for path, parameters in known.items():
        defaults = {name: parameter.default for name, parameter in parameters.items()}
        prepare(
            defaults | plan[path], {name: parameter.kind for name, parameter in parameters.items()}
        )
    for path, values in plan.items():
        _execute(path, values)
    print(f"Leaderboard: {display_path(write_page())}")


def _refuse_unknown(typed: Sequence[list[str]], known: set[str]) -> None:
    for name, _ in typed:
        if name not in known:
            names = ", ".join(sorted(known))
            raise LabError(
                f"-p {name} is a parameter of none of these notebooks; they know {names}."
            )


def _injected(known: dict[str, Parameter], profile: str, typed: Sequence[list[str]]) -> dict:
    """Only what was typed: the rest is the profile's business."""
    values = {name: parse(name, text, known[name].kind) for name, text in typed if name in known}
    return values | ({"PROFILE": profile} if profile else {})


def _execute(path: Path, values: dict) -> None:
    """Execute one notebook into its run's folder."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    print(f"{path.stem} ...", flush=True)
    outputs_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=outputs_folder(), prefix=".executing-") as folder:
        executed = Path(folder) / path.name
        try:
            notebook = papermill.execute_notebook(
                path,
                executed,
                values,
                progress_bar=sys.stderr.isatty(),
                extra_arguments=KERNEL_OPTIONS,
            )
        except PapermillExecutionError as error:
            raise _failure(path, executed, values, error) from None
        except DeadKernelError:
            raise WorkFailed(
                f"{path.stem} failed: its kernel died, most often for want of memory; the same "
                "command goes on where it stopped."
            ) from None
    record = _run_record(path, notebook)
    folder = outputs_folder() / "runs" / record["notebook"] / record["run_id"]
    write_text(folder / "executed.ipynb", _without_paths(notebook, values))


def _failure(path: Path, executed: Path, values: dict, error) -> Exception:
    """What to tell of a failed cell: a mistake in what was asked, or work that failed, with a copy
    to look at.
    """
    if error.ename == "LabError":
        return LabError(error.evalue)
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    kept = write_text(outputs_folder() / f"failed-{path.name}", _without_paths(notebook, values))
    return WorkFailed(
        f"{path.stem} failed in cell {error.cell_index}: {error.ename}: {error.evalue}; the cells "
        f"up to there are in {display_path(kept)}."
    )


def _without_paths(notebook, values: dict) -> str:
    """The executed notebook as text, without the folders of this machine that papermill put into
    it.
    """
    import nbformat

    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            for value in values.values():
                if isinstance(value, str) and Path(value).is_absolute():
                    cell.source = cell.source.replace(value, display_path(value))
    return nbformat.writes(notebook)


def _run_record(path: Path, notebook) -> dict:
    """Return what the last cell recorded; a `sys.exit(0)` before it, which leaves nothing there, is
    no success.
    """
    for output in notebook.cells[-1].get("outputs", []):
        if RUN_RECORD in output.get("metadata", {}):
            return output["metadata"][RUN_RECORD]
    raise WorkFailed(
        f"{path.stem} stopped before its run-record cell, so it does not count as done; run it "
        "again."
    )
