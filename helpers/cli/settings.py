"""`settings`: what a notebook can be told, with type, values by profile and help; and the page
docs/settings.md, which is made from the code.
"""

import textwrap
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from helpers.cli.arguments import Commands
from helpers.files import LabError
from helpers.settings.notebook_file import Parameter, find_notebooks, read_kinds, read_parameters
from helpers.settings.profiles import PROFILES, is_unset
from helpers.settings.reference import (
    NO_EFFECT,
    Described,
    as_markdown,
    describe_parameters,
    say_help,
    show_value,
)
from helpers.settings.section import Section

COMMAND = "python -m helpers settings --markdown > docs/settings.md"
ANY = "any"  # what each notebook may set, whatever its kinds of experiment are
INDENT = " " * 4
INTRODUCTION = f"""# Settings

Made from the code by `{COMMAND}`: do not edit.

A notebook has some of these parameters in its second cell; headless they are set by `-p NAME VALUE`
(`python -m helpers settings 03` lists those of one notebook). A text that is left empty, and a
number that is -1, are as the profile has them. Of a list, each value is an experiment of its own.

The last column says which kinds of experiment a parameter is for ("{ANY}": all of them); a notebook
names its kinds in its `start` cell. What is "{NO_EFFECT}" may change without anything being done
again: it only has to fit the machine, or it acts through what else it sets, as a profile does.
`SHOW_IMAGES` belongs to notebooks alone: whether images that are not drawn may stand in their
outputs.
"""


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "settings", help="what notebooks can be told: types, values by profile, help"
    )
    command.add_argument("notebook", nargs="?", default="", metavar="NOTEBOOK", help="02, 03, ...")
    command.add_argument(
        "--markdown", action="store_true", help="all parameters as the page docs/settings.md"
    )
    command.set_defaults(command=settings)


def settings(options: Namespace) -> int:
    """Print the parameters of a notebook, or all there are."""
    if options.markdown and options.notebook:
        raise LabError("--markdown makes the page of all parameters: leave the notebook out.")
    if options.markdown:
        print(reference_page(), end="")
    elif options.notebook:
        paths = find_notebooks([options.notebook])
        print("\n\n".join("\n".join(describe_notebook(path)) for path in paths))
    else:
        print("\n".join(map(_entry, describe_all(_find_kinds()))))
    return 0


def reference_page() -> str:
    """Return what docs/settings.md holds."""
    return INTRODUCTION + "\n" + as_markdown(describe_all(_find_kinds()))


def describe_notebook(path: Path) -> list[str]:
    """Return an entry for each parameter that a notebook declares, in its order."""
    rows = describe_all(read_kinds(path))
    lines = [f"{path.stem}"]
    for parameter in read_parameters(path).values():
        row = next((row for row in rows if row.parameter == parameter.name), None)
        lines.append(_notebook_entry(parameter, row))
    return lines


def describe_all(kinds: Sequence[str]) -> list[Described]:
    """Describe what some kinds of experiment can be told, and what any notebook can."""
    from helpers.experiments.experiment import Experiment, find_kind
    from helpers.experiments.parameters import SHARED

    anywhere: list[type[Section]] = [Experiment, *SHARED]
    sections = [(ANY, one) for one in anywhere]
    rows = describe_parameters([*sections, *((name, find_kind(name)) for name in kinds)])
    return [replace(row, owners=(ANY,)) if ANY in row.owners else row for row in rows]


def _find_kinds() -> list[str]:
    """Find the kinds of experiment, by name."""
    from helpers.experiments.experiment import list_kinds

    return [kind.kind() for kind in list_kinds()]


def _entry(row: Described) -> str:
    """Return a parameter for reading: name and what it takes, help, values, kinds."""
    lines = [f"{row.parameter}  {row.takes}", _wrap(say_help(row)), f"{INDENT}{_values(row)}"]
    return "\n".join([*lines, f"{INDENT}for {', '.join(row.owners)}"])


def _notebook_entry(parameter: Parameter, row: Described | None) -> str:
    """Return a notebook's parameter for reading, with the notebook's own value where it has one."""
    takes = row.takes if row else parameter.kind
    if parameter.kind == "list" and row:
        takes = f"a list; each {takes}"
    value = show_value(parameter.default)
    if row and is_unset(parameter.default):
        value = _values(row)
    return "\n".join([f"{parameter.name}  {takes}", _wrap(parameter.help), f"{INDENT}{value}"])


def _values(row: Described) -> str:
    """Return the values by profile; one that is the same everywhere stands alone."""
    shown = {profile: show_value(row.values[profile]) or "(nothing)" for profile in PROFILES}
    if len(set(shown.values())) == 1:
        return shown.popitem()[1]
    return "; ".join(f"{profile}: {value}" for profile, value in shown.items())


def _wrap(text: str) -> str:
    return textwrap.fill(text, width=96, initial_indent=INDENT, subsequent_indent=INDENT)
