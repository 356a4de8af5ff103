"""From generated tokens to an answer: where it ends, and why."""

from collections.abc import Callable, Sequence

from helpers.cases import Answer


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
