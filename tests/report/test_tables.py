"""Tables for reading: numbers right, text left, no index, units in headers, nothing unescaped."""

import re

import pandas
import pytest

from helpers.report.tables import table
from tests.report.runs import score

ROWS = [
    {"system": "a <b>", "deltableu": score(4.5), "named": score(0.25, 0.2, 0.5), "n": 60},
    {"system": "c & d", "deltableu": None, "named": score(1.0, 0.5, 1.0), "n": 60},
]


def test_cells_have_their_metrics_digits_and_headers_the_unit():
    cells = table(ROWS, caption="t").cells
    assert cells.to_dict("list") == {
        "system": ["a <b>", "c & d"],
        "deltaBLEU (0 to 100)": ["4.50 [3.50, 5.50]", ""],
        "diagnosis named (%)": ["25 [20, 50]", "100 [50, 100]"],
        "n": ["60", "60"],
    }


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("x", 0.0, "0"),
        ("x", 10.0, "10"),
        ("x", 4.49, "4.49"),
        ("x", float("nan"), "none"),
        ("x", None, "none"),
        ("x", True, "yes"),
        ("x", False, "no"),
        ("x", "text", "text"),
        ("x", score(1.0), "1.00 [0.00, 2.00]"),
        ("weights_mb", 5.531, "5.53"),
        ("change in named", score(0.02, -0.05, 0.1), "+2.0 [-5.0, +10.0]"),
    ],
)
def test_how_values_are_written(column, value, text):
    assert table([{column: value}], caption="t", missing="none").cells.iloc[0, 0] == text


@pytest.mark.parametrize(
    ("texts", "right"),
    [
        (["4.58 [2.38, 8.10]", ""], True),
        (["+0.5 [-1.0, +2.0]", "not scored"], True),
        (["12", "-3.5"], True),
        (["1.98 to 9.11", ""], True),
        (["5 epochs better than 2", "7"], False),
        (["P1", "P2"], False),
        (["", ""], False),
        (["not scored", "not scored"], False),
    ],
)
def test_columns_of_numbers_stand_right(texts, right):
    made = table([{"x": text} for text in texts], caption="t", missing="not scored")
    assert made.right == (("x",) if right else ())
    assert ("text-align: right" in made.html) == right


def test_html_is_escaped_and_has_no_index_and_scopes():
    made = table(ROWS, caption="1 < 2").html
    assert "a &lt;b&gt;" in made and "c &amp; d" in made and "<b>" not in made
    assert "<caption>1 &lt; 2</caption>" in made
    assert made.count('<th scope="col"') == made.count("<th ") == 4 and "row_heading" not in made
    named = table([{"<i>": 1}], caption="t").html
    assert "&lt;i&gt;" in named and "<i>" not in named


def test_the_same_table_is_the_same_html_and_tables_share_no_style():
    first, again = table(ROWS, caption="t").html, table(ROWS, caption="t").html
    other = table(ROWS, caption="other").html
    assert first == again
    assert re.search(r'<table id="(\w+)"', first)[1] != re.search(r'<table id="(\w+)"', other)[1]


def test_more_than_twelve_rows_are_folded():
    rows = [{"row": f"row {number}"} for number in range(15)]
    assert "<details>" not in table(rows[:12], caption="t").html
    made = table(rows, caption="t")
    shown, folded = made.html.split("<details>")
    assert "row 11" in shown and "row 12" not in shown
    assert folded.startswith("<summary>3 more rows</summary>") and folded.count("<td") == 3
    assert "<summary>1 more row</summary>" in table(rows[:13], caption="t").html
    assert "<summary>10 more rows</summary>" in table(rows, caption="t", visible=5).html
    assert "row 14" in repr(made)


def test_a_whole_table_is_folded_under_its_caption():
    made = table([{"row": "row 0"}], caption="t < u", visible=0)
    before, folded = made.html.split("<details>")
    assert not before and folded.startswith("<summary>t &lt; u</summary>")
    assert folded.count("<td") == 1 and "row 0" in repr(made)


def test_plain_text_is_aligned():
    assert repr(table(ROWS, caption="The caption")).splitlines() == [
        "The caption",
        "system  deltaBLEU (0 to 100)  diagnosis named (%)   n",
        "a <b>      4.50 [3.50, 5.50]          25 [20, 50]  60",
        "c & d                               100 [50, 100]  60",
    ]


def test_headers_can_be_named_and_data_may_be_a_frame():
    data = pandas.DataFrame({"seconds": [0.5], "shots": [2]})
    made = table(data, caption="t", names={"shots": "examples"})
    assert list(made.cells.columns) == ["time (s each)", "examples"]


@pytest.mark.parametrize("data", [[], pandas.DataFrame(columns=["x"])])
def test_an_empty_table_says_so(data):
    made = table(data, caption="Claims <all>")
    assert repr(made) == "Claims <all>: nothing to show."
    assert made.html == "<p>Claims &lt;all&gt;: nothing to show.</p>"
