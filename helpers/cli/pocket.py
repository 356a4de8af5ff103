"""`pocket`: the simulated clinic, and the small models that come with the lab."""

import json
from argparse import Namespace

from helpers.cli.arguments import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser("pocket", help="build the simulated clinic, or one of its models")
    command.add_argument("build", choices=("build",))
    command.add_argument(
        "--model",
        default="",
        help="train this model again if its recipe changed: llama, blip, llava, idefics2",
    )
    command.set_defaults(command=build)


def build(options: Namespace) -> int:
    """Build the simulated clinic, or train a small model again whose recipe has changed."""
    if options.model:
        from helpers.models.process import prepare_process

        prepare_process()
        from helpers.training.zoo import build_model

        print(build_model(options.model))
        return 0
    from helpers.files import display_path, outputs_folder
    from helpers.pocket import clinic

    folder = outputs_folder() / "pocket"
    facts = clinic.build(folder)
    print(f"The clinic lies in {display_path(folder)}: {json.dumps(facts)}")
    return 0
