"""`score-closed`: MAGIC 2025's closed questions, as the challenge scores them."""

import json
from argparse import Namespace

from helpers.cli.arguments import Commands
from helpers.files import write_json


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "score-closed", help="MAGIC 2025's closed questions: the challenge's accuracies, as JSON"
    )
    command.add_argument("references", help="such as valid_cvqa.json")
    command.add_argument("predictions", help="a file of the same form, such as data_cvqa_sys.json")
    command.add_argument(
        "--mode",
        choices=("aligned", "official"),
        default="aligned",
        help="official lets pass what the challenge's program does; aligned refuses it",
    )
    command.add_argument("--out", default="", metavar="scores.json")
    command.set_defaults(command=score_closed_questions)


def score_closed_questions(options: Namespace) -> int:
    """Print the scores of a file of answers; write them, too, if a file is named."""
    from helpers.data.closed_questions import read_closed_answers
    from helpers.metrics.closed_questions import closed_scores_json, score_closed

    files = [read_closed_answers(path) for path in (options.references, options.predictions)]
    scores = closed_scores_json(score_closed(*files, mode=options.mode))
    print(json.dumps(scores, indent=1))
    if options.out:
        write_json(options.out, scores)
    return 0
