"""The command line: `python -m helpers COMMAND`. Each command is a module beside this one.

A module with a function `add` is a command: `add` declares its arguments, and which function does
it. Exit status: 0 done, 1 the work failed or faults were found, 2 the command or its input is
wrong. Commands that need no model start fast, because each imports what it needs when it is called.
"""

import argparse
import errno
import importlib
import os
import pkgutil
import sys

import helpers.cli as folder
from helpers.cli.progress import write_progress_as_lines
from helpers.files import LabError, WorkFailed, disable_statistics

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
    except BrokenPipeError:  # whoever reads what is printed has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands that lie in this folder."""
    about = "The Medical VQA Lab. For research and teaching, not for diagnosis."
    parser = _OneLine(prog="python -m helpers", description=about)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_OneLine)
    for found in pkgutil.iter_modules(folder.__path__):
        module = importlib.import_module(f"{folder.__name__}.{found.name}")
        if hasattr(module, "add"):
            module.add(commands)
    return parser


class _OneLine(argparse.ArgumentParser):
    """A parser that reports a wrong command in one line."""

    def error(self, message: str):
        """End with the message and status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")
