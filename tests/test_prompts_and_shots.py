"""The Alpaca prompt to the letter, and which training cases become worked examples."""

import pytest

from helpers.cases import Case, Reference
from helpers.files import LabError
from helpers.prompts import alpaca
from helpers.shots import as_pairs, choose_shots, drop_until_fits, shot_pool

POOL = [
    Case(f"T{number}", f"question {number}", references=(Reference(f"answer {number}"), Reference("other")))
    for number in range(9)
]


def test_the_prompt_is_the_papers():
    assert alpaca("Itchy rash") == (
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
        "response that appropriately completes the request.\n\n### Instruction:\nGive me a medical advice\n\n"
        "### Input:\nItchy rash\n\n### Response:\n"
    )


def test_shots_stand_before_the_question_with_their_first_answers():
    prompt = alpaca("Itchy rash", as_pairs(POOL[:2]))
    assert prompt.count("Below is an instruction") == 1 and prompt.count("### Response:\n") == 3
    assert (
        prompt.index("question 0") < prompt.index("answer 0") < prompt.index("question 1") < prompt.index("Itchy rash")
    )
    assert "other" not in prompt and prompt.endswith("Itchy rash\n\n### Response:\n")


def test_random_shots_depend_on_seed_and_case_alone():
    def ids(case_id, seed, choice="random"):
        return [shot.id for shot in choose_shots(Case(case_id), POOL, count=4, choice=choice, seed=seed)]

    assert ids("A", 1) == ids("A", 1) and len(set(ids("A", 1))) == 4
    assert len({tuple(ids(case_id, 1)) for case_id in "ABCDEFGH"}) > 1
    assert len({tuple(ids("A", seed)) for seed in range(8)}) > 1
    assert len({tuple(ids(case_id, 1, "fixed")) for case_id in "ABCDEFGH"}) == 1


@pytest.mark.parametrize(
    ("count", "choice", "message"), [(10, "random", "10 worked examples, but there are 9"), (1, "best", "SHOT_CHOICE")]
)
def test_impossible_shots_are_refused(count, choice, message):
    with pytest.raises(LabError, match=message):
        choose_shots(Case("A"), POOL, count=count, choice=choice, seed=1)


def test_a_case_is_never_its_own_example():
    for case in POOL:
        assert case not in choose_shots(case, POOL, count=len(POOL) - 1, choice="random", seed=1)
    with pytest.raises(LabError, match="there are 8 training cases"):
        choose_shots(POOL[0], POOL, count=9, choice="random", seed=1)


def test_cases_without_question_or_answer_are_no_examples():
    bare = [Case("B", ""), Case("C", "  ", references=(Reference("x"),)), Case("D", "question")]
    assert shot_pool([*bare, POOL[0]]) == [POOL[0]]


def test_whole_shots_are_dropped_from_the_front():
    assert drop_until_fits([1, 2, 3], lambda shots: len(shots) <= 1) == [3]
    assert drop_until_fits([1, 2], lambda shots: False) == []
