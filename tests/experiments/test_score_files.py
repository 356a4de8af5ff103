"""Scores on disk: they are of the answers that are there, and a record keeps their intervals."""

import pytest

from helpers.cases import Answer
from helpers.experiments import recorded, scores
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import record_scored
from helpers.experiments.recorded import read_study, write_study
from helpers.experiments.scores import Grading
from helpers.metrics import deltableu
from tests.report.runs import few_shot_run


def test_scores_are_of_the_answers_that_are_there(small, monkeypatch):
    """A model behind an API may answer otherwise when it is asked again."""
    monkeypatch.setattr(scores, "find_measures", lambda: [deltableu])
    experiment = small(Constant)
    run = record_scored(experiment, Grading())
    before = run.scores["deltableu"].value
    run.answers.path.unlink()
    run.answers.add(Answer(case.id, case.references[0].text) for case in experiment.cases())
    experiment.score(run, Grading())
    assert run.scores["deltableu"].value > before + 20


def test_a_recorded_run_keeps_its_intervals_and_its_own_parameters(tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "RECORDED", tmp_path)
    runs = [few_shot_run(value, shots=shots) for shots, value in ((0, 2.5), (4, 100 / 3))]
    write_study("one", "Does it?", runs, [])
    found = {run.record["parameters"]["SHOTS"]: run for run in read_study("one").runs}
    for run in runs:
        again = found[run.record["parameters"]["SHOTS"]]
        assert again.record["parameters"] == run.record["parameters"]
        for key, one in run.scores.items():
            kept, whole = again.scores[key], (one.value, one.low, one.high, one.n)
            assert (kept.value, kept.low, kept.high, kept.n) == pytest.approx(whole, rel=1e-6)
