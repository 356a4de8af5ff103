"""The scores of answers: one grader for every kind of experiment, outside the run's id.

Each measure of `helpers.metrics` is computed once for what it depends on (`scores/<measure>-...`
in the run's folder, with what each case contributes): another encoder or a new metric asks no model
again, and a comparison reads what is there.
"""

from types import ModuleType
from typing import ClassVar

from helpers.cases import write_submission
from helpers.experiments.runs import Run
from helpers.files import file_hash, fingerprint, read_json, write_json
from helpers.metrics.measure import Graded, Measured, find_measures
from helpers.settings.section import Section, setting


class Grading(Section):
    """What scores depend on besides the answers."""

    encoder: str = setting(
        "minilm", "BERTScore's encoder: minilm, roberta-large, a folder or an id", min_length=1
    )
    profiles: ClassVar = {"t4": {"encoder": "roberta-large"}}


def score(run: Run, graded: Graded) -> None:
    """Write the scores (`metrics.json`) and the submission of a run; what is there is kept."""
    entries: dict[str, dict] = {}
    for measure in find_measures():
        name, found = _measured(run, measure, graded)
        entries |= {key: entry | {"by": name} for key, entry in found["scores"].items()}
    path = run.folder / "metrics.json"
    if not path.exists() or read_json(path) != entries:
        answers = list(graded.answers.values())
        write_submission(run.folder / "prediction.json", graded.cases, answers, graded.language)
        write_json(path, entries)


def _measured(run: Run, measure: ModuleType, graded: Graded) -> tuple[str, dict]:
    """Compute one measure, or find it computed; return the name of its file and the content."""
    answers = file_hash(run.folder / "predictions.jsonl")
    depends = [measure.VERSION, measure.depends_on(graded), answers]
    name = f"{measure.__name__.rpartition('.')[2]}-{fingerprint(depends)}"
    path = run.folder / "scores" / f"{name}.json"
    if not path.exists():
        found: dict[str, Measured] = measure.measure(graded)
        columns = {
            key: {"cases": list(one.cases), "values": one.columns.tolist()}
            for key, one in found.items()
            if one.columns is not None
        }
        scores = {key: one.score.as_dict() for key, one in found.items()}
        write_json(path, {"scores": scores, "columns": columns})
    return name, read_json(path)
