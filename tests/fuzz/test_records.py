"""The lab's own records, notebooks and settings, with odd parts: a value, or one sentence."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import Cases
from helpers.experiments import recorded
from helpers.experiments.experiment import list_kinds
from helpers.experiments.parameters import SHARED, parse
from helpers.experiments.recorded import read_study
from helpers.experiments.runs import FORMAT, find_runs, load_run
from helpers.files import file_hash, with_seal
from helpers.models.adapter_card import read_card
from helpers.settings.notebook_file import read_kinds, read_parameters
from helpers.settings.section import all_parameters
from tests.fuzz.odd import (
    as_bytes,
    as_json,
    changed,
    check_line,
    fuzz,
    json_files,
    jsonl_files,
    numbers,
    outcome,
    texts,
    values,
)

RUN = {
    "format": FORMAT,
    "run_id": "a1",
    "kind": "answers",
    "name": "answers: pocket/llama",
    "status": "done",
    "parents": {},
    "parameters": {"SEED": 1},
    "seed": 1,
    "dataset": "pocket",
    "checksums": {"predictions.jsonl": "0" * 64},
}
METRICS = {"deltableu": {"value": 1.0, "low": 0.5, "high": 2.0, "n": 3, "signature": "s"}}
CELLS = [
    {"cell_type": "markdown", "metadata": {}, "source": "A lesson"},
    {
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]},
        "source": ["SEED: int = 1  # a seed\n", 'MODEL: str = ""  # a model'],
    },
    {"cell_type": "code", "metadata": {}, "source": 'lab = start("02", globals(), kinds=["a"])'},
]
NOTEBOOK = {"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
STUDY = [
    {
        "study": "s",
        "asks": "Does it?",
        "common": {"dataset": "pocket", "language": "en", "split": "valid"},
        "parameters": {"A": 1},
        "signatures": ["sig"],
        "cases": [["c1", "c2"]],
    },
    {
        "run_id": "a1",
        "kind": "answers",
        "name": "one",
        "seed": 1,
        "parameters": {},
        "scores": {"deltableu": [1.5, 1, 2, 2, 0]},
        "cases": {"deltableu": [0, [1, 2]]},
    },
]


@st.composite
def sealed_files(draw: st.DrawFn, sound: dict) -> bytes:
    """The bytes of a record, often with a seal that fits in spite of what is odd."""
    value = draw(changed(sound))
    with suppress(TypeError, ValueError):  # what can have no seal
        value = with_seal(value) if draw(st.sampled_from([True, True, False])) else value
    return draw(as_bytes(as_json(value)))


@fuzz(40)
@given(content=json_files(NOTEBOOK))
def test_notebooks(content, tmp_path):
    path = tmp_path / "50_one.ipynb"
    path.write_bytes(content)
    found, _ = outcome(lambda: read_parameters(path), path)
    assert found is None or all(isinstance(name, str) for name in found)
    kinds, _ = outcome(lambda: read_kinds(path), path)
    assert kinds is None or all(isinstance(kind, str) for kind in kinds)


@fuzz(40)
@given(code=st.one_of(texts, st.sampled_from(["A: int = 1", "start(kinds=['a'])"])), more=texts)
def test_cells(code, more, tmp_path):
    cells = [cell | {"source": f"{code}{more}", "cell_type": "code"} for cell in CELLS[1:]]
    path = tmp_path / "50_one.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    outcome(lambda: read_parameters(path), path)
    outcome(lambda: read_kinds(path), path)


@fuzz(40)
@given(data=st.data())
def test_cards(data, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    files = {"w.safetensors": file_hash(tmp_path / "w.safetensors")}
    card = {"model": "pocket/llama", "weights": "adapter", "files": files}
    path = tmp_path / "lab.json"
    path.write_bytes(data.draw(sealed_files(card)))
    found, _ = outcome(lambda: read_card(tmp_path), path)
    assert found is None or isinstance(found["model"], str)


@fuzz(40)
@given(run=sealed_files(RUN), metrics=sealed_files(METRICS))
def test_runs(run, metrics, outputs):
    folder = outputs / "runs" / "answers" / "a1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_bytes(run)
    (folder / "metrics.json").write_bytes(metrics)
    files = folder / "run.json", folder / "metrics.json"
    outcome(lambda: load_run(folder), *files)
    (runs, left_out), _ = outcome(find_runs, *files)
    assert len(runs) + len(left_out) == 1
    for sentence in left_out:
        check_line(sentence)


@fuzz(40)
@given(content=jsonl_files(STUDY))
def test_studies(content, tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "RECORDED", tmp_path)
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)
    found, _ = outcome(lambda: read_study("s"), path)
    for run in found.runs if found else ():
        outcome(lambda run=run: run.scores, path)
        outcome(lambda run=run: run.measured(), path)


# Settings

TYPES = ("str", "int", "float", "bool", "list")
typed = st.one_of(texts, numbers.map(str), values.map(as_json))


@fuzz(80)
@given(text=typed, kind=st.sampled_from(TYPES))
def test_what_a_person_types(text, kind):
    value, sentence = outcome(lambda: parse("SEED", text, kind))
    assert sentence or value is not None or kind == "str"


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "text",
    ["9" * 5000, "0x" + "f" * 5000, "[" * 1000, "- " * 3000, "&a [*a]", "1e999", ".nan", "\ud83d"],
)
def test_what_nobody_would_type(text, kind):
    value, sentence = outcome(lambda: parse("SEED", text, kind))
    if not sentence:
        outcome(lambda: Cases.of_profile("pocket", {"LIMIT": value}))


def sections() -> list:
    return [*SHARED, *list_kinds()]


def parameters() -> list[tuple]:
    return [(one, name) for one in sections() for name, *_ in all_parameters(one)]


@fuzz(120)
@given(data=st.data())
def test_settings(data):
    section, name = data.draw(st.sampled_from(parameters()))
    text, kind = data.draw(typed), data.draw(st.sampled_from(TYPES))
    value, sentence = outcome(lambda: parse(name, text, kind))
    if not sentence:
        outcome(lambda: section.of_profile("pocket", {name: value}))
    outcome(lambda: section.of_profile("pocket", {name: data.draw(values)}))
