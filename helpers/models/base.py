"""The one face of whatever answers: an LLM or a VLM on this machine, or a model behind an API."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from helpers.cases import Answer
from helpers.data.images import open_image
from helpers.models.devices import Device
from helpers.models.prompts import Messages, as_messages, image_turn

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_NEW_TOKENS = 128  # where an answer is cut unless the caller says otherwise


@dataclass(frozen=True)
class ImageShot:
    """A worked example of a model that sees: an opened image, a question and its answer."""

    image: "Image"
    text: str
    answer: str


@dataclass(frozen=True)
class ImagePrompt:
    """An opened image and a text: a question, or what a captioner without chat goes on with.

    `shots`: worked examples, which a chat model reads as turns before the question.
    """

    image: "Image"
    text: str
    shots: tuple[ImageShot, ...] = ()

    def as_messages(self) -> Messages:
        """Return one user's turn, after those of worked examples with their answers."""
        turns: Messages = []
        for shot in self.shots:
            turns.append(image_turn(shot.text, {"type": "image", "image": shot.image}))
            turns.append({"role": "assistant", "content": shot.answer})
        return [*turns, image_turn(self.text, {"type": "image", "image": self.image})]


# What a model is asked: plain text (Alpaca), chat messages, or an image with a text.
Question = str | Messages | ImagePrompt


def to_messages(question: Question) -> Messages:
    """Return a question as chat messages; plain text is one user's turn."""
    return question.as_messages() if isinstance(question, ImagePrompt) else as_messages(question)


class Model(Protocol):
    """What answers; `answer` asks once, `answer_batch` is what experiments call."""

    @property
    def device(self) -> Device:
        """Where it computes, in which dtype and why."""

    @property
    def is_remote(self) -> bool:
        """True if what is asked leaves this process over HTTP."""

    @property
    def context_length(self) -> int:
        """How many tokens question and answer may have together."""

    def count_tokens(self, question: Question) -> int:
        """Return how many tokens a question has, or an estimate that orders questions by length."""

    def prepare(self, questions: Mapping[str, Question], *, stop: str = "") -> "Model":
        """Read once what all these questions begin with; return the model that goes on from there.

        Args:
            stop: a text that ends an answer besides the model's own end token, and is no part of
                it; a chat model ends its turns itself and is not told of it.
        """

    def answer_batch(
        self, questions: Mapping[str, Question], *, max_new_tokens: int
    ) -> Iterator[Answer]:
        """Answer questions by id, each answer as it comes."""

    def answer(
        self,
        image_or_text: "Path | str | Image",
        question: str | None = None,
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> Answer:
        """Answer one question: see `AsksOnce`."""

    def as_question(self, text: str) -> Question:
        """Return a person's text as this model is asked it."""


class AsksOnce:
    """The `answer` that all models share."""

    def answer(
        self: Model,
        image_or_text: "Path | str | Image",
        question: str | None = None,
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> Answer:
        """Answer one question: `answer(image, "What is this?")` of a VLM, `answer(text)` of an LLM.

        Args:
            image_or_text: an image (its file, or opened by PIL), or what an LLM is asked: a base
                model goes on with the text, a chat model reads it as a user's turn.
        Raises:
            BadImage: the file is no image that can be shown.
        """
        asked = (
            self.as_question(str(image_or_text))
            if question is None
            else _about_image(image_or_text, question)
        )
        return next(iter(self.answer_batch({"": asked}, max_new_tokens=max_new_tokens)))

    def as_question(self, text: str) -> Question:
        """Return a person's text as this model is asked it."""
        return text


def _about_image(image: "Path | str | Image", question: str) -> ImagePrompt:
    opened = open_image(image) if isinstance(image, (str, Path)) else image
    return ImagePrompt(opened, question)
