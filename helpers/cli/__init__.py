"""The command line: its commands, notebooks run headless, and what this machine can do.

Built on all other rooms, each imported by the command that needs it, so that a command without a
model starts fast.
"""
