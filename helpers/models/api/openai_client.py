"""OpenAI's client, for any compatible server."""

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

from helpers.models.api import clients
from helpers.models.api.clients import NOT_THAT, Fault, Reply, images_of
from helpers.models.prompts import Messages


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
        return _reply(_send(create, request, key, images=bool(images_of(messages))), key)

    return ask


def _send(create: Callable, request: dict, key: str, *, images: bool):
    """Ask once; None where the answer is not even JSON: a login page, another service."""
    from openai import APIConnectionError, APIStatusError

    try:
        return create(**request)
    except APIStatusError as error:
        said = error.body.get("message") if isinstance(error.body, dict) else error.body
        text = f"{said or error.message}\n{error.code}"
        headers = error.response.headers
        raise Fault(error.status_code, text, headers, key, images=images) from None
    except APIConnectionError as error:
        reason = f"{type(error.__cause__).__name__}: {error.__cause__}"
        raise Fault(0, reason, {}, key) from None
    except ValueError:
        return None


def _reply(answer, key: str) -> Reply:
    if not getattr(answer, "choices", None):
        raise Fault(NOT_THAT, "what it sent is no chat completion", {}, key)
    choice, usage = answer.choices[0], answer.usage
    filtered = "content_filter" if choice.finish_reason == "content_filter" else ""
    tokens = usage.completion_tokens if usage else 0
    was_cut = choice.finish_reason == "length"
    return Reply(choice.message.content, tokens, was_cut, choice.message.refusal or filtered)


def _content(content: str | list[dict]) -> str | list[dict]:
    """Return text as it is; parts with their images as data URLs."""
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: dict) -> dict:
    if part["type"] != "image":
        return part
    data = base64.b64encode(clients.encode_image(part["image"])).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
