"""Notebooks without a browser: what counts as success, with real kernels on small notebooks."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbconvert import HTMLExporter

from conftest import ROOT
from helpers.cli.commands import main
from helpers.experiments.runs import open_run
from helpers.settings import notebook_file
from helpers.settings.notebook_file import read_parameters

PARAMETERS = """PROFILE: str = "pocket"  # profile
SEED: int = 1  # seed
FLAG: bool = True  # a switch
SHOTS: list = [0]  # numbers
PLACE: str = "here"  # a path"""
RECORD = """
from IPython.display import display
record = {{"notebook": "{name}", "run_id": "{run_id}"}}
display({{"text/plain": "done"}}, metadata={{"run_record": record}}, raw=True)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes a notebook of code cells where the command line looks for them."""
    monkeypatch.setattr(notebook_file, "NOTEBOOKS", tmp_path)

    def write_notebook(name, *cells, end=RECORD):
        run = open_run(name, determines={}, about={"kind": "notebook", "name": name})
        cells = [PARAMETERS, *cells, end.format(name=name, run_id=run.id)]
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
        )
        notebook.cells[0].metadata["tags"] = ["parameters"]
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
        return run

    return write_notebook


@pytest.mark.slow
def test_typed_values_reach_the_notebook_and_the_executed_copy_its_run(write, outputs, capsys):
    run = write(
        "50_values", "assert FLAG is False and SHOTS == [0, 2] and SEED == 7, (FLAG, SHOTS, SEED)"
    )
    typed = [
        "-p",
        "FLAG",
        "false",
        "-p",
        "SHOTS",
        "0,2",
        "-p",
        "SEED",
        "7",
        "-p",
        "PLACE",
        str(outputs / "somewhere"),
    ]
    assert main(["run", "50", *typed]) == 0
    executed = json.loads((run.folder / "executed.ipynb").read_text())
    assert all(cell["execution_count"] for cell in executed["cells"])
    assert str(outputs) not in json.dumps(executed) and "papermill" not in executed["metadata"]
    assert (outputs / "leaderboard.html").exists() and "leaderboard.html" in capsys.readouterr().out
    assert not list(outputs.glob(".executing-*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "status", "message"),
    [
        ("1 / 0", 1, "ZeroDivisionError"),
        (
            "from helpers.files import LabError\nraise LabError('The spoon is missing: bring "
            "one.')",
            2,
            "The spoon is missing: bring one.\n",
        ),
        ("import sys\nsys.exit(0)", 1, ""),
        ("import os\nos._exit(0)", 1, ""),
    ],
)
def test_a_notebook_that_does_not_reach_its_end_is_no_success(
    write, outputs, capsys, cell, status, message
):
    run = write("51_stops", cell)
    assert main(["run", "51"]) == status
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert (
        not (run.folder / "executed.ipynb").exists() and not (outputs / "leaderboard.html").exists()
    )


def test_parameters_are_read_with_type_default_and_help(write, tmp_path):
    write("52_parameters")
    found = read_parameters(tmp_path / "52_parameters.ipynb")
    assert [(entry.name, entry.kind, entry.default, entry.help) for entry in found.values()][
        2:
    ] == [
        ("FLAG", "bool", True, "a switch"),
        ("SHOTS", "list", [0], "numbers"),
        ("PLACE", "str", "here", "a path"),
    ]


@pytest.mark.slow
def test_a_lab_starts_quietly_leaves_warnings_alone_and_ends_with_its_sentence(write, outputs):
    write(
        "53_whole",
        "from helpers.notebook import start\nlab = start('53_whole', globals())",
        "import bitsandbytes, trl, peft, datasets\nfrom trl import SFTTrainer",
        "import warnings\nwarnings.warn('my own', stacklevel=1)",
        "warnings.warn_explicit('chatter', UserWarning, 'x.py', 1, module='torch.nn.modules')",
        end="lab.finish()",
    )
    assert main(["run", "53"]) == 0
    executed = nbformat.read(next(outputs.glob("runs/*/*/executed.ipynb")), as_version=4)
    start, stack, mine, chatter, end = (cell.outputs for cell in executed.cells[-5:])
    assert [output["name"] for output in start] == ["stdout"]
    assert stack == [] and chatter == []
    assert "UserWarning: my own" in mine[0]["text"]
    assert list(end[0]["data"]) == ["text/plain"], "JupyterLab shows JSON instead of the text"
    sentence = end[0]["data"]["text/plain"]
    assert sentence.startswith("Done in ") and "outputs/runs/53_whole/" in sentence
    page, _ = HTMLExporter().from_notebook_node(executed)
    assert sentence.split(" records ")[0] in page and "run_id" not in page


@pytest.mark.slow
def test_ctrl_c_is_one_sentence_and_no_traceback_of_the_kernel(write, tmp_path):
    write("54_long", "from pathlib import Path\nimport time\nPath(PLACE).touch()\ntime.sleep(60)")
    begun = tmp_path / "begun"
    code = (
        "import sys, pathlib\n"
        "from helpers.settings import notebook_file\n"
        f"notebook_file.NOTEBOOKS = pathlib.Path({str(tmp_path)!r})\n"
        "from helpers.cli.commands import main\n"
        f"sys.exit(main(['run', '54', '-p', 'PLACE', {str(begun)!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, as a terminal gives one
    )
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert error == "Interrupted; the same command goes on where it stopped.\n"
    assert process.returncode == 1
