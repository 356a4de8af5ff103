"""Batched answers equal single ones, come back in case order, are written as they come and not
asked twice.
"""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from helpers.files import LabError, WorkFailed, read_jsonl
from helpers.models.answer_file import AnswerFile
from helpers.models.answering import answer_all
from helpers.models.llm import load_llm
from helpers.models.prompts import alpaca
from helpers.models.refs import ModelRef

PROMPTS = {
    "A": "Psoriasis is",
    "B": "A 34-year-old man with an itchy rash of the elbow most likely has",
    "C": "Eczema",
    "D": "The treatment of scabies consists of",
    "E": "Urticaria is a rash of",
}


@pytest.fixture(scope="module")
def llama():
    return load_llm(ModelRef("pocket/llama"))


def test_a_left_padded_batch_says_what_single_prompts_say(llama):
    batch = list(llama.answer_batch(PROMPTS, max_new_tokens=16))
    single = [
        replace(llama.answer(prompt, max_new_tokens=16), case_id=case_id)
        for case_id, prompt in PROMPTS.items()
    ]
    assert [(answer.case_id, answer.text) for answer in batch] == [
        (answer.case_id, answer.text) for answer in single
    ]
    assert all(answer.text == answer.text.strip() and answer.tokens <= 16 for answer in batch)


def test_an_answer_that_is_cut_says_length(llama):
    assert {answer.finish for answer in llama.answer_batch(PROMPTS, max_new_tokens=2)} == {"length"}


def test_an_answer_that_ends_says_stop_and_has_nothing_after_its_end(llama):
    model = llama.model
    eos = llama.tokenizer.eos_token_id
    first = llama.answer(PROMPTS["A"], max_new_tokens=6)
    tokens = llama.tokenizer(" " + first.text, add_special_tokens=False)["input_ids"]
    before = model.generation_config.eos_token_id
    try:  # let the third token of the answer be the end-of-text token
        llama.tokenizer.eos_token = llama.tokenizer.convert_ids_to_tokens(tokens[2])
        model.generation_config.eos_token_id = tokens[2]
        ended = llama.answer(PROMPTS["A"], max_new_tokens=6)
    finally:
        llama.tokenizer.eos_token, model.generation_config.eos_token_id = "</s>", before
    assert llama.tokenizer.eos_token_id == eos
    assert (ended.finish, ended.tokens) == ("stop", 2)
    assert first.text.startswith(ended.text) and ended.text != first.text


def test_an_answer_ends_where_the_stop_text_begins(llama):
    plain = list(llama.answer_batch(PROMPTS, max_new_tokens=16))
    stop = plain[0].text.split()[2]
    cut = list(replace(llama, stop=stop).answer_batch(PROMPTS, max_new_tokens=16))
    for before, after in zip(plain, cut):
        assert after.text == before.text.partition(stop)[0].strip()
        assert after.finish == ("stop" if stop in before.text else before.finish)
    assert cut[0].tokens < plain[0].tokens and cut[0].text


def test_answers_come_in_case_order_and_are_not_asked_again(llama, tmp_path):
    path = tmp_path / "predictions.jsonl"
    first = answer_all(llama, PROMPTS, AnswerFile(path), max_new_tokens=8, batch=2)
    assert list(first) == list(PROMPTS)
    content = path.read_bytes()
    nothing_to_ask = replace(
        llama, model=SimpleNamespace(config=llama.model.config)
    )  # it has nothing to answer with
    assert answer_all(nothing_to_ask, PROMPTS, AnswerFile(path), max_new_tokens=8, batch=2) == first
    assert path.read_bytes() == content


def test_a_half_written_batch_is_completed_with_the_same_answers(llama, tmp_path):
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    expected = answer_all(llama, PROMPTS, AnswerFile(whole), max_new_tokens=8, batch=3)
    lines = whole.read_text().splitlines(keepends=True)
    torn.write_text("".join(lines[:2]) + lines[2][:20])
    assert [
        answer.text
        for answer in answer_all(
            llama, PROMPTS, AnswerFile(torn), max_new_tokens=8, batch=3
        ).values()
    ] == [answer.text for answer in expected.values()]
    assert sorted(row["case_id"] for row in read_jsonl(torn)) == sorted(PROMPTS)


def test_a_prompt_without_room_for_the_answer_is_named(llama, tmp_path):
    with pytest.raises(LabError, match="case 'A' has .* tokens.*`max_new_tokens`"):
        answer_all(
            llama,
            PROMPTS | {"A": "itch " * 3000},
            AnswerFile(tmp_path / "p.jsonl"),
            max_new_tokens=8,
            batch=2,
        )
    assert not (tmp_path / "p.jsonl").exists()


def test_a_shared_beginning_is_read_once_and_gives_the_same_tokens(llama):
    shots = [
        (f"Itchy rash on the {site}", f"This suggests {name}.")
        for site, name in (
            ("elbow", "psoriasis"),
            ("hand", "eczema"),
            ("scalp", "ringworm"),
            ("groin", "scabies"),
        )
    ]
    questions = [
        "Rash",
        "Red scaly plaques on both knees for years",
        "What is this?",
        "Spots on the face of a teenager",
    ]
    prompts = {str(number): alpaca(question, shots) for number, question in enumerate(questions)}
    prepared = llama.prepare(prompts)
    prefix = prepared.prefix
    lengths = [llama.count_tokens(prompt) for prompt in prompts.values()]
    assert 0.8 * min(lengths) < len(prefix.tokens) < min(lengths)
    with_prefix = list(prepared.answer_batch(prompts, max_new_tokens=24))
    again = list(prepared.answer_batch(prompts, max_new_tokens=24))  # the kept cache is not used up
    plain = list(llama.answer_batch(prompts, max_new_tokens=24))
    assert [a.text for a in with_prefix] == [a.text for a in plain] == [a.text for a in again]
    assert [a.tokens for a in with_prefix] == [a.tokens for a in plain]


def test_prompts_without_a_common_beginning_have_no_prefix(llama):
    assert llama.prepare(PROMPTS).prefix.tokens == ()
    same = {"A": alpaca("Rash"), "B": alpaca("Rash")}
    assert len(llama.prepare(same).prefix.tokens) == llama.count_tokens(same["A"]) - 1


def test_no_room_on_the_gpu_says_which_setting_to_lower_and_is_taken_up_again(llama, tmp_path):
    import torch

    path, calls = tmp_path / "p.jsonl", []

    def no_room(module, inputs):
        calls.append(1)
        if len(calls) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")

    expected = answer_all(
        llama, PROMPTS, AnswerFile(tmp_path / "whole.jsonl"), max_new_tokens=8, batch=2
    )
    hook = llama.model.register_forward_pre_hook(no_room)
    try:
        with pytest.raises(WorkFailed, match="lower `batch` from 2 to 1; the same command goes on"):
            answer_all(llama, PROMPTS, AnswerFile(path), max_new_tokens=8, batch=2)
    finally:
        hook.remove()
    assert len(read_jsonl(path)) == 2
    assert [
        a.text
        for a in answer_all(llama, PROMPTS, AnswerFile(path), max_new_tokens=8, batch=1).values()
    ] == [a.text for a in expected.values()]
