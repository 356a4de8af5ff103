"""`check-data`: every fault of a data set's folder at once."""

from argparse import Namespace

from helpers.cli.arguments import Commands
from helpers.files import one_line


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser("check-data", help="every fault of a data set's folder at once")
    command.add_argument("name", help="iiyi, reddit, photos, vqa_rad, slake, roco, skincon, ...")
    command.add_argument("path")
    command.set_defaults(command=check)


def check(options: Namespace) -> int:
    """List every fault of a data set's folder; status 1 if there are any."""
    from helpers.data.checks import check_data

    found = check_data(options.name, options.path)
    faults = [fault for fault in found if not fault.is_note]
    print("\n".join(map(str, found)))
    print(f"{len(faults)} faults and {len(found) - len(faults)} notes in {one_line(options.path)}.")
    return 1 if faults else 0
