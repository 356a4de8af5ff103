"""What happens before anything is loaded: an interrupt is one sentence, however early it comes."""

import signal
import sys

INTERRUPTED = "Interrupted; the same command goes on where it stopped."
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what `kill` sends


def start() -> int:
    """Run the command that was typed; return its exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
