"""Imports go one way, down, and nothing heavy is imported before it is used."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

from conftest import ROOT

# From the ground up: a room may import from itself and from the rows above its own.
FLOORS = [
    {"files"},
    {"cases", "settings"},
    {"pocket"},
    {"data"},
    {"models"},
    {"metrics", "training"},
    {"experiments"},
    {"report"},
    {"notebook"},
    {"cli"},
    {"__main__"},
]


def _module(dotted: str) -> str:
    """A dotted name if it is a module of the package, else ""."""
    path = ROOT / dotted.replace(".", "/")
    return dotted if path.with_suffix(".py").exists() or (path / "__init__.py").exists() else ""


def imports() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, anywhere in it."""
    found = {}
    for path in (ROOT / "helpers").rglob("*.py"):
        name = (
            path.relative_to(ROOT / "helpers")
            .with_suffix("")
            .as_posix()
            .replace("/", ".")
            .removesuffix(".__init__")
        )
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found[name] |= {
                    alias.name for alias in node.names if alias.name.startswith("helpers.")
                }
            if (
                isinstance(node, ast.ImportFrom)
                and node.level == 0
                and f"{node.module}.".startswith("helpers.")
            ):
                found[name] |= {
                    _module(f"{node.module}.{alias.name}") or node.module for alias in node.names
                }
        found[name] = {target.removeprefix("helpers.") for target in found[name]}
    return found


def floor(module: str) -> int:
    room = module.partition(".")[0]
    for number, rooms in enumerate(FLOORS):
        if room in rooms:
            return number
    raise AssertionError(f"helpers/{room} stands on no floor: give it a place in FLOORS")


def test_no_module_imports_from_above_nor_from_a_room_beside_its_own():
    upward = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        if module != "__init__"
        for target in targets
        if floor(target) >= floor(module) and target.partition(".")[0] != module.partition(".")[0]
    ]
    assert upward == []


def test_there_is_no_circle():
    list(TopologicalSorter(imports()).static_order())


def test_importing_the_lower_floors_and_the_command_line_loads_nothing_heavy():
    modules = (
        "cli.commands",
        "experiments.parameters",
        "metrics.scoring",
        "data.checks",
        "models.loading",
        "experiments.answers",
    )
    heavy = ("torch", "transformers", "pandas", "matplotlib", "PIL")
    code = "; ".join(
        [f"import helpers.{name}" for name in modules]
        + ["import sys", f"print(set({heavy}) & set(sys.modules))"]
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
