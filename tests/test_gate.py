"""What a person, or another program, has written is read in one place: `helpers.files`.

Everywhere else, nothing reads a file but what the lab itself has written or ships, and what is no
text; each such place stands here with its reason.
"""

import ast
from collections.abc import Iterator

import pytest

from conftest import ROOT

# How files are read without the gate: by `open`, or by the method of a path.
READERS = {"open", "read_text", "read_bytes"}
PARSERS = {("json", "load"), ("json", "loads"), ("csv", "reader"), ("csv", "DictReader")}
PARSERS |= {("yaml", "load"), ("yaml", "safe_load"), ("pd", "read_csv"), ("np", "load")}

# Module -> which calls it may have, and why.
ALLOWED = {
    # Tables and settings that come with the lab.
    **{
        f"pocket.{name}": ({"yaml.safe_load"}, "ships with the lab")
        for name in ("radiology", "microscopy", "nonsense", "skin_sets")
    },
    "report.short_answers": ({"yaml.safe_load"}, "ships with the lab"),
    "report.skin_tables": ({"yaml.safe_load"}, "ships with the lab"),
    "pocket.conditions": ({"read_text", "yaml.load"}, "ships with the lab"),
    "pocket.descriptions": ({"read_text", "yaml.safe_load"}, "ships with the lab"),
    "pocket.exercises": ({"read_text", "yaml.safe_load"}, "ships with the lab"),
    "report.leaderboard": ({"read_text", "yaml.safe_load"}, "ships with the lab"),
    "models.api.model": ({"read_text", "yaml.safe_load"}, "prices, ship with the lab"),
    "experiments.studies": ({"read_text", "yaml.safe_load"}, "ships with the lab"),
    "training.zoo.llava": ({"read_text", "json.loads"}, "a tokenizer that ships with the lab"),
    "training.zoo.idefics2": ({"read_text"}, "a tokenizer that ships with the lab"),
    "training.zoo": ({"json.loads"}, "a recipe, passed on as text"),
    # The gate of images.
    "data.images": ({"open"}, "decides what an image is, by its content"),
    "report.figures": ({"open"}, "a figure that was drawn a moment ago"),
    "training.zoo.images": ({"open"}, "an image that was drawn a moment ago"),
    "pocket.diagnosis_sets": ({"open"}, "an image that was drawn a moment ago"),
    "models.views": ({"open"}, "a JPEG that was made in memory a moment ago"),
    "data.download": ({"open"}, "an address; what it sends goes through the gate"),
    # What a person typed, and what the lab's own processes say to each other.
    "data.dermnet": ({"yaml.safe_load"}, "ships with the lab"),
    "data.csv_rows": ({"csv.DictReader"}, "of a text that came through the gate"),
    "data.sheets": ({"csv.DictReader"}, "of a text that came through the gate"),
    "data.authors": ({"csv.DictReader"}, "of a text that came through the gate"),
    "report.widgets": ({"csv.reader"}, "of a text that came through the gate"),
    "experiments.parameters": ({"yaml.safe_load"}, "a parameter as a person typed it"),
    "experiments.record_lines": ({"json.loads"}, "a value that was just written as text"),
    "training.unsloth_process": ({"open", "read_text", "json.loads"}, "its own worker's pipe"),
    "training.unsloth_worker": ({"json.loads"}, "the pipe of the process that started it"),
    "models.small_device": ({"read_text", "json.load", "json.loads"}, "its worker's pipe; /proc"),
    "cli.commands": ({"open"}, "the null device"),
    "experiments.processes": ({"open"}, "the null device"),
    # Bytes that are compared or copied, and not understood.
    "models.answer_file": ({"read_bytes"}, "keeps a damaged file as it was"),
    "experiments.image_control": ({"read_bytes"}, "compares an image with what it would write"),
    "experiments.scores": ({"read_text"}, "compares a file with what it would write"),
}


def calls(tree: ast.AST) -> Iterator[str]:
    """The calls in a module that read, or parse, a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id == "open":
            yield "open"
        elif isinstance(function, ast.Attribute):
            owner = getattr(function.value, "id", "")
            if (owner, function.attr) in PARSERS:
                yield f"{owner}.{function.attr}"
            elif function.attr in READERS:
                yield function.attr


def found() -> dict[str, set[str]]:
    """Module -> such calls in it, outside the gate."""
    read = {}
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "helpers").with_suffix("").parts)
        name = name.removesuffix(".__init__")
        if name.split(".")[0] != "files" and (here := set(calls(ast.parse(path.read_text())))):
            read[name] = here
    return read


def test_nothing_but_the_gate_reads_a_file_of_a_person():
    unknown = {
        module: sorted(here - ALLOWED.get(module, (set(), ""))[0])
        for module, here in found().items()
    }
    assert {module: names for module, names in unknown.items() if names} == {}


def test_no_exception_is_left_that_nobody_needs():
    read = found()
    assert {
        module: allowed - read.get(module, set())
        for module, (allowed, _) in ALLOWED.items()
        if allowed - read.get(module, set())
    } == {}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("read_json(path), read_text(path), reopen(x)", []),
        ("open(path)", ["open"]),
        ("with path.open() as file: json.load(file)", ["open", "json.load"]),
        ("rows = csv.reader(io.StringIO(path.read_text()))", ["csv.reader", "read_text"]),
    ],
)
def test_such_calls_are_found(code, names):
    assert sorted(calls(ast.parse(code))) == sorted(names)
