"""Gemini's client."""

import warnings
from collections.abc import Callable
from functools import partial

from helpers.models.api import clients
from helpers.models.api.clients import NOT_THAT, Fault, Reply, images_of, parts_of
from helpers.models.prompts import Messages

NO_ANSWER = "what it sent is no answer of Gemini"
# What a whole answer ends with; any other reason means that it was kept back.
WHOLE = ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", "")


def open_gemini(name: str, url: str, key: str, *, local: bool) -> Callable[[Messages, int], Reply]:
    """Open Gemini's client; return what asks it, as `open_openai` does.

    Thinking counts among the tokens. How much a model thinks is left to it: 2.5 knows only a budget
    and Pro not the budget 0, 3 and later know only levels and not all of them the lowest; what a
    model does not know is a refusal.
    """
    from google import genai
    from google.genai import types

    # It would quote in a warning what it does not know in an answer.
    warnings.filterwarnings("ignore", module=r"google\.genai")
    options = types.HttpOptions(
        base_url=url,
        httpx_client=clients.open_connection(local),
        timeout=clients.REQUEST_SECONDS * 1000,
    )
    client = genai.Client(vertexai=False, api_key=key, http_options=options)

    def ask(messages: Messages, max_new_tokens: int) -> Reply:
        request = {"model": name, "contents": _contents(messages)}
        request["config"] = _config(messages, max_new_tokens)
        explain = partial(_fault, key=key, images=bool(images_of(messages)))
        return _reply(clients.ask_once(client.models.generate_content, request, explain), key)

    return ask


def _config(messages: Messages, max_new_tokens: int):
    from google.genai import types

    turns = [turn for turn in messages if turn["role"] == "system"]
    system = [part["text"] for turn in turns for part in parts_of(turn["content"])]
    return types.GenerateContentConfig(
        temperature=0,
        max_output_tokens=max_new_tokens,
        system_instruction=system or None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


def _contents(messages: Messages) -> list:
    from google.genai import types

    roles = {"assistant": "model"}
    return [
        types.Content(
            role=roles.get(turn["role"], "user"),
            parts=[_part(part) for part in parts_of(turn["content"])],
        )
        for turn in messages
        if turn["role"] != "system"
    ]


def _part(part: dict):
    from google.genai import types

    if part["type"] == "image":
        data = clients.encode_image(part["image"])
        return types.Part.from_bytes(data=data, mime_type="image/jpeg")
    return types.Part(text=part["text"])


def _fault(error: Exception, key: str, images: bool) -> Fault:
    """Return why there is no answer; without a known reason it is no answer of Gemini."""
    import httpx2
    from google.genai import errors

    if isinstance(error, errors.APIError):
        headers = error.response.headers if error.response is not None else {}
        text = f"{error.message or error.status}\n{error}"
        return Fault(error.code, text, headers, key, images=images)
    if isinstance(error, httpx2.RequestError):
        return Fault(0, f"{type(error).__name__}: {error}", {}, key)
    return Fault(NOT_THAT, NO_ANSWER, {}, key)


def _reply(answer, key: str) -> Reply:
    try:
        text, reason = answer.text, _reason(answer)
    except (AttributeError, TypeError, LookupError, ValueError):
        raise Fault(NOT_THAT, NO_ANSWER, {}, key) from None
    usage = answer.usage_metadata
    tokens = 0
    if usage:
        tokens = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    is_whole = answer.candidates and reason in WHOLE
    blocked = "" if is_whole else reason or "no answer, no reason"
    return clients.read_reply(text, tokens, reason == "MAX_TOKENS", blocked, key)


def _reason(answer) -> str:
    """Return why the answer ended, or why there is none."""
    if answer.candidates:
        why = answer.candidates[0].finish_reason
    else:
        feedback = answer.prompt_feedback
        why = feedback and feedback.block_reason
    return why.value if why else ""
