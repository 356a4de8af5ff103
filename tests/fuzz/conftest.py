"""Says at the end how much was tried, where that was asked for."""

from tests.fuzz.odd import EXAMPLES, done


def pytest_terminal_summary(terminalreporter):
    if EXAMPLES:
        terminalreporter.write_line(f"{done['documents']:,} odd documents, {done['calls']:,} calls")
