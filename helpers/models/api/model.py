"""Models behind an HTTP address: any OpenAI-compatible server, and Gemini.

Nothing is sent to another machine unless a person allows it.

`openai:<model name>` asks api.openai.com, or the server that OPENAI_BASE_URL names (vLLM, Ollama,
llama.cpp ...); `gemini:<model name>` asks Google, or GEMINI_BASE_URL. An address on this machine
needs neither consent nor key (that no tunnel leads on from there is up to whoever set it up). Keys
come from the environment or Colab's secrets; only the open client knows them, no text and no
record.
"""

import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from helpers.cases import Answer
from helpers.files import LabError, WorkFailed
from helpers.models.api.address import (
    ADDRESSES,
    check_encryption,
    find_address,
    is_api_model,
)
from helpers.models.api.clients import (
    NOT_THAT,
    Fault,
    Reply,
    image_tokens,
    images_of,
    parts_of,
)
from helpers.models.api.gemini_client import open_gemini
from helpers.models.api.openai_client import open_openai
from helpers.models.api.quotes import NO_KEY
from helpers.models.base import AsksOnce, Question, to_messages
from helpers.models.devices import Device
from helpers.models.prompts import Messages

PRICES = Path(__file__).with_name("prices.yaml")
ASSUMED_CONTEXT = 128_000  # tokens
BYTES_PER_TOKEN = 4  # of UTF-8: four English letters, or one Chinese character and a third
ATTEMPTS = 6
FIRST_WAIT = 2.0  # seconds, doubled after each attempt: a minute in all, as limits per minute need
LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for


@dataclass(frozen=True)
class ApiModel(AsksOnce):
    """A model that answers over HTTP.

    Temperature is 0, yet the same prompt may be answered otherwise tomorrow: who runs the server
    may change the model behind a name. A model that refuses temperature 0 cannot be used here. A
    reasoning model spends tokens before its answer begins; they count in `tokens` and towards
    `max_new_tokens`.
    """

    provider: str
    name: str
    host: str
    # (messages, max_new_tokens) -> Reply; it knows the key
    ask: Callable[[Messages, int], Reply] = field(repr=False, compare=False)

    @property
    def device(self) -> Device:
        return Device(self.host, "unknown", "behind an API")

    @property
    def is_remote(self) -> bool:
        return True

    @property
    def context_length(self) -> int:
        """Unknown, assumed generously; a server refuses what is too long."""
        return ASSUMED_CONTEXT

    def count_tokens(self, question: Question) -> int:
        """Estimate a question's length, for sorting and for the notice.

        Assumed are `BYTES_PER_TOKEN`, and for images what `image_tokens` says of their `size`.
        """
        parts = [part for turn in to_messages(question) for part in parts_of(turn["content"])]
        texts = [part["text"] for part in parts if part["type"] == "text"]
        letters = sum(len(text.encode("utf-8", "replace")) for text in texts)
        sizes = [part["image"].size for part in parts if part["type"] == "image"]
        images = sum(image_tokens(self.provider, self.name, *size) for size in sizes)
        return -(-letters // BYTES_PER_TOKEN) + images

    def prepare(self, questions: Mapping[str, Question], *, stop: str = "") -> Self:
        """Return the same model: what a server keeps of questions is its own business."""
        return self

    def answer_batch(
        self, questions: Mapping[str, Question], *, max_new_tokens: int
    ) -> Iterator[Answer]:
        """Ask all questions of one batch at the same time: the batch size bounds the concurrency.

        Answers come as the server gives them, so that what is paid for is not lost when another
        request fails. `seconds` are of the request that was answered, `tokens` as the server counts
        them. A blocked or empty answer is "" with the reason in `error`, and so is the refusal of
        a single image or text for what is in it.

        Raises:
            LabError: the server refuses the key, the model or the form of a prompt, or is no such
                server.
            WorkFailed: no answer after `ATTEMPTS` attempts at a busy, failing or unreachable
                server.
        """
        stop = threading.Event()
        failures: list[BaseException] = []
        pool = ThreadPoolExecutor(max(1, len(questions)))
        try:
            futures = [
                pool.submit(self._answer, case_id, to_messages(question), max_new_tokens, stop)
                for case_id, question in questions.items()
            ]
            for future in as_completed(futures):
                if failure := future.exception():
                    failures.append(failure)
                    # Whoever waits for another attempt gives up; what is under way is awaited.
                    stop.set()
                else:
                    yield future.result()
            if failures:
                raise failures[0]
        finally:  # after a failure or an interrupt, whoever waits for another attempt gives up
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _answer(
        self, case_id: str, messages: list[dict], max_new_tokens: int, stop: threading.Event
    ) -> Answer:
        """Ask once, and again after a fault that may pass, as late as the server's Retry-After
        says.
        """
        for attempt in range(1, ATTEMPTS + 1):
            started = time.perf_counter()
            try:
                reply = self.ask(messages, max_new_tokens)
                return reply.to_answer(case_id, round(time.perf_counter() - started, 4))
            except Fault as error:
                fault, seconds = error, round(time.perf_counter() - started, 4)
            last = attempt == (2 if fault.status == NOT_THAT else ATTEMPTS) or not fault.may_pass
            if last and fault.about_content:
                return Answer(case_id, "", seconds, error=f"refused by the server: {fault}")
            if last and (not fault.may_pass or fault.status == NOT_THAT):
                raise LabError(self._refusal(case_id, fault, bool(images_of(messages))))
            wait = FIRST_WAIT * 2 ** (attempt - 1) if fault.wait is None else fault.wait
            if last or wait > LONGEST_WAIT or stop.wait(wait):
                break
        asked = f"; it asks to wait {wait:g} s" if wait > LONGEST_WAIT else ""
        times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        raise WorkFailed(
            f"{self.host} gave no answer to case {case_id!r} in {times} ({fault}{asked}): see that "
            "the server is up and has quota left for this key; the same command goes on where the "
            "run stopped."
        )

    def _refusal(self, case_id: str, fault: Fault, images: bool) -> str:
        """The sentence for what another attempt would not change; one about a key never quotes the
        server.
        """
        variable = self.provider.upper()
        if fault.about_key:
            return (
                f"{self.host} does not let this key use {self.name!r} (status {fault.status}): "
                f"check {variable}_API_KEY in the environment or in Colab's secrets."
            )
        if fault.status == 402:
            return (
                f"{self.host} wants to be paid first ({fault}): see that the account of this key "
                "has credit."
            )
        if fault.status == 404:
            return (
                f"{self.host} has no model {self.name!r} ({fault}): check `model`, and "
                f"{variable}_BASE_URL if it is set."
            )
        if fault.status == NOT_THAT:
            return (
                f"{self.host} twice gave no sound answer to case {case_id!r} ({fault}): check "
                f"{variable}_BASE_URL if it is set, and what answers at that address."
            )
        cure = (
            "if it is too long, shorten it or lower `max_new_tokens`; otherwise choose another "
            "`model`"
        )
        if images:
            cure = "see that the `model` can read images, or leave that one out"
        return f"{self.host} refused the prompt of case {case_id!r} ({fault}): {cure}."


def open_api_model(model_id: str, *, allow_upload: bool) -> ApiModel:
    """Open the client of an API model; no request is made yet.

    Args:
        model_id: `openai:<model name>` or `gemini:<model name>`.
        allow_upload: the person's word that what is asked may leave this machine.
    Returns:
        the model; without consent there is none that could send anything elsewhere.
    Raises:
        LabError: the name or the address is malformed, or consent or key is missing; http to
            another machine needs a consent of its own.
    """
    provider, _, name = model_id.partition(":")
    if not is_api_model(model_id) or not re.fullmatch(r"[\w./:@+-]+", name):
        raise LabError(
            f"`model` is {model_id!r}, but a model behind an API is written openai:<model name> "
            "or gemini:<model name>, as in 'openai:gpt-4o-mini': correct it."
        )
    address = find_address(provider)
    url, host, local = address
    if not (local or allow_upload):
        raise LabError(
            f"`model` is {model_id!r}, so texts or images of the data set would be sent to "
            f"{host}: set `allow_upload` to True if that is permitted, or choose a `model` that "
            "runs on this machine."
        )
    check_encryption(provider, address)
    key = _find_key(f"{provider.upper()}_API_KEY", host, local)
    open_client = {"openai": open_openai, "gemini": open_gemini}[provider]
    return ApiModel(provider, name, host, open_client(name, url, key, local=local))


def upload_notice(
    model: ApiModel, questions: Mapping[str, Question], max_new_tokens: int = 0
) -> str:
    """One line to print before prompts are sent: how many, about how many tokens, where they go,
    and for how much.

    Args:
        questions: each is looked at once, and of its images only their `size`.
        max_new_tokens: where an answer is cut; 0 leaves the cost out. Thinking is within this
            limit, too.
    """
    count = images = tokens = 0
    for question in questions.values():
        count += 1
        tokens += model.count_tokens(question)
        images += len(images_of(to_messages(question)))
    shown = f" with {images:,} image{'s' * (images != 1)}" if images else ""
    cost = _cost(model, tokens, count * max_new_tokens) if max_new_tokens else ""
    prompts = f"{count:,} prompt{'s' * (count != 1)}"
    who = f"{prompts}{shown}, about {tokens:,} tokens, go{'es' * (count == 1)}"
    open_to_read = ", unencrypted" if find_address(model.provider).is_unencrypted else ""
    return f"{who} to {model.host} ({model.provider}:{model.name}){open_to_read}{cost}."


def _cost(model: ApiModel, sent: int, answered: int) -> str:
    """What these tokens cost at most, where the provider itself is asked and its price is known."""
    import yaml

    _, host, local = find_address(model.provider)
    if local:
        return ""
    prices = yaml.safe_load(PRICES.read_text(encoding="utf-8"))[model.provider]
    price = prices["models"].get(model.name.removeprefix("models/"))
    if host != urlsplit(ADDRESSES[model.provider]).netloc or not price:
        return "; price unknown, see the provider's page"
    cents = math.ceil((sent * price["input"] + answered * price["output"]) / 10_000)
    source = f"prices of {price['as_of']}, see {prices['source']}"
    return f", for at most about {cents / 100:,.2f} USD ({source})"


def _find_key(name: str, host: str, local: bool) -> str:
    """The key from the environment or Colab's secrets; a server on this machine may do without."""
    key = (os.environ.get(name) or _colab_secret(name)).strip()
    if not key and local:
        return NO_KEY
    if not key:
        raise LabError(
            f"{host} wants a key, but {name} is neither in the environment nor in Colab's secrets: "
            "set it there, never in a notebook."
        )
    if not re.fullmatch(r"[!-~]+", key):
        raise LabError(
            f"{name} holds a blank or a character that no key has: copy it once more from {host}'s "
            "page."
        )
    return key


def _colab_secret(name: str) -> str:
    try:
        from google.colab import userdata
    except ImportError:
        return ""
    try:
        return userdata.get(name) or ""
    except (
        Exception
    ):  # not there, not allowed for this notebook, nobody to ask: each an exception of its own
        return ""
