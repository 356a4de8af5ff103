"""What happens before anything is loaded: an interrupt is one sentence, however early it comes."""

import os
import signal
import sys
from types import FrameType

from helpers.cli import INTERRUPTED

IMPORT = "<frozen importlib._bootstrap>"  # where Python loads modules
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what `kill` sends


def start() -> int:
    """Run the command that was typed; return its exit status."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` and a shell's `&` have it
            signal.signal(number, _hear)
    status = 1
    try:
        from helpers.cli.commands import main

        status = main()
    except KeyboardInterrupt:  # before `main` could hear it
        print(INTERRUPTED, file=sys.stderr)
    finally:
        # What is left is Python's own end: if all is done it is not disturbed, otherwise another
        # signal ends it at once.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if status == 0 else signal.SIG_DFL)
    return status


def _hear(number: int, frame: FrameType | None) -> None:
    """Interrupt what is being done.

    A library that is being loaded may make another error of an interrupt, or a crash of its own. By
    then nothing was begun that would have to be ended well, so the process ends at once.
    """
    while frame:
        if frame.f_code.co_filename == IMPORT:
            os.write(2, f"{INTERRUPTED}\n".encode())
            os._exit(1)
        frame = frame.f_back
    raise KeyboardInterrupt
