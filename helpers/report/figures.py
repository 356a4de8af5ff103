"""Figures with alt text and a caption that states the finding."""

from collections.abc import Sequence
from pathlib import Path

from helpers.data.images import BadImage, open_image

FIGURE_SIDE = 400  # pixels of an image in a figure


def show(figure, *, alt: str) -> None:
    """Display a matplotlib figure as PNG with alt text, and close it."""
    import matplotlib.pyplot as plt
    from IPython.display import display

    if not alt.strip():
        raise ValueError("a figure needs alt text")
    display(figure, metadata={"image/png": {"alt": alt}})
    plt.close(figure)


def flow(steps: Sequence[str], *, title: str = ""):
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


def contact_sheet(images: Sequence, captions: Sequence[str], *, columns: int = 8, title: str = ""):
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


def side_by_side(images: Sequence, texts: dict[str, Sequence[str]], *, width: int = 44):
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


def _draw_image(axis, image) -> None:
    """A PIL image or the image of a path; None and what is no good image are said in words."""
    words = "not shown"
    try:
        if isinstance(image, (str, Path)):
            image = open_image(image, max_side=FIGURE_SIDE)
    except BadImage:
        image, words = None, "no good image"
    if image is None:
        axis.text(0.5, 0.5, words, ha="center", va="center", fontsize=8)
    else:
        axis.imshow(image)


def grouped_bars(
    names: Sequence[str], series: dict[str, Sequence[float | None]], *, label: str, title: str
):
    """Horizontal bars, one group per name and one bar per series; None is left out. Returns the
    figure.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    figure, axis = plt.subplots(figsize=(7, 0.3 * len(names) + 1.2), layout="constrained")
    thickness = 0.8 / max(1, len(series))
    for place, (name, values) in enumerate(series.items()):
        places = np.arange(len(names)) + (place - (len(series) - 1) / 2) * thickness
        axis.barh(places, np.array(values, dtype=float), thickness, label=name)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.margins(y=0.5 / max(1, len(names)))
    axis.invert_yaxis()
    axis.set(xlabel=label, title=title)
    axis.legend(
        fontsize=8, loc="upper left", bbox_to_anchor=(1, 1)
    )  # beside the bars, which may be of any length
    return figure


def score_bars(rows: Sequence[dict], *, label: str, title: str):
    """Horizontal bars of scores with their 95 % intervals; returns the figure.

    Args:
        rows: {"name", "value", "interval": [low, high]}, drawn from top to bottom.
    """
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 0.35 * len(rows) + 1), layout="constrained")
    values = [row["value"] for row in rows]
    below = [max(0, row["value"] - row["interval"][0]) for row in rows]
    above = [max(0, row["interval"][1] - row["value"]) for row in rows]
    axis.barh(
        range(len(rows)), values, xerr=[below, above], color="#7aa6c2", ecolor="#444444", capsize=2
    )
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axis.margins(y=0.5 / max(1, len(rows)))
    axis.invert_yaxis()
    axis.set(xlabel=label, title=title)
    return figure


def curves(lines: dict[str, Sequence[tuple]], *, label: str, across: str, title: str):
    """Lines with 95 % intervals; returns the figure.

    Args:
        lines: name -> points (place, value, low, high). Places of lines are moved a little apart,
            so that intervals can be told from each other.
    """
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    for number, (name, points) in enumerate(lines.items()):
        shift = 0.12 * (number - (len(lines) - 1) / 2)
        places, values, lows, highs = (list(column) for column in zip(*points))
        errors = [
            [max(0, value - low) for value, low in zip(values, lows)],
            [max(0, high - value) for value, high in zip(values, highs)],
        ]
        axis.errorbar(
            [place + shift for place in places],
            values,
            yerr=errors,
            marker="o",
            capsize=2,
            label=name,
        )
    axis.set(xlabel=across, ylabel=label, title=title)
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def loss_curves(log: Sequence[dict], *, title: str):
    """Training and validation loss over optimiser steps, from a trainer's log; returns the figure."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
    for key, name, style in (("loss", "training", "-"), ("eval_loss", "validation", "o--")):
        points = [(entry["step"], entry[key]) for entry in log if key in entry]
        axis.plot([step for step, _ in points], [loss for _, loss in points], style, label=name)
    axis.set(xlabel="optimiser step", ylabel="loss per answer token", title=title)
    axis.legend()
    return figure
