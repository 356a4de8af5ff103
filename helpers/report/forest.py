"""A study's comparisons at a glance: a forest plot, counts in words, and the table folded away."""

import html
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers.experiments.verdicts import Verdict
from helpers.metrics.claims import can_decide
from helpers.metrics.differences import POWER
from helpers.metrics.metric import PERCENT
from helpers.metrics.table import METRICS
from helpers.report.figures import show
from helpers.report.leaderboard import list_claims
from helpers.report.tables import table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLAIM_WIDTH = 42  # characters of a claim in a line
# In inches: the column of the claims; the panels together, or each where there are many.
CLAIMS, PANELS, PANEL = 2.9, 4.6, 1.35
GREY = "#767676"


class Word(NamedTuple):
    """How a verdict is drawn, and how it is said of one comparison and of several."""

    marker: str
    colour: str
    one: str
    several: str


WORDS = {
    "agrees": Word("o", "#007a5a", "agrees with the paper", "agree with the paper"),
    "disagrees": Word("X", "#c44e00", "disagrees with the paper", "disagree with the paper"),
    "better": Word("^", "#0072b2", "is better", "are better"),
    "worse": Word("v", "#aa3377", "is worse", "are worse"),
    "more": Word(">", "#5b4b9a", "shows more", "show more"),
    "fewer": Word("<", "#8c6d00", "shows fewer", "show fewer"),
    "undecided": Word("D", GREY, "is undecided", "are undecided"),
}
UNDECIDED = "undecided"


def show_verdicts(verdicts: Sequence[Verdict], *, asks: str) -> None:
    """Display what became of a study's claims: a forest plot, sentences that count the verdicts,
    and the full table in a fold.

    Args:
        verdicts: of one data set; claims are drawn in their order.
        asks: the study's question.
    """
    from IPython.display import display

    if not verdicts:
        none = f"Nothing is recorded here of this question: {asks}."
        display({"text/html": f"<p>{html.escape(none)}</p>", "text/plain": none}, raw=True)
        return
    show(_draw_forest(verdicts, asks), alt=_alt(verdicts, asks))
    by_metric, note = _sentences(verdicts), _note(verdicts)
    every = table(list_claims(verdicts), caption=asks, visible=len(verdicts))
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in by_metric)
    folded = f"<details><summary>The numbers</summary>\n{every.html}</details>"
    text = "\n".join([*by_metric, note, "", repr(every)])
    markup = f"<ul>{items}</ul>\n<p>{html.escape(note)}</p>\n{folded}"
    display({"text/html": markup, "text/plain": text}, raw=True)


def _rows(verdicts: Sequence[Verdict]) -> list[dict[str, Verdict]]:
    """Return for each claim its verdicts by metric."""
    rows: dict[tuple, dict[str, Verdict]] = {}
    for one in verdicts:
        rows.setdefault((one.study, one.dataset, one.says), {})[one.metric] = one
    return list(rows.values())


def _metrics(verdicts: Sequence[Verdict]) -> list[str]:
    return list(dict.fromkeys(one.metric for one in verdicts))


def _word(verdict: Verdict) -> str:
    """The verdict without its reason ("undecided: fewer than 10 cases")."""
    return verdict.verdict.partition(":")[0]


def _draw_forest(verdicts: Sequence[Verdict], asks: str) -> "Figure":
    """A row for each claim, a panel for each metric; a row is as high as its claim has lines."""
    import matplotlib.pyplot as plt

    rows, metrics = _rows(verdicts), _metrics(verdicts)
    claims = [textwrap.fill(next(iter(row.values())).says, CLAIM_WIDTH) for row in rows]
    heights = [0.19 + 0.14 * (claim.count("\n") + 1) for claim in claims]
    ends = list(accumulate(heights))
    places = [end - height / 2 for end, height in zip(ends, heights)]
    width = CLAIMS + max(PANELS, len(metrics) * PANEL)
    figure, axes = plt.subplots(
        *(1, len(metrics)),
        figsize=(width, ends[-1] + 1.5),
        dpi=100,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, metric in zip(axes[0], metrics):
        for place, row in zip(places, rows):
            _draw_difference(axis, place, row.get(metric))
        _finish_panel(axis, metric, ends)
    axes[0, 0].set_ylim(ends[-1], 0)
    axes[0, 0].set_yticks(places, claims, fontsize=8, linespacing=1.1, parse_math=False)
    title = textwrap.fill(asks, int(13 * width))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, parse_math=False)
    _add_legend(figure, verdicts)
    return figure


def _draw_difference(axis: "Axes", place: float, verdict: Verdict | None) -> None:
    """Draw a dot with its interval, and at the panel's edge the direction that the paper reports;
    what was not compared is said.
    """
    beside = axis.get_yaxis_transform()
    if not verdict:
        look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": GREY}
        axis.text(0.5, place, "not compared", transform=beside, backgroundcolor="white", **look)
        return
    score, scale = verdict.score, METRICS[verdict.metric].scale
    reach = [[scale * (score.value - score.low)], [scale * (score.high - score.value)]]
    axis.errorbar(scale * score.value, place, xerr=reach, elinewidth=1.4, **_look(_word(verdict)))
    if verdict.direction:
        edge = 0.97 if verdict.direction > 0 else 0.03
        axis.plot(edge, place, transform=beside, **_paper_look(verdict.direction))


def _look(word: str) -> dict[str, Any]:
    marker, colour, *_ = WORDS[word]
    face = "white" if word == UNDECIDED else colour
    return {"marker": marker, "color": colour, "markerfacecolor": face, "markersize": 6}


def _paper_look(direction: int) -> dict[str, Any]:
    return {
        "marker": r"$\rightarrow$" if direction > 0 else r"$\leftarrow$",
        "color": "#444444",
        "markersize": 8,
        "markeredgewidth": 0,
        "linestyle": "none",
        "clip_on": False,
    }


def _finish_panel(axis: "Axes", metric: str, ends: Sequence[float]) -> None:
    """Give a panel its metric's name, its zero and faint lines between the rows."""
    axis.axvline(0, color="#222222", linewidth=0.9, zorder=0)
    for end in ends[:-1]:
        axis.axhline(end, color="#e4e4e4", linewidth=0.7, zorder=0)
    axis.margins(x=0.18)
    axis.locator_params(axis="x", nbins=4)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["left", "right", "top"]].set_visible(False)
    header = METRICS[metric].difference_header.replace("% points", "%\N{NO-BREAK SPACE}points")
    axis.set_title(textwrap.fill(header, 18), fontsize=9)


def _add_legend(figure: "Figure", verdicts: Sequence[Verdict]) -> None:
    """Explain the marks that occur, and no others."""
    from matplotlib.lines import Line2D

    found = {_word(one) for one in verdicts}
    handles = [
        Line2D([], [], linestyle="none", label=word, **_look(word))
        for word in WORDS
        if word in found
    ]
    if directions := {one.direction for one in verdicts if one.direction}:
        look = _paper_look(max(directions))
        handles.append(Line2D([], [], label="direction in the paper", **look))
    figure.legend(
        handles=handles,
        title="Differences with their 95 % intervals; right of 0 the side named first is higher",
        loc="outside lower center",
        ncols=min(len(handles), 5),
        fontsize=8,
        title_fontsize=8,
        frameon=False,
    )


def _alt(verdicts: Sequence[Verdict], asks: str) -> str:
    """Say what stands in the figure, row by row."""
    rows = []
    for row in _rows(verdicts):
        cells = [
            f"{METRICS[key].difference_header} "
            f"{METRICS[key].format_difference(one.score.value)} ({one.verdict})"
            for key, one in row.items()
        ]
        rows.append(f"{next(iter(row.values())).says}: {', '.join(cells)}")
    return f"Forest plot. {asks}. Differences and verdicts: {'; '.join(rows)}."


def _sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """Count the verdicts, in a sentence for each metric since each has a unit of its own."""
    found = []
    for key in _metrics(verdicts):
        mine = [one for one in verdicts if one.metric == key]
        counts = _counted(Counter(map(_word, mine)))
        found.append(f"{METRICS[key].label}: {counts}{_could_show(mine)}.")
    return found


def _counted(words: Mapping[str, int]) -> str:
    """Say how many comparisons came to each word."""
    total = sum(words.values())
    kinds = [(words[word], look) for word, look in WORDS.items() if word in words]
    if len(kinds) == 1:
        (_, look), all_of = kinds[0], {1: "the one comparison", 2: "both comparisons"}
        said = look.one if total == 1 else look.several
        return f"{all_of.get(total, f'all {total} comparisons')} {said}"
    parts = [f"{count} {look.one if count == 1 else look.several}" for count, look in kinds]
    return f"of {total} comparisons {', '.join(parts[:-1])} and {parts[-1]}"


def _could_show(verdicts: Sequence[Verdict]) -> str:
    """Say how large a difference undecided comparisons could have shown, where it is known; those
    of too few cases could have shown nothing.
    """
    undecided = [one for one in verdicts if _word(one) == UNDECIDED and can_decide(one.score)]
    known = [one.could_show for one in undecided if not isnan(one.could_show)]
    if not known:
        return ""
    metric = METRICS[verdicts[0].metric]
    low, high = (metric.format_difference(end(known)).removeprefix("+") for end in (min, max))
    unit = " % points" if metric.unit == PERCENT else ""
    if len(known) == 1:
        which = "it" if len(undecided) == 1 else "one of these"
        return f"; the smallest difference that {which} could have shown is {low}{unit}"
    return f"; the smallest differences that these could have shown are {low} to {high}{unit}"


def _note(verdicts: Sequence[Verdict]) -> str:
    """Say by which rule the verdicts were given."""
    if any(isnan(one.adjusted) for one in verdicts):
        note = "Each verdict stands for itself: it is not corrected for the number of comparisons."
    else:
        note = (
            "Verdicts are corrected for the number of comparisons in their study (Holm), so one "
            "whose interval leaves out 0 may still be undecided."
        )
    if any(_could_show([one]) for one in verdicts):
        note += f" Could have shown: with a probability of {POWER:.0%}.".replace("%", " %")
    return note
