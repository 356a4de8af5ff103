"""`run`: notebooks without a browser, by papermill, with checked names and types, and a success
that is really one.
"""

import logging
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.cli.arguments import Commands, Typed, add_parameters, read_typed, with_defaults
from helpers.files import LabError, WorkFailed, display_path, outputs_folder, workshop, write_text
from helpers.settings.notebook_file import find_notebooks, read_kinds, read_parameters

# Every kernel warns that its loopback connection is not encrypted, and an interrupted one reports
# its closed connection as an error; neither is news to anybody here.
KERNEL_OPTIONS = ["--IPKernelApp.log_level=CRITICAL"]
# They log what they raise, too, and of an interrupt that the kernel died of it.
LOGGING = ("asyncio", "papermill", "traitlets")


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser("run", help="execute notebooks headless: run 02 03, or run all")
    command.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", help="02, 06b, ..., or all")
    add_parameters(command, "set a parameter in the notebooks that know it")
    command.set_defaults(command=run)


def run(options: Namespace) -> int:
    """Execute notebooks headless and write the leaderboard page."""
    from helpers.report.leaderboard import write_page

    run_notebooks(options.notebooks, profile=options.profile, typed=options.parameters)
    print(f"Leaderboard: {display_path(write_page())}")
    return 0


def run_notebooks(names: Sequence[str], *, profile: str = "", typed: Typed = ()) -> None:
    """Execute notebooks one after another.

    Args:
        names: numbers or file names ("02", "03_few_shot_inference"), or "all".
        profile: "" keeps what the notebooks say.
        typed: pairs of parameter name and text, each put into the notebooks that know it.
    Raises:
        LabError: an unknown notebook, a parameter that none of them knows, a value of the wrong
            type or size, data that is not there; all of it before any notebook is executed.
        WorkFailed: a cell failed, a kernel died, or a notebook did not come to its end.
    """
    from helpers.experiments.parameters import read

    known = {path: read_parameters(path) for path in find_notebooks(names)}
    _refuse_unknown(typed, {name for parameters in known.values() for name in parameters})
    # Only what was typed is put in: the rest is the profile's business.
    plan = {path: read_typed(typed, parameters, profile) for path, parameters in known.items()}
    for path, parameters in known.items():
        read(with_defaults(parameters, plan[path]), read_kinds(path))
    for path, values in plan.items():
        _execute(path, values)


def _refuse_unknown(typed: Typed, known: set[str]) -> None:
    for name, _ in typed:
        if name not in known:
            names = ", ".join(sorted(known))
            raise LabError(
                f"-p {name} is a parameter of none of these notebooks; they know {names}."
            )


def _execute(path: Path, values: Mapping[str, Any]) -> None:
    """Execute one notebook into the folder of its record."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from helpers.notebook import notebook_folder

    for name in LOGGING:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    print(f"{path.stem} ...", flush=True)
    with workshop(outputs_folder() / "executing") as folder:
        executed = folder / path.name
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
    place = notebook_folder(record["notebook"], record["run_id"])
    write_text(place / "executed.ipynb", _without_paths(notebook, values))


def _failure(path: Path, executed: Path, values: Mapping[str, Any], error: Any) -> Exception:
    """Return what to tell of a failed cell: a mistake in what was asked, or work that failed, with
    a copy to look at.
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


def _without_paths(notebook: Any, values: Mapping[str, Any]) -> str:
    """Return the executed notebook as text, without the folders of this machine that papermill put
    into it.
    """
    import nbformat

    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            for value in values.values():
                if isinstance(value, str) and Path(value).is_absolute():
                    cell.source = cell.source.replace(value, display_path(value))
    return nbformat.writes(notebook)


def _run_record(path: Path, notebook: Any) -> dict[str, str]:
    """Return what the last cell recorded; a `sys.exit(0)` before it, which leaves nothing there, is
    no success.
    """
    from helpers.notebook import RUN_RECORD

    for output in notebook.cells[-1].get("outputs", []):
        if RUN_RECORD in output.get("metadata", {}):
            return output["metadata"][RUN_RECORD]
    raise WorkFailed(
        f"{path.stem} stopped before its run-record cell, so it does not count as done; run it "
        "again."
    )
