"""A real HTTP server on loopback that speaks OpenAI's chat completions and Gemini's
generateContent.

It takes images as both do, and keeps them decoded from the transfer's base64.
"""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class ServerAnswer:
    """What the server says: an answer in the asked dialect, or an error of status and message, or a
    raw body.
    """

    text: str = "A rash."
    finish: str = "stop"  # stop, length, blocked
    tokens: int = 7
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = 0.0
    cut: bool = False  # the connection ends in the middle of the body
    thoughts: int = 1  # of the tokens, how many went into thinking, which Gemini counts apart
    reason: str | None = None  # what stands behind the status
    endless: float = 0.0  # seconds between the parts of a body that never ends; 0: it does


@dataclass(frozen=True)
class Request:
    """What came in: path, headers, JSON, the last message's text and images, and when (seconds of
    a steady clock).
    """

    path: str
    headers: dict
    content: dict
    prompt: str
    at: float
    images: tuple[bytes, ...] = ()


class ApiServer(ThreadingHTTPServer):
    """Answers by `answer(prompt, how often that prompt was sent before)` and keeps what it was
    sent.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer: Callable[[str, int], ServerAnswer]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.requests, self.lock = answer, [], threading.Lock()
        self.busy, self.most_busy, self.sent = 0, 0, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def api_server(answer: Callable[[str, int], ServerAnswer] = lambda prompt, count: ServerAnswer()):
    """A server for the time of a `with` block."""
    server = ApiServer(answer)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = urlsplit(self.path).path  # a proxy is sent the whole address
        gemini = path.endswith(":generateContent")
        prompt, images = _gemini_prompt(content) if gemini else _openai_prompt(content)
        server = self.server
        with server.lock:
            count = sum(request.prompt == prompt for request in server.requests)
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append(
                Request(path, headers, content, prompt, time.monotonic(), images)
            )
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        answer = server.answer(prompt, count)
        time.sleep(answer.seconds)
        with server.lock:
            server.busy -= 1
        try:
            self.send(answer, _gemini(answer) if gemini else _openai(answer))
        except ConnectionError:  # whoever asked did not wait
            self.close_connection = True

    def send(self, answer: ServerAnswer, content: dict) -> None:
        body = json.dumps(content).encode() if answer.body is None else answer.body
        self.send_response(answer.status, answer.reason)
        kind = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if answer.endless:
            kind = {"Content-Type": "application/json", "Connection": "close"}
        for name, value in (kind | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        while answer.endless:  # until whoever asked hangs up
            self.wfile.write(body)
            self.server.sent += len(body)
            time.sleep(answer.endless)
        self.wfile.write(body[: len(body) // 2] if answer.cut else body)
        if answer.cut:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, *arguments):
        pass


def _openai_prompt(content: dict) -> tuple[str, tuple[bytes, ...]]:
    asked = content["messages"][-1]["content"]
    if isinstance(asked, str):
        return asked, ()
    urls = [part["image_url"]["url"] for part in asked if part["type"] == "image_url"]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    text = "".join(part["text"] for part in asked if part["type"] == "text")
    return text, tuple(base64.b64decode(url.partition(",")[2], validate=True) for url in urls)


def _gemini_prompt(content: dict) -> tuple[str, tuple[bytes, ...]]:
    parts = content["contents"][-1]["parts"]
    blobs = [part["inlineData"] for part in parts if "inlineData" in part]
    # Google's JSON takes a name written either way.
    assert all((blob.get("mimeType") or blob["mime_type"]) == "image/jpeg" for blob in blobs)
    text = "".join(part.get("text", "") for part in parts)
    return text, tuple(
        base64.b64decode(blob["data"], altchars=b"-_", validate=True) for blob in blobs
    )


def _openai(answer: ServerAnswer) -> dict:
    if answer.status != 200:
        return {"error": {"message": answer.text, "type": "error", "param": None, "code": None}}
    blocked = answer.finish == "blocked"
    message = {"role": "assistant", "content": None if blocked else answer.text}
    finish = "content_filter" if blocked else answer.finish
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": answer.tokens,
            "total_tokens": 3 + answer.tokens,
        },
    }


def _gemini(answer: ServerAnswer) -> dict:
    if answer.status != 200:
        return {"error": {"code": answer.status, "message": answer.text, "status": "ERROR"}}
    if answer.finish == "blocked":
        return {
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {"promptTokenCount": 3},
        }
    finish = {"stop": "STOP", "length": "MAX_TOKENS"}.get(answer.finish, answer.finish)
    candidate = {
        "content": {"role": "model", "parts": [{"text": answer.text}]},
        "finishReason": finish,
    }
    written = answer.tokens - answer.thoughts
    usage = {
        "promptTokenCount": 3,
        "candidatesTokenCount": written,
        "thoughtsTokenCount": answer.thoughts,
    }
    return {"candidates": [candidate], "usageMetadata": usage}
