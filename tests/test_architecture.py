"""Imports go one way, down; nothing heavy is loaded before it is used; nothing knows a kind."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from conftest import ROOT
from helpers.experiments.experiment import Experiment, list_kinds
from helpers.experiments.parameters import OWN, SHARED
from helpers.settings.notebook_file import find_notebooks, read_parameters
from helpers.settings.section import all_parameters

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


def dotted_name(path: Path) -> str:
    """The module in a file of helpers/, without "helpers."."""
    name = ".".join(path.relative_to(ROOT / "helpers").with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, anywhere in it."""
    found = {}
    for path in (ROOT / "helpers").rglob("*.py"):
        name = dotted_name(path)
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


# What loads torch or transformers at its top; every other module may be imported in a moment, among
# them all of the experiments: a start cell looks at them.
HEAVY_ROOMS = ("models", "training")
LIGHT = {
    "models": "adapter_card adapter_config answer_file api base captions decoding devices encoders"
    " failures foreign image_refs packaged process prompts refs shipped shots moondream.processor"
    " skingpt4.processor",
    "training": "backends chain failures image_recipe options_recipe progress recipe"
    " unsloth_process unsloth_worker",
}
STACK = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "trl", "unsloth")


def is_light(module: str) -> bool:
    room, _, inside = module.partition(".")
    names = LIGHT.get(room, "").split()
    return (
        room not in HEAVY_ROOMS
        or not inside
        or any(
            f"{inside}.".startswith(f"{name}.") or name.startswith(f"{inside}.") for name in names
        )
    )


def test_light_modules_import_nothing_heavy_at_their_top():
    heavy = []
    for path in (ROOT / "helpers").rglob("*.py"):
        if not is_light(dotted_name(path)):
            continue
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
            inside = [
                name.removeprefix("helpers.") for name in names if name.startswith("helpers.")
            ]
            heavy += [f"{path.name}: {name}" for name in names if name.split(".")[0] in STACK]
            heavy += [
                f"{path.name}: {name}"
                for name in inside
                if _module(f"helpers.{name}") and not is_light(name)
            ]
    assert heavy == []


def test_heavy_modules_import_torch_at_their_top_and_not_in_functions():
    late = []
    for path in (ROOT / "helpers").rglob("*.py"):
        module = dotted_name(path)
        if is_light(module) or module.startswith("models.moondream"):
            continue
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    names = (
                        [alias.name for alias in getattr(node, "names", [])]
                        if isinstance(node, ast.Import)
                        else []
                    )
                    late += [f"{module}.{function.name}" for name in names if name == "torch"]
    assert late == []


def test_light_modules_load_nothing_heavy():
    modules = [dotted_name(path) for path in (ROOT / "helpers").rglob("*.py")]
    light = [name for name in modules if is_light(name) and name not in ("__main__", "__init__")]
    light = [name for name in light if not name.startswith(("training.unsloth_worker",))]
    imports = [f"import helpers.{name.removesuffix('.__init__')}" for name in light]
    code = "; ".join([*imports, "import sys", f"print(sorted(set({STACK}) & set(sys.modules)))"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def kinds() -> list[type[Experiment]]:
    """The kinds of experiment: those that do work of their own."""
    return [kind for kind in list_kinds() if kind.work is not Experiment.work]


def test_every_kind_is_a_module_with_the_name_of_its_class():
    assert len(kinds()) > 5
    for kind in kinds():
        assert kind.__name__.lower() == kind.kind().replace("_", "")


def test_no_module_but_a_kind_knows_a_kind():
    """A kind may start from another one, or be one in its manner; `trace`, which only notebooks
    call, follows a case through one.
    """
    names = {f"experiments.{kind.kind()}" for kind in kinds()}
    found = {
        module: sorted(targets & names)
        for module, targets in imports().items()
        if module not in {*names, "experiments.trace"} and targets & names
    }
    assert found == {}


def test_no_module_asks_for_a_kind_by_its_name():
    names = {kind.kind() for kind in kinds()}
    found = []
    for path in (ROOT / "helpers").rglob("*.py"):
        module = dotted_name(path)
        if module.removeprefix("experiments.") not in names:
            asked = names & set(kinds_asked_for(ast.parse(path.read_text())))
            found += [f"{module}: {name}" for name in asked]
    assert found == []


WORDS = {"answers", "captions", "constant"}  # kinds whose names records and tables use as words


def kinds_asked_for(tree: ast.AST) -> Iterator[str]:
    """The texts in a module that may name a kind; those that are words only where it is a kind."""
    for node in ast.walk(tree):
        asks = (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "find_kind") or (
            isinstance(node, ast.Compare) and "kind" in ast.unparse(node)
        )
        inside = ast.walk(node) if asks else [node]
        texts = [one.value for one in inside if isinstance(one, ast.Constant)]
        yield from (text for text in texts if isinstance(text, str) and (asks or text not in WORDS))


# Constants that happen to have a parameter's name.
CONSTANTS = {"MAX_NEW_TOKENS", "MAX_SIDE", "VISION"}


def parameter_names() -> set[str]:
    """The upper-case names that notebooks and sections use."""
    cells = [read_parameters(path) for path in find_notebooks(["all"])]
    declared = {name for cell in cells for name in cell}
    sections = (*SHARED, *kinds())
    return declared | OWN | {name for one in sections for name, *_ in all_parameters(one)}


def without_declarations(source: str) -> str:
    """A module's text with nothing in place of its calls of `setting`."""
    lines = source.splitlines(keepends=True)
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setting"
    ]
    for call in calls:
        for number in range(call.lineno - 1, call.end_lineno):
            lines[number] = "\n"
    return "".join(lines)


def test_no_room_below_the_experiments_knows_a_parameter_of_a_notebook():
    """A field is declared with its parameter where it is at home (`setting(..., parameter=...)`),
    and nowhere else is that name known.
    """
    known = re.compile(rf"(?<![\w.])({'|'.join(parameter_names() - CONSTANTS)})(?!\w)")
    below = ("files", "cases", "pocket", "data", "models", "metrics", "training")
    found = [
        f"{dotted_name(path)}: {name}"
        for path in (ROOT / "helpers").rglob("*.py")
        if dotted_name(path).split(".")[0] in below
        for name in known.findall(without_declarations(path.read_text()))
    ]
    assert found == []


def test_few_names_at_the_top_no_long_modules_no_long_functions():
    top = {path.stem for path in (ROOT / "helpers").iterdir() if not path.name.startswith("_")}
    assert len(top) <= 12, top
    for path in (ROOT / "helpers").rglob("*.py"):
        source = path.read_text()
        assert source.count("\n") <= 300, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path.name}: {node.name}"
