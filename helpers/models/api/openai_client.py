"""OpenAI's client, for any compatible server."""

import base64
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from helpers.models.api import clients
from helpers.models.api.clients import NOT_THAT, Fault, Reply, images_of
from helpers.models.prompts import Messages

NO_ANSWER = "what it sent is no chat completion"


def open_openai(name: str, url: str, key: str, *, local: bool) -> Callable[[Messages, int], Reply]:
    """Open OpenAI's client; return what asks it: (messages, max_new_tokens) -> `Reply`.

    What it returns raises `Fault`.

    Args:
        name: the model, as the server calls it.
        url: the API's base address, up to and with `/v1`.
        local: whether that address is on this machine.
    """
    from openai import OpenAI

    client = OpenAI(
        api_key=key,
        base_url=url,
        http_client=clients.open_connection(local),
        timeout=clients.REQUEST_SECONDS,
        max_retries=0,
    )
    # Loads what it needs now, not in the seconds of the first answer.
    create = client.chat.completions.create
    # OpenAI's newer models know only the new name of this limit, most servers only the old one.
    limit = "max_completion_tokens" if urlsplit(url).hostname == "api.openai.com" else "max_tokens"

    def ask(messages: Messages, max_new_tokens: int) -> Reply:
        sent = [turn | {"content": _content(turn["content"])} for turn in messages]
        request = {"model": name, "messages": sent, "temperature": 0, limit: max_new_tokens}
        explain = partial(_fault, key=key, images=bool(images_of(messages)))
        return _reply(clients.ask_once(create, request, explain), key)

    return ask


def _fault(error: Exception, key: str, images: bool) -> Fault:
    """Return why there is no answer; without a known reason it is no answer of such a server."""
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIStatusError):
        said = error.body.get("message") if isinstance(error.body, dict) else error.body
        text = f"{said if isinstance(said, str) and said else error.message}\n{error.code}"
        return Fault(error.status_code, text, error.response.headers, key, images=images)
    if isinstance(error, APIConnectionError):
        cause = error.__cause__
        return Fault(0, f"{type(cause).__name__}: {cause}", {}, key)
    return Fault(NOT_THAT, NO_ANSWER, {}, key)


def _reply(answer, key: str) -> Reply:
    try:
        choice, usage = answer.choices[0], answer.usage
        text, refusal = choice.message.content, getattr(choice.message, "refusal", None)
        finish = choice.finish_reason
    except (AttributeError, TypeError, LookupError):
        raise Fault(NOT_THAT, NO_ANSWER, {}, key) from None
    blocked = refusal or (finish if finish == "content_filter" else "")
    tokens = getattr(usage, "completion_tokens", 0)
    return clients.read_reply(text, tokens, finish == "length", blocked, key)


def _content(content: str | list[dict]) -> str | list[dict]:
    """Return text as it is; parts with their images as data URLs."""
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: dict) -> dict:
    if part["type"] != "image":
        return part
    data = base64.b64encode(clients.encode_image(part["image"])).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
