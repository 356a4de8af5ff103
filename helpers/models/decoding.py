"""From generated tokens to an answer: where it ends, and why."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from helpers.cases import Answer
from helpers.settings.section import LARGEST_BATCH, Section, setting

MOST_TOKENS = 100_000  # of an answer; more is a slip of the finger


class Decoding(Section):
    """How long an answer may be, and how many questions are asked at a time."""

    max_new_tokens: int = setting(128, "where an answer is cut, in tokens", ge=1, le=MOST_TOKENS)
    batch: int = setting(
        8,
        "questions at a time (of an API, requests at a time); lower it if the GPU has no room",
        parameter="ANSWER_BATCH",
        ge=1,
        le=LARGEST_BATCH,
        effect=False,
    )


class LlmDecoding(Decoding):
    """Also where the answer of a base model ends."""

    ends: Literal["block", "eos"] = setting(
        "block",
        "block (also where the model begins another block) or eos (only where it ends its answer)",
        parameter="ANSWER_ENDS",
    )
    profiles: ClassVar = {
        "pocket": {"max_new_tokens": 48, "batch": 32},
        "laptop": {"max_new_tokens": 64},
        "a100": {"batch": 32},
    }


class VlmDecoding(Decoding):
    """As VisionQAries asked TinyLLaVA: up to 200 tokens."""

    max_new_tokens: int = setting(200, "where an answer is cut, in tokens", ge=1, le=MOST_TOKENS)
    profiles: ClassVar = {
        "pocket": {"max_new_tokens": 48, "batch": 20},
        "t4": {"batch": 4},
        "a100": {"batch": 16},
    }


def end_tokens(tokenizer, generation_config) -> set[int]:
    """Return the tokens that end an answer, and padding, which follows them.

    A text ends with one token, a chat's turn often with another, which only the generation
    settings name.
    """
    ends = generation_config.eos_token_id
    named = ends if isinstance(ends, list) else [ends]
    own = (tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    return {*own, *named} - {None}


def to_answer(
    case_id: str,
    tokens: Sequence[int],
    decode: Callable[[Sequence[int]], str],
    *,
    ends: set[int],
    seconds: float,
    stop: str = "",
) -> Answer:
    """Cut generated tokens where the answer ends; white space around it is stripped (YuanAI, 3.5).

    Args:
        stop: a text that ends an answer, too, and is no part of it; "" for none.
    Returns:
        an answer whose `finish` is "length" where the model did not end it itself: YuanAI's "no
        assurance of complete answers".
    """
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    text, sign, _ = decode(tokens[:end]).partition(stop or "\0")
    finish = "stop" if sign or end is not None else "length"
    return Answer(case_id, text.strip(), seconds, len(tokens[:end]), finish)
