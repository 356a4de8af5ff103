"""Notebooks as files: which there are, and what their parameters cell and start cell say."""

import json
from pathlib import Path

import pytest

from helpers.files import LabError
from helpers.settings import notebook_file
from helpers.settings.notebook_file import find_notebooks, number_of, read_kinds, read_parameters

PARAMETERS = """PROFILE: str = "pocket"  # profile
FLAG: bool = True  # a switch
SHOTS: list = [0, 1]  # numbers
RATE: float = -1  # a rate; -1: as the profile has it
PLACE: str = ""
"""


def write(folder: Path, *cells: str, name: str = "50_one") -> Path:
    """Write a notebook of code cells, of which the first one holds the parameters."""
    made = [{"cell_type": "code", "source": [cell], "metadata": {}} for cell in cells]
    made[0]["metadata"] = {"tags": ["parameters"]}
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_parameters_are_read_with_type_default_and_help(tmp_path):
    found = read_parameters(write(tmp_path, PARAMETERS))
    assert list(found) == ["PROFILE", "FLAG", "SHOTS", "RATE", "PLACE"]
    assert [(one.kind, one.default, one.help) for one in found.values()][1:] == [
        ("bool", True, "a switch"),
        ("list", [0, 1], "numbers"),
        ("float", -1, "a rate; -1: as the profile has it"),
        ("str", "", ""),
    ]


@pytest.mark.parametrize("line", ["SHOTS = 3", "print(3)", "SHOTS: int", "SHOTS: list[int] = [1]"])
def test_a_line_of_another_form_is_refused_by_its_number(tmp_path, line):
    path = write(tmp_path, f"PROFILE: str = 'pocket'\n{line}")
    with pytest.raises(LabError, match=r"50_one.ipynb: line 2 .* is not `NAME: type = value"):
        read_parameters(path)


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [
        ('lab = start("50", globals(), kinds=["answers", "finetune"])', ["answers", "finetune"]),
        ('lab = start("50", globals())', []),
        ("print('no start')", []),
    ],
)
def test_kinds_are_read_from_the_start_cell(tmp_path, cell, kinds):
    assert read_kinds(write(tmp_path, PARAMETERS, "import json", cell)) == kinds


def test_notebooks_are_found_by_number_name_or_all_together(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook_file, "NOTEBOOKS", tmp_path)
    one, two = write(tmp_path, PARAMETERS), write(tmp_path, PARAMETERS, name="51_two")
    write(tmp_path, PARAMETERS, name="notes")
    assert find_notebooks(["51", "50_one"]) == [two, one]
    assert find_notebooks(["51_two.ipynb"]) == [two] and find_notebooks(["all"]) == [one, two]
    more = write(tmp_path, PARAMETERS, name="50b_more")
    assert find_notebooks(["50"]) == [one] and find_notebooks(["50b"]) == [more]
    assert find_notebooks(["all"]) == [one, more, two] and number_of(more) == "50b"
    with pytest.raises(LabError, match="no notebook '52'; there are 50_one, 50b_more, 51_two"):
        find_notebooks(["52"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "50_one.ipynb is not valid JSON: line 1"),
        ("[]", "50_one.ipynb is no notebook of version 4"),
        ('{"cells": [{"source": 3}]}', "50_one.ipynb is no notebook of version 4"),
        ('{"cells": {"a": 1}}', "50_one.ipynb is no notebook of version 4"),
    ],
)
def test_what_is_no_notebook_is_one_sentence(tmp_path, content, said):
    path = tmp_path / "50_one.ipynb"
    path.write_text(content)
    for read in (read_parameters, read_kinds):
        with pytest.raises(LabError, match=said):
            read(path)


def test_code_that_is_no_python_is_one_sentence(tmp_path):
    with pytest.raises(LabError, match="50_one.ipynb: line 2 of a cell is no Python"):
        read_parameters(write(tmp_path, "A: int = 1\nB: int = = 2"))
    with pytest.raises(LabError, match="line 1 of the parameters cell is not"):
        read_parameters(write(tmp_path, "A: int = len([])"))
    with pytest.raises(LabError, match="is no Python"):
        read_kinds(write(tmp_path, PARAMETERS, "start((", name="52_three"))
    with pytest.raises(LabError, match="`kinds` of its start cell is no list of names"):
        read_kinds(write(tmp_path, PARAMETERS, "start(kinds=KINDS)"))


def test_a_notebook_that_was_run_in_a_terminal_s_colours_is_read(tmp_path):
    path = write(tmp_path, PARAMETERS, "%pip list", 'start("50", globals(), kinds=["answers"])')
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["outputs"] = [{"text": ["\x1b[31mred\x1b[0m"]}]
    path.write_text(json.dumps(notebook))
    assert read_kinds(path) == ["answers"]
