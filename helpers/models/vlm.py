"""Models that see: those that go on with a text (BLIP, BLIP-2), and chat models that transformers
supports natively.

All are loaded by the same calls, from safetensors only and without remote code.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.cases import Answer
from helpers.files import LabError, WorkFailed
from helpers.models.devices import Device, choose_device
from helpers.models.loading import (
    UNKNOWN_CONTEXT,
    check_adapter,
    loading,
    model_path,
    place,
    resolve_commit,
    split_revision,
)
from helpers.models.moondream import processor as moondream
from helpers.models.vlm_inputs import (
    check_pair,
    complete,
    limit_max_side,
    mismatch,
    read,
    turn_text,
)

# Model types that go on with a text and know no instructions; every other is asked through its chat
# template.
PREFIX_MODELS = ("blip", "blip-2")
# What to lower where there is no room, by the parameter that named a model.
ROOM = {
    "CAPTIONER": ("CAPTION_BATCH", "CAPTION_QUANTIZATION"),
    "VLM": ("VLM_ANSWER_BATCH", "VLM_QUANTIZATION"),
}


@dataclass(frozen=True)
class VLM:
    """An image-text-to-text model with its processor."""

    model: object
    processor: object
    device: Device
    setting: str = "CAPTIONER"  # the parameter that named it

    @property
    def chats(self) -> bool:
        """Whether it is asked in chat messages, or goes on with a text."""
        return self.model.config.model_type not in PREFIX_MODELS

    def answer(self, asked: dict[str, tuple], *, max_new_tokens: int) -> list[Answer]:
        """Answer one batch.

        Args:
            asked: id -> (RGB image of PIL, text: a question, or what a model without chat goes on
                with).
            max_new_tokens: where an answer is cut, in tokens.
        Returns:
            one prediction per id, in their order; a text that was gone on with is part of the
            answer. `seconds` is an answer's share of the batch's time.
        Raises:
            WorkFailed: the GPU has no room for the batch.
        """
        import torch

        started = time.perf_counter()
        inputs = (self._chat if self.chats else self._prefixed)(list(asked.values()))
        self._check_length(inputs["input_ids"].shape[1], max_new_tokens)
        try:
            with torch.inference_mode():
                output = self.model.generate(
                    **inputs, max_new_tokens=max_new_tokens, do_sample=False
                )
        except torch.OutOfMemoryError:
            raise WorkFailed(self._no_room(len(asked))) from None
        except ValueError as error:
            if "image features" not in str(error).lower():
                raise
            raise LabError(mismatch(str(error))) from None
        seconds = round((time.perf_counter() - started) / len(asked), 4)
        new = self._new_tokens(output.tolist(), inputs["input_ids"].tolist())
        return [
            self._prediction(name, "" if self.chats else text, row, seconds)
            for (name, (_, text)), row in zip(asked.items(), new)
        ]

    @property
    def context_length(self) -> int:
        """How many tokens a question with its image and the answer may have together."""
        return getattr(
            self.model.config.get_text_config(), "max_position_embeddings", UNKNOWN_CONTEXT
        )

    def _check_length(self, tokens: int, new: int) -> None:
        if self.chats and tokens + new > self.context_length:
            raise LabError(
                f"A question with its image has {tokens} tokens and its answer up to {new}, but "
                f"the model's context {self.context_length}: lower PICTURE_SIDE or the tokens of "
                "an answer, or choose another model."
            )

    def _no_room(self, batch: int) -> str:
        size, weights = ROOM.get(self.setting, ROOM["CAPTIONER"])
        cure = f"set {weights} to 'nf4'"
        if getattr(self.model, "is_loaded_in_4bit", False):
            cure = f"choose a smaller {self.setting}, or let images be smaller (PICTURE_SIDE)"
        if batch > 1:
            cure = f"lower {size} from {batch} to {batch // 2}"
        return f"The GPU has no room for {batch} images at a time: {cure}; the same command goes on from there."

    def _chat(self, asked: Sequence[tuple]):
        """One user's turn each, the image first, in the words of the processor's own chat
        template.
        """
        texts = [turn_text(self.processor, text) for _, text in asked]
        inputs = read(self.processor, texts, [image for image, _ in asked], padding_side="left")
        return inputs.to(self.model.device, self.model.dtype)

    def _prefixed(self, asked: Sequence[tuple]):
        images, texts = zip(*asked)
        inputs = self.processor(
            images=list(images), text=list(texts), padding=True, return_tensors="pt"
        )
        return inputs.to(self.model.device, self.model.dtype)

    def _new_tokens(self, rows: list[list[int]], prompts: list[list[int]]) -> list[list[int]]:
        """Generated rows without what was there before: the prompt where a model returns it, or a
        decoder's start.
        """
        if self.model.config.get_text_config().is_encoder_decoder:
            return [row[1:] for row in rows]
        return [row[_shared(row, prompt) :] for row, prompt in zip(rows, prompts)]

    def _prediction(self, name: str, before: str, tokens: list[int], seconds: float) -> Answer:
        end = next((place for place, token in enumerate(tokens) if token in self._ends), None)
        # BLIP reads word pieces, which would come back as "a person ' s arm".
        said = self.processor.tokenizer.decode(
            tokens[:end], skip_special_tokens=True, clean_up_tokenization_spaces=not self.chats
        ).strip()
        error = "" if said else "the model said nothing"
        text = f"{before} {said}".strip() if said else ""
        return Answer(
            name, text, seconds, len(tokens[:end]), "length" if end is None else "stop", error
        )

    @property
    def _ends(self) -> set[int]:
        """The tokens that end an answer, and padding, which follows them."""
        tokenizer, ends = self.processor.tokenizer, self.model.generation_config.eos_token_id
        more = ends if isinstance(ends, list) else [ends]
        return {tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id, *more} - {
            None
        }


def load_vlm(
    model_id: str,
    *,
    quantization: str = "none",
    setting: str = "MODEL",
    tuned: Path | None = None,
    max_side: int = 0,
) -> VLM:
    """Load an image-text-to-text model and its processor.

    Args:
        model_id: `pocket/<name>`, a folder, or a hub id, with @revision behind it if need be.
        quantization: "none" or "nf4".
        setting: the parameter that named it, for the advice in errors.
        tuned: folder of a LoRA adapter for this model, or of the whole model after a training.
        picture_side: pixels; see `limit_max_side`.
    Raises:
        LabError: the model is missing, gated, unreachable, or none that sees; its processor was
            made for another; or what was tuned had another base.
    """
    from transformers import AutoModelForImageTextToText

    name, revision = split_revision(model_id)
    if tuned:
        check_adapter(tuned, name, revision, setting)
    kind = vlm_type(model_id, setting)
    device, path, commit = (
        device_for(kind, choose_device()),
        model_path(name, setting),
        resolve_commit(name, revision) or None,
    )
    has_adapter = tuned is not None and (tuned / "adapter_config.json").exists()
    weights = str(tuned) if tuned and not has_adapter else path
    with loading(name, setting):
        model = place(
            AutoModelForImageTextToText,
            weights,
            commit if weights == path else None,
            quantization,
            device,
        )
    if has_adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(tuned)).eval()
    processor = load_processor(model_id, setting=setting, max_side=max_side)
    if model.config.model_type not in PREFIX_MODELS:
        check_pair(model, processor, name)
    return VLM(model, processor, device, setting)


def device_for(kind: str, device: Device) -> Device:
    """The device for a model of this type: Gemma 3 (MedGemma) overflows in float16, all that a T4
    computes natively.
    """
    if kind.startswith("gemma3") and device.dtype == "float16":
        return replace(
            device, dtype="float32", reason=f"{device.reason}; in float16 {kind} would overflow"
        )
    return device


def load_processor(model_id: str, *, setting: str = "MODEL", max_side: int = 0):
    """The processor of a model that sees, with what its repository left out; see
    `load_vlm`.
    """
    from transformers import AutoConfig, AutoProcessor

    vlm_type(model_id, setting)
    name, revision = split_revision(model_id)
    path, commit = model_path(name, setting), resolve_commit(name, revision) or None
    with loading(name, setting):
        config = AutoConfig.from_pretrained(path, revision=commit)
        own = (
            moondream.load_processor
            if config.model_type == moondream.MODEL_TYPE
            else AutoProcessor.from_pretrained
        )
        processor = own(path, revision=commit)
    complete(processor, config)
    limit_max_side(processor, max_side)
    return processor


def vlm_type(model_id: str, setting: str = "MODEL") -> str:
    """The type of a model that sees, such as "blip" or "llava", from its config.json; no weights
    are read.

    Raises:
        LabError: the model is not there, or of a type that reads only text.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as SEEING,
    )

    name, revision = split_revision(model_id)
    path = model_path(name, setting)
    with loading(name, setting):
        kind = AutoConfig.from_pretrained(
            path, revision=resolve_commit(name, revision) or None
        ).model_type
    if kind not in (*SEEING, moondream.MODEL_TYPE):
        raise LabError(
            f"{setting} is {model_id!r}, but a model of type {kind!r} sees no images: name one "
            "that does, such as pocket/blip."
        )
    return kind


def _shared(row: list[int], prompt: list[int]) -> int:
    """How many tokens a row begins with that are its prompt's; BLIP puts a first token of its own
    in their place.
    """
    for length in (len(prompt), len(prompt) - 1):
        if length and row[1:length] == prompt[1:length] and len(row) >= length > 1:
            return length
    return 0
