"""Tables as readers see them: text left, numbers right, units in the header, no index.

All tables of the notebooks and of the leaderboard page are made here, by pandas' Styler.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pandas import DataFrame
from pandas.io.formats.style import Styler

from helpers.files import fingerprint
from helpers.metrics.scores import Score
from helpers.metrics.table import METRICS
from helpers.report.frame import CHANGE
from helpers.report.plain import aligned

VISIBLE = 12  # rows that are seen at once; the others are folded away
# What stands right: a number, with an interval or a range, or nothing.
NUMBER = re.compile(r"[-+]?[\d.]+( to [\d.]+)?( \[[-+\d., ]+\])?|")


@dataclass(frozen=True, repr=False)
class Table:
    """A table that a notebook's cell shows: HTML where there is a browser, plain text elsewhere."""

    cells: DataFrame  # of texts, under the headers that are shown
    right: tuple[str, ...]  # the columns that stand right
    caption: str
    visible: int = VISIBLE

    @property
    def html(self) -> str:
        """The table as HTML; rows after the first ones, or all, are folded away."""
        if self.cells.empty:
            return f"<p>{html.escape(self.caption)}: nothing to show.</p>"
        if not self.visible:
            every = self._part(self.cells, self.caption)
            return f"<details><summary>{html.escape(self.caption)}</summary>\n{every}</details>\n"
        shown = self._part(self.cells.iloc[: self.visible], self.caption)
        folded = self.cells.iloc[self.visible :]
        if folded.empty:
            return shown
        count = f"{len(folded)} more row{'' if len(folded) == 1 else 's'}"
        more = self._part(folded, f"{self.caption} (continued)")
        return f"{shown}<details><summary>{count}</summary>\n{more}</details>\n"

    def _part(self, cells: DataFrame, caption: str) -> str:
        # The id is made from the content: the same table is the same text in every session.
        uuid = fingerprint([caption, cells.columns.tolist(), cells.values.tolist()])
        styler = Styler(cells, uuid=uuid, cell_ids=False, caption=html.escape(caption))
        styler.hide(axis="index")
        styler.format(escape="html").format_index(escape="html", axis="columns")
        styler.set_table_styles(
            [
                {"selector": "caption", "props": "text-align: left; font-weight: bold"},
                {"selector": "th, td", "props": "text-align: left; vertical-align: top"},
            ]
        )
        styles = {name: [{"selector": "", "props": "text-align: right"}] for name in self.right}
        styler.set_table_styles(styles, overwrite=False)
        return styler.to_html().replace("<th class=", '<th scope="col" class=')

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        if self.cells.empty:
            return f"{self.caption}: nothing to show."
        columns = {str(name): self.cells[name].tolist() for name in self.cells}
        return "\n".join([self.caption, *aligned(columns, self.right)])


def table(
    data: DataFrame | Sequence[Mapping[str, Any]],
    *,
    caption: str,
    names: Mapping[str, str] | None = None,
    visible: int = VISIBLE,
    missing: str = "",
) -> Table:
    """Make a table to show of a DataFrame, or of rows.

    Columns that are named by a key of `METRICS` get its label and unit as their header, and their
    scores its digits; shares are shown in per cent. Other numbers are written as they are.

    Args:
        caption: what the table shows.
        names: other headers of columns.
        visible: how many rows are not folded away; 0 folds the whole table.
        missing: what stands where there is no value.
    """
    data = data if isinstance(data, DataFrame) else DataFrame(list(data), dtype=object)
    headers = [(names or {}).get(column, _header(column)) for column in data]
    cells = {
        header: [_text(column, value, missing) for value in data[column]]
        for header, column in zip(headers, data)
    }
    right = tuple(name for name, texts in cells.items() if _are_numbers(texts, missing))
    return Table(DataFrame(cells, columns=headers, dtype=object), right, caption, visible)


def _header(column: str) -> str:
    if column.startswith(CHANGE):
        return CHANGE + METRICS[column.removeprefix(CHANGE)].difference_header
    return METRICS[column].header if column in METRICS else column


def _text(column: str, value: Any, missing: str) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return missing
    if column.startswith(CHANGE):
        return METRICS[column.removeprefix(CHANGE)].format_difference(value)
    if column in METRICS:
        return METRICS[column].format(value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, Score):
        return f"{value:.2f}"
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _are_numbers(texts: Sequence[str], missing: str) -> bool:
    """True if every cell is a number (or nothing), and one of them is."""
    written = [text for text in texts if text != missing]
    return any(written) and all(NUMBER.fullmatch(text) for text in written)
