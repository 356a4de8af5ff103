"""What both clients share: one chat in, one `Reply` or one `Fault` out.

A message's content is text, or a list of parts as transformers has them: {"type": "text", "text":
...} and {"type": "image", "image": an RGB image of PIL}. An image becomes a JPEG without metadata
when it is sent, and that JPEG is kept nowhere.

Neither client retries here: OpenAI's would honour Retry-After, but takes 0 for "not said"; Gemini's
(3.4) never looks at it. `model` waits for both alike.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from helpers.cases import Answer
from helpers.data.images import MAX_SIDE, to_jpeg
from helpers.models.api.quotes import holds_key, quote

REQUEST_SECONDS = 300  # for one attempt; a long answer of a server without a GPU may take minutes
LONGEST_BODY = 20_000_000  # bytes of what a server sends; an error may quote all images back
MOST_TOKENS = 10**9  # more of them, or fewer than none, is no count
# Gemini 1 and 2: a tile's pixels and tokens, and the sides that still are one tile.
TILE, TILE_TOKENS, ONE_TILE = 768, 258, 384
GEMINI_IMAGE = 1120  # tokens that Gemini 3 and later spend on an image, unless told otherwise
PATCH = 32  # pixels: one token a patch, as OpenAI's newer models and Qwen-VL cut
# The status of an answer that is none: a login page, another service, half of a JSON.
NOT_THAT = 200

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
# What cannot be written, or moves a terminal's cursor.
UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# They log a server's words and headers, and so may log the key.
LOGGING = ("httpcore2", "httpx2", "openai", "google_genai")


@dataclass(frozen=True)
class Reply:
    """What a server said; `blocked` is the reason why it kept the answer back."""

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

    Its text is the server's first line as far as `quote` shows it, `status` the HTTP status (0: no
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
        line = quote(text, key)
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


def ask_once(call: Callable, request: dict, explain: Callable[[Exception], Fault]) -> Any:
    """Ask a client library once; whatever it raises becomes the fault that `explain` makes of it.

    The fault is raised where it does not hold the library's error, which knows the key.
    """
    try:
        return call(**request)
    except Exception as error:
        fault = error if isinstance(error, Fault) else explain(error)
    raise fault


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


def encode_image(image) -> bytes:
    """Return an image as it is sent: a JPEG without metadata, `MAX_SIDE` pixels at most."""
    return to_jpeg(image, max_side=MAX_SIDE)


def read_reply(text: object, tokens: object, cut: bool, blocked: object, key: str) -> Reply:
    """Make a reply of what a server says, whatever it is: text that can be written, without the
    key, and a number of tokens.

    Raises:
        Fault: the text is none.
    """
    if not isinstance(text, str | None):
        raise Fault(NOT_THAT, "the text of its answer is no text", {}, key)
    count = tokens if isinstance(tokens, int) and 0 <= tokens <= MOST_TOKENS else 0
    reason = (quote(str(blocked), key) or "no readable reason") if blocked else ""
    if text and holds_key(text, key):
        text, reason = None, reason or "it holds the key"
    written = text and UNWRITABLE.sub("\ufffd", text.replace("\r\n", "\n"))
    return Reply(written, int(count), cut, reason)


def open_connection(local: bool):
    """Open what both clients send with.

    It follows no redirect, which could lead elsewhere, takes no proxy for an address here, and
    reads no answer for ever.
    """
    import httpx2

    for name in LOGGING:
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx2.Client(
        follow_redirects=False,
        trust_env=not local,
        headers={"Accept-Encoding": "identity"},  # a few packed bytes may unpack to any length
        event_hooks={"response": [_read_body]},
    )


def _read_body(response) -> None:
    """Read what a server sends, before the client does, which would read it to its end.

    Raises:
        Fault: it is too long, takes too long, or is packed.
    """
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        raise Fault(NOT_THAT, "what it sent is packed, which nobody asked for", {}, "")
    started, body, stream = time.monotonic(), bytearray(), response.stream
    try:
        for part in stream:
            body += part
            if len(body) > LONGEST_BODY:
                said = f"what it sent is longer than {LONGEST_BODY:,} bytes"
                raise Fault(NOT_THAT, said, {}, "")
            if time.monotonic() - started > REQUEST_SECONDS:
                raise Fault(0, f"its answer had no end after {REQUEST_SECONDS} s", {}, "")
    finally:
        stream.close()
    response.stream = httpx2.ByteStream(bytes(body))


def _about_content(status: int, text: str, images: bool) -> bool:
    """Tell by its words if a refusal is about this prompt or image, not the request or the key."""
    if status == 403:
        return bool(re.search(FLAGGED, text, re.IGNORECASE))
    if status in (400, 422) and POLICY.search(text):
        return True
    # Some servers fail (500) at an image they cannot read.
    if not images or status not in (400, 413, 415, 422, 500):
        return False
    return status == 413 or bool(IMAGE.search(text) and not ALL_IMAGES.search(text))


def _seconds_to_wait(retry_after: str, text: str) -> float | None:
    """Read how long a server asks to wait: Retry-After, or `retryDelay` in Gemini's error text."""
    delay = re.search(r"retryDelay\W+(\d+(?:\.\d+)?)s", text)
    if not retry_after and delay:
        return float(delay[1])
    if re.fullmatch(r"\d+(\.\d+)?", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
