"""From prompts to answers: batched greedy generation that is written as it comes and taken up again.

Batches are formed once, from all prompts, in order of length. A batch that was not written whole is done
again as a whole, so that an interrupted run ends with the very answers of an undisturbed one (padding
changes the last bits of a logit, and now and then a token).
"""

import time
from dataclasses import asdict
from pathlib import Path

from helpers.cases import Prediction
from helpers.files import LabError, append_jsonl, read_jsonl
from helpers.models import TextModel


def answer_all(
    text_model: TextModel, prompts: dict[str, str], path: Path, *, max_new_tokens: int, batch_size: int
) -> list[Prediction]:
    """Answer every prompt, appending each batch to `path`; what stands there already is not asked again.

    Args:
        prompts: case id -> prompt.
        path: the run's `predictions.jsonl`.
        max_new_tokens: where an answer is cut, in tokens.
        batch_size: prompts per batch.
    Returns:
        one prediction per prompt, in the order of `prompts`.
    Raises:
        LabError: a prompt leaves no room for the answer in the model's context.
    """
    from tqdm.auto import tqdm

    lengths = {case_id: count_tokens(text_model, prompt) for case_id, prompt in prompts.items()}
    _check_lengths(text_model, lengths, max_new_tokens)
    done = {row["case_id"]: Prediction(**row) for row in read_jsonl(path)}
    order = sorted(prompts, key=lambda case_id: (-lengths[case_id], case_id))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for batch in tqdm(batches, desc="answering", unit="batch", leave=False):
        missing = set(batch) - set(done)
        if not missing:
            continue
        answers = generate(text_model, {case_id: prompts[case_id] for case_id in batch}, max_new_tokens=max_new_tokens)
        new = [answer for answer in answers if answer.case_id in missing]
        append_jsonl(path, [asdict(answer) for answer in new])
        done |= {answer.case_id: answer for answer in new}
    return [done[case_id] for case_id in prompts]


def generate(text_model: TextModel, prompts: dict[str, str], *, max_new_tokens: int) -> list[Prediction]:
    """Answer one batch of prompts greedily, left-padded; whitespace around an answer is stripped (YuanAI, 3.5).

    `seconds` of a prediction is its share of the batch's time. `finish` is "length" where the model did not
    end the answer itself: YuanAI's "no assurance of complete answers".
    """
    import torch

    model, tokenizer = text_model.model, text_model.tokenizer
    batch = tokenizer(list(prompts.values()), return_tensors="pt", padding=True).to(model.device)
    started = time.perf_counter()
    with torch.inference_mode():
        output = model.generate(
            **batch, max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id
        )
    seconds = round((time.perf_counter() - started) / len(prompts), 4)
    answers = output[:, batch["input_ids"].shape[1] :].tolist()
    return [_prediction(case_id, answer, tokenizer, seconds) for case_id, answer in zip(prompts, answers)]


def count_tokens(text_model: TextModel, text: str) -> int:
    """Length of a text in tokens of the model, special tokens included."""
    return len(text_model.tokenizer(text)["input_ids"])


def _prediction(case_id: str, tokens: list[int], tokenizer, seconds: float) -> Prediction:
    ended = tokenizer.eos_token_id in tokens
    if ended:
        tokens = tokens[: tokens.index(tokenizer.eos_token_id)]
    text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
    return Prediction(case_id, text, seconds, len(tokens), "stop" if ended else "length")


def _check_lengths(text_model: TextModel, lengths: dict[str, int], max_new_tokens: int) -> None:
    room = text_model.context_length - max_new_tokens
    too_long = [case_id for case_id, length in lengths.items() if length > room]
    if too_long:
        raise LabError(
            f"The prompt of case {too_long[0]!r} has {lengths[too_long[0]]} tokens, but the model's context leaves "
            f"{room} ({len(too_long)} such cases): lower MAX_NEW_TOKENS or choose a MODEL with a longer context."
        )
