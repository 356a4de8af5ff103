"""How the two official clients are asked: one chat in, one `Reply` or one `Fault` out, the same for both.

Neither client retries here: OpenAI's would honour Retry-After, but takes 0 for "not said"; Gemini's (3.4) never
looks at it. `api_models` waits for both alike.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from helpers.cases import Prediction

REQUEST_SECONDS = 300  # for one attempt; a long answer of a server without a GPU may take minutes


@dataclass(frozen=True)
class Reply:
    """What a server said, in one form for both: `blocked` is the reason why it kept the answer back."""

    text: str | None
    tokens: int | None
    cut: bool
    blocked: str = ""

    def prediction(self, case_id: str, seconds: float) -> Prediction:
        """The answer to a case, stripped; one that was blocked or is empty has its reason in `error`."""
        text, tokens, finish = (self.text or "").strip(), self.tokens or 0, "length" if self.cut else "stop"
        if self.blocked:
            return Prediction(case_id, "", seconds, tokens, error=f"blocked by the server: {self.blocked}")
        if not text and self.cut:
            reason = "empty: all tokens were spent before the answer began; raise MAX_NEW_TOKENS"
            return Prediction(case_id, "", seconds, tokens, finish, reason)
        return Prediction(case_id, text, seconds, tokens, finish, "" if text else "the server sent an empty answer")


class Fault(Exception):
    """A request without an answer.

    Its text is the server's first line without the key, `status` the HTTP status (0: no connection), `wait` the seconds
    that the server asks for, or None.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str], key: str):
        line = text.replace(key, "<key>").strip().partition("\n")[0][:300]
        self.status, self.wait = status, _seconds_to_wait(headers.get("retry-after", ""), text)
        self.may_pass = status in (0, 408, 409, 429) or status >= 500
        self.about_key = status in (401, 403) or "API_KEY_INVALID" in text  # Gemini says 400 to a wrong key
        super().__init__(f"status {status}: {line}" if status else line)


def open_openai(name: str, url: str, key: str, *, local: bool) -> Callable:
    """Open OpenAI's client; return what asks it: (messages, max_new_tokens) -> `Reply`, raising `Fault`.

    Args:
        name: the model, as the server calls it.
        url: the API's base address, up to and with `/v1`.
        local: whether that address is on this machine.
    """
    from openai import APIConnectionError, APIStatusError, OpenAI

    client = OpenAI(api_key=key, base_url=url, http_client=_connection(local), timeout=REQUEST_SECONDS, max_retries=0)
    create = client.chat.completions.create  # loads what it needs now, not in the seconds of the first answer
    # OpenAI's newer models know only the new name of this limit, most compatible servers only the old one.
    limit = "max_completion_tokens" if urlsplit(url).hostname == "api.openai.com" else "max_tokens"

    def ask(messages: list[dict], max_new_tokens: int) -> Reply:
        try:
            reply = create(model=name, messages=messages, temperature=0, **{limit: max_new_tokens})
        except APIStatusError as error:
            said = error.body.get("message") if isinstance(error.body, dict) else error.body
            raise Fault(error.status_code, str(said or error.message), error.response.headers, key)
        except APIConnectionError as error:
            raise Fault(0, f"{type(error.__cause__).__name__}: {error.__cause__}", {}, key)
        except ValueError:
            reply = None  # not even JSON: a login page, another service
        if not getattr(reply, "choices", None):
            raise Fault(200, "what it sent is no chat completion", {}, key)
        choice, usage = reply.choices[0], reply.usage
        blocked = choice.message.refusal or ("content_filter" if choice.finish_reason == "content_filter" else "")
        tokens = usage.completion_tokens if usage else 0
        return Reply(choice.message.content, tokens, choice.finish_reason == "length", blocked)

    return ask


def open_gemini(name: str, url: str, key: str, *, local: bool) -> Callable:
    """Open Gemini's client; return what asks it, as `open_openai` does. Thinking counts among the tokens."""
    import httpx2
    from google import genai
    from google.genai import errors, types

    options = types.HttpOptions(base_url=url, httpx_client=_connection(local), timeout=REQUEST_SECONDS * 1000)
    client = genai.Client(vertexai=False, api_key=key, http_options=options)
    no_tools = types.AutomaticFunctionCallingConfig(disable=True)

    def ask(messages: list[dict], max_new_tokens: int) -> Reply:
        system = [message["content"] for message in messages if message["role"] == "system"]
        config = types.GenerateContentConfig(
            temperature=0, max_output_tokens=max_new_tokens, system_instruction=system or None,
            automatic_function_calling=no_tools,
        )
        contents = [
            types.Content(
                role="model" if message["role"] == "assistant" else "user", parts=[types.Part(text=message["content"])]
            )
            for message in messages if message["role"] != "system"
        ]
        try:
            reply = client.models.generate_content(model=name, contents=contents, config=config)
        except errors.APIError as error:
            headers = error.response.headers if error.response is not None else {}
            raise Fault(error.code, f"{error.message or error.status}\n{error.details}", headers, key)
        except ValueError:  # not JSON, or none that the client knows
            raise Fault(200, "what it sent is no answer of Gemini", {}, key)
        except httpx2.RequestError as error:
            raise Fault(0, f"{type(error).__name__}: {error}", {}, key)
        usage, feedback = reply.usage_metadata, reply.prompt_feedback
        why = reply.candidates[0].finish_reason if reply.candidates else feedback and feedback.block_reason
        reason = why.value if why else ""
        tokens = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) if usage else 0
        whole = reply.candidates and reason in ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", "")
        return Reply(reply.text, tokens, reason == "MAX_TOKENS", "" if whole else reason or "no answer, no reason")

    return ask


def _connection(local: bool):
    """What both clients send with: no redirect, which could lead elsewhere, and no proxy for an address here."""
    import httpx2

    return httpx2.Client(follow_redirects=False, trust_env=not local)


def _seconds_to_wait(retry_after: str, text: str) -> float | None:
    """What a server asks for: Retry-After in seconds or as a date, or the `retryDelay` in Gemini's error text."""
    delay = re.search(r"retryDelay\W+(\d+(?:\.\d+)?)s", text)
    if not retry_after and delay:
        return float(delay[1])
    if re.fullmatch(r"\d+(\.\d+)?", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
