"""The Alpaca prompt to the letter, and which training cases become worked examples."""

import pytest

from helpers.cases import Case, Reference
from helpers.files import LabError
from helpers.models import prompts
from helpers.models.prompts import (
    MEDICAL_ADVICE,
    LlmPrompt,
    VlmPrompt,
    alpaca,
    build_prompt,
    prompt_id,
    question_text,
    render_example,
    render_prompt,
)
from helpers.models.refs import ModelRef
from helpers.models.shots import as_pairs, choose_shots, drop_until_fits, shot_pool

POOL = [
    Case(
        f"T{number}",
        f"question {number}",
        references=(Reference(f"answer {number}"), Reference("other")),
    )
    for number in range(9)
]


@pytest.fixture
def tokenizer():
    """That of the pocket Llama; its library is loaded late: words and shots need none of it."""
    from helpers.models.llm import load_tokenizer

    return load_tokenizer(ModelRef("pocket/llama"))


def test_the_prompt_is_the_papers():
    assert alpaca("Itchy rash") == (
        "Below is an instruction that describes a task, paired with an input that provides further "
        "context. Write a response that appropriately completes the request.\n\n### "
        "Instruction:\nGive me a medical advice\n\n### Input:\nItchy rash\n\n### Response:\n"
    )


def test_shots_stand_before_the_question_with_their_first_answers():
    prompt = alpaca("Itchy rash", as_pairs(POOL[:2]))
    assert prompt.count("Below is an instruction") == 1 and prompt.count("### Response:\n") == 3
    assert (
        prompt.index("question 0")
        < prompt.index("answer 0")
        < prompt.index("question 1")
        < prompt.index("Itchy rash")
    )
    assert "other" not in prompt and prompt.endswith("Itchy rash\n\n### Response:\n")


def test_title_alone_or_with_content_and_content_where_there_is_no_title():
    case = Case("A", " Itchy rash ", "For two weeks.")
    assert (
        question_text(case) == "Itchy rash"
        and question_text(case, "title+content") == "Itchy rash\nFor two weeks."
    )
    assert (
        question_text(Case("B", " ", "For two weeks.")) == "For two weeks."
        and question_text(Case("C")) == ""
    )
    assert (
        len(
            {
                prompt_id(layout, question)
                for layout in ("alpaca", "chat")
                for question in ("title", "title+content")
            }
        )
        == 4
    )


def test_other_wording_is_another_prompt(monkeypatch):
    made = [LlmPrompt(layout="alpaca"), LlmPrompt(layout="chat"), VlmPrompt(name="P1")]
    before = [one.identity()["prompt"] for one in made]
    monkeypatch.setattr(prompts, "MEDICAL_ADVICE", "Give me another advice")
    monkeypatch.setitem(prompts.VISUAL_PROMPTS, "P1", ("Before", "after"))
    after = [one.identity()["prompt"] for one in made]
    assert not [one for one, other in zip(before, after) if one == other]


def test_a_record_is_closed_by_eos_or_by_what_the_template_says(tokenizer):
    record = render_example(build_prompt("Itchy rash"), "Eczema.", tokenizer)
    assert record == {"prompt": alpaca("Itchy rash"), "completion": "Eczema.</s>", "chat": False}
    chat = build_prompt("Itchy rash", [("Spots", "Acne.")], layout="chat")
    assert [message["role"] for message in chat] == ["user", "assistant", "user"]
    assert chat[0]["content"] == f"{MEDICAL_ADVICE}\n\nSpots"
    with pytest.raises(LabError, match="no chat template"):
        render_prompt(chat, tokenizer)
    tokenizer.chat_template = (
        "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    record = render_example(chat, "Eczema.", tokenizer)
    assert (
        record["prompt"].endswith("Itchy rash<end><assistant>")
        and record["completion"] == "Eczema.<end>"
    )
    tokenizer.chat_template = tokenizer.chat_template.replace("<assistant>", "<model>")
    with pytest.raises(LabError, match="cannot be told apart"):
        render_example(chat, "Eczema.", tokenizer)


def test_random_shots_depend_on_seed_and_case_alone():
    def ids(case_id, seed, choice="random"):
        return [shot.id for shot in choose(Case(case_id), POOL, count=4, choice=choice, seed=seed)]

    assert ids("A", 1) == ids("A", 1) and len(set(ids("A", 1))) == 4
    assert len({tuple(ids(case_id, 1)) for case_id in "ABCDEFGH"}) > 1
    assert len({tuple(ids("A", seed)) for seed in range(8)}) > 1
    assert len({tuple(ids(case_id, 1, "fixed")) for case_id in "ABCDEFGH"}) == 1


def choose(case, pool, **how):
    return choose_shots([case], pool, **how)[case.id]


SKIN = [
    Case(f"S{number}", text, references=(Reference("answer"),))
    for number, text in enumerate(
        [
            "itchy rash on the elbow",
            "hair loss on the scalp",
            "a dark mole that bleeds",
            "pimples on the face",
        ]
    )
]


@pytest.mark.parametrize(
    ("choice", "question", "nearest"),
    [
        ("lexical", "rash on both elbow and knee", "S0"),
        ("lexical", "mole", "S2"),
        ("embedding", "I am going bald", "S1"),
        ("embedding", "acne of a teenager's cheeks", "S3"),
    ],
)
def test_the_most_similar_shot_stands_next_to_the_question(choice, question, nearest):
    shots = choose(Case("Q", question), SKIN, count=3, choice=choice, seed=1)
    assert shots[-1].id == nearest and len({shot.id for shot in shots}) == 3


def test_equally_similar_shots_are_drawn_by_the_seed():
    same = [Case(f"T{number}", "rash", references=(Reference("x"),)) for number in range(9)]
    drawn = {
        choose(Case("Q", "rash"), same, count=1, choice="lexical", seed=seed)[0].id
        for seed in range(9)
    }
    assert len(drawn) > 2


@pytest.mark.parametrize(
    ("count", "choice", "message"),
    [(10, "random", "10 worked examples, but there are 9"), (1, "best", "`choice`")],
)
def test_impossible_shots_are_refused(count, choice, message):
    with pytest.raises(LabError, match=message):
        choose(Case("A"), POOL, count=count, choice=choice, seed=1)


@pytest.mark.parametrize("choice", ["random", "lexical", "embedding"])
def test_a_case_is_never_its_own_example(choice):
    for case in POOL:
        assert case not in choose(case, POOL, count=len(POOL) - 1, choice=choice, seed=1)
    with pytest.raises(LabError, match="there are 8 training cases"):
        choose(POOL[0], POOL, count=9, choice=choice, seed=1)


def test_cases_without_question_or_answer_are_no_examples():
    bare = [Case("B", ""), Case("C", "  ", references=(Reference("x"),)), Case("D", "question")]
    assert shot_pool([*bare, POOL[0]]) == [POOL[0]]


def test_whole_shots_are_dropped_from_the_front():
    assert drop_until_fits([1, 2, 3], lambda shots: len(shots) <= 1) == [3]
    assert drop_until_fits([1, 2], lambda shots: False) == []
