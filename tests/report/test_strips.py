"""Cases beside what is said of them: small, escaped, and no picture that may not be shown."""

import base64
import io
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from helpers.cases import Answer, Case, Reference
from helpers.report.strips import THUMBNAIL, case_strips, showing

CASE = Case(
    "E1",
    "Red ring?",
    "since May",
    references=(Reference("It is ringworm."), Reference("Tinea, see a doctor.")),
)


RINGWORM = Answer("E1", "This is ringworm.")


class Page(HTMLParser):
    """The tags with their attributes, and the texts of the cells."""

    def __init__(self, markup: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.cells: list[list[str]] = []
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append([])

    def handle_data(self, data):
        if self.cells and data.strip():
            self.cells[-1].append(data)

    def all(self, name: str) -> list[dict]:
        return [attrs for tag, attrs in self.tags if tag == name]


def strips(*cases, answers=None, shows=lambda path: path, caption="Before and after"):
    return case_strips(cases, answers or {}, shows, caption=caption)


@pytest.fixture
def pictured(tmp_path):
    """A case with two pictures, the first one large."""
    paths = tmp_path / "a.jpg", tmp_path / "b.png"
    for path in paths:
        Image.effect_noise((1600, 1200), 80).convert("RGB").save(path)
    return replace(CASE, images=paths, label="eczema", concepts=("Scale", "Crust"))


def test_a_row_holds_picture_patient_answers_and_doctors(pictured):
    answers = {
        "before fine-tuning": {"E1": Answer("E1", "A red picture.")},
        "after": {"E1": Answer("E1", "It is eczema.")},
    }
    page = Page(strips(pictured, answers=answers).html)
    headers = ["picture", "the patient", "before fine-tuning", "after", "the doctors"]
    assert page.cells == [
        *([header] for header in headers),
        ["the first of 2"],
        ["Red ring?", "since May"],
        ["A red picture.", "(diagnosis: none named)"],
        ["It is eczema.", "(diagnosis: correct)"],
        ["It is ringworm.", "Tinea, see a doctor."],
    ]
    assert [attrs["scope"] for attrs in page.all("th")] == ["col"] * 5
    assert len(page.all("caption")) == 1


def test_pictures_are_small_and_described(pictured):
    found = strips(pictured)
    (image,) = Page(found.html).all("img")
    assert image["alt"] == "First picture of case E1: eczema, Scale, Crust"
    data = base64.b64decode(image["src"].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(data)).size == (THUMBNAIL, THUMBNAIL * 3 // 4)
    assert image["width"] == str(THUMBNAIL) and len(found.html) < 60_000


def test_small_pictures_are_enlarged(tmp_path):
    Image.new("RGB", (48, 96)).save(tmp_path / "small.png")
    page = Page(strips(replace(CASE, images=(tmp_path / "small.png",))).html)
    assert page.all("img")[0]["width"] == str(THUMBNAIL // 2)


def test_what_may_not_be_shown_is_not_opened(pictured, monkeypatch):
    monkeypatch.setattr("helpers.report.strips.open_image", lambda *_, **__: pytest.fail("opened"))
    asked = []
    page = Page(strips(pictured, shows=asked.append).html)
    assert asked == [pictured.images[0]] and not page.all("img")
    assert ["not shown: a patient's picture"] in page.cells


def test_pictures_that_are_absent_or_broken_are_said(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    cells = Page(strips(CASE, replace(CASE, images=(broken,))).html).cells
    assert ["no picture here"] in cells and ["no good image"] in cells


def test_cases_may_be_shown_with_other_images(pictured, tmp_path):
    other = tmp_path / "other.png"
    (one,) = showing([pictured], {"E1": other, "E2": None})
    assert one == replace(pictured, images=(other,))
    assert showing([pictured], {"E1": None})[0].images == ()


def test_missing_words_are_said():
    bare = Case("E2")
    answers = {"before": {"E2": Answer("E2", " ")}, "after": {}}
    found = strips(bare, answers=answers)
    expected = [["no picture here"], ["(no words)"], ["(no answer)"], ["(no answer)"], ["(none)"]]
    assert Page(found.html).cells[5:] == expected
    assert strips().html == "<p>Before and after: nothing to show.</p>"


def test_hostile_words_are_words_everywhere(pictured):
    hostile = '"><script>alert(1)</script>&'
    case = replace(
        pictured,
        id=hostile,
        question=hostile,
        context=hostile,
        label=hostile,
        references=(Reference(hostile),),
    )
    found = strips(case, answers={hostile: {hostile: Answer(hostile, hostile)}}, caption=hostile)
    page = Page(found.html)
    assert not page.all("script") and page.cells.count([hostile]) == 2  # a header, the doctors
    assert page.all("img")[0]["alt"].startswith(f"First picture of case {hostile}")


def test_where_there_is_no_browser_it_is_text():
    answers = {"after": {"E1": Answer("E1", "eczema")}}
    assert repr(strips(CASE, answers=answers)) == (
        "Before and after\nE1\n  the patient: Red ring? / since May\n  after: eczema\n"
        "  the doctors: It is ringworm. / Tinea, see a doctor."
    )


def test_an_answer_is_judged_by_its_class_where_cases_are_of_one():
    case = replace(CASE, label="Fungal infections")
    answers = {"before": {"E1": Answer("E1", "A smooth papule.")}, "after": {"E1": RINGWORM}}
    shown = case_strips([case], answers, lambda path: path, caption="c").text
    assert "(class: none named)" in shown and "(class: Fungal infections)" in shown
    assert "diagnosis" not in shown
