"""The command line: `python -m helpers run | sweep | score | export | check-data | doctor |
pocket`.

Exit status: 0 done, 1 the work failed or faults were found, 2 the command or its input is wrong.
Commands that need no model start fast, because each imports what it needs when it is called.
"""

import argparse
import errno
import json
import sys
from pathlib import Path

from helpers.cli.progress import write_progress_as_lines
from helpers.files import LabError, WorkFailed, disable_statistics, write_json

FULL = (errno.ENOSPC, errno.EDQUOT)
# The path that was given is no place to read from or to write to.
UNFIT = (
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    disable_statistics()
    options = _parser().parse_args(arguments)
    write_progress_as_lines()
    try:
        return options.command(options)
    except LabError as error:
        print(error, file=sys.stderr)
        return 2
    except WorkFailed as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        sentence, status = _explain(error)
        print(sentence, file=sys.stderr)
        return status
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on where it stopped.", file=sys.stderr)
        return 1


def _explain(error: OSError) -> tuple[str, int]:
    """Return what to say of an error of the system, and the exit status."""
    place = error.filename2 or error.filename
    found = f"{place}: {error.strerror}" if place else str(error.strerror or error)
    if error.errno in FULL:
        advice = "free some space or choose another place (LAB_OUTPUTS, --out, --to)"
        return f"{found}; {advice}.", 1
    if error.errno in UNFIT:
        return f"{found}; choose another place, or change this one.", 2
    return f"{found}; the same command goes on where it stopped.", 1


def run(options) -> int:
    """Execute notebooks headless and write the leaderboard page."""
    from helpers.cli.headless import run_notebooks

    run_notebooks(options.notebooks, profile=options.profile, typed=options.parameters or [])
    return 0


def sweep(options) -> int:
    """Run a grid of experiments in warm workers, or all recorded studies."""
    from helpers.models.process import prepare_process

    prepare_process()
    from helpers.experiments.sweep import sweep_notebook, sweep_plan
    from helpers.files import display_path
    from helpers.report.leaderboard import write_page

    if options.notebook == "plan":
        sweep_plan()
    else:
        sweep_notebook(
            options.notebook,
            profile=options.profile,
            typed=options.parameters or [],
            grid=options.grid or [],
        )
    print(f"Leaderboard: {display_path(write_page())}")
    return 0


def export(options) -> int:
    """Merge an adapter into its base model and save the result as an ordinary model."""
    from helpers.models.process import prepare_process

    prepare_process()
    from helpers.experiments.advice import parameters_named
    from helpers.experiments.runs import adapter_in
    from helpers.models.export import export as export_adapter

    with parameters_named({"to": "--to", "base": "--base", "model": "MODEL"}):
        print(export_adapter(adapter_in(options.adapter), options.to, base=options.base))
    return 0


def score(options) -> int:
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


def check_data(options) -> int:
    """List every fault of a data set's folder; status 1 if there are any."""
    from helpers.data.checks import check_data

    found = check_data(options.name, options.path)
    faults = [fault for fault in found if not fault.is_note]
    print("\n".join(map(str, found)))
    print(f"{len(faults)} faults and {len(found) - len(faults)} notes in {options.path}.")
    return 1 if faults else 0


def doctor(options) -> int:
    """Say what this machine can run, and why not the rest."""
    from helpers.cli.doctor import report

    print(report())
    return 0


def pocket(options) -> int:
    """Build the simulated clinic, or train a small model again whose recipe has changed."""
    if options.model:
        from helpers.training.zoo import build_model

        print(build_model(options.model))
        return 0
    from helpers.files import display_path, outputs_folder
    from helpers.pocket.clinic import build

    print(
        f"The clinic lies in {display_path(outputs_folder() / 'pocket')}: "
        f"{json.dumps(build(outputs_folder() / 'pocket'))}"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    about = "The Medical VQA Lab. For research and teaching, not for diagnosis."
    parser = _OneLine(prog="python -m helpers", description=about)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_OneLine)
    for add in (
        _add_run,
        _add_sweep,
        _add_export,
        _add_score,
        _add_check_data,
        _add_doctor,
        _add_pocket,
    ):
        add(commands)
    return parser


def _add_settings(command, parameter: str) -> None:
    """Add what `run` and `sweep` set alike; `parameter`: what -p means there."""
    command.add_argument("--profile", default="", help="pocket, t4 or a100")
    command.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        metavar=("NAME", "VALUE"),
        help=parameter,
    )


def _add_run(commands) -> None:
    command = commands.add_parser("run", help="execute notebooks headless: run 02 03, or run all")
    command.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    _add_settings(command, "set a parameter in the notebooks that know it")
    command.set_defaults(command=run)


def _add_sweep(commands) -> None:
    command = commands.add_parser(
        "sweep", help="a grid of experiments in warm workers, or `plan`: the recorded studies"
    )
    command.add_argument("notebook", help="01, 02, 03, 09, or plan")
    command.add_argument(
        "--grid", action="append", metavar="NAME=1,2,3", help="values of one parameter; repeatable"
    )
    _add_settings(command, "a parameter that is the same everywhere")
    command.set_defaults(command=sweep)


def _add_export(commands) -> None:
    command = commands.add_parser(
        "export", help="merge an adapter into its base model, as safetensors"
    )
    command.add_argument(
        "adapter", type=Path, help="folder of an adapter, or of a run of notebook 02"
    )
    command.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    command.add_argument(
        "--base", default="", metavar="FOLDER_OR_ID", help="the base, if it lies elsewhere by now"
    )
    command.set_defaults(command=export)


def _add_score(commands) -> None:
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


def _add_check_data(commands) -> None:
    command = commands.add_parser("check-data", help="every fault of a data set's folder at once")
    command.add_argument("name", help="iiyi, reddit or photos")
    command.add_argument("path")
    command.set_defaults(command=check_data)


def _add_doctor(commands) -> None:
    command = commands.add_parser("doctor", help="what this machine can run, and why not the rest")
    command.set_defaults(command=doctor)


def _add_pocket(commands) -> None:
    command = commands.add_parser("pocket", help="build the simulated clinic, or one of its models")
    command.add_argument("build", choices=("build",))
    command.add_argument(
        "--model",
        default="",
        help="train this model again if its recipe changed: llama, blip, llava, idefics2",
    )
    command.set_defaults(command=pocket)


class _OneLine(argparse.ArgumentParser):
    """A parser that reports a wrong command in one line."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")
