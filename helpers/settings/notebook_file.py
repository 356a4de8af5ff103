"""Notebooks as files: which there are, and the parameters that their parameters cell declares."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from helpers.files import REPOSITORY, LabError

NOTEBOOKS = REPOSITORY / "notebooks"


@dataclass(frozen=True)
class Parameter:
    """One typed line of a parameters cell: `SHOTS: list = [0, 1]  # help`."""

    name: str
    kind: str
    default: object
    help: str


def find_notebooks(names: list[str]) -> list[Path]:
    """The notebooks that are meant by numbers or file names, or all of them, in order."""
    there = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if names == ["all"]:
        return there
    found = []
    for name in names:
        matches = [
            path
            for path in there
            if path.stem == name.removesuffix(".ipynb") or path.stem[:2] == name
        ]
        if not matches:
            raise LabError(
                f"There is no notebook {name!r}; there are "
                f"{', '.join(path.stem for path in there)}."
            )
        found += matches
    return found


def read_parameters(path: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, from its cell tagged `parameters`: typed literals with a help
    comment.
    """
    source = parameters_cell(json.loads(path.read_text(encoding="utf-8")))
    lines = source.splitlines()
    found = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.AnnAssign):
            raise LabError(
                f"{path.name}: line {node.lineno} of the parameters cell is not `NAME: type = "
                "value  # help`."
            )
        name, comment = node.target.id, lines[node.end_lineno - 1].partition("  # ")[2]
        found[name] = Parameter(name, node.annotation.id, ast.literal_eval(node.value), comment)
    return found


def parameters_cell(notebook: dict) -> str:
    """The source of the cell tagged `parameters`; "" where there is none."""
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            return "".join(cell["source"])
    return ""
