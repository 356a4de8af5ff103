"""A claim held against runs: its direction, its seeds, too few cases to say anything, and how many
claims there are.
"""

from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest
from scipy import stats

from helpers.cases import Answer
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import record_scored
from helpers.experiments.runs import Run
from helpers.experiments.scores import Grading
from helpers.experiments.verdicts import (
    Verdict,
    compare,
    direction_of,
    judge,
    paper_text,
    verdicts_again,
)
from helpers.files import LabError
from helpers.metrics.differences import Difference
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
    # This sentence is a training answer itself, so all 24 are; of the doctor's, the 4 silent ones
    # are not.
    trained = found["from_training"]
    assert trained.score.value == pytest.approx(4 / 24)
    assert found["repeated"].verdict == "more" and trained.verdict == "more"
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


@pytest.mark.slow
def test_a_claim_is_held_against_the_metrics_that_are_named(scored):
    floor, doctor = scored(Constant), scored(Doctor)

    def compared(**more):
        return [one.metric for one in compare("x", [floor], [doctor], **more)]

    assert compared() == ["deltableu", "bertscore_f1", "named"]
    assert compared(metrics=["named"]) == ["named"]
    assert compared(metrics=["named"], repetition=True) == ["named", "repeated", "from_training"]
    with pytest.raises(LabError, match="'words' was to be compared, but it is no metric with a"):
        compared(metrics=["named", "words"])


# Many verdicts


def held(p, metric="named", groups=60, **more):
    """A comparison of 60 cases with this p value, not yet judged."""
    value = float(stats.t.isf(p / 2, groups - 1))
    score = Difference(value, value - 2, value + 2, groups, "", 1.0, 0.0, groups, 1)
    return Verdict("x", metric, score, **more)


def test_the_verdicts_of_a_study_are_corrected_for_their_number():
    """Holm by hand: 0.01 * 4, 0.015 * 3, 0.03 * 2, and no less than the one before."""
    found = judge([held(0.03), held(0.01), held(0.2), held(0.015)])
    assert [one.adjusted for one in found] == pytest.approx([0.06, 0.04, 0.2, 0.045])
    assert [one.verdict for one in found] == ["undecided", "better", "undecided", "better"]
    assert [one.p for one in found] == pytest.approx([0.03, 0.01, 0.2, 0.015])
    assert {one.level for one in found} == {0.05 / 4}
    (alone,) = judge([held(0.03)])
    assert alone.verdict == "better" and alone.adjusted == pytest.approx(0.03)
    # With 59 degrees of freedom the quantiles are 2.0010 and 0.8477; of a level of 5 / 4 %, 2.5755.
    assert alone.could_show == pytest.approx(2.0010 + 0.8477, abs=2e-3)
    assert found[0].could_show == pytest.approx(2.5755 + 0.8477, abs=1e-2)


def test_a_judged_verdict_can_be_judged_again_with_others():
    once = judge([held(0.03)])
    assert judge(judge([*once, held(0.04)])) == judge([held(0.03), held(0.04)])
    assert [one.verdict for one in judge([*once, held(0.04)])] == ["undecided"] * 2
    assert judge([]) == []


def test_directions_are_kept():
    up, down = held(0.001, direction=1), held(0.001, direction=-1)
    assert [one.verdict for one in judge([up, down])] == ["agrees", "disagrees"]


def test_repetition_and_comparisons_of_too_few_cases_are_no_part_of_the_family():
    few = [held(0.001, groups=9)] * 5
    found = judge([held(0.04), held(0.02, "repeated"), held(0.03, "from_training"), *few])
    assert found[0].verdict == "better" and found[0].adjusted == pytest.approx(0.04)
    assert [one.verdict for one in found[1:3]] == ["more", "more"]
    assert [one.adjusted for one in found[1:3]] == pytest.approx([0.04, 0.04])
    assert {(one.verdict, one.adjusted) for one in found[3:]} == {
        ("undecided: fewer than 10 cases", 1.0)
    }


@pytest.mark.slow
def test_verdicts_are_given_again_from_what_each_case_contributes(scored):
    floor, doctors = scored(Constant), [scored(Doctor, SEED=seed) for seed in (0, 1)]
    found = compare("x", [floor], doctors, study="s", paper={"deltableu": "higher"})
    bare = [
        Verdict(one.says, one.metric, replace(one.score, value=0.0), study="s", dataset="pocket")
        for one in found
    ]
    given = [
        replace(one, than=full.than, better=full.better, seeds=2, paper=full.paper, direction=d)
        for one, full, d in zip(bare, found, (1, 0, 0))
    ]
    assert verdicts_again(given, [floor, *doctors]) == found
    with pytest.raises(LabError, match=f"study 's' lacks runs of the claim 'x' .{floor.id}."):
        verdicts_again(given, doctors)
    with pytest.raises(LabError, match="lacks runs of the claim 'x' .all of a side."):
        verdicts_again(bare, [floor, *doctors])
    words = replace(given[0], metric="words")
    with pytest.raises(LabError, match="'s' is recorded without what each case .* to 'words'"):
        verdicts_again([words], [floor, *doctors])


def test_what_no_answer_tells_apart_could_show_nothing_that_is_known():
    same = Verdict("x", "named", Difference(0.0, 0.0, 0.0, 60, "", 0.0, 0.0, 60, 3))
    (found,) = judge([same])
    assert found.verdict == "undecided" and found.adjusted == 1 and isnan(found.could_show)


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
