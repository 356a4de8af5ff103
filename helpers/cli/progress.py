"""Progress in a file or a pipe: a line now and then, where a terminal has a bar that moves."""

import sys

SECONDS = 10  # between two lines of a bar


def write_progress_as_lines() -> None:
    """Let every bar of this process write lines if standard error is no terminal.

    All bars are tqdm's, those of libraries too, so its class is told, once. A notebook or a test
    has put something else in the place of standard error, and is left alone.
    """
    if sys.stderr is not sys.__stderr__ or sys.stderr is None or sys.stderr.isatty():
        return
    from tqdm import tqdm

    tqdm.display = _display


def _display(bar, msg: str | None = None, pos: int | None = None) -> None:
    """Stand in for `tqdm.display`, which tqdm calls when a bar begins, moves and, with an empty
    `msg`, ends.
    """
    bar.leave = False  # else tqdm ends the bar with an empty line
    state = bar.format_dict
    seconds = state["elapsed"]
    if msg == "" or seconds - getattr(bar, "written", 0) >= SECONDS:
        bar.written = seconds
        print(_line(state), file=bar.fp, flush=True)


def _line(state: dict) -> str:
    """A bar in words: "images 400/1007, 00:01"."""
    from tqdm import tqdm

    write = tqdm.format_sizeof if state["unit_scale"] else str  # "1.2G" of a download
    done = write(state["n"]) + (f"/{write(state['total'])}" if state["total"] else "")
    parts = [done, tqdm.format_interval(state["elapsed"])]
    if state["postfix"]:
        parts.append(state["postfix"])
    return f"{state['prefix']} {', '.join(parts)}".strip()
