"""`power`: what recorded studies can show, from their records alone."""

import re

import pytest

from helpers.cli.commands import main
from helpers.experiments import recorded
from helpers.experiments.power import power_of
from helpers.experiments.recorded import read_study, write_study
from helpers.experiments.verdicts import compare
from tests.experiments.test_recorded import with_cases
from tests.report.runs import few_shot_run

PART = "is recorded without what each case contributes to 'named'"


def side(name, values):
    return with_cases(few_shot_run(1.0, name=name), named=[[value, 1.0] for value in values])


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The record of two claims of 20 cases: of one the answers differ, of one they do not."""
    monkeypatch.setattr(recorded, "RECORDED", tmp_path)
    few, many = side("few", [0.0, 0, 0, 1] * 5), side("many", [0.0, 1, 1, 1] * 5)
    found = compare("many named", [few], [many], study="one", metrics=["named"])
    found += compare("as many named", [few], [few], study="one", metrics=["named"])
    write_study("one", "?", [few, many], found)
    write_study("none", "?", [few], [])
    write_study("torn", "?", [few], found)
    write_study("bare", "?", [few_shot_run(1.0, name="few"), few_shot_run(1.0, name="many")], found)
    return found


def test_a_study_says_what_it_can_show_and_what_half_takes(study):
    """Ten of 20 cases change by 1: a variance of 5 / 19, over 20 cases."""
    many, same = power_of("one")
    error = (5 / 19 / 20) ** 0.5
    assert many.verdict.score.value == 0.5 and many.verdict.score.error == pytest.approx(error)
    # Two verdicts, so 2.5 %: with 19 degrees of freedom 2.433, and 0.861 for a power of 80 %.
    assert many.verdict.could_show == pytest.approx(error * (2.433 + 0.861), rel=0.01)
    assert many.half.seeds == 1 and many.half.cases == pytest.approx(80, rel=0.1)
    assert same.half is None and same.verdict.score.value == 0


def test_power_prints_a_table_for_each_study(study, capsys):
    assert main(["power", "one", "one"]) == 0
    title, header, many, same, *about = capsys.readouterr().out.splitlines()
    assert title == "one: 2 verdicts"
    assert header.split()[:4] == ["claim", "metric", "data", "difference"]
    words = re.split("  +", many)
    assert words[:2] == ["many named", "diagnosis named (% points)"] and words[3] == "+50.0"
    assert many.endswith(" cases") and same.endswith("unknown: nothing varied")
    assert "80 %" in " ".join(about)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("two", "The study 'two' is not recorded; these are: bare, none, one, torn."),
        ("none", "The study 'none' makes no claims, so there is no difference that it could show."),
    ],
)
def test_what_cannot_be_told_is_one_sentence(study, name, sentence, capsys):
    assert main(["power", "one", name]) == 2
    printed = capsys.readouterr()
    assert printed.err.strip() == sentence and printed.out == ""


def test_missing_runs_and_cases_are_told(study, capsys):
    assert main(["power", "torn"]) == 2
    missing = study[0].better[0]
    assert f"lacks runs of the claim 'many named' ({missing})" in capsys.readouterr().err
    assert {run.id for run in read_study("bare").runs} == {*study[0].than, *study[0].better}
    assert main(["power", "bare"]) == 2
    printed = capsys.readouterr().err
    assert PART in printed and printed.count("\n") == 1
