"""Tables as plain text, where there is no browser."""

from collections.abc import Collection, Mapping, Sequence


def aligned(cells: Mapping[str, Sequence[str]], right: Collection[str] = ()) -> list[str]:
    """Return the lines of a table, the headers first; columns stand two spaces apart.

    Args:
        cells: the texts of each column by its header.
        right: the columns that stand right.
    """
    columns = [_padded([header, *texts], header in right) for header, texts in cells.items()]
    return ["  ".join(row).rstrip() for row in zip(*columns)]


def _padded(texts: Sequence[str], right: bool) -> list[str]:
    width = max(map(len, texts))
    return [text.rjust(width) if right else text.ljust(width) for text in texts]
