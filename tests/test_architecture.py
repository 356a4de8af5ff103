"""Imports go one way, down, and nothing heavy is imported before it is used."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

from conftest import ROOT

# From the ground up; a module may import from its own row and from the rows above it.
LAYERS = [
    {"files"},
    {"cases", "settings", "runs"},
    {"pocket.conditions", "pocket.canvas", "pocket.skin", "pocket.lesions", "pocket.patients", "pocket.doctors",
     "pocket.clinic", "pocket.textbook", "pocket.exercises", "pocket.descriptions", "pocket.odd_pictures"},
    {"data"},
    {"models"},
    {"metrics", "training"},
    {"parameters", "figures"},
    {"image_texts", "inputs", "experiments", "caption_experiment", "picture_questions", "vision_experiment", "studies",
     "leaderboard", "vision_tables", "notebook", "doctor", "edge_experiment", "widgets"},
    {"headless", "sweep"},
    {"__main__"},
]


def imports() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, anywhere in it."""
    found = {}
    for path in (ROOT / "helpers").rglob("*.py"):
        name = path.relative_to(ROOT / "helpers").with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        targets = {node.module: node for node in nodes if node.module and node.module.startswith("helpers")}
        found[name] = set()
        for module, node in targets.items():
            inside = module.removeprefix("helpers").lstrip(".")
            for alias in node.names:
                deeper = f"{inside}.{alias.name}".lstrip(".")
                is_module = (ROOT / "helpers" / deeper.replace(".", "/")).with_suffix(".py").exists()
                found[name].add(deeper if is_module else inside)
    return found


def layer(module: str) -> int:
    for number, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    raise AssertionError(f"helpers/{module} stands in no layer: give it a place in LAYERS")


def test_no_module_imports_from_above():
    upward = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        if module not in ("__init__", "pocket")
        for target in targets
        if target and layer(target) > layer(module)
    ]
    assert upward == []


def test_there_is_no_circle():
    list(TopologicalSorter(imports()).static_order())


def test_importing_the_lower_floors_and_the_command_line_loads_nothing_heavy():
    modules = ("__main__", "parameters", "metrics.scoring", "data.checks", "models.loading", "experiments")
    heavy = ("torch", "transformers", "pandas", "matplotlib", "PIL")
    code = "; ".join([f"import helpers.{name}" for name in modules] + ["import sys", f"print(set({heavy}) & set(sys.modules))"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
