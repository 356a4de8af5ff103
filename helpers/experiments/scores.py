"""The scores of answers: one grader for every kind of experiment, outside the run's id.

Each measure of `helpers.metrics` is computed once for what it depends on (`scores/<measure>-...`
in the run's folder, with what each case contributes): another encoder or a new metric asks no model
again, and a comparison reads what is there.
"""

from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from helpers.cases import submission
from helpers.experiments.runs import Run
from helpers.files import (
    Damaged,
    as_json,
    file_hash,
    fingerprint,
    read_sealed,
    write_json,
    write_sealed,
)
from helpers.metrics.measure import Graded, find_measures, groups_of, measure_by
from helpers.settings.section import Section, setting


class Grading(Section):
    """What scores depend on besides the answers."""

    encoder: str = setting(
        "minilm", "BERTScore's encoder: minilm, roberta-large, a folder or an id", min_length=1
    )
    profiles: ClassVar = {"t4": {"encoder": "roberta-large"}}


def score(run: Run, graded: Graded) -> None:
    """Write the scores (`metrics.json`) and the submission of a run; what is there, and as it was
    written, is kept.
    """
    entries: dict[str, dict] = {}
    for measure in find_measures():
        name, found = _measured(run, measure, graded)
        entries |= {key: entry | {"by": name} for key, entry in found["scores"].items()}
    _keep(run.folder / "metrics.json", entries)
    records = submission(graded.cases, graded.answers.values(), graded.language)
    path = run.folder / "prediction.json"
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != as_json(records):
        write_json(path, records)


def _measured(run: Run, measure: ModuleType, graded: Graded) -> tuple[str, dict]:
    """Compute one measure, or find it computed; return the name of its file and the content."""
    answers = file_hash(run.folder / "predictions.jsonl")
    depends = [measure.VERSION, measure.depends_on(graded), answers]
    if graded.are_grouped:
        depends.append(groups_of(graded.cases))
    name = f"{measure.__name__.rpartition('.')[2]}-{fingerprint(depends)}"
    path = run.folder / "scores" / f"{name}.json"
    with suppress(Damaged):  # also where it is not there
        return name, read_sealed(path)
    found = measure_by(measure, graded)
    columns = {
        key: {
            "cases": list(one.cases),
            "values": one.columns.tolist(),
            "groups": list(one.groups),
        }
        for key, one in found.items()
        if one.columns is not None
    }
    scores = {key: one.score.as_dict() for key, one in found.items()}
    write_sealed(path, {"scores": scores, "columns": columns})
    return name, read_sealed(path)


def _keep(path: Path, entries: dict[str, dict]) -> None:
    """Write entries, unless they are there already."""
    with suppress(Damaged):
        if read_sealed(path) == entries:
            return
    write_sealed(path, entries)
