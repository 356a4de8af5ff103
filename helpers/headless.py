"""Notebooks without a browser: papermill with checked names and types, and a success that is really one."""

import shutil
import sys
import tempfile
from pathlib import Path

from helpers.files import LabError, outputs_folder, shown
from helpers.leaderboard import write_page
from helpers.notebook import RUN_RECORD
from helpers.notebook_file import Parameter, find_notebooks, read_parameters
from helpers.parameters import parse, prepare
from helpers.profiles import load_profile

# Every kernel warns that its loopback connection is not encrypted; that is no news to anybody here.
KERNEL_OPTIONS = ["--IPKernelApp.log_level=ERROR"]


def run_notebooks(names: list[str], *, profile: str = "", typed: list[list[str]] = ()) -> int:
    """Execute notebooks one after another and write the leaderboard page; returns the exit status.

    Args:
        names: numbers or file names ("02", "03_few_shot_inference"), or "all".
        profile: "" keeps what the notebooks say.
        typed: pairs of parameter name and text, each put into the notebooks that know it.
    Raises:
        LabError: an unknown notebook, a parameter that none of them knows, a value of the wrong type or size,
            data that is not there; all of it before any notebook is executed.
    """
    notebooks = find_notebooks(names)
    plan = {path: _injected(read_parameters(path), profile, typed) for path in notebooks}
    _refuse_unknown(typed, notebooks)
    for path in notebooks:
        known = read_parameters(path)
        prepare({name: parameter.default for name, parameter in known.items()} | plan[path],
                {name: parameter.kind for name, parameter in known.items()})
    for path, values in plan.items():
        status = _execute(path, values)
        if status:
            return status
    print(f"Leaderboard: {shown(write_page())}")
    return 0


def _injected(known: dict[str, Parameter], profile: str, typed: list[list[str]]) -> dict:
    """Only what was typed: the rest is the profile's business."""
    values = {name: parse(name, text, known[name].kind) for name, text in typed if name in known}
    if profile:
        load_profile(profile)
        values["PROFILE"] = profile
    return values


def _refuse_unknown(typed: list[list[str]], notebooks: list[Path]) -> None:
    known = {name for path in notebooks for name in read_parameters(path)}
    for name, _ in typed:
        if name not in known:
            raise LabError(
                f"-p {name} is a parameter of none of these notebooks; they know "
                f"{', '.join(sorted(known))}."
            )


def _execute(path: Path, values: dict) -> int:
    """Execute one notebook into its run's folder; a sentence on standard error says why it failed."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    print(f"{path.stem} ...", flush=True)
    outputs_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=outputs_folder(), prefix=".executing-") as folder:
        executed = Path(folder) / path.name
        try:
            notebook = papermill.execute_notebook(
                path, executed, values, progress_bar=sys.stderr.isatty(), extra_arguments=KERNEL_OPTIONS
            )
        except PapermillExecutionError as error:
            if error.ename == "LabError":
                raise LabError(error.evalue) from None
            kept = shutil.copy(executed, outputs_folder() / f"failed-{path.name}")
            print(
                f"{path.stem} failed in cell {error.cell_index}: {error.ename}: {error.evalue}; the cells "
                f"up to there are in {shown(kept)}.",
                file=sys.stderr,
            )
            return 1
        except DeadKernelError:
            print(
                f"{path.stem} failed: its kernel died, most often for want of memory; the same command "
                "goes on where it stopped.",
                file=sys.stderr,
            )
            return 1
        record = _run_record(notebook)
        if record is None:
            print(
                f"{path.stem} stopped before its run-record cell, so it does not count as done; run it "
                "again.",
                file=sys.stderr,
            )
            return 1
        shutil.move(executed, outputs_folder() / "runs" / record["notebook"] / record["run_id"] / "executed.ipynb")
    return 0


def _run_record(notebook) -> dict | None:
    """What the last cell said: a kernel that died, or a `sys.exit(0)`, leaves nothing here."""
    for output in notebook.cells[-1].get("outputs", []):
        if RUN_RECORD in output.get("data", {}):
            return output["data"][RUN_RECORD]
    return None
