"""MAGIC 2025's closed questions: every result of the challenge's own program, and what the mode
`aligned` refuses of what that program lets pass.
"""

import json
import os
import subprocess
import sys

import pytest

from conftest import ROOT
from helpers.cli.commands import main
from helpers.data.closed_questions import FORMS, QUESTION_OF, read_closed_answers
from helpers.files import LabError, read_json, write_json
from helpers.metrics.closed_questions import closed_scores_json, score_closed


def record(case_id="ENC1", **changes):
    """A record that answers every place with the first option, but for what is changed."""
    answers = dict.fromkeys(QUESTION_OF, 0)
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    return {"encounter_id": case_id} | answers | changed


def without(holder, *fields):
    return {name: value for name, value in holder.items() if name not in fields}


def values(references, predictions, mode="official"):
    """The numbers alone, as the challenge's program writes them."""
    found = closed_scores_json(score_closed(references, predictions, mode=mode))
    return {
        name: value
        for name, value in found.items()
        if not name.endswith("_interval") and name != "signature"
    }


# The challenge's program


def test_every_case_of_the_challenges_program(shared):
    cases = read_json(shared / "golden" / "magic2025" / "cvqa.json")["cases"]
    assert len(cases) == 16
    errors = [case["name"] for case in cases if "error" in case]
    assert errors == ["question_missing", "encounter_missing"]
    for case in cases:
        if "error" in case:
            # "KeyError: 'CQID034'": the same place, in a sentence.
            with pytest.raises(LabError, match=case["error"].split("'")[1]):
                score_closed(case["reference"], case["prediction"], mode="official")
        else:
            found = values(case["reference"], case["prediction"])
            assert found == pytest.approx(case["scores"], abs=1e-12), case["name"]


def real_predictions(shared):
    """The real truth, and name -> answers, scores of the challenge's program."""
    data = shared / "data" / "magic2025"
    truths, learnt = (read_json(data / f"{name}_cvqa.json") for name in ("valid", "train"))
    golden = read_json(shared / "golden" / "magic2025" / "cvqa_valid_real.json")["predictions"]
    for name, one in golden.items():
        each = [one["answers"]] * len(truths) if isinstance(one.get("answers"), dict) else learnt
        said = [
            {**answers, "encounter_id": truth["encounter_id"]}
            for truth, answers in zip(truths, each)
        ]
        yield name, truths, said, one["scores"]


def test_the_real_validation_set_in_both_modes(shared):
    names = []
    for name, truths, said, scores in real_predictions(shared):
        for mode in ("official", "aligned"):
            assert values(truths, said, mode) == pytest.approx(scores, abs=1e-12), (name, mode)
        names.append(name)
    assert names[:2] == ["train_majority_per_qid", "all_last_option"] and len(names) == 4


def test_constant_answers_earn_much_for_the_places_that_they_leave_open(shared):
    found = {
        name: round(score_closed(truths, said).scores["all"].value, 2)
        for name, truths, said, _ in real_predictions(shared)
    }
    assert found["all_last_option"] == 0.27 and found["train_majority_per_qid"] == 0.52


def test_the_real_truth_scores_one_with_an_interval_by_encounter(shared):
    path = shared / "data" / "magic2025" / "valid_cvqa.json"
    truths = read_closed_answers(path)
    found = score_closed(truths, truths)
    assert set(found.scores) == {*FORMS, "all"} and found.encounters == 56
    assert {(one.value, one.low, one.high) for one in found.scores.values()} == {(1, 1, 1)}
    assert (found.scores["all"].n, found.scores["CQID011"].n) == (504, 56)
    assert "groups:56" in found.scores["all"].signature


# By hand


def test_a_share_is_what_two_sets_have_in_common_over_the_larger():
    truth = record(CQID011_001=1, CQID011_002=2, CQID011_003=7, CQID011_004=7)
    said = record(CQID011_001=2, CQID011_002=3, CQID011_003=4, CQID011_004=5)
    # {0, 1, 2, 7} (the other places are 0) and {0, 2, 3, 4, 5}
    for mode in ("aligned", "official"):
        assert values([truth], [said], mode)["accuracy_CQID011"] == pytest.approx(2 / 5)
        assert values([truth], [said], mode)["accuracy_all"] == pytest.approx((8 + 2 / 5) / 9)


def test_an_interval_holds_its_score():
    truths = [record(f"E{n}") for n in range(20)]
    said = [record(f"E{n}", CQID010_001=n % 2) for n in range(20)]
    score = score_closed(truths, said).scores["CQID010"]
    assert score.low < score.value == 0.5 < score.high


# What `aligned` refuses: predictions, what is said, and whether the program scores them.
REFUSED = {
    "a doubled encounter": ([record(), record(), record("ENC2")], "'ENC1' more than once", True),
    "two that are cut to one": (
        [record(), record("ENC1-1"), record("ENC2")],
        "'ENC1' more than once",
        True,
    ),
    "one with a suffix": ([record(), record("ENC2-1")], "have no encounter 'ENC2'", True),
    "one that was not asked": ([record(), record("ENC2"), record("X")], "name 'X', not", True),
    "one that is missing": ([record()], "have no encounter 'ENC2'", False),
    "no encounter": ([], "predictions hold no encounter", True),
    "a place left out": (
        [record(), without(record("ENC2"), "CQID011-006")],
        "record 2 (ENC2): has no answer to CQID011-006",
        True,
    ),
    "a question left out": (
        [record(), without(record("ENC2"), "CQID034-001")],
        "record 2 (ENC2): has no answer to CQID034-001",
        False,
    ),
    "no such option": (
        [record(), record("ENC2", CQID010_001=4)],
        "`CQID010-001` is the number 4, but a whole number from 0 to 3 was expected",
        True,
    ),
    "a negative option": ([record(), record("ENC2", CQID025_001=-1)], "from 0 to 2", True),
    "a text": ([record(), record("ENC2", CQID010_001="1")], "is text, but", True),
    "true": ([record(), record("ENC2", CQID010_001=True)], "is true, but", True),
    "a share": ([record(), record("ENC2", CQID010_001=0.5)], "is the number 0.5, but", True),
    "nothing": ([record(), record("ENC2", CQID010_001=None)], "is null, but", True),
    "a list": ([record(), record("ENC2", CQID010_001=[1])], "is a list, but", False),
    "no such question": ([record(), record("ENC2", CQID099_001=1)], "'CQID099-001'", True),
    "no such place": ([record(), record("ENC2", CQID010_0002=1)], "'CQID010-0002'", True),
    "no object": ([record(), 3], "record 2: is the number 3", False),
    "no id": ([record(), without(record(), "encounter_id")], "no `encounter_id`", False),
}


@pytest.mark.parametrize(("said", "sentence", "passes"), REFUSED.values(), ids=REFUSED)
def test_aligned_refuses_what_the_program_lets_pass(said, sentence, passes):
    truths = [record(), record("ENC2")]
    with pytest.raises(LabError) as refused:
        score_closed(truths, said)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)
    if passes:
        assert 0 <= score_closed(truths, said, mode="official").scores["all"].value <= 1
    else:
        with pytest.raises(LabError):
            score_closed(truths, said, mode="official")


def test_fields_that_are_no_questions_are_left_alone():
    said = record() | {"model": "mine", "seconds": 3.5}
    assert score_closed([record()], [said]).scores["all"].value == 1


@pytest.mark.parametrize("mode", ["aligned", "official"])
def test_faulty_references_are_refused(mode):
    for references in ([], [without(record(), "CQID010-001")], [{"encounter_id": 3}]):
        with pytest.raises(LabError, match="references"):
            score_closed(references, [record()], mode=mode)
    with pytest.raises(LabError, match="mode asked for is 'other'"):
        score_closed([record()], [record()], mode="other")


def test_an_id_in_two_parts_too_many_ends_the_program_and_ours():
    with pytest.raises(LabError, match="'CQID-10-001' is no id"):
        score_closed([record()], [record() | {"CQID-10-001": 1}], mode="official")


# The command


@pytest.fixture
def files(tmp_path):
    write_json(tmp_path / "truth.json", [record(), record("ENC2")])
    write_json(tmp_path / "said.json", [record(), record("ENC2", CQID010_001=2)])
    return tmp_path


def run(folder, *options):
    return main(["score-closed", str(folder / "truth.json"), str(folder / "said.json"), *options])


@pytest.mark.parametrize("mode", ["aligned", "official"])
def test_scores_are_printed_and_written(files, capsys, mode):
    assert run(files, "--mode", mode, "--out", str(files / "scores.json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == read_json(files / "scores.json")
    assert printed["accuracy_CQID010"] == 0.5 and printed["accuracy_all"] == pytest.approx(17 / 18)
    low, high = printed["accuracy_all_interval"]
    assert low <= printed["accuracy_all"] <= high
    assert printed["number_cvqa_instances"] == 2 and f"mode:{mode}" in printed["signature"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        ("[{", "not valid JSON"),
        ("{}", "but a list of records was expected"),
        (json.dumps([record()]), "have no encounter 'ENC2'"),
        (json.dumps([record(), record()]), "more than once"),
    ],
)
def test_wrong_input_is_one_sentence_and_status_2(files, capsys, content, sentence):
    (files / "said.json").unlink()
    if content is not None:
        (files / "said.json").write_text(content)
    assert run(files, "--out", str(files / "scores.json")) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and out == ""
    assert not (files / "scores.json").exists()


def test_the_command_starts_in_two_seconds_and_loads_no_model(files):
    code = (
        "import sys, time; from helpers.cli.commands import main;"
        "status = main(['score-closed', 'truth.json', 'said.json']);"
        "assert not {'torch', 'transformers', 'pandas'} & set(sys.modules);"
        "assert time.process_time() < 2; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=files,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["number_cvqa_instances"] == 2
