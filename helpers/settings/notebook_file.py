"""Notebooks as files: find them, and read the parameters that they declare."""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.files import REPOSITORY, LabError

NOTEBOOKS = REPOSITORY / "notebooks"


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `NAME: type = value  # help`."""

    name: str
    kind: str
    default: object
    help: str


def find_notebooks(names: Sequence[str]) -> list[Path]:
    """Find notebooks by number or file name, in the order asked; "all" finds all of them."""
    there = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if list(names) == ["all"]:
        return there
    found = []
    for name in names:
        stem = name.removesuffix(".ipynb")
        matches = [path for path in there if path.stem == stem or path.stem[:2] == name]
        if not matches:
            existing = ", ".join(path.stem for path in there)
            raise LabError(f"There is no notebook {name!r}; there are {existing}.")
        found += matches
    return found


def read_parameters(path: Path) -> dict[str, Parameter]:
    """Read the parameters that a notebook declares in its cell tagged `parameters`.

    Raises:
        LabError: A line of the cell is not `NAME: type = value  # help`.
    """
    source = parameters_cell(json.loads(path.read_text(encoding="utf-8")))
    lines = source.splitlines()
    found = {}
    for node in ast.parse(source).body:
        parameter = _parameter(node, lines)
        if parameter is None:
            raise LabError(
                f"{path.name}: line {node.lineno} of the parameters cell is not `NAME: type = "
                "value  # help`."
            )
        found[parameter.name] = parameter
    return found


def _parameter(node: ast.stmt, lines: Sequence[str]) -> Parameter | None:
    """Read one statement of a parameters cell; None if it has another form."""
    if not isinstance(node, ast.AnnAssign) or node.value is None:
        return None
    name, kind = node.target, node.annotation
    if not isinstance(name, ast.Name) or not isinstance(kind, ast.Name):
        return None
    last_line = lines[(node.end_lineno or node.lineno) - 1]
    comment = last_line.partition("  # ")[2]
    return Parameter(name.id, kind.id, ast.literal_eval(node.value), comment)


def read_kinds(path: Path) -> list[str]:
    """Read which kinds of experiment a notebook's parameters set: `start(..., kinds=[...])`."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "start":
                named = {keyword.arg: keyword.value for keyword in node.keywords}
                return list(ast.literal_eval(named["kinds"])) if "kinds" in named else []
    return []


def parameters_cell(notebook: Mapping) -> str:
    """Return the source of the cell tagged `parameters`; "" if there is none."""
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            return "".join(cell["source"])
    return ""
