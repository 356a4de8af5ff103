"""The install cell, run as it stands in a Python that has the lab, that has not, and in Colab."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.settings.notebook_file import find_notebooks

# A build backend in the package itself, so that pip needs no network. It fails until it may not.
BACKEND = """
import os, zipfile

METADATA = "Metadata-Version: 2.1\\nName: medical-vqa-lab\\nVersion: 1\\n"
WHEEL = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def get_requires_for_build_editable(config_settings=None):
    return []

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if not os.path.exists(os.environ["MENDED"]):
        raise SystemExit("the build has failed")
    name = "medical_vqa_lab-1-py3-none-any.whl"
    info = "medical_vqa_lab-1.dist-info/"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("medical_vqa_lab.pth", os.getcwd())
        wheel.writestr(info + "METADATA", METADATA)
        wheel.writestr(info + "WHEEL", WHEEL)
        wheel.writestr(info + "RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "medical-vqa-lab"
version = "1"
"""


def install_cell(path: Path) -> str:
    return "".join(json.loads(path.read_text())["cells"][2]["source"])


CELL = install_cell(find_notebooks(["00"])[0])


def with_repository(address, commit="HEAD") -> str:
    """The cell with its first line filled in."""
    return CELL.replace('COMMIT = "", "HEAD"', f'COMMIT = "{address}", "{commit}"')


def run_cell(folder, *command, cell=CELL, **environment):
    """Run the cell in `folder`, with only these environment variables beside the path."""
    path = environment.pop("PATH", os.environ["PATH"])
    return subprocess.run(
        [*command, "-c", cell],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
    )


def last_line(done) -> str:
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture
def bare():
    """A command that starts this Python without the packages installed for it."""
    return sys.executable, "-S"


@pytest.fixture
def folder(tmp_path):
    """An empty folder to run the cell in."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


def test_it_is_the_same_short_cell_everywhere_with_the_address_of_the_project():
    cells = {install_cell(path) for path in find_notebooks(["all"])}
    assert len(cells) == 1
    lines = CELL.splitlines()
    assert len(lines) <= 16 and max(map(len, lines)) <= 100
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    address = project.get("urls", {}).get("Repository", "")
    assert f'REPOSITORY, COMMIT = "{address}", "HEAD"' in CELL


@pytest.mark.parametrize("place", [{}, {"COLAB_RELEASE_TAG": "release"}])
def test_where_the_lab_is_it_does_and_says_nothing(bare, folder, place):
    done = run_cell(folder, *bare, PYTHONPATH=str(ROOT), **place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("stranger", ["helpers.py", "helpers/__init__.py", "helpers/other.py"])
def test_on_a_machine_without_the_lab_it_says_how_to_install_it_and_clones_nothing(
    bare, folder, stranger
):
    (folder / stranger).parent.mkdir(exist_ok=True)
    (folder / stranger).write_text("")
    cell = with_repository(ROOT)
    done = run_cell(folder, *bare, cell=cell, PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 1 and done.stdout == ""
    assert (
        last_line(done)
        == "ImportError: The lab is not installed here: run `make lab` in its folder."
    )
    assert [path.name for path in folder.iterdir()] == [Path(stranger).parts[0]]


@pytest.mark.parametrize("place", ["COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"])
def test_in_colab_it_asks_for_an_address_that_is_not_known(bare, folder, place):
    done = run_cell(folder, *bare, cell=CELL, **{place: "x"})
    assert done.returncode == 1 and "Set REPOSITORY above to the address" in last_line(done)
    assert not list(folder.iterdir())


def test_in_colab_a_clone_that_fails_is_one_sentence(bare, folder):
    cell = with_repository(folder / "nothing")
    done = run_cell(folder, *bare, cell=cell, COLAB_RELEASE_TAG="x")
    assert done.returncode == 1 and "Mend this and run the cell again" in done.stderr
    assert "nothing' does not exist" in last_line(done) and not list(folder.iterdir())


@pytest.mark.slow
def test_in_colab_an_installation_that_fails_is_one_sentence_and_repaired_by_running_it_again(
    tmp_path, folder
):
    source = tmp_path / "source"
    (source / "helpers" / "pocket").mkdir(parents=True)
    (source / "helpers" / "pocket" / "__init__.py").write_text("")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "backend.py").write_text(BACKEND)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for step in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *step], cwd=source, check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "colab")], check=True)
    python = tmp_path / "colab" / "bin" / "python"
    colab = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "COLAB_RELEASE_TAG": "x",
        "MENDED": str(tmp_path / "mended"),
        "PIP_NO_INDEX": "1",
    }
    first = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True
    ).stdout.strip()
    (source / "helpers" / "pocket" / "__init__.py").write_text("raise ImportError('too new')")
    subprocess.run(["git", *author, "commit", "-qam", "newer"], cwd=source, check=True)
    cell = with_repository(source, first)
    used = cell + "\nimport helpers.pocket\nprint(helpers.pocket.__file__)"

    failed = run_cell(folder, python, cell=used, **colab)
    assert failed.returncode == 1 and failed.stdout == ""
    assert "Mend this and run the cell again" in failed.stderr
    assert "the build has failed" in failed.stderr

    (tmp_path / "mended").touch()
    repaired = run_cell(folder, python, cell=used, **colab)
    assert repaired.returncode == 0, repaired.stderr
    assert repaired.stdout.strip() == str(folder / "lab" / "helpers" / "pocket" / "__init__.py")
    again = run_cell(folder, python, cell=used, **colab | {"PATH": "/nowhere"})
    assert (again.returncode, again.stdout) == (0, repaired.stdout)
