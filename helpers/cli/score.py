"""`score`: the challenge's metrics of a file of answers."""

import json
from argparse import Namespace

from helpers.cli.arguments import Commands
from helpers.files import write_json


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "score", help="the challenge's metrics of a prediction file, as JSON"
    )
    command.add_argument("references")
    command.add_argument("predictions")
    command.add_argument("--mode", choices=("aligned", "official"), default="aligned")
    command.add_argument(
        "--authors",
        default=None,
        metavar="df_userinfo.csv",
        help="use the reference weights of this author table",
    )
    command.add_argument("--metrics", default="deltableu,bertscore")
    command.add_argument(
        "--encoder",
        default="minilm",
        help="BERTScore's encoder: minilm (packaged), roberta-large, a folder or an id",
    )
    command.add_argument("--language", choices=("en", "zh", "es"), default="en")
    command.add_argument("--out", default="", metavar="scores.json")
    command.set_defaults(command=score)


def score(options: Namespace) -> int:
    """Score a file of answers against a file of references."""
    from helpers.cases import read_answers
    from helpers.data.dermavqa import load_references
    from helpers.metrics.scoring import score_predictions, scores_json

    official = options.mode == "official"  # which also counts blank references
    cases = load_references(
        options.references, options.authors, language=options.language, keep_blank=official
    )
    predictions = read_answers(options.predictions, options.language)
    scores = scores_json(
        score_predictions(
            cases,
            predictions,
            metrics=tuple(options.metrics.split(",")),
            mode=options.mode,
            encoder=options.encoder,
            language=options.language,
        )
    )
    print(json.dumps(scores, indent=1))
    if options.out:
        write_json(options.out, scores)
    return 0
