"""How the two official clients are asked: one chat in, one `Reply` or one `Fault` out, the same for
both.

A message's content is text, or a list of parts as transformers has them: {"type": "text", "text":
...} and {"type": "image", "image": an RGB image of PIL}. An image becomes a JPEG without metadata
when it is sent, and that JPEG is kept nowhere.

Neither client retries here: OpenAI's would honour Retry-After, but takes 0 for "not said"; Gemini's
(3.4) never looks at it. `api_models` waits for both alike.
"""

import base64
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from helpers.cases import Answer
from helpers.data.images import MAX_SIDE, to_jpeg

REQUEST_SECONDS = 300  # for one attempt; a long answer of a server without a GPU may take minutes
TILE, TILE_TOKENS, ONE_TILE = (
    768,
    258,
    384,
)  # Gemini 1 and 2: pixels, tokens, and the sides that still are one tile
GEMINI_IMAGE = (
    1120  # tokens that Gemini 3 and later spend on an image, at most, unless told otherwise
)
PATCH = 32  # pixels: one token a patch, as OpenAI's newer models and Qwen-VL cut
NOT_THAT = (
    200  # the status of an answer that is none: a login page, another service, half of a JSON
)

# Refusals by what they say of a prompt or an image; servers have no common code for them.
# What moderation says; an account may be flagged, too.
FLAGGED = r"(input|prompt|content|message|image)s? (was|were|is|has been) flagged"
POLICY = re.compile(rf"content.?(policy|filter|management)|{FLAGGED}|safety system", re.IGNORECASE)
IMAGE = re.compile(r"image|picture|photo|inline.?data|aspect ratio", re.IGNORECASE)
# Said of images too, yet true for all of them: the model reads none, or the server wants them
# otherwise.
ALL_IMAGES = re.compile(
    r"(\bnot|\bonly|n't|\bno)\b.{0,40}support|not a multi-?modal|modalit|not enabled|mmproj"
    r"|text.only"
    r"|at most \d+ (image|picture)|unknown variant|deseriali|content.type"
    r"|(must be|valid) a? ?string"
    r"|(not|n't|only) (accept|take)",
    re.IGNORECASE,
)
DATA = re.compile(r"[\w+/=-]{200,}", re.ASCII)  # an image that a server quotes back


@dataclass(frozen=True)
class Reply:
    """What a server said, in one form for both: `blocked` is the reason why it kept the answer
    back.
    """

    text: str | None
    tokens: int | None
    cut: bool
    blocked: str = ""

    def to_answer(self, case_id: str, seconds: float) -> Answer:
        """Return the answer to a case, stripped; the `error` of a blocked or empty one says why."""
        text, tokens = (self.text or "").strip(), self.tokens or 0
        finish = "length" if self.cut else "stop"
        if self.blocked:
            reason = f"blocked by the server: {self.blocked}"
            return Answer(case_id, "", seconds, tokens, error=reason)
        if not text and self.cut:
            spent = f"all {tokens} tokens" if tokens else "all tokens"
            reason = (
                f"empty: {spent} were spent before the answer began, as on thinking; raise the "
                "limit of tokens"
            )
            return Answer(case_id, "", seconds, tokens, finish, reason)
        error = "" if text else "the server sent an empty answer"
        return Answer(case_id, text, seconds, tokens, finish, error)


class Fault(Exception):
    """A request without an answer.

    Its text is the server's first line without the key, `status` the HTTP status (0: no
    connection), `wait` the seconds that the server asks for, or None. `about_content`: the server
    will not have this one prompt or image, which says nothing of the next.
    """

    def __init__(
        self,
        status: int,
        text: str,
        headers: Mapping[str, str],
        key: str,
        *,
        images: bool = False,
    ):
        text = DATA.sub("<data>", text.replace(key, "<key>"))
        line = text.strip().partition("\n")[0][:300]
        self.status, self.wait = status, _seconds_to_wait(headers.get("retry-after", ""), text)
        self.may_pass = status in (0, NOT_THAT, 408, 409, 429) or status >= 500
        self.about_content = _about_content(status, text, images)
        # Gemini says 400 to a wrong key; a router says 403 to a prompt that its moderation flagged.
        self.about_key = (
            status in (401, 403) and not self.about_content
        ) or "API_KEY_INVALID" in text
        super().__init__(f"status {status}: {line}" if status else line)


def parts_of(content: str | list[dict]) -> list[dict]:
    """A message's content as parts, which text alone is one of."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def images_of(messages: list[dict]) -> list:
    """The images of a chat, in order."""
    return [
        part["image"]
        for message in messages
        for part in parts_of(message["content"])
        if part["type"] == "image"
    ]


def image_tokens(provider: str, name: str, width: int, height: int) -> int:
    """About how many tokens an image of this size is to a model, once it is shrunk to be sent.

    Gemini's own rules, the highest number of its newer one; `PATCH` for all others, although some
    count otherwise.
    """
    scale = min(1, MAX_SIDE / max(width, height))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    if provider != "gemini":
        return -(-width // PATCH) * -(-height // PATCH)
    if not re.match(r"(models/)?gemini-[12]\b", name):
        return GEMINI_IMAGE
    return TILE_TOKENS * (
        1 if max(width, height) <= ONE_TILE else -(-width // TILE) * -(-height // TILE)
    )


def open_openai(name: str, url: str, key: str, *, local: bool) -> Callable:
    """Open OpenAI's client; return what asks it: (messages, max_new_tokens) -> `Reply`, raising
    `Fault`.

    Args:
        name: the model, as the server calls it.
        url: the API's base address, up to and with `/v1`.
        local: whether that address is on this machine.
    """
    from openai import APIConnectionError, APIStatusError, OpenAI

    client = OpenAI(
        api_key=key,
        base_url=url,
        http_client=_connection(local),
        timeout=REQUEST_SECONDS,
        max_retries=0,
    )
    create = (
        client.chat.completions.create
    )  # loads what it needs now, not in the seconds of the first answer
    # OpenAI's newer models know only the new name of this limit, most compatible servers only the
    # old one.
    limit = "max_completion_tokens" if urlsplit(url).hostname == "api.openai.com" else "max_tokens"

    def ask(messages: list[dict], max_new_tokens: int) -> Reply:
        sent = [message | {"content": _openai_content(message["content"])} for message in messages]
        try:
            reply = create(model=name, messages=sent, temperature=0, **{limit: max_new_tokens})
        except APIStatusError as error:
            said = error.body.get("message") if isinstance(error.body, dict) else error.body
            text, images = f"{said or error.message}\n{error.code}", bool(images_of(messages))
            raise Fault(
                error.status_code, text, error.response.headers, key, images=images
            ) from None
        except APIConnectionError as error:
            raise Fault(
                0, f"{type(error.__cause__).__name__}: {error.__cause__}", {}, key
            ) from None
        except ValueError:
            reply = None  # not even JSON: a login page, another service
        if not getattr(reply, "choices", None):
            raise Fault(NOT_THAT, "what it sent is no chat completion", {}, key) from None
        choice, usage = reply.choices[0], reply.usage
        blocked = choice.message.refusal or (
            "content_filter" if choice.finish_reason == "content_filter" else ""
        )
        tokens = usage.completion_tokens if usage else 0
        return Reply(choice.message.content, tokens, choice.finish_reason == "length", blocked)

    return ask


def open_gemini(name: str, url: str, key: str, *, local: bool) -> Callable:
    """Open Gemini's client; return what asks it, as `open_openai` does. Thinking counts among the
    tokens.

    How much a model thinks is left to it: 2.5 knows only a budget and Pro not the budget 0, 3 and
    later know only levels and not all of them the lowest; what a model does not know is a refusal.
    """
    import httpx2
    from google import genai
    from google.genai import errors, types

    options = types.HttpOptions(
        base_url=url, httpx_client=_connection(local), timeout=REQUEST_SECONDS * 1000
    )
    client = genai.Client(vertexai=False, api_key=key, http_options=options)
    no_tools = types.AutomaticFunctionCallingConfig(disable=True)

    def ask(messages: list[dict], max_new_tokens: int) -> Reply:
        system = [
            part["text"]
            for message in messages
            if message["role"] == "system"
            for part in parts_of(message["content"])
        ]
        config = types.GenerateContentConfig(
            temperature=0,
            max_output_tokens=max_new_tokens,
            system_instruction=system or None,
            automatic_function_calling=no_tools,
        )
        contents = [
            types.Content(
                role="model" if message["role"] == "assistant" else "user",
                parts=_gemini_parts(message["content"]),
            )
            for message in messages
            if message["role"] != "system"
        ]
        try:
            reply = client.models.generate_content(model=name, contents=contents, config=config)
        except errors.APIError as error:
            headers = error.response.headers if error.response is not None else {}
            text, images = (
                f"{error.message or error.status}\n{error.details}",
                bool(images_of(messages)),
            )
            raise Fault(error.code, text, headers, key, images=images) from None
        except ValueError:  # not JSON, or none that the client knows
            raise Fault(NOT_THAT, "what it sent is no answer of Gemini", {}, key) from None
        except httpx2.RequestError as error:
            raise Fault(0, f"{type(error).__name__}: {error}", {}, key) from None
        usage, feedback = reply.usage_metadata, reply.prompt_feedback
        why = (
            reply.candidates[0].finish_reason
            if reply.candidates
            else feedback and feedback.block_reason
        )
        reason = why.value if why else ""
        tokens = (
            (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) if usage else 0
        )
        whole = reply.candidates and reason in (
            "STOP",
            "MAX_TOKENS",
            "FINISH_REASON_UNSPECIFIED",
            "",
        )
        return Reply(
            reply.text,
            tokens,
            reason == "MAX_TOKENS",
            "" if whole else reason or "no answer, no reason",
        )

    return ask


def _openai_content(content: str | list[dict]) -> str | list[dict]:
    """Text as it is; parts with their images as data URLs."""
    if isinstance(content, str):
        return content
    sent = []
    for part in content:
        if part["type"] == "image":
            url = (
                "data:image/jpeg;base64,"
                + base64.b64encode(to_jpeg(part["image"], max_side=MAX_SIDE)).decode()
            )
            part = {"type": "image_url", "image_url": {"url": url}}
        sent.append(part)
    return sent


def _gemini_parts(content: str | list[dict]) -> list:
    """A message's content in Gemini's types."""
    from google.genai import types

    return [
        types.Part.from_bytes(
            data=to_jpeg(part["image"], max_side=MAX_SIDE), mime_type="image/jpeg"
        )
        if part["type"] == "image"
        else types.Part(text=part["text"])
        for part in parts_of(content)
    ]


def _about_content(status: int, text: str, images: bool) -> bool:
    """Whether a refusal is about this one prompt or image, by its words: not about the request's
    form or the key.
    """
    if status == 403:
        return bool(re.search(FLAGGED, text, re.IGNORECASE))
    if status in (400, 422) and POLICY.search(text):
        return True
    if not images or status not in (
        400,
        413,
        415,
        422,
        500,
    ):  # some servers fail (500) at an image they cannot read
        return False
    return status == 413 or bool(IMAGE.search(text) and not ALL_IMAGES.search(text))


def _connection(local: bool):
    """What both clients send with: no redirect, which could lead elsewhere, and no proxy for an
    address here.
    """
    import httpx2

    return httpx2.Client(follow_redirects=False, trust_env=not local)


def _seconds_to_wait(retry_after: str, text: str) -> float | None:
    """What a server asks for: Retry-After in seconds or as a date, or the `retryDelay` in Gemini's
    error text.
    """
    delay = re.search(r"retryDelay\W+(\d+(?:\.\d+)?)s", text)
    if not retry_after and delay:
        return float(delay[1])
    if re.fullmatch(r"\d+(\.\d+)?", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
