"""From prompts to answers: batched greedy generation that is written as it comes and taken up
again.

Batches are formed once, from all prompts, in order of length. A batch that was not written whole is
done again as a whole, so that an interrupted run ends with the very answers of an undisturbed one
(padding changes the last bits of a logit, and now and then a token).

What all prompts begin with, such as fixed worked examples, is read by the model once and not once
per case.
"""

import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from os.path import commonprefix
from pathlib import Path

from helpers.cases import Answer
from helpers.data.images import BadImage, open_images
from helpers.files import LabError, WorkFailed, append_jsonl, mend_torn_end, read_jsonl
from helpers.models.api.model import ApiModel
from helpers.models.loading import LLM
from helpers.models.prompts import Prompt
from helpers.models.vlm import VLM
from helpers.models.vlm_inputs import LONGEST

# A shorter common beginning is not worth the copying of its cache.
SHORTEST_PREFIX = 16


@dataclass(frozen=True)
class Prefix:
    """The tokens that all prompts begin with, and the model's cache after reading them (batch of
    one).
    """

    tokens: tuple[int, ...] = ()
    cache: object = None


def answer_all(
    model: LLM | ApiModel,
    prompts: dict[str, Prompt],
    path: Path,
    *,
    max_new_tokens: int,
    batch_size: int,
    stop: str = "",
) -> list[Answer]:
    """Answer every prompt, appending each batch to `path`; what stands there already is not asked
    again.

    Args:
        model: a local model, or one behind an API.
        prompts: case id -> prompt, text or chat messages.
        path: the run's `predictions.jsonl`.
        max_new_tokens: where an answer is cut, in tokens.
        batch_size: prompts per batch; of an API, requests at a time.
        stop: a text that ends an answer besides the model's own end token, and is no part of it; ""
            for none. A model behind an API is not told of it: chat models end their turns
            themselves.
    Returns:
        one prediction per prompt, in the order of `prompts`.
    Raises:
        LabError: a prompt leaves no room for the answer in the model's context.
        WorkFailed: the GPU has no room for the batch, or the API does not answer.
    """
    lengths = {case_id: model.count_tokens(prompt) for case_id, prompt in prompts.items()}
    _check_lengths(lengths, model.context_length - max_new_tokens)
    return _in_batches(
        lengths,
        path,
        batch_size,
        lambda keep: _asker(model, prompts, batch_size, stop, keep, max_new_tokens),
    )


def answer_images(
    model: VLM,
    asked: dict[str, tuple[Path | None, str]],
    path: Path,
    *,
    max_new_tokens: int,
    batch_size: int,
) -> list[Answer]:
    """Answer a question about an image for every case, as `answer_all` does for prompts.

    Args:
        asked: case id -> (the image, or None where there is none; the question).
    Returns:
        one prediction per case; where the image cannot be opened it is empty, and its `error`
        says why.
    Raises:
        LabError: question, image and answer are longer than the model's context.
        WorkFailed: the GPU has no room for the batch.
    """

    def asker(keep):
        def ask(batch: list[str], done: set[str]) -> None:
            there = {case_id: asked[case_id][0] for case_id in batch if asked[case_id][0]}
            found = dict(
                zip(
                    there,
                    (
                        image
                        for _, image in open_images(
                            list(there.values()), max_side=LONGEST, ahead=max(1, len(there))
                        )
                    ),
                )
            )
            reasons = {
                case_id: found.get(case_id, "no image of it is on disk") for case_id in batch
            }
            bad = {
                case_id: why for case_id, why in reasons.items() if isinstance(why, (str, BadImage))
            }
            good = {
                case_id: (found[case_id], asked[case_id][1])
                for case_id in batch
                if case_id not in bad
            }
            answers = model.answer(good, max_new_tokens=max_new_tokens) if good else []
            keep(answers + [Answer(case_id, "", error=str(why)) for case_id, why in bad.items()])

        return ask

    return _in_batches(
        {case_id: len(text) for case_id, (_, text) in asked.items()}, path, batch_size, asker
    )


def _in_batches(lengths: dict[str, int], path: Path, batch_size: int, asker) -> list[Answer]:
    """Do the batches that do not stand whole in `path`; see the top of this module.

    `asker`: what to keep answers with -> what answers a batch, given its case ids and those that
    are done.
    """
    from tqdm.auto import tqdm

    mend_torn_end(path)
    done = {row["case_id"]: Answer(**row) for row in read_jsonl(path)}
    order = sorted(lengths, key=lambda case_id: (-lengths[case_id], case_id))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    missing = [batch for batch in batches if set(batch) - set(done)]

    def keep(answers: list[Answer]) -> None:
        new = [answer for answer in answers if answer.case_id not in done]
        append_jsonl(path, [asdict(answer) for answer in new])
        done.update({answer.case_id: answer for answer in new})

    ask = asker(keep) if missing else None
    for batch in tqdm(missing, desc="answering", unit="batch", leave=False):
        ask(batch, set(done))
    return [done[case_id] for case_id in lengths]


def generate(
    model: LLM,
    prompts: dict[str, Prompt],
    *,
    max_new_tokens: int,
    prefix: Prefix = Prefix(),
    stop: str = "",
) -> list[Answer]:
    """Answer one batch of prompts greedily, left-padded; whitespace around an answer is stripped
    (YuanAI, 3.5).

    `prefix` must be what all of these prompts begin with: see `read_prefix`. `seconds` of a
    prediction is its share of the batch's time. `finish` is "length" where the model did not end
    the answer itself: YuanAI's "no assurance of complete answers".
    """
    import torch

    tokenizer, started = model.tokenizer, time.perf_counter()
    inputs = _inputs(model, [model.token_ids(prompt) for prompt in prompts.values()], prefix)
    width = inputs["input_ids"].shape[1]
    with torch.inference_mode():
        output = model.model.generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            stopping_criteria=_stopping(tokenizer, stop, width),
        )
    seconds = round((time.perf_counter() - started) / len(prompts), 4)
    ends, answers = _end_tokens(model), output[:, width:].tolist()
    return [
        _prediction(case_id, answer, tokenizer, ends, stop, seconds)
        for case_id, answer in zip(prompts, answers)
    ]


def read_prefix(model: LLM, prompts: dict[str, Prompt]) -> Prefix:
    """Let the model read once what all prompts begin with; an empty prefix where that is next to
    nothing.
    """
    import torch

    rows = [model.token_ids(prompt) for prompt in prompts.values()]
    # At least one token of every prompt must be left to be read: the answer's first token comes
    # from it.
    shared = commonprefix(rows)[: min(map(len, rows)) - 1]
    if len(shared) < SHORTEST_PREFIX:
        return Prefix()
    tokens = torch.tensor([shared], device=model.model.device)
    with torch.inference_mode():
        cache = model.model(input_ids=tokens, use_cache=True, logits_to_keep=1).past_key_values
    return Prefix(tuple(shared), cache)


def _asker(
    model, prompts: dict[str, Prompt], batch_size: int, stop: str, keep, max_new_tokens: int
):
    """What answers a batch and keeps the answers: `ask(batch, done)`, where `done` are the cases
    kept already.
    """
    import torch

    if isinstance(model, ApiModel):

        def ask_api(batch: list[str], done: set[str]) -> None:
            new = {case_id: prompts[case_id] for case_id in batch if case_id not in done}
            model.answer(new, max_new_tokens=max_new_tokens, keep=lambda answer: keep([answer]))

        return ask_api

    prefixes = []

    def ask(batch: list[str], done: set[str]) -> None:
        # The whole batch, whatever of it is done: see the top of this module.
        chosen = {case_id: prompts[case_id] for case_id in batch}
        try:
            if not prefixes:
                prefixes.append(read_prefix(model, prompts) if len(prompts) > 1 else Prefix())
            keep(
                generate(
                    model, chosen, max_new_tokens=max_new_tokens, prefix=prefixes[0], stop=stop
                )
            )
        except torch.OutOfMemoryError:
            raise WorkFailed(_no_room(batch_size)) from None

    return ask


def _no_room(batch_size: int) -> str:
    cure = (
        f"lower ANSWER_BATCH from {batch_size} to {batch_size // 2}"
        if batch_size > 1
        else ("lower the largest of SHOTS, or MAX_NEW_TOKENS")
    )
    return f"The GPU has no room for {batch_size} prompts at a time: {cure}; the same command goes on from there."


def _inputs(model: LLM, rows: list[list[int]], prefix: Prefix) -> dict:
    """Token ids and mask (batch, length): the prefix, then padding, then the rest of each prompt;
    and the cache.

    Zeros in the mask hide the padding in the middle, and positions are counted over the ones.
    """
    import torch

    head = list(prefix.tokens)
    rests = [row[len(head) :] for row in rows]
    width = max(len(rest) for rest in rests)
    ids = [head + [model.tokenizer.pad_token_id] * (width - len(rest)) + rest for rest in rests]
    mask = [[1] * len(head) + [0] * (width - len(rest)) + [1] * len(rest) for rest in rests]
    device = model.model.device
    inputs = {
        "input_ids": torch.tensor(ids, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }
    if head:
        inputs["past_key_values"] = deepcopy(prefix.cache)
        inputs["past_key_values"].batch_repeat_interleave(len(rows))
    return inputs


def _end_tokens(model: LLM) -> set[int]:
    """The tokens that end an answer: of the text, in a chat of the turn, and padding, which follows
    a stop text.
    """
    ends = model.model.generation_config.eos_token_id
    return {
        model.tokenizer.eos_token_id,
        model.tokenizer.pad_token_id,
        *(ends if isinstance(ends, list) else [ends]),
    } - {None}


def _stopping(tokenizer, stop: str, width: int):
    """Criteria that end each row whose new tokens, behind the first `width`, hold the text `stop`."""
    import torch
    from transformers import StoppingCriteriaList

    def stopped(ids, scores, **kwargs):
        # A token is at least one byte: a text that ends just now lies within as many tokens as it
        # has bytes.
        recent = ids[:, max(width, ids.shape[1] - len(stop.encode()) - 1) :]
        return torch.tensor(
            [stop in text for text in tokenizer.batch_decode(recent)], device=ids.device
        )

    return StoppingCriteriaList([stopped] if stop else [])


def _prediction(
    case_id: str, tokens: list[int], tokenizer, ends: set[int], stop: str, seconds: float
) -> Answer:
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    text, sign, _ = tokenizer.decode(tokens[:end], skip_special_tokens=True).partition(stop or "\0")
    finish = "stop" if sign or end is not None else "length"
    return Answer(case_id, text.strip(), seconds, len(tokens[:end]), finish)


def _check_lengths(lengths: dict[str, int], room: int) -> None:
    too_long = [case_id for case_id, length in lengths.items() if length > room]
    if too_long:
        raise LabError(
            f"The prompt of case {too_long[0]!r} has {lengths[too_long[0]]} tokens, but the "
            f"model's context leaves {room} ({len(too_long)} such cases): lower MAX_NEW_TOKENS or "
            "choose a MODEL with a longer context."
        )
