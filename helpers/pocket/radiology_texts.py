"""What is said of the drawn scans: captions, and questions with one short answer."""

import random
from collections.abc import Iterator
from typing import Any

from helpers.pocket.conditions import capitals
from helpers.pocket.radiology import Scan, words

# Kind of question -> the fact of a scan that it asks for.
FACTS = {
    "MODALITY": "modality",
    "ORGAN": "organ",
    "ABN": "finding",
    "PRES": "finding",
    "POS": "side",
    "SIZE": "size",
}
NEED_FINDING = ("POS", "SIZE")


def caption(scan: Scan, rng: random.Random) -> str:
    """Write the caption of a scan; like those of articles, one in four says less than it could."""
    sentences = words()["captions"]
    view = rng.choice(sentences["views"][scan.modality]).format(organ=scan.organ)
    template = rng.choice(sentences["shown" if scan.finding else "normal"])
    fields = _fields(scan) | {"view": view}
    return str(template.format(**fields, **capitals(fields)))


def questions(scan: Scan, rng: random.Random) -> Iterator[dict[str, str]]:
    """Ask one open and one closed question of each kind that a scan can be asked, in random order.

    Yields: question, answer, question_type and answer_type, as VQA-RAD names them.
    """
    asked = [
        (kind, form)
        for kind, forms in words()["questions"].items()
        for form in forms
        if scan.finding or kind not in NEED_FINDING
    ]
    rng.shuffle(asked)
    for kind, form in asked:
        question, answer = _ask(scan, kind, form, rng)
        yield {
            "question": question,
            "answer": answer,
            "question_type": kind,
            "answer_type": form.upper(),
        }


def _ask(scan: Scan, kind: str, form: str, rng: random.Random) -> tuple[str, str]:
    template, fact = rng.choice(words()["questions"][kind][form]), FACTS[kind]
    truth = getattr(scan, fact)
    if form == "open":
        return template, truth or words()["nothing"]
    if kind == "ABN":
        return template, "yes" if scan.finding else "no"
    others = [value for value in _values(scan, fact) if value != truth]
    named = truth if truth and rng.random() < 0.5 else rng.choice(others)
    asked = {field: getattr(scan, field) for field in Scan.__dataclass_fields__} | {fact: named}
    return template.format(**_fields(Scan(**asked))), "yes" if named == truth else "no"


def _values(scan: Scan, fact: str) -> list[str]:
    """List what could be asked for: of findings, those of the organ."""
    organs: dict[str, Any] = words()["organs"]
    return {
        "modality": list(dict.fromkeys(m for one in organs.values() for m in one["modalities"])),
        "organ": list(organs),
        "finding": [finding for finding in organs[scan.organ]["findings"] if finding],
        "side": ["left", "right"],
        "size": words()["sizes"],
    }[fact]


def _fields(scan: Scan) -> dict[str, str]:
    article = words()["findings"][scan.finding]["a"] if scan.finding else ""
    # "an infarct", but "a large infarct"
    sized = f"{article[:1]} {scan.size} {scan.finding}".strip()
    return {
        "organ": scan.organ,
        "modality": scan.modality,
        "finding": scan.finding,
        "a_finding": f"{article}{scan.finding}",
        "a_sized_finding": sized,
        "side": scan.side,
        "size": scan.size,
    }
