"""VLMs on this machine: models that go on with a text (BLIP, BLIP-2), and chat models that see."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from transformers import AutoModelForImageTextToText

from helpers.cases import Answer
from helpers.files import LabError, WorkFailed
from helpers.models.adapter_config import check_adapter
from helpers.models.base import AsksOnce, ImagePrompt, Question
from helpers.models.decoding import end_tokens, to_answer
from helpers.models.devices import Device
from helpers.models.failures import no_room
from helpers.models.foreign import ADAPTER_CONFIG
from helpers.models.loading import attach_adapter, context_length, load_weights
from helpers.models.processors import (
    PREFIX_MODELS,
    check_pair,
    is_vlm_type,
    load_processor,
    mismatch,
    model_type,
    read,
    turn_text,
    vlm_type,
)
from helpers.models.refs import ModelRef
from helpers.models.stopping import stopping


@dataclass(frozen=True)
class LocalVLM(AsksOnce):
    """An image-text-to-text model with its processor, ready to answer or to be trained."""

    model: Any
    processor: Any
    device: Device

    @property
    def is_remote(self) -> bool:
        return False

    @property
    def chats(self) -> bool:
        """True if it is asked in chat messages; False if it goes on with a text."""
        return self.model.config.model_type not in PREFIX_MODELS

    @property
    def _stop(self) -> str:
        """The text that ends an answer, besides the tokens that do; "" for none."""
        return getattr(self.processor, "stop", "")

    @property
    def context_length(self) -> int:
        return context_length(self.model)

    def count_tokens(self, question: Question) -> int:
        """Return the length of a question's text in letters: its images have few sizes."""
        return len(_image_prompt(question).text)

    def prepare(self, questions: Mapping[str, Question], *, stop: str = "") -> Self:
        """Return the same model: questions begin with different images."""
        return self

    def answer_batch(
        self, questions: Mapping[str, Question], *, max_new_tokens: int
    ) -> Iterator[Answer]:
        """Answer one batch of images, each with a text.

        A text that a model without chat goes on with is part of its answer. `seconds` of an answer
        is its share of the batch's time.

        Raises:
            LabError: a question is longer than the model's context, or processor and model do not
                belong together.
            WorkFailed: the GPU has no room for the batch.
        """
        started = time.perf_counter()
        prompts = [_image_prompt(question) for question in questions.values()]
        inputs = self._chat(prompts) if self.chats else self._prefixed(prompts)
        width = inputs["input_ids"].shape[1]
        self.check_length(width, max_new_tokens, any(prompt.shots for prompt in prompts))
        try:
            with torch.inference_mode():
                output = self.model.generate(
                    **inputs,
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    stopping_criteria=stopping(self.processor.tokenizer, self._stop, width),
                )
        except torch.OutOfMemoryError:
            raise WorkFailed(self._no_room(len(prompts))) from None
        except ValueError as error:
            if "image features" not in str(error).lower():
                raise
            raise LabError(mismatch(str(error))) from None
        seconds = round((time.perf_counter() - started) / len(prompts), 4)
        rows = self._new_tokens(output.tolist(), inputs["input_ids"].tolist())
        for case_id, prompt, row in zip(questions, prompts, rows):
            yield self._to_answer(case_id, "" if self.chats else prompt.text, row, seconds)

    def check_length(self, tokens: int, new: int, shots: bool) -> None:
        """Refuse a question that leaves no room for its answer in the model's context; both in
        tokens.
        """
        if self.chats and tokens + new > self.context_length:
            what = "its image after its worked examples" if shots else "its image"
            raise LabError(
                f"A question with {what} has {tokens} tokens and its answer up to {new}, but "
                f"the model's context {self.context_length}: lower {'`shots`, ' if shots else ''}"
                "`max_side` or `max_new_tokens`, or choose another `model`."
            )

    def _no_room(self, count: int) -> str:
        cure = "set `quantization` to 'nf4'"
        if getattr(self.model, "is_loaded_in_4bit", False):
            cure = "choose a smaller `model`, or let images be smaller (`max_side`)"
        return no_room(count, "images", cure)

    def _chat(self, prompts: Sequence[ImagePrompt]):
        """One user's turn each, after those of its worked examples, by the processor's own chat
        template.
        """
        shots = [[(shot.text, shot.answer) for shot in prompt.shots] for prompt in prompts]
        texts = [
            turn_text(self.processor, prompt.text, shots=before)
            for prompt, before in zip(prompts, shots)
        ]
        images = [[*(shot.image for shot in prompt.shots), prompt.image] for prompt in prompts]
        inputs = read(self.processor, texts, images, padding_side="left")
        return inputs.to(self.model.device, self.model.dtype)

    def _prefixed(self, prompts: Sequence[ImagePrompt]):
        inputs = self.processor(
            images=[prompt.image for prompt in prompts],
            text=[prompt.text for prompt in prompts],
            padding=True,
            return_tensors="pt",
        )
        return inputs.to(self.model.device, self.model.dtype)

    def _new_tokens(self, rows: list[list[int]], prompts: list[list[int]]) -> list[list[int]]:
        """Cut off what was there before: the prompt where a model returns it, or a first token."""
        if self.model.config.get_text_config().is_encoder_decoder:
            return [row[1:] for row in rows]
        return [row[_count_shared(row, prompt) :] for row, prompt in zip(rows, prompts)]

    def _to_answer(self, case_id: str, before: str, tokens: list[int], seconds: float) -> Answer:
        ends = end_tokens(self.processor.tokenizer, self.model.generation_config)
        answer = to_answer(
            case_id, tokens, self._decode, ends=ends, seconds=seconds, stop=self._stop
        )
        text = f"{before} {answer.text}".strip() if answer.text else ""
        error = "" if answer.text else "the model said nothing"
        return Answer(case_id, text, seconds, answer.tokens, answer.finish, error)

    def _decode(self, tokens) -> str:
        # BLIP reads word pieces, which would come back as "a person ' s arm".
        return self.processor.tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=not self.chats
        )


def load_vlm(ref: ModelRef) -> LocalVLM:
    """Load an image-text-to-text model and its processor, with its adapter where it has one.

    Raises:
        LabError: the model is missing, gated, unreachable, or sees no images; its processor was
            made for another; or the adapter is for another base.
    """
    if ref.adapter:
        ref.read_card()
    kind = vlm_type(ref)
    has_adapter = ref.adapter is not None and (ref.adapter / ADAPTER_CONFIG).exists()
    whole = str(ref.adapter) if ref.adapter and not has_adapter else ""
    if ref.adapter and has_adapter:
        check_adapter(ref.adapter)
    model, device = load_weights(
        AutoModelForImageTextToText,
        ref,
        weights=whole,
        reads_text_alone=kind not in PREFIX_MODELS,
    )
    if ref.adapter and has_adapter:
        model = attach_adapter(model, ref.adapter)
    processor = load_processor(ref)
    if kind not in PREFIX_MODELS:
        check_pair(model, processor, ref.id)
    return LocalVLM(model, processor, device)


def fits(ref: ModelRef) -> bool:
    """True for a model on this machine that sees images."""
    return not ref.is_remote and is_vlm_type(model_type(ref))


def open_model(ref: ModelRef, *, allow_upload: bool) -> LocalVLM:
    """Load it; nothing that it is asked leaves this machine."""
    return load_vlm(ref)


def _image_prompt(question: Question) -> ImagePrompt:
    if not isinstance(question, ImagePrompt):
        raise LabError(
            "A VLM was asked a text alone: give it an image and a question, as in "
            'answer(image, "What is this?").'
        )
    return question


def _count_shared(row: list[int], prompt: list[int]) -> int:
    """Count the tokens of a row that are its prompt's.

    BLIP puts a first token of its own in their place.
    """
    for length in (len(prompt), len(prompt) - 1):
        if length and row[1:length] == prompt[1:length] and len(row) >= length > 1:
            return length
    return 0
