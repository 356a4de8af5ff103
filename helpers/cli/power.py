"""`power`: the smallest differences that recorded studies can show, and what half of them takes."""

from argparse import Namespace

from helpers.cli.arguments import Commands

ABOUT = """\
"can show": the smallest true difference that is seen with a probability of 80 %, at 5 % for all
claims of the study together (Holm's first step). "for half": what it takes to show half of that,
if cases and seeds vary as they do here."""


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "power", help="the smallest difference that a recorded study can show, and what half takes"
    )
    command.add_argument("studies", nargs="+", metavar="STUDY", help="table_2, controls, ...")
    command.set_defaults(command=power)


def power(options: Namespace) -> int:
    """Print a table for each study; all of them, or none."""
    from helpers.experiments.power import power_of
    from helpers.report.power_tables import power_table

    found = {name: power_of(name) for name in dict.fromkeys(options.studies)}
    for name, rows in found.items():
        print("\n".join([f"{name}: {len(rows)} verdicts", *power_table(rows)]), end="\n\n")
    print(ABOUT)
    return 0
