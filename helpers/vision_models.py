"""Models that see: those that go on with a text (BLIP, BLIP-2), and chat models that transformers supports natively.

All are loaded by the same calls, from safetensors only and without remote code.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from helpers.cases import Prediction
from helpers.files import LabError, WorkFailed
from helpers.models import Device, choose_device, loading, model_path, pinned, placed, split_revision

# Model types that go on with a text and know no instructions; every other is asked through its chat template.
PREFIX_MODELS = ("blip", "blip-2")


@dataclass(frozen=True)
class VisionModel:
    """An image-text-to-text model with its processor."""

    model: object
    processor: object
    device: Device

    @property
    def chats(self) -> bool:
        """Whether it is asked in chat messages, or goes on with a text."""
        return self.model.config.model_type not in PREFIX_MODELS

    def answer(self, asked: dict[str, tuple], *, max_new_tokens: int) -> list[Prediction]:
        """Answer one batch.

        Args:
            asked: id -> (RGB image of PIL, text: a question, or what a model without chat goes on with).
            max_new_tokens: where an answer is cut, in tokens.
        Returns:
            one prediction per id, in their order; a text that was gone on with is part of the answer. `seconds` is an
            answer's share of the batch's time.
        Raises:
            WorkFailed: the GPU has no room for the batch.
        """
        import torch

        started = time.perf_counter()
        inputs = (self._chat if self.chats else self._prefixed)(list(asked.values()))
        try:
            with torch.inference_mode():
                output = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        except torch.OutOfMemoryError:
            raise WorkFailed(_no_room(len(asked))) from None
        seconds = round((time.perf_counter() - started) / len(asked), 4)
        new = self._new_tokens(output.tolist(), inputs["input_ids"].tolist())
        return [self._prediction(name, "" if self.chats else text, row, seconds)
                for (name, (_, text)), row in zip(asked.items(), new)]

    def _chat(self, asked: Sequence[tuple]):
        """One user's turn each, the picture first, in the words of the processor's own chat template."""
        if not getattr(self.processor, "chat_template", None):
            raise LabError(
                f"A model of type {self.model.config.model_type!r} is asked in chat messages, but its processor has no "
                "chat template: choose another model."
            )
        turns = [[{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": text}]}]
                 for image, text in asked]
        inputs = self.processor.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        )
        return inputs.to(self.model.device, self.model.dtype)

    def _prefixed(self, asked: Sequence[tuple]):
        images, texts = zip(*asked)
        inputs = self.processor(images=list(images), text=list(texts), padding=True, return_tensors="pt")
        return inputs.to(self.model.device, self.model.dtype)

    def _new_tokens(self, rows: list[list[int]], prompts: list[list[int]]) -> list[list[int]]:
        """Generated rows without what was there before: the prompt where a model returns it, or a decoder's start."""
        if self.model.config.get_text_config().is_encoder_decoder:
            return [row[1:] for row in rows]
        return [row[_shared(row, prompt):] for row, prompt in zip(rows, prompts)]

    def _prediction(self, name: str, before: str, tokens: list[int], seconds: float) -> Prediction:
        end = next((place for place, token in enumerate(tokens) if token in self._ends), None)
        # BLIP reads word pieces, which would come back as "a person ' s arm".
        said = self.processor.tokenizer.decode(
            tokens[:end], skip_special_tokens=True, clean_up_tokenization_spaces=not self.chats
        ).strip()
        error = "" if said else "the model said nothing"
        text = f"{before} {said}".strip() if said else ""
        return Prediction(name, text, seconds, len(tokens[:end]), "length" if end is None else "stop", error)

    @property
    def _ends(self) -> set[int]:
        """The tokens that end an answer, and padding, which follows them."""
        tokenizer, ends = self.processor.tokenizer, self.model.generation_config.eos_token_id
        more = ends if isinstance(ends, list) else [ends]
        return {tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id, *more} - {None}


def load_vision_model(model_id: str, *, quantization: str = "none", setting: str = "MODEL") -> VisionModel:
    """Load an image-text-to-text model and its processor.

    Args:
        model_id: `pocket/<name>`, a folder, or a hub id, with @revision behind it if need be.
        quantization: "none" or "nf4".
        setting: the parameter that named it, for the advice in errors.
    Raises:
        LabError: the model is missing, gated, unreachable, or none that sees.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    name, revision = split_revision(model_id)
    device, path, commit = choose_device(), model_path(name, setting), pinned(name, revision) or None
    with loading(name, setting):
        processor = AutoProcessor.from_pretrained(path, revision=commit)
        model = placed(AutoModelForImageTextToText, path, commit, quantization, device)
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return VisionModel(model, processor, device)


def seeing_type(model_id: str, setting: str = "MODEL") -> str:
    """The type of a model that sees, such as "blip" or "llava", from its config.json; no weights are read.

    Raises:
        LabError: the model is not there, or of a type that reads only text.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as SEEING

    name, revision = split_revision(model_id)
    path = model_path(name, setting)
    with loading(name, setting):
        kind = AutoConfig.from_pretrained(path, revision=pinned(name, revision) or None).model_type
    if kind not in SEEING:
        raise LabError(
            f"{setting} is {model_id!r}, but a model of type {kind!r} sees no pictures: name one that does, such as "
            "pocket/blip."
        )
    return kind


def _shared(row: list[int], prompt: list[int]) -> int:
    """How many tokens a row begins with that are its prompt's; BLIP puts a first token of its own in their place."""
    for length in (len(prompt), len(prompt) - 1):
        if length and row[1:length] == prompt[1:length] and len(row) >= length > 1:
            return length
    return 0


def _no_room(batch: int) -> str:
    cure = f"lower CAPTION_BATCH from {batch} to {batch // 2}" if batch > 1 else "set CAPTION_QUANTIZATION to 'nf4'"
    return f"The GPU has no room for {batch} pictures at a time: {cure}; the same command goes on from there."
