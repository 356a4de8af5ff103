"""What several commands take: a profile, and parameters of notebooks with values as text."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from helpers.settings.notebook_file import Parameter
from helpers.settings.profiles import PROFILES

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
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
        LabError: a text that is no value of the parameter's type.
    """
    from helpers.experiments.parameters import parse

    values = {name: parse(name, text, known[name].kind) for name, text in typed if name in known}
    return values | ({"PROFILE": profile} if profile else {})


def with_defaults(known: Mapping[str, Parameter], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notebook's parameters as it would start with some of them changed.

    Raises:
        LabError: a value that is not of its declared type.
    """
    from helpers.experiments.parameters import check_type

    for name, parameter in known.items():
        check_type(name, parameter.default, parameter.kind)
    return {name: parameter.default for name, parameter in known.items()} | dict(changed)
