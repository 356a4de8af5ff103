"""A claim held against runs: its direction, its seeds, and too few cases to say anything."""

from pathlib import Path

import pytest

from helpers.cases import Answer
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import record_scored
from helpers.experiments.runs import Run
from helpers.experiments.scores import Grading
from helpers.experiments.verdicts import compare, direction_of, paper_text
from helpers.settings.section import setting


class Doctor(CaseAnswers):
    """Gives cases an answer that a doctor gave, but for a sixth of them, others with each seed."""

    seed: int = setting(0, "which sixth is not answered")

    def work(self, run: Run) -> None:
        """Write the answers."""
        for place, case in enumerate(self.cases()):
            silent = (place + self.seed) % 6 == 0
            run.answers.add([Answer(case.id, "" if silent else case.references[0].text)])


@pytest.fixture
def scored(small):
    """A function that records and scores an experiment on the training cases, which are 24."""

    def make(kind, **parameters) -> Run:
        return record_scored(small(kind, SPLIT="train", LIMIT=24).but(parameters), Grading())

    return make


@pytest.mark.slow
def test_a_claim_agrees_with_its_paper_or_disagrees_or_is_better_where_there_is_none(scored):
    floor, doctor = scored(Constant), scored(Doctor)

    def said(than, better, **paper):
        return [
            one.verdict
            for one in compare("x", [than], [better], paper=paper)
            if one.metric in ("deltableu", "bertscore_f1")
        ]

    assert said(floor, doctor) == ["better", "better"]
    assert said(doctor, floor) == ["worse", "worse"]
    assert said(floor, doctor, deltableu=[1.0, 2.0]) == ["agrees", "better"]
    assert said(floor, doctor, deltableu="lower", bertscore_f1=[0.8, 0.7]) == ["disagrees"] * 2
    assert said(doctor, floor, deltableu="lower", bertscore_f1=[0.8, 0.7]) == ["agrees"] * 2
    assert said(floor, floor, deltableu=[1.0, 2.0]) == ["undecided"] * 2
    found = {one.metric: one for one in compare("x", [floor], [doctor], study="s")}
    change = found["deltableu"]
    assert change.score.value == pytest.approx(
        doctor.scores["deltableu"].value - floor.scores["deltableu"].value
    )
    assert (change.says, change.study, change.dataset) == ("x", "s", "pocket")
    assert (change.seeds, change.than, change.better) == (1, (floor.id,), (doctor.id,))
    assert found["named"].score.n == 24 and change.score.low <= change.score.value


@pytest.mark.slow
def test_repetition_is_neither_gain_nor_loss(scored):
    floor, doctor = scored(Constant), scored(Doctor)
    found = {one.metric: one for one in compare("x", [doctor], [floor], repetition=True)}
    assert found["repeated"].verdict == "more" and found["from_training"].verdict in (
        *("fewer", "undecided"),
    )
    assert "repeated" not in {one.metric for one in compare("x", [doctor], [floor])}


@pytest.mark.slow
def test_seeds_are_paired_and_equal_runs_count_once(scored):
    floor, doctors = scored(Constant), [scored(Doctor, SEED=seed) for seed in (0, 1, 2)]
    one_by_three = compare("x", [floor] * 3, doctors)[0]
    values = [run.scores["deltableu"].value for run in doctors]
    assert one_by_three.seeds == 3 and "seeds:3" in one_by_three.score.signature
    assert one_by_three.score.value == pytest.approx(
        sum(values) / 3 - floor.scores["deltableu"].value
    )
    assert len(one_by_three.than) == 1 and len(one_by_three.better) == 3
    same = compare("x", doctors, doctors)[0]
    assert same.score.value == same.score.low == same.score.high == 0
    shifted = compare("x", doctors, [*doctors[1:], doctors[0]])[0]
    assert shifted.score.value == pytest.approx(0) and shifted.score.low < 0 < shifted.score.high
    with pytest.raises(ValueError, match="2 and 3 sets of answers cannot be paired"):
        compare("x", doctors[:2], doctors)


@pytest.mark.slow
def test_fewer_than_ten_cases_decide_nothing_however_clear(scored):
    sides = [scored(kind, LIMIT=9) for kind in (Constant, Doctor)]
    found = compare("x", sides[:1], sides[1:], paper={"deltableu": [1.0, 2.0]}, repetition=True)
    assert {one.verdict for one in found} == {"undecided: fewer than 10 cases"}


def test_without_references_there_is_nothing_to_compare(small, altered):
    root = altered("valid", lambda entry, place: entry.update(responses=[]))
    run = record_scored(small(Constant, DATA_ROOT=root), Grading())
    assert [one.metric for one in compare("x", [run], [run])] == ["named"]  # labels are there
    (Path(root) / "facts.json").unlink()
    run = record_scored(small(Constant, DATA_ROOT=root), Grading())
    assert compare("x", [run], [run]) == []


@pytest.mark.parametrize(
    ("reported", "direction", "text"),
    [
        ([1.0, 2.5], 1, "1.000 to 2.500"),
        ([2.5, 1.0], -1, "2.500 to 1.000"),
        ([0.846, 0.846], 0, "0.846 to 0.846"),
        ("higher", 1, "higher, without figures"),
        ("lower", -1, "lower, without figures"),
        (None, 0, ""),
    ],
)
def test_what_a_paper_reports_has_a_direction_and_words(reported, direction, text):
    assert (direction_of(reported), paper_text(reported)) == (direction, text)
