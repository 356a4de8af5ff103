"""Notebooks as files: find them, and read the parameters that they declare."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.files import REPOSITORY, LabError, read_json

NOTEBOOKS = REPOSITORY / "notebooks"
# A notebook's number, with a letter where a lesson has several notebooks.
NUMBER = re.compile(r"\d\d[a-z]?(?=_)")


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `NAME: type = value  # help`."""

    name: str
    kind: str
    default: object
    help: str


def find_notebooks(names: Sequence[str]) -> list[Path]:
    """Find notebooks by number ("06", "06b") or file name, in the order asked; "all" finds all."""
    there = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if NUMBER.match(path.stem))
    if list(names) == ["all"]:
        return there
    found = []
    for name in names:
        stem = name.removesuffix(".ipynb")
        matches = [path for path in there if stem in (path.stem, number_of(path))]
        if not matches:
            existing = ", ".join(path.stem for path in there)
            raise LabError(f"There is no notebook {name!r}; there are {existing}.")
        found += matches
    return found


def number_of(path: Path) -> str:
    """Return a notebook's number, as "06" or "06b"."""
    found = NUMBER.match(path.stem)
    return found[0] if found else ""


def read_parameters(path: Path) -> dict[str, Parameter]:
    """Read the parameters that a notebook declares in its cell tagged `parameters`.

    Raises:
        LabError: It is no notebook, or a line of the cell is not `NAME: type = value  # help`.
    """
    source = parameters_cell(_read_notebook(path))
    lines = source.splitlines()
    found = {}
    for node in _parse(source, path).body:
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
    try:
        default = ast.literal_eval(node.value)
    except (ValueError, TypeError, RecursionError):  # no value, but something to be computed
        return None
    last_line = lines[(node.end_lineno or node.lineno) - 1]
    comment = last_line.partition("  # ")[2]
    return Parameter(name.id, kind.id, default, comment)


def read_kinds(path: Path) -> list[str]:
    """Read which kinds of experiment a notebook's parameters set: `start(..., kinds=[...])`.

    Raises:
        LabError: It is no notebook, or its start cell is no Python.
    """
    cells = _read_notebook(path)["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for source in code:
        # Other cells may hold what only IPython understands.
        for node in ast.walk(_parse(source, path)) if "start(" in source else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "start":
                return _kinds_of(node, path)
    return []


def parameters_cell(notebook: Mapping) -> str:
    """Return the source of the cell tagged `parameters`; "" if there is none."""
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            return "".join(cell["source"])
    return ""


def _kinds_of(start: ast.Call, path: Path) -> list[str]:
    """Read the kinds that a call of `start` names."""
    named = {keyword.arg: keyword.value for keyword in start.keywords}
    try:
        kinds = ast.literal_eval(named["kinds"]) if "kinds" in named else []
    except (ValueError, TypeError, RecursionError):
        kinds = None
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise LabError(f"{path.name}: `kinds` of its start cell is no list of names: correct it.")
    return kinds


def _read_notebook(path: Path) -> dict:
    """Read a notebook; what has not the form of one is a `LabError`."""
    notebook = read_json(path, any_text=True)  # outputs hold the control characters of a terminal
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(map(_is_cell, cells)):
        raise LabError(f"{path} is no notebook of version 4: take it from the repository again.")
    return notebook


def _is_cell(cell: object) -> bool:
    """Tell whether something has what is read of a cell."""
    if not isinstance(cell, dict) or not isinstance(cell.get("metadata"), dict):
        return False
    source, tags = cell.get("source"), cell["metadata"].get("tags", [])
    lines = source if isinstance(source, list) else [source]
    whole = isinstance(tags, list) and all(isinstance(line, str) for line in lines)
    return whole and isinstance(cell.get("cell_type"), str)


def _parse(code: str, path: Path) -> ast.Module:
    """Parse a cell; what is no Python is a `LabError`."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f"line {error.lineno}" if isinstance(error, SyntaxError) else "a line"
        raise LabError(f"{path.name}: {line} of a cell is no Python: correct it.") from None
