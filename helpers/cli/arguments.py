"""What several commands take: a profile, and parameters of notebooks with values as text."""

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from helpers.files import LabError
from helpers.settings.notebook_file import Parameter
from helpers.settings.profiles import PROFILES

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
MOST = 10_000  # experiments of one command; more are a slip of the finger
Typed: TypeAlias = Sequence[Sequence[str]]  # pairs of a parameter's name and a text


def add_parameters(command: argparse.ArgumentParser, help: str) -> None:
    """Declare `--profile` and `-p`, with the help of `-p`."""
    command.add_argument(
        "--profile", default="", help=f"one of {', '.join(PROFILES)}; left out, the notebook's own"
    )
    command.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help=f"{help}; `python -m helpers settings NOTEBOOK` lists them",
    )


def read_typed(typed: Typed, known: Mapping[str, Parameter], profile: str) -> dict[str, Any]:
    """Read what a person typed for the parameters that a notebook knows; others are passed over.

    Raises:
        LabError: a text that is no value of the parameter's type, or too many values.
    """
    values: dict[str, Any] = {}
    for name, text in typed:
        if name in known:
            if known[name].kind == "list":
                refuse_many(f"-p {name}", count_values(text))
            values[name] = read_value(name, text, known[name].kind)
    return values | ({"PROFILE": profile} if profile else {})


def read_value(name: str, text: str, kind: str) -> Any:
    """Read one value that a person typed.

    Raises:
        LabError: the text is no such value.
    """
    from helpers.experiments.parameters import parse

    try:
        return parse(name, text, kind)
    except RecursionError:  # thousands of brackets
        raise LabError(f"{name} is nested too deeply to be a value: correct it.") from None


def with_defaults(known: Mapping[str, Parameter], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook's parameters as it would start with some of them changed.

    Raises:
        LabError: a value that is not of its declared type, or too many combinations.
    """
    from helpers.experiments.parameters import check_type

    for name, parameter in known.items():
        check_type(name, parameter.default, parameter.kind)
    values = {name: parameter.default for name, parameter in known.items()} | dict(changed)
    lists = [value for value in values.values() if isinstance(value, list)]
    refuse_many("This command", math.prod(map(len, lists)))
    return values


def count_values(text: str) -> int:
    """Count the values of a list as a person typed it, without reading them."""
    return text.count(",") + 1


def refuse_many(what: str, count: int) -> None:
    """Refuse more experiments than any machine does.

    Raises:
        LabError: there are more than `MOST`.
    """
    if count > MOST:
        raise LabError(
            f"{what} asks for {count:,} experiments, but one command does {MOST:,} at most: give "
            "fewer values."
        )
