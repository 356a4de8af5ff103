"""What no model answers: constants, the nearest training answer, one doctor against the others."""

import shutil

import pytest

from helpers.experiments.constant import Constant
from helpers.experiments.experiment import record, record_scored, run_id
from helpers.experiments.nearest_answer import NearestAnswer
from helpers.experiments.one_doctor import OneDoctor
from helpers.experiments.scores import Grading
from helpers.files import LabError
from tests.experiments.conftest import texts


def responses(*answers: str) -> list[dict]:
    """Return doctors' answers as the data set has them."""
    return [
        {
            "author_id": f"U{90001 + number}",
            "content_en": text,
            "completeness": 1.0,
            "contains_freq_ans": 1.0,
        }
        for number, text in enumerate(answers)
    ]


# Constants


def test_constants_are_runs_of_their_own(clinic, small):
    every = Constant.of_profile("pocket", {"DATA_ROOT": str(clinic / "iiyi")})
    runs = [record(one) for one in every.variants(lambda section: section())]
    assert [run.record["name"] for run in runs] == [
        "constant: most frequent training answer",
        "constant: It is eczema.",
        "constant: Fungal infection",
    ]
    assert [run.record["constant"] for run in runs] == [
        *("most frequent training answer", "It is eczema.", "Fungal infection")
    ]
    assert {run.record["model"] for run in runs} == {"none"}
    assert set(texts(runs[1]).values()) == {"It is eczema."}
    few = record_scored(small(Constant, LIMIT=3), Grading())
    assert few.id != runs[1].id and few.scores["deltableu"].n == 3


def test_the_record_holds_the_answer_of_training_data_only_as_a_hash(small, altered):
    root = altered("train", lambda entry, place: entry.update(responses=responses("my own words")))
    run = record(small(Constant, DATA_ROOT=root).but(name="most frequent training answer"))
    assert set(texts(run).values()) == {"my own words"}
    assert "my own words" not in (run.folder / "run.json").read_text()


def test_a_split_alone_has_no_most_frequent_answer_and_can_be_answered(small, altered):
    root = altered("train", lambda entry, place: entry.update(responses=[]))
    experiment = small(Constant, DATA_ROOT=root)
    every = experiment.variants(lambda section: section())
    assert [one.name for one in every] == [
        "It is eczema.",
        "Fungal infection",
    ]
    assert record(experiment).done


def test_a_constant_that_there_is_none_of_is_refused(small):
    with pytest.raises(LabError, match="no constant answer 'no such'.*choose one of most frequent"):
        record(small(Constant).but(name="no such"))


# The nearest training answer


def ask(entry: dict, place: int) -> None:
    """Let each case have a question and an answer of its own."""
    words = ("itching scalp", "black mole", "yellow nail", "red cheek", "sore lip")
    entry["query_title_en"] = f"{words[place % 5]} {'here' if place < 5 else 'elsewhere'}"
    entry["responses"] = responses(f"answer {place}", f"second answer {place}")


@pytest.mark.parametrize("by", ["lexical", pytest.param("embedding", marks=pytest.mark.slow)])
def test_each_case_has_the_first_answer_of_the_training_case_most_like_it(small, altered, by):
    def asked(entry: dict, place: int) -> None:
        ask(entry, 4 - place)  # in another order

    root = altered("train", ask)
    # The same questions are asked as were answered in training.
    valid = altered("valid", asked)
    shutil.copy(f"{root}/train.json", f"{valid}/train.json")
    run = record(small(NearestAnswer, DATA_ROOT=valid, NEAREST_BY=by))
    assert list(texts(run).values()) == [f"answer {4 - place}" for place in range(5)]
    assert run.record["name"].startswith(f"nearest training answer ({by})")


def test_a_training_case_is_not_its_own_nearest(small):
    experiment = small(NearestAnswer, SPLIT="train", LIMIT=24)
    run = record(experiment)
    training = {case.id: case for case in experiment.cases()}
    others = {
        case.id: {o.references[0].text for o in training.values() if o.id != case.id}
        for case in training.values()
    }
    assert all(text in others[case_id] for case_id, text in texts(run).items())


def test_the_nearest_answer_depends_on_training_cases(small, altered):
    root = altered("train", ask)
    assert run_id(small(NearestAnswer)) != run_id(small(NearestAnswer, DATA_ROOT=root))
    ways = {run_id(small(NearestAnswer, NEAREST_BY=by)) for by in ("lexical", "embedding")}
    assert len(ways) == 2


def test_without_training_cases_nothing_is_near(small, altered):
    root = altered("train", lambda entry, place: entry.update(responses=[]))
    with pytest.raises(LabError, match="there are 0"):
        record(small(NearestAnswer, DATA_ROOT=root))


# One doctor


def answer(entry: dict, place: int) -> None:
    """Let cases have several doctors, but for the second, which one, and the third, which none
    answered.
    """
    count = {1: 1, 2: 0}.get(place, 3)
    entry["responses"] = responses(*(f"doctor {number} on {place}" for number in range(count)))


def test_the_drawn_answer_is_not_among_its_references(small, altered):
    experiment = small(OneDoctor, DATA_ROOT=altered("valid", answer), LIMIT=0)
    run, cases = record_scored(experiment, Grading()), experiment.cases()
    said, all_cases = texts(run), {case.id: case for case in experiment.data.cases()}
    assert len(all_cases) == 8 and len(cases) == 6 and said.keys() == {case.id for case in cases}
    for case in cases:
        others = [reference.text for reference in case.references]
        whole = [reference.text for reference in all_cases[case.id].references]
        assert len(others) == 2 and said[case.id] not in others
        assert sorted([*others, said[case.id]]) == sorted(whole)
    assert run.scores["deltableu"].n == 6


def test_doctors_who_say_the_same_are_still_two(small, altered):
    root = altered("valid", lambda entry, place: entry.update(responses=responses("Same", "Same")))
    (case, *_) = small(OneDoctor, DATA_ROOT=root).cases()
    assert [reference.text for reference in case.references] == ["Same"]


def test_who_is_drawn_depends_on_seed_and_case_alone(small, altered):
    root = altered("valid", answer)
    draws = {
        seed: texts(record(small(OneDoctor, DATA_ROOT=root, LIMIT=0, SEED=seed)))
        for seed in (1, 2, 3)
    }
    assert len({str(said) for said in draws.values()}) > 1
    few = texts(record(small(OneDoctor, DATA_ROOT=root, LIMIT=4, SEED=1)))
    assert few == {case_id: draws[1][case_id] for case_id in few} and len(few) == 2


def test_where_no_case_has_two_doctors_there_is_a_sentence(small, altered):
    root = altered("valid", lambda entry, place: entry.update(responses=responses("alone")))
    with pytest.raises(LabError, match="No case of .*several doctors.*another SPLIT or DATASET"):
        record_scored(small(OneDoctor, DATA_ROOT=root), Grading())
