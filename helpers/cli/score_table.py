"""`score-table`: short answers with one truth each, in two readings."""

from argparse import Namespace

from helpers.cli.arguments import Commands
from helpers.files import write_json

ABOUT = """\
"published" is what Med-Idefics' code computes: the truth anywhere in the answer, punctuation as
tokens. "normalised" compares words without case and punctuation. Brackets: 95 % over questions, or
over images where the table has the column `image`."""


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "score-table", help="metrics of short answers (VQA-RAD's kind), published and normalised"
    )
    command.add_argument(
        "table", help="CSV or JSON rows with true_answer, predicted_answer and perhaps image"
    )
    command.add_argument("--out", default="", metavar="scores.json")
    command.set_defaults(command=score_table)


def score_table(options: Namespace) -> int:
    """Print the scores of a table; write them, too, if a file is named."""
    from helpers.data.answer_tables import read_answer_table
    from helpers.metrics.short_answers import NORMALISED, score_parts
    from helpers.report.plain import aligned

    parts = score_parts(read_answer_table(options.table))
    cells = {name: [str(part[name]) for part in parts] for name in ("reading", "questions")} | {
        "n": [str(part["containment"].n) for part in parts]
    }
    for key, metric in NORMALISED.items():
        cells[metric.header] = [metric.format(part[key]) if key in part else "" for part in parts]
    print("\n".join([*aligned(cells), "", ABOUT]))
    if options.out:
        rows = [
            {name: one if isinstance(one, str) else one.as_dict() for name, one in part.items()}
            for part in parts
        ]
        write_json(options.out, rows)
    return 0
