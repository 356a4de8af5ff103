"""Cases as a reader should see them: the picture beside the words that are said of it."""

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.cases import Answer, Case
from helpers.data.images import BadImage, open_image, to_jpeg
from helpers.metrics.diagnosis import judge
from helpers.metrics.skin_classes import class_named, classes

THUMBNAIL = 160  # pixels of a picture's larger side
CELL = "text-align: left; vertical-align: top; padding: 0.5em"


@dataclass(frozen=True, repr=False)
class Strips:
    """What a notebook's cell shows: HTML where there is a browser, plain text elsewhere."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def case_strips(
    cases: Sequence[Case],
    answers: Mapping[str, Mapping[str, Answer]],
    shows: Callable[[Path], Path | None],
    *,
    caption: str,
    headers: tuple[str, str] = ("the patient", "the doctors"),
) -> Strips:
    """Set each case's picture beside the patient's words, what systems answer, and the doctors'
    answers.

    Where a case has a label, it stands below each answer how its diagnosis is judged.

    Args:
        answers: a column's header -> answers by case id, as "before fine-tuning" and "after".
        shows: returns an image's path, or None where it may not be shown (`lab.shows`).
        caption: what is to be seen.
        headers: over what is asked, and over the references.
    """
    rows = [_row(case, answers, shows, headers) for case in cases]
    if not rows:
        none = f"{caption}: nothing to show."
        return Strips(f"<p>{html.escape(none)}</p>", none)
    names = [name for name, _ in rows[0][1]]
    head = "".join(_cell("th", html.escape(name), ' scope="col"') for name in ["picture", *names])
    body = "".join(
        f"<tr>{_cell('td', picture)}"
        f"{''.join(_cell('td', _blocks(texts)) for _, texts in row)}</tr>\n"
        for picture, row in rows
    )
    title = f'<caption style="text-align: left; font-weight: bold">{html.escape(caption)}</caption>'
    markup = f"<table>{title}\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    return Strips(markup, "\n".join([caption, *map(_plain, cases, (row for _, row in rows))]))


def showing(cases: Sequence[Case], images: Mapping[str, Path | None]) -> list[Case]:
    """Return cases with other images in place of their own, by case id; None: without any."""
    shown = {case.id: images[case.id] for case in cases}
    return [replace(one, images=tuple(filter(None, [shown[one.id]]))) for one in cases]


def _row(
    case: Case,
    answers: Mapping[str, Mapping[str, Answer]],
    shows: Callable[[Path], Path | None],
    headers: tuple[str, str],
) -> tuple[str, list[tuple[str, list[str]]]]:
    """The picture as HTML, and each column's header with its texts."""
    said = [(name, _answer(case, found.get(case.id))) for name, found in answers.items()]
    patient = [text for text in (case.question, case.context) if text.strip()]
    doctors = [one.text for one in case.references if one.text.strip()]
    first, last = patient or ["(no words)"], doctors or ["(none)"]
    return _picture(case, shows), [(headers[0], first), *said, (headers[1], last)]


def _answer(case: Case, answer: Answer | None) -> list[str]:
    if not answer or not answer.text.strip():
        return ["(no answer)"]
    return [answer.text, *_judged(answer.text, case.label)]


def _judged(text: str, label: str) -> list[str]:
    """Say what an answer comes to: by its class where cases are of one, else by its diagnosis."""
    if not label.strip():
        return []
    if label in classes():
        return [f"(class: {class_named(text) or 'none named'})"]
    return [f"(diagnosis: {judge(text, label)})"]


def _picture(case: Case, shows: Callable[[Path], Path | None]) -> str:
    """The case's first picture, small, or the words that stand in its place."""
    paths = case.images_on_disk
    if not paths:
        return "no picture here"
    if not (path := shows(paths[0])):
        return "not shown: a patient's picture"
    try:
        image = open_image(path, max_side=THUMBNAIL)
    except BadImage:
        return "no good image"
    source = base64.b64encode(to_jpeg(image, max_side=THUMBNAIL)).decode()
    seen = ", ".join(filter(str.strip, (case.label, *case.concepts))) or "nothing is noted of it"
    alt = html.escape(f"First picture of case {case.id}: {seen}")
    more = f"<div>the first of {len(paths)}</div>" if len(paths) > 1 else ""
    # Small pictures are enlarged, and notebooks shrink none in narrow columns.
    width = round(image.width * THUMBNAIL / max(image.size))
    return (
        f'<img src="data:image/jpeg;base64,{source}" alt="{alt}" width="{width}" '
        f'style="max-width: none">{more}'
    )


def _cell(tag: str, inside: str, more: str = "") -> str:
    return f'<{tag}{more} style="{CELL}">{inside}</{tag}>'


def _blocks(texts: Sequence[str]) -> str:
    """Texts below each other, as they are written."""
    style = "white-space: pre-wrap; margin-bottom: 0.5em"
    return "".join(f'<div style="{style}">{html.escape(text)}</div>' for text in texts)


def _plain(case: Case, row: Sequence[tuple[str, Sequence[str]]]) -> str:
    return "\n".join([case.id, *(f"  {name}: {' / '.join(texts)}" for name, texts in row)])
