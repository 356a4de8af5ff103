"""`python -m helpers`: see `helpers.cli.commands`."""

import sys

from helpers.cli.start import start

if __name__ == "__main__":
    sys.exit(start())
