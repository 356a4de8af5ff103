"""The command line: `python -m helpers COMMAND`. Each command is a module beside this one.

A module with a function `add` is a command: `add` declares its arguments, and which function does
it. Exit status: 0 done, 1 the work failed or faults were found, 2 the command or its input is
wrong. Commands that need no model start fast, because each imports what it needs when it is called.
"""

import argparse
import errno
import importlib
import io
import os
import pkgutil
import sys

import helpers.cli as folder
from helpers.cli import INTERRUPTED
from helpers.cli.progress import write_progress_as_lines
from helpers.files import LabError, WorkFailed, disable_statistics, display_path, one_line

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
# What pathlib says of a circle of links, and of a home folder of nobody, without a number.
PATHLIB = ("Symlink loop from", "Could not determine home directory")
NOWHERE = (
    "A path leads in a circle of links, or to the home of nobody: choose another place, or change "
    "this one."
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    disable_statistics()
    _print_whatever_there_is()
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
    except RuntimeError as error:
        if not str(error).startswith(PATHLIB):
            raise
        print(NOWHERE, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 1


def _print_whatever_there_is() -> None:
    """Let output that has no sign for a letter (latin-1, a pipe on Windows) escape it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _explain(error: OSError) -> tuple[str, int]:
    """Return what to say of an error of the system, and the exit status."""
    place = error.filename2 or error.filename
    what = str(error.strerror or error)
    found = one_line(f"{_name(place)}: {what}" if isinstance(place, str | bytes) else what)
    if error.errno in FULL:
        advice = "free some space or choose another place (LAB_OUTPUTS, --out, --to)"
        return f"{found}; {advice}.", 1
    if error.errno in UNFIT:
        return f"{found}; choose another place, or change this one.", 2
    return f"{found}; the same command goes on where it stopped.", 1


def _name(place: str | bytes) -> str:
    """Return a path to print."""
    try:
        return display_path(os.fsdecode(place))
    except RuntimeError:  # a circle of links
        return os.path.basename(os.fsdecode(place))


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
        self.exit(2, f"{self.prog}: {one_line(message)}; see {self.prog} --help.\n")
