"""LLMs on this machine: a causal language model that answers batches of prompts greedily.

What all prompts begin with, such as fixed worked examples, is read by the model once and not once
per case.
"""

import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import Any, Self

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers.cases import Answer
from helpers.files import LabError, WorkFailed
from helpers.models.adapter_config import check_adapter
from helpers.models.base import AsksOnce, ImagePrompt, Question
from helpers.models.decoding import end_tokens, to_answer
from helpers.models.devices import Device
from helpers.models.failures import explain_loading, no_room
from helpers.models.foreign import check_model
from helpers.models.loading import attach_adapter, context_length, load_weights
from helpers.models.processors import is_vlm_type, model_type
from helpers.models.prompts import as_messages, render_prompt
from helpers.models.refs import ModelRef
from helpers.models.stopping import stopping

# A shorter common beginning is not worth the copying of its cache.
SHORTEST_PREFIX = 16


@dataclass(frozen=True)
class Prefix:
    """The tokens that all prompts begin with, and the model's cache after reading them."""

    tokens: tuple[int, ...] = ()
    cache: Any = None  # of a batch of one


@dataclass(frozen=True)
class LocalLLM(AsksOnce):
    """A causal language model with its tokenizer, ready to answer or to be trained.

    Attributes:
        stop, prefix: see `prepare`.
    """

    model: Any
    tokenizer: Any
    device: Device
    stop: str = ""
    prefix: Prefix = Prefix()

    @property
    def is_remote(self) -> bool:
        return False

    @property
    def context_length(self) -> int:
        return context_length(self.model)

    def as_question(self, text: str) -> Question:
        """Return a person's text: for a chat model, as a user's turn."""
        return as_messages(text) if self.tokenizer.chat_template else text

    def token_ids(self, question: Question) -> list[int]:
        """Return the tokens of a prompt as the model reads them.

        A chat template writes special tokens itself.

        Raises:
            LabError: the question has an image.
        """
        if isinstance(question, ImagePrompt):
            raise LabError("An LLM was asked about an image: ask it a text alone, or name a VLM.")
        text = render_prompt(question, self.tokenizer)
        return self.tokenizer(text, add_special_tokens=isinstance(question, str))["input_ids"]

    def count_tokens(self, question: Question) -> int:
        """Return the length of a prompt in tokens, special tokens included."""
        return len(self.token_ids(question))

    def prepare(self, questions: Mapping[str, Question], *, stop: str = "") -> Self:
        """Read once what all prompts begin with, unless that is next to nothing.

        Args:
            stop: a text that ends an answer, too, and is no part of it; "" for none.
        Raises:
            WorkFailed: the GPU has no room.
        """
        rows = [self.token_ids(prompt) for prompt in questions.values()]
        # At least one token of every prompt must be left to be read: the answer's first token
        # comes from it.
        shared = commonprefix(rows)[: min(map(len, rows)) - 1]  # noqa: RUF071 (lists of tokens)
        if len(rows) < 2 or len(shared) < SHORTEST_PREFIX:
            return replace(self, stop=stop, prefix=Prefix())
        tokens = torch.tensor([shared], device=self.model.device)
        try:
            with torch.inference_mode():
                read = self.model(input_ids=tokens, use_cache=True, logits_to_keep=1)
        except torch.OutOfMemoryError:
            raise WorkFailed(_no_room(1)) from None
        prefix = Prefix(tuple(shared), read.past_key_values)
        return replace(self, stop=stop, prefix=prefix)

    def answer_batch(
        self, questions: Mapping[str, Question], *, max_new_tokens: int
    ) -> Iterator[Answer]:
        """Answer one batch of prompts greedily, left-padded.

        All of them must begin with `prefix`. `seconds` of an answer is its share of the batch's.

        Raises:
            WorkFailed: the GPU has no room for the batch.
        """
        started = time.perf_counter()
        inputs = self._inputs([self.token_ids(prompt) for prompt in questions.values()])
        width = inputs["input_ids"].shape[1]
        try:
            with torch.inference_mode():
                output = self.model.generate(
                    **inputs,
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    pad_token_id=self.tokenizer.pad_token_id,
                    stopping_criteria=stopping(self.tokenizer, self.stop, width),
                )
        except torch.OutOfMemoryError:
            raise WorkFailed(_no_room(len(questions))) from None
        seconds = round((time.perf_counter() - started) / len(questions), 4)
        ends = end_tokens(self.tokenizer, self.model.generation_config)
        for case_id, tokens in zip(questions, output[:, width:].tolist()):
            yield to_answer(
                case_id, tokens, self._decode, ends=ends, seconds=seconds, stop=self.stop
            )

    def _decode(self, tokens) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def _inputs(self, rows: list[list[int]]) -> dict:
        """Pad token ids and mask (batch, length): the prefix, padding, the rest of each prompt.

        Zeros in the mask hide the padding in the middle, and positions are counted over the ones.
        """
        head = list(self.prefix.tokens)
        rests = [row[len(head) :] for row in rows]
        width = max(len(rest) for rest in rests)
        ids, mask = [], []
        for rest in rests:
            padding = width - len(rest)
            ids.append(head + [self.tokenizer.pad_token_id] * padding + rest)
            mask.append([1] * len(head) + [0] * padding + [1] * len(rest))
        device = self.model.device
        inputs: dict[str, Any] = {
            "input_ids": torch.tensor(ids, device=device),
            "attention_mask": torch.tensor(mask, device=device),
        }
        if head:
            inputs["past_key_values"] = deepcopy(self.prefix.cache)
            inputs["past_key_values"].batch_repeat_interleave(len(rows))
        return inputs


def load_llm(ref: ModelRef) -> LocalLLM:
    """Load a causal language model and its tokenizer, with its adapter where it has one.

    Raises:
        LabError: the model is missing, gated or unreachable, or the adapter is for another base.
    """
    if ref.adapter:
        ref.read_card()
        check_adapter(ref.adapter)
    model, device = load_weights(AutoModelForCausalLM, ref)
    if ref.adapter:
        model = attach_adapter(model, ref.adapter)
    return LocalLLM(model, load_tokenizer(ref), device)


def load_tokenizer(ref: ModelRef):
    """Load the tokenizer of a model, padding on the left, as generation needs it."""
    with explain_loading(ref.id):
        commit = ref.resolve_commit()
        check_model(ref.path, commit)
        tokenizer = AutoTokenizer.from_pretrained(
            ref.path, revision=commit, padding_side="left", trust_remote_code=False
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _no_room(count: int) -> str:
    return no_room(count, "prompts", "lower the largest of `shots`, or `max_new_tokens`")


def fits(ref: ModelRef) -> bool:
    """True for a model on this machine that sees no images."""
    return not ref.is_remote and not is_vlm_type(model_type(ref))


def open_model(ref: ModelRef, *, allow_upload: bool) -> LocalLLM:
    """Load it; nothing that it is asked leaves this machine."""
    return load_llm(ref)
