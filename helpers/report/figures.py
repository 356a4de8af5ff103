"""Figures with alt text and a caption that states the finding."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data.images import BadImage, open_image
from helpers.metrics.scores import Score
from helpers.metrics.table import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from PIL.Image import Image

FIGURE_SIDE = 400  # pixels of an image in a figure
FEW_COLOURS = 1000  # a figure of lines and words has fewer, one with photographs more
NAME_WIDTH = 60  # characters of a system's name in a line, so that its bar has room beside it


def show(figure: "Figure", *, alt: str) -> None:
    """Display a matplotlib figure as an image with alt text, and close it.

    It is HTML, since no reader of notebooks shows the alt text that a bare PNG brings along.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    if not alt.strip():
        raise ValueError("a figure needs alt text")
    source = f"data:image/png;base64,{base64.b64encode(_as_png(figure)).decode()}"
    plt.close(figure)
    image = f'<img src="{source}" alt="{html.escape(alt)}" style="max-width: 100%">'
    display({"text/html": image, "text/plain": alt}, raw=True)


def _as_png(figure: "Figure") -> bytes:
    """Return a figure as PNG; one of lines and words, of few colours, in a third of the bytes."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight")
    image = Image.open(drawn).convert("RGB")
    if not image.getcolors(maxcolors=FEW_COLOURS):
        return drawn.getvalue()
    image.quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def flow(steps: Sequence[str], *, title: str = "") -> "Figure":
    """The way of the data as boxes in a row with arrows between them; returns the figure."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(1.5 * len(steps), 1.1), layout="constrained")
    axis.axis("off")
    axis.set(xlim=(-0.5, len(steps) - 0.5), ylim=(-0.5, 0.5), title=title)
    for place, step in enumerate(steps):
        axis.text(
            place,
            0,
            step,
            ha="center",
            va="center",
            fontsize=9,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": "#e8f0f5", "edgecolor": "#7aa6c2"},
        )
        if place:
            axis.annotate(
                "",
                (place - 0.36, 0),
                (place - 0.64, 0),
                arrowprops={"arrowstyle": "->", "color": "#444444"},
            )
    return figure


def contact_sheet(
    images: "Sequence[Image | Path | str | None]",
    captions: Sequence[str],
    *,
    columns: int = 8,
    title: str = "",
) -> "Figure":
    """A grid of images (PIL images or paths) with a caption under each; returns the figure."""
    import matplotlib.pyplot as plt

    rows = max(1, -(-len(images) // columns))
    size = (1.25 * columns, 1.5 * rows)
    # About the images' own resolution: more would only make the notebook file larger.
    figure, axes = plt.subplots(
        rows, columns, figsize=size, dpi=72, squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, caption in zip(axes.flat, images, captions):
        _draw_image(axis, image)
        axis.set_title(caption, fontsize=7, y=-0.22)
    figure.suptitle(title if images else "no images on this machine")
    return figure


def side_by_side(
    images: "Sequence[Image | Path | str | None]",
    texts: Mapping[str, Sequence[str]],
    *,
    width: int = 44,
) -> "Figure":
    """Images in the first column (PIL images, paths or None), what each of several systems says
    of them beside it.

    `texts`: system -> one text per image (YuanAI, Table 4). Returns the figure.
    """
    import textwrap

    import matplotlib.pyplot as plt

    wrapped = [[textwrap.fill(text, width) for text in column] for column in texts.values()]
    heights = [
        max(1.3, 0.16 * max(column[row].count("\n") + 1 for column in wrapped))
        for row in range(len(images))
    ]
    figure, axes = plt.subplots(
        len(images),
        1 + len(texts),
        figsize=(1.4 + 0.075 * width * len(texts), sum(heights) + 0.3),
        dpi=80,
        squeeze=False,
        layout="constrained",
        gridspec_kw={
            "height_ratios": heights,
            "width_ratios": [1.4] + [0.075 * width] * len(texts),
        },
    )
    for axis in axes.flat:
        axis.axis("off")
    for row, image in enumerate(images):
        _draw_image(axes[row, 0], image)
        for column, text in enumerate(wrapped):
            axes[row, column + 1].text(
                0, 1, text[row], va="top", fontsize=8, transform=axes[row, column + 1].transAxes
            )
    for axis, name in zip(axes[0, 1:], texts):
        axis.set_title(name, fontsize=9, loc="left")
    return figure


def _draw_image(axis: "Axes", image: "Image | Path | str | None") -> None:
    """Draw an image, or that of a path; None and what is no good image are said in words."""
    opened = _open(image)
    if isinstance(opened, str):
        axis.text(0.5, 0.5, opened, ha="center", va="center", fontsize=8)
    else:
        axis.imshow(opened)


def _open(image: "Image | Path | str | None") -> "Image | str":
    """The image to draw, or the words that stand in its place."""
    if image is None:
        return "not shown"
    if not isinstance(image, (str, Path)):
        return image
    try:
        return open_image(image, max_side=FIGURE_SIDE)
    except BadImage:
        return "no good image"


def grouped_bars(
    names: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    metric: str,
    title: str,
) -> "Figure":
    """Horizontal bars of a metric, one group per name and one bar per series; returns the figure.

    A value of None is left out.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    figure, axis = plt.subplots(figsize=(7, 0.3 * len(names) + 1.2), layout="constrained")
    thickness = 0.8 / max(1, len(series))
    for place, (name, values) in enumerate(series.items()):
        places = np.arange(len(names)) + (place - (len(series) - 1) / 2) * thickness
        shown = METRICS[metric].scale * np.array(values, dtype=float)
        axis.barh(places, shown, thickness, label=name)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.margins(y=0.5 / max(1, len(names)))
    axis.invert_yaxis()
    axis.set(xlabel=METRICS[metric].header, title=title)
    # The legend stands beside the bars, which may be of any length.
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def score_bars(data: "DataFrame", *, metric: str, title: str) -> "Figure":
    """Horizontal bars of a metric with their 95 % intervals; returns the figure.

    Args:
        data: rows with "system" and a `Score` under the metric, as `leaderboard.list_systems` gives
            them; drawn from top to bottom.
        metric: a key of `METRICS`.
    """
    import textwrap

    import matplotlib.pyplot as plt

    places = range(len(data))
    names = [textwrap.fill(name, NAME_WIDTH) for name in data["system"]]
    figure, axis = plt.subplots(figsize=(7, 0.35 * len(data) + 1), layout="constrained")
    values, errors = _values_and_errors(data[metric].tolist(), metric)
    axis.barh(places, values, xerr=errors, color="#7aa6c2", ecolor="#444444", capsize=2)
    axis.set_yticks(places, names, fontsize=8)
    axis.margins(y=0.5 / max(1, len(data)))
    axis.invert_yaxis()
    axis.set(xlabel=METRICS[metric].header, title=title)
    return figure


def curves(
    lines: Mapping[str, Sequence[tuple[float, Score]]], *, metric: str, across: str, title: str
) -> "Figure":
    """Lines of scores with their 95 % intervals; returns the figure.

    Args:
        lines: name -> points of place and score. Places of lines are moved a little apart, so that
            intervals can be told from each other.
        metric: key of the scores in `METRICS`.
    """
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    for number, (name, points) in enumerate(lines.items()):
        shift = 0.12 * (number - (len(lines) - 1) / 2)
        values, errors = _values_and_errors([score for _, score in points], metric)
        places = [place + shift for place, _ in points]
        axis.errorbar(places, values, yerr=errors, marker="o", capsize=2, label=name)
    axis.set(xlabel=across, ylabel=METRICS[metric].header, title=title)
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _values_and_errors(
    scores: Sequence[Score], metric: str
) -> tuple[list[float], list[list[float]]]:
    """Values as they are shown, and how far their intervals reach below and above."""
    scale = METRICS[metric].scale
    below = [scale * max(0, score.value - score.low) for score in scores]
    above = [scale * max(0, score.high - score.value) for score in scores]
    return [scale * score.value for score in scores], [below, above]


def loss_curves(log: Sequence[Mapping[str, Any]], *, title: str) -> "Figure":
    """Loss over optimiser steps, in training and (where there was one) in validation, from a
    trainer's log; returns the figure.
    """
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
    for key, name, style in (("loss", "training", "-"), ("eval_loss", "validation", "o--")):
        points = [(entry["step"], entry[key]) for entry in log if key in entry]
        if points:
            axis.plot([step for step, _ in points], [loss for _, loss in points], style, label=name)
    axis.set(xlabel="optimiser step", ylabel="loss per answer token", title=title)
    axis.legend()
    return figure
