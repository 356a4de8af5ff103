"""`export`: an adapter and its base model, merged to an ordinary model."""

from argparse import Namespace
from pathlib import Path

from helpers.cli.arguments import Commands
from helpers.files import LabError, WorkFailed, disk_full, display_path

# What the exporter calls its arguments -> what a person types.
NAMES = {"`adapter`": "ADAPTER", "`to`": "--to", "`base`": "--base", "`model`": "MODEL"}


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "export", help="merge an adapter into its base model, as safetensors"
    )
    command.add_argument(
        "adapter",
        type=Path,
        metavar="ADAPTER",
        help="folder of an adapter, or of a run that trained one",
    )
    command.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    command.add_argument(
        "--base", default="", metavar="FOLDER_OR_ID", help="the base, if it lies elsewhere by now"
    )
    command.set_defaults(command=export)


def export(options: Namespace) -> int:
    """Merge an adapter into its base model and save the result as an ordinary model."""
    from helpers.models.process import prepare_process

    prepare_process()
    from helpers.experiments.runs import adapter_in
    from helpers.models.export import export as export_adapter

    try:
        said = export_adapter(adapter_in(options.adapter), options.to, base=options.base)
    except LabError as error:
        raise LabError(_as_typed(str(error))) from None
    except WorkFailed as error:
        if disk_full(error, options.to):
            raise WorkFailed(
                f"The disk of {display_path(options.to)} is full: free some space, or name a "
                "folder on another disk by --to."
            ) from None
        raise
    print(_as_typed(said))
    return 0


def _as_typed(sentence: str) -> str:
    for argument, name in NAMES.items():
        sentence = sentence.replace(argument, name)
    return sentence
