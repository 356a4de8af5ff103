"""What every notebook must have; whether it runs and says the same is nbval's business."""

import ast
import json
import re

import pytest

from helpers.experiments.experiment import find_kind
from helpers.experiments.parameters import OWN, check_type, known_parameters
from helpers.settings.notebook_file import (
    find_notebooks,
    number_of,
    parameters_cell,
    read_kinds,
    read_parameters,
)
from helpers.settings.profiles import is_unset

NOTEBOOKS = find_notebooks(["all"])


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param, json.loads(request.param.read_text())


def sources(cells, kind):
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_there_are_notebooks():
    numbers = [number_of(path) for path in NOTEBOOKS]
    assert set(numbers) >= {"00", "01", "02", "03", "04", "05", "06", "06b", "06c"} | {
        "07",
        "07b",
        "07c",
        "10",
    }
    assert numbers == sorted(set(numbers)), "each number once, a letter after the number alone"


def test_parameters_are_typed_literals_with_help_and_left_to_the_profile(notebook):
    path, _ = notebook
    parameters = read_parameters(path)
    assert list(parameters)[:2] == ["PROFILE", "SEED"] and parameters["PROFILE"].default == "pocket"
    known = known_parameters([find_kind(name) for name in read_kinds(path)])
    for parameter in parameters.values():
        assert parameter.help, f"{parameter.name} has no help"
        assert parameter.name in known | OWN, f"nothing is set by {parameter.name}"
        if is_unset(parameter.default):
            assert parameter.name in known, f"no profile has a value for {parameter.name}"
        else:
            check_type(parameter.name, parameter.default, parameter.kind)


def test_papermill_sees_the_same_parameters(notebook):
    import papermill

    path, _ = notebook
    seen = papermill.inspect_notebook(path)
    assert {name: entry["inferred_type_name"] for name, entry in seen.items()} == {
        name: parameter.kind for name, parameter in read_parameters(path).items()
    }


def test_title_way_into_colab_warning_start_cell_and_run_record(notebook):
    path, content = notebook
    first = "".join(content["cells"][0]["source"])
    assert first.startswith(f"# {number_of(path)} ") and "not for diagnosis" in first
    assert "In Colab: File > Upload notebook" in first
    assert "badge" not in first, "a badge needs an address, and this lab has none yet"
    assert "| profile |" in first and "What you will learn" in first
    code = sources(content["cells"], "code")
    begins = re.compile(rf'start\("{path.stem}", globals\(\)[,)]')
    assert sum(len(begins.findall(source)) for source in code) == 1
    assert "lab.finish(" in code[-1] and content["cells"][-1]["cell_type"] == "code"
    (end,) = content["cells"][-1]["outputs"]
    assert list(end["data"]) == ["text/plain"] and "run_id" in end["metadata"]["run_record"]


def test_cells_are_short_prose_outnumbers_code_and_nothing_asks_for_the_profile(notebook):
    _, content = notebook
    code, prose = sources(content["cells"], "code"), sources(content["cells"], "markdown")
    assert [
        source for source in code if source.count("\n") >= 16 and source != parameters_cell(content)
    ] == []
    assert sum(len(text.split()) for text in prose) > sum(len(text.split()) for text in code)
    for source in code:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.If, ast.IfExp)):
                assert "PROFILE" not in ast.unparse(node.test) and "pocket" not in ast.unparse(
                    node.test
                )


def test_committed_executed_small_and_clean(notebook):
    path, content = notebook
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), (
        "execute it: make notebooks"
    )
    assert path.stat().st_size < 1_000_000 and "widgets" not in content["metadata"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "base64", json.dumps(outputs))
    assert not re.search(r"/(work|root|home|tmp)/", text), "a machine path in an output"
    assert "vnd.jupyter.widget-view" not in text
    shown = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    figures = [image for page in shown for image in re.findall(r"<img [^>]*>", page)]
    assert figures and all(re.search(r' alt="[^"]+"', figure) for figure in figures)
