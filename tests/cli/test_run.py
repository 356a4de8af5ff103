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
from helpers.notebook import notebook_folder
from helpers.settings import notebook_file

# What any notebook may declare; without a data set none is loaded.
PARAMETERS = """PROFILE: str = "pocket"  # profile
SEED: int = 1  # seed
SHOW_IMAGES: bool = True  # a switch
LIMIT: list = [0]  # numbers
DATA_ROOT: str = "here"  # a path"""
RECORD = """
from IPython.display import display
record = {{"notebook": "{name}", "run_id": "abc"}}
display({{"text/plain": "done"}}, metadata={{"run_record": record}}, raw=True)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes a notebook of code cells where the command line looks for them; it
    returns where the executed one is to be kept.
    """
    monkeypatch.setattr(notebook_file, "NOTEBOOKS", tmp_path)

    def write_notebook(name, *cells, end=RECORD):
        cells = [PARAMETERS, *cells, end.format(name=name)]
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
        return notebook_folder(name, "abc") / "executed.ipynb"

    return write_notebook


@pytest.mark.slow
def test_typed_values_reach_the_notebook_and_the_executed_copy_its_record(write, outputs, capsys):
    kept = write(
        "50_values",
        "assert not SHOW_IMAGES and LIMIT == [0, 2] and SEED == 7, (SHOW_IMAGES, LIMIT, SEED)",
    )
    typed = ["-p", "SHOW_IMAGES", "false", "-p", "LIMIT", "0,2", "-p", "SEED", "7"]
    assert main(["run", "50", *typed, "-p", "DATA_ROOT", str(outputs / "somewhere")]) == 0
    executed = json.loads(kept.read_text())
    assert all(cell["execution_count"] for cell in executed["cells"])
    assert str(outputs) not in json.dumps(executed) and "papermill" not in executed["metadata"]
    assert (outputs / "leaderboard.html").exists() and "leaderboard.html" in capsys.readouterr().out
    assert not list(outputs.glob(".executing*"))


def test_every_notebook_is_checked_before_any_is_executed(write, outputs, capsys):
    write("55_fine")
    write(
        "56_unfit", "from helpers.notebook import start\nstart('56', globals(), kinds=['nothing'])"
    )
    assert main(["run", "55", "56"]) == 2
    assert (
        capsys.readouterr().err == "There is no kind of experiment 'nothing': correct its name.\n"
    )
    assert not list(outputs.iterdir())


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
    kept = write("51_stops", cell)
    assert main(["run", "51"]) == status
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not kept.exists() and not (outputs / "leaderboard.html").exists()


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
    executed = nbformat.read(next(outputs.glob("notebooks/*/*/executed.ipynb")), as_version=4)
    start, stack, mine, chatter, end = (cell.outputs for cell in executed.cells[-5:])
    assert [output["name"] for output in start] == ["stdout"]
    assert stack == [] and chatter == []
    assert "UserWarning: my own" in mine[0]["text"]
    assert list(end[0]["data"]) == ["text/plain"], "JupyterLab shows JSON instead of the text"
    sentence = end[0]["data"]["text/plain"]
    assert sentence.startswith("Done in ") and "outputs/notebooks/53_whole/" in sentence
    page, _ = HTMLExporter().from_notebook_node(executed)
    assert sentence.split(" records ")[0] in page and "run_id" not in page


PATIENCE = 300  # seconds: on a busy machine a kernel takes its time


@pytest.mark.slow
def test_ctrl_c_is_one_sentence_and_no_traceback_of_the_kernel(write, tmp_path):
    write(
        "54_long",
        "from pathlib import Path\nimport time\nPath(DATA_ROOT).touch()\n"
        f"time.sleep({2 * PATIENCE})",
    )
    begun = tmp_path / "begun"
    code = (
        "import sys, pathlib\n"
        "from helpers.settings import notebook_file\n"
        f"notebook_file.NOTEBOOKS = pathlib.Path({str(tmp_path)!r})\n"
        "from helpers.cli.commands import main\n"
        f"sys.exit(main(['run', '54', '-p', 'DATA_ROOT', {str(begun)!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, as a terminal gives one
    )
    deadline = time.monotonic() + PATIENCE
    while not begun.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=PATIENCE)
    assert error == "Interrupted; the same command goes on where it stopped.\n"
    assert process.returncode == 1
