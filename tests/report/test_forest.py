"""A study's claims at a glance: every verdict is drawn, counted and listed, none is made up."""

from dataclasses import replace
from html.parser import HTMLParser

import matplotlib
import pytest
from matplotlib import pyplot
from matplotlib.container import ErrorbarContainer

from helpers.experiments.recorded import recorded_studies, recorded_verdicts
from helpers.experiments.verdicts import Verdict, judge
from helpers.report import forest
from tests.report.runs import difference

matplotlib.use("Agg")
GAIN = Verdict("LoRA against none", "deltableu", difference(1.5, 0.25, 2.75), "agrees")
GAIN = replace(GAIN, paper="1.4 to 2.1", direction=1, dataset="pocket", adjusted=0.01)
OPEN = replace(GAIN, score=difference(0.1, -1, 1.2), verdict="undecided", adjusted=0.9)
SHARE = replace(OPEN, metric="named", score=difference(0.02, -0.05, 0.09), direction=0, paper="")


def shown(monkeypatch, verdicts, asks="Does it help") -> list[dict]:
    """What a cell displays."""
    found: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: found.append(data))
    open_before = pyplot.get_fignums()
    forest.show_verdicts(verdicts, asks=asks)
    assert pyplot.get_fignums() == open_before
    return found


def drawn(figure) -> list[ErrorbarContainer]:
    return [one for axis in figure.axes for one in axis.containers]


def of(says: str, **about) -> Verdict:
    return replace(OPEN, says=says, **about)


@pytest.mark.parametrize("study", ["visionqaries", "table_2"])
def test_every_verdict_of_a_recorded_study_is_drawn_counted_and_listed(monkeypatch, study):
    verdicts = recorded_verdicts("pocket", study)
    figure = forest._draw_forest(verdicts, study)
    assert len(drawn(figure)) == len(verdicts)
    claims = {one.says for one in verdicts}
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert {label.replace("\n", " ") for label in labels} == claims
    assert len(figure.axes) == len({one.metric for one in verdicts})
    marks = {text.get_text() for text in figure.legends[0].get_texts()}
    assert marks - {"direction in the paper"} == {forest._word(one) for one in verdicts}
    pyplot.close(figure)
    picture, words = shown(monkeypatch, verdicts, study)
    assert all(one.says in picture["text/plain"] for one in verdicts)
    folded = words["text/html"].partition("<details>")[2]
    assert folded.count("<tr>") == len(verdicts) + 1


def test_all_recorded_verdicts_have_a_mark_and_a_sentence():
    for study in recorded_studies():
        if verdicts := recorded_verdicts("pocket", study):
            assert {forest._word(one) for one in verdicts} <= set(forest.WORDS)
            sentences = forest._sentences(verdicts)
            assert len(sentences) == len({one.metric for one in verdicts})


def test_dots_intervals_and_the_papers_direction_stand_where_they_belong():
    lower = replace(GAIN, says="shots", direction=-1, verdict="disagrees")
    figure = forest._draw_forest([GAIN, SHARE, lower], "asks")
    left, right = figure.axes
    dots = [tuple(bar.lines[0].get_xdata()) for bar in left.containers]
    assert dots == [(1.5,), (1.5,)]
    (segment,) = left.containers[0].lines[2][0].get_segments()
    assert segment[:, 0].tolist() == pytest.approx([0.25, 2.75])
    (share,) = right.containers  # in per cent points
    assert share.lines[0].get_xdata()[0] == pytest.approx(2)
    assert right.get_title() == "diagnosis named\n(%\N{NO-BREAK SPACE}points)"
    assert [text.get_text() for text in right.texts] == ["not compared"] and not left.texts
    arrows = [line for line in left.lines if "arrow" in str(line.get_marker())]
    assert [line.get_marker() for line in arrows] == [r"$\rightarrow$", r"$\leftarrow$"]
    assert [line.get_xdata()[0] for line in arrows] == [0.97, 0.03]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first claim is on top
    pyplot.close(figure)


def test_words_differ_in_shape_and_in_colour():
    looks = forest.WORDS.values()
    assert len({look.marker for look in looks}) == len({look.colour for look in looks}) == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["undecided"], "the one comparison is undecided"),
        (["agrees"], "the one comparison agrees with the paper"),
        (["undecided"] * 2, "both comparisons are undecided"),
        (["more"] * 3, "all 3 comparisons show more"),
        (["agrees", "undecided"], "of 2 comparisons 1 agrees with the paper and 1 is undecided"),
        (
            ["undecided"] * 3 + ["agrees"] * 2 + ["worse"],
            "of 6 comparisons 2 agree with the paper, 1 is worse and 3 are undecided",
        ),
        (
            ["undecided: fewer than 10 cases", "undecided", "fewer"],
            "of 3 comparisons 1 shows fewer and 2 are undecided",
        ),
    ],
)
def test_counts_are_said_in_good_english(words, said):
    verdicts = [of(str(place), verdict=word) for place, word in enumerate(words)]
    assert forest._sentences(verdicts) == [f"deltaBLEU: {said}."]


def test_what_an_undecided_comparison_could_have_shown_is_said_in_its_unit():
    one = [replace(SHARE, could_show=0.125)]
    assert forest._sentences(one) == [
        "diagnosis named: the one comparison is undecided; the smallest difference that it could "
        "have shown is 12.5 % points."
    ]
    some = [GAIN, of("a", could_show=4.5), of("b", could_show=3.25), of("c")]
    few = of("d", could_show=0.1, score=difference(0.1, n=9), verdict="undecided: fewer than 10")
    (said,) = forest._sentences([replace(some[0], could_show=0.5), *some[1:], few])
    assert said.endswith(
        "; the smallest differences that these could have shown are 3.250 to 4.500."
    )
    (said,) = forest._sentences([of("a", could_show=4.5), of("unknown")])
    assert said.endswith("; the smallest difference that one of these could have shown is 4.500.")
    assert "with a probability of 80 %" in forest._note(some)


def test_the_note_tells_of_a_correction_only_where_there_was_one(monkeypatch):
    judged = judge([GAIN, SHARE])
    assert "corrected" in forest._note(judged) and "(Holm)" in forest._note(judged)
    before = [replace(one, adjusted=float("nan")) for one in judged]
    assert "not corrected" in forest._note(before) and "Holm" not in forest._note(before)
    _, words = shown(monkeypatch, judged)
    assert forest._note(judged) in words["text/plain"]


class Tags(HTMLParser):
    """The tags of a text, and the words between them."""

    def __init__(self, markup: str):
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words += data


def test_hostile_words_are_words_everywhere(monkeypatch):
    hostile = '<script>alert("1")</script> costs $5 or $x_{'
    picture, words = shown(monkeypatch, [replace(GAIN, says=hostile), SHARE], asks=hostile)
    assert Tags(picture["text/html"]).tags == ["img"]
    found = Tags(words["text/html"])
    assert "script" not in found.tags and hostile in found.words
    (nothing,) = shown(monkeypatch, [], asks=hostile)
    assert Tags(nothing["text/html"]).tags == ["p"]


def test_the_figure_is_read_out_row_by_row():
    assert forest._alt([GAIN, SHARE, of("shots")], "Does it help") == (
        "Forest plot. Does it help. Differences and verdicts: "
        "LoRA against none: deltaBLEU +1.500 (agrees), diagnosis named (% points) +2.0 "
        "(undecided); shots: deltaBLEU +0.100 (undecided)."
    )


def test_without_verdicts_it_says_so(monkeypatch):
    (data,) = shown(monkeypatch, [])
    assert data["text/plain"] == "Nothing is recorded here of this question: Does it help."
