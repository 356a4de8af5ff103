"""The page of all parameters, and what the notebooks say of theirs, are what the code says."""

from pathlib import Path
from typing import ClassVar

import pytest

from conftest import ROOT
from helpers.cli.settings import COMMAND, describe_all, reference_page
from helpers.experiments.parameters import OWN
from helpers.settings.notebook_file import find_notebooks, read_kinds, read_parameters
from helpers.settings.reference import as_markdown, describe_parameters
from helpers.settings.section import Section, setting

NOTEBOOKS = pytest.mark.parametrize("path", find_notebooks(["all"]), ids=lambda path: path.stem)


class Recipe(Section):
    """How it is trained. More is said of it here."""

    rank: int = setting(16, "rank of the matrices", ge=1)
    batch: int = setting(2, "examples at once", ge=1, effect=False)
    profiles: ClassVar = {"pocket": {"rank": 4}, "t4": {"batch": 4}, "a100": {"batch": 32}}


class SmallRecipe(Recipe):
    """How a small one is trained."""

    profiles: ClassVar = {"pocket": {"rank": 2}}


class Training(Section):
    """A training."""

    recipe: Recipe = Recipe()
    share: float = setting(0.5, "share | part", parameter="PART", gt=0, le=1)


def test_parameters_are_described_with_bounds_values_and_owners():
    rows = describe_parameters([("large", Training), ("also", Recipe), ("small", SmallRecipe)])
    found = [(row.parameter, row.takes, row.values["pocket"], row.owners) for row in rows]
    assert found == [
        ("RANK", "whole number, 1 or more", 4, ("large", "also")),
        ("RANK", "whole number, 1 or more", 2, ("small",)),
        ("BATCH", "whole number, 1 or more", 2, ("large", "also", "small")),
        ("PART", "number, above 0, at most 1", 0.5, ("large",)),
    ]
    assert rows[2].values == {"pocket": 2, "laptop": 2, "t4": 4, "a100": 32} and not rows[2].effect
    assert [row.kind for row in rows] == ["int", "int", "int", "float"]


def test_the_page_has_a_table_for_each_home():
    page = as_markdown(describe_parameters([("large", Training)]))
    assert "## Recipe\n\nHow it is trained.\n" in page and "share \\| part" in page
    assert (
        "| `RANK` | whole number, 1 or more | `4` | `4` | `16` | `16` | rank of the matrices |"
        in page
    )
    assert "examples at once (no part of a run's id)" in page


def test_the_page_in_docs_is_what_the_code_says():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == reference_page(), f"make it again: {COMMAND}"


@NOTEBOOKS
def test_a_notebook_declares_what_its_kinds_know_as_they_know_it(path: Path):
    rows = describe_all(read_kinds(path))
    wrong = []
    for parameter in read_parameters(path).values():
        known = [row for row in rows if row.parameter == parameter.name]
        if not known and parameter.name not in OWN:
            wrong.append(f"{parameter.name} is known to none of the notebook's kinds")
        elif known and parameter.kind not in (known[0].kind, "list"):
            wrong.append(f"{parameter.name} is declared {parameter.kind}, not {known[0].kind}")
    assert wrong == []


@NOTEBOOKS
def test_what_a_notebook_says_of_a_parameter_is_its_fields_help(path: Path):
    rows = describe_all(read_kinds(path))
    wrong = {}
    for parameter in read_parameters(path).values():
        helps = [row.help for row in rows if row.parameter == parameter.name]
        if parameter.name not in OWN and parameter.help not in helps:
            wrong[parameter.name] = (parameter.help, helps)
    assert wrong == {}


@pytest.mark.parametrize("kinds", [read_kinds(path) for path in find_notebooks(["all"])])
def test_one_parameter_means_one_thing_within_a_notebook(kinds: list[str]):
    meanings: dict[str, set[tuple[str, str]]] = {}
    for row in describe_all(kinds):
        if row.parameter != "SEED":  # each section says what it draws
            meanings.setdefault(row.parameter, set()).add((row.kind, row.help))
    assert {name: said for name, said in meanings.items() if len(said) > 1} == {}
