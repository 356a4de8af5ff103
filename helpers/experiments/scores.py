"""The scores of answers: one grader for every kind of experiment, outside the run's id.

Each measure of `helpers.metrics` is computed once for what it depends on (`scores/<measure>-...`
in the run's folder, with what each case contributes): another encoder or a new metric asks no model
again, and a comparison reads what is there.
"""

from types import ModuleType
from typing import Any, ClassVar

from helpers.cases import Answer, read_answers, write_submission
from helpers.experiments.advice import parameters_named
from helpers.experiments.experiment import CaseAnswers, record
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


def record_scored(experiment: Any, grading: Grading) -> Run:
    """Do an experiment, or find it done; score it if its results are answers to cases."""
    run = record(experiment)
    if isinstance(experiment, CaseAnswers):
        with parameters_named(Grading):
            score(run, experiment, grading)
    return run


def score(run: Run, experiment: CaseAnswers, grading: Grading) -> None:
    """Write the scores (`metrics.json`) and the submission of a run; what is there is kept."""
    graded = graded_answers(run, experiment, grading)
    cases, answers = graded.cases, list(graded.answers.values())
    write_submission(run.folder / "prediction.json", cases, answers, graded.language)
    entries: dict[str, dict] = {}
    for measure in find_measures():
        name, found = _measured(run, measure, graded)
        entries |= {key: entry | {"by": name} for key, entry in found["scores"].items()}
    write_json(run.folder / "metrics.json", entries)


def graded_answers(run: Run, experiment: CaseAnswers, grading: Grading) -> Graded:
    """Return a run's answers with all that measures look at."""
    training = experiment.data.load().training_texts
    language = experiment.data.language
    return Graded(experiment.cases(), answers_of(run), training, language, grading.encoder)


def answers_of(run: Run) -> dict[str, Answer]:
    """Read the answers of a run by case id."""
    return {answer.case_id: answer for answer in read_answers(run.folder / "predictions.jsonl")}


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
