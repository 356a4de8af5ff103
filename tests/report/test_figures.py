"""Figures: what stands in them, also where an image may not be shown or is none."""

import base64
import io

import matplotlib
import pandas
import pytest
from matplotlib.container import BarContainer
from PIL import Image

from helpers.metrics.scores import Score
from helpers.report import figures

matplotlib.use("Agg")
SHARE = Score(0.25, 0.125, 0.75, 60, "")


@pytest.fixture
def images(tmp_path):
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    Image.new("RGB", (1600, 1200), "red").save(good)
    bad.write_bytes(good.read_bytes()[:2000])
    return [good, None, bad, Image.new("RGB", (20, 20), "blue")]


def words(axis) -> list[str]:
    return [text.get_text() for text in axis.texts] + [axis.get_title(), axis.get_title(loc="left")]


def test_a_contact_sheet_shows_what_may_and_can_be_shown(images):
    figure = figures.contact_sheet(images, list("abcd"), columns=2)
    assert [bool(axis.images) for axis in figure.axes] == [True, False, False, True]
    assert [words(axis)[:-2] for axis in figure.axes] == [
        [],
        ["not shown"],
        ["no good image"],
        [],
    ]
    assert max(figure.axes[0].images[0].get_array().shape) <= figures.FIGURE_SIDE


def test_captions_stand_beside_their_image(images):
    texts = {"blip": ["a patch", "two", "three", "four"], "llava": ["a longer text " * 20] * 4}
    figure = figures.side_by_side(images, texts)
    first = figure.axes[:3]
    assert first[0].images and "a patch" in words(first[1]) and {"blip"} <= set(words(first[1]))
    assert words(first[2])[0].count("\n") >= 5


def test_grouped_bars_leave_out_what_is_undefined_and_show_shares_in_per_cent():
    series = {"a": [0.5, None], "b": [1.0, 0.0]}
    figure = figures.grouped_bars(["Scale", "Crust"], series, metric="concept_recall", title="t")
    widths = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    assert widths[0][0] == 50 and widths[0][1] != widths[0][1] and widths[1] == [100, 0]
    assert figure.axes[0].get_xlabel() == "recall of findings (%)"


def test_score_bars_have_their_intervals():
    data = pandas.DataFrame({"system": ["a", "b"], "named": [SHARE, Score(0.5, 0.5, 0.5, 60, "")]})
    axis = figures.score_bars(data, metric="named", title="t").axes[0]
    assert [bar.get_width() for bar in axis.patches] == [25, 50]
    (bars,) = [found for found in axis.containers if isinstance(found, BarContainer)]
    (errors,) = bars.errorbar.lines[2]
    assert errors.get_segments()[0][:, 0].tolist() == pytest.approx([12.5, 75])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert axis.get_xlabel() == "diagnosis named (%)"


def test_long_names_leave_room_for_their_bars():
    data = pandas.DataFrame({"system": ["word " * 30], "named": [SHARE]})
    figure = figures.score_bars(data, metric="named", title="t")
    figure.canvas.draw()
    (label,) = figure.axes[0].get_yticklabels()
    assert max(map(len, label.get_text().splitlines())) <= figures.NAME_WIDTH
    assert figure.axes[0].get_position().width > 0.3


def test_curves_have_every_point_with_its_interval_and_do_not_hide_each_other():
    lines = {"P1": [(0, Score(0.1, 0.0, 0.3, 60, "")), (5, SHARE)], "P2": [(0, SHARE)]}
    figure = figures.curves(lines, metric="named", across="epochs", title="t")
    one, two = figure.axes[0].containers
    assert list(one.lines[0].get_ydata()) == [10, 25] and list(two.lines[0].get_ydata()) == [25]
    assert one.lines[0].get_xdata()[0] < 0 < two.lines[0].get_xdata()[0]
    ends = [segment[:, 1].tolist() for segment in one.lines[2][0].get_segments()]
    assert ends == [pytest.approx([0, 30]), pytest.approx([12.5, 75])]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["P1", "P2"]
    assert figure.axes[0].get_ylabel() == "diagnosis named (%)"


def test_a_training_without_validation_has_no_line_for_it():
    log = [{"step": 5, "loss": 2.0}, {"step": 10, "loss": 1.0}]
    (axis,) = figures.loss_curves(log, title="t").axes
    assert [line.get_label() for line in axis.lines] == ["training"]
    (axis,) = figures.loss_curves([*log, {"step": 10, "eval_loss": 1.5}], title="t").axes
    assert [line.get_label() for line in axis.lines] == ["training", "validation"]


def test_a_shown_figure_has_its_alt_text_escaped_and_is_closed(monkeypatch):
    from matplotlib import pyplot

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    figure = figures.flow(["a", "b"])
    figures.show(figure, alt='Boxes "a" & <b>')
    (data,) = shown
    assert data["text/plain"] == 'Boxes "a" & <b>' and "image/png" not in data
    assert 'alt="Boxes &quot;a&quot; &amp; &lt;b&gt;"' in data["text/html"]
    source = data["text/html"].split("base64,")[1].split('"')[0]
    image = Image.open(io.BytesIO(base64.b64decode(source)))
    assert image.format == "PNG" and image.width > 200
    assert figure.number not in pyplot.get_fignums()
    with pytest.raises(ValueError):
        figures.show(figure, alt=" ")
