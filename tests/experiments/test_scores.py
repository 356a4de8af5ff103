"""Scores stand outside the run's id: another encoder or metric asks no model, and computes nothing
that is there.
"""

import shutil
import sys

import pytest

from helpers import metrics
from helpers.experiments.answers import Answers
from helpers.experiments.captions import Captions
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import record, record_scored
from helpers.experiments.finetune import Finetune
from helpers.experiments.scores import Grading
from helpers.files import LabError, read_json
from helpers.metrics import bertscore
from helpers.models.encoders import packaged_minilm
from helpers.report.leaderboard import boards
from tests.experiments.conftest import changed_at

SHOUTING = '''"""How much of an answer is shouted."""

from helpers.metrics.measure import Measured
from helpers.metrics.metric import Metric
from helpers.metrics.scores import mean_columns, mean_from_sums, mean_score

VERSION = 1
METRICS = {"shouted": Metric("shouted", "0 to 1", 3)}
STATISTICS = {"shouted": mean_from_sums}


def depends_on(graded):
    return []


def measure(graded):
    import numpy as np

    values = np.array([float(text.isupper()) for text in graded.texts(graded.cases)])
    score = mean_score(values, signature="shouted")
    return {"shouted": Measured(score, graded.ids, mean_columns(values))}
'''


@pytest.fixture
def other_encoder(tmp_path) -> Grading:
    """Grading by an encoder in a folder: MiniLM with one layer less."""
    folder = shutil.copytree(packaged_minilm(), tmp_path / "home-of-jane" / "short-minilm")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(
        config.replace('"num_hidden_layers": 6', '"num_hidden_layers": 5')
    )
    return Grading(encoder=str(folder))


@pytest.fixture
def no_bertscore(monkeypatch):
    """A function after which BERTScore is not computed any more."""

    def refuse(*given, **more):
        raise AssertionError("BERTScore was computed again")

    return lambda: monkeypatch.setattr(bertscore, "bert_scores", refuse)


def unlike(before: dict, after: dict) -> set[str]:
    """Return the names of the files that were written since."""
    return {path.name.partition("-")[0] for path in after if after[path] != before.get(path)}


@pytest.mark.slow
def test_another_encoder_asks_no_model_and_keeps_the_scores_of_the_first(
    small, other_encoder, no_bertscore, request, tmp_path
):
    experiment, minilm = small(Answers), Grading()
    run = record_scored(experiment, minilm)
    before, scores = changed_at(run.folder), read_json(run.folder / "metrics.json")
    request.getfixturevalue("idle")
    again = record_scored(experiment, other_encoder)
    assert again.id == run.id and again.record == run.record
    written = unlike(before, changed_at(run.folder))
    assert written == {"bertscore", "metrics.json"}
    assert len(list((run.folder / "scores").glob("bertscore-*.json"))) == 2
    found = read_json(run.folder / "metrics.json")
    assert found["bertscore_f1"]["value"] != scores["bertscore_f1"]["value"]
    assert {key for key in scores if found[key] != scores[key]} == {
        *("bertscore_f1", "bertscore_precision", "bertscore_recall", "seal")
    }
    assert "short-minilm" in found["bertscore_f1"]["signature"]
    no_bertscore()
    back = record_scored(experiment, minilm)
    assert read_json(back.folder / "metrics.json") == scores
    for path in run.folder.rglob("*.json*"):
        assert str(tmp_path) not in path.read_text(), path


@pytest.mark.slow
def test_two_encoders_are_two_boards_and_no_table_loses_a_row(small, other_encoder, monkeypatch):
    both = []
    for grading in (Grading(), other_encoder):
        runs = [record_scored(small(Constant, LIMIT=limit), grading) for limit in (4, 5)]
        both.append([one["bertscore_f1"].signature for one in (run.scores for run in runs)])
        assert sum(map(len, boards(runs).values())) == 2
    assert not set(both[0]) & set(both[1])


def test_the_same_scores_are_computed_once(small, no_bertscore):
    run = record_scored(small(Constant), Grading())
    before, metrics_before = changed_at(run.folder / "scores"), run.scores
    no_bertscore()
    assert record_scored(small(Constant), Grading()).scores == metrics_before
    assert changed_at(run.folder / "scores") == before


def test_a_metric_is_one_new_file_and_asks_no_model(
    small, tmp_path, monkeypatch, no_bertscore, idle
):
    experiment = small(Constant)
    run = record_scored(experiment, Grading())
    before = changed_at(run.folder)
    (tmp_path / "shouting.py").write_text(SHOUTING)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "helpers.metrics.shouting", raising=False)
    no_bertscore()
    try:
        again = record_scored(experiment, Grading())
        assert again.scores["shouted"].value == 0 and again.scores["shouted"].n == 5
        measured = again.measured(["shouted"])["shouted"]
        assert measured.columns.tolist() == [[0.0, 1.0]] * 5
        assert measured.cases == tuple(case.id for case in experiment.cases())
    finally:
        sys.modules.pop("helpers.metrics.shouting", None)
    assert unlike(before, changed_at(run.folder)) == {"shouting", "metrics.json"}


def test_a_raised_version_of_a_metric_computes_it_anew(small, monkeypatch):
    run = record_scored(small(Constant), Grading())
    before = changed_at(run.folder)
    module = sys.modules["helpers.metrics.diagnosis"]
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    record_scored(small(Constant), Grading())
    assert "diagnosis" in unlike(before, changed_at(run.folder))


def test_an_encoder_that_is_not_there_is_named_by_its_parameter_and_costs_no_answer(small):
    experiment = small(Constant)
    with pytest.raises(LabError, match="'nobody/no-such-encoder'") as told:
        record_scored(experiment, Grading(encoder="nobody/no-such-encoder"))
    assert "`" not in str(told.value)
    assert record(experiment).done and record_scored(experiment, Grading()).scores
    with pytest.raises(LabError, match="ENCODER is ''|`encoder` is ''"):
        Grading(encoder="")


def test_cases_without_references_are_answered_and_described_but_not_scored(small, altered):
    root = altered("valid", lambda entry, place: entry.update(responses=[]))
    run = record_scored(small(Constant, DATA_ROOT=root), Grading())
    assert len(run.answers.read()) == 5 and (run.folder / "prediction.json").exists()
    assert "deltableu" not in run.scores and run.scores["from_training"].n == 5
    some = altered("valid", lambda entry, place: entry.update(responses=[]) if place else None)
    assert record_scored(small(Constant, DATA_ROOT=some), Grading()).scores["deltableu"].n == 1


def test_the_submission_has_every_case_in_its_order(small):
    experiment = small(Constant)
    run = record_scored(experiment, Grading())
    rows = read_json(run.folder / "prediction.json")
    assert [row["encounter_id"] for row in rows] == [case.id for case in experiment.cases()]
    assert rows[0]["responses"] == [{"content_en": "It is eczema."}]


def test_what_answers_no_case_is_not_scored(small, idle):
    run = record_scored(small(Captions, CAPTIONER="given"), Grading())
    assert "deltableu" not in run.scores and run.scores["concept_recall"].value == 1
    assert not (run.folder / "prediction.json").exists()


@pytest.mark.slow
def test_a_training_has_no_scores(small):
    run = record_scored(small(Finetune, STEPS=2), Grading())
    assert run.done and run.scores == {}
