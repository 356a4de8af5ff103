"""The command line: a module for each command, found by `commands`.

Built on all other rooms, each imported by the command that needs it, so that a command without a
model starts fast.
"""

INTERRUPTED = "Interrupted; the same command goes on where it stopped."
