"""A real HTTP server on loopback that speaks OpenAI's chat completions and Gemini's generateContent."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What the server says: an answer in the asked dialect, or an error of status and message, or a raw body."""

    text: str = "A rash."
    finish: str = "stop"  # stop, length, blocked
    tokens: int = 7
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Request:
    """What came in: path, headers, JSON, the last message's text, and when (seconds of a steady clock)."""

    path: str
    headers: dict
    content: dict
    prompt: str
    at: float


class ApiServer(ThreadingHTTPServer):
    """Answers by `answer(prompt, how often that prompt was sent before)` and keeps what it was sent."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer: Callable[[str, int], Answer]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.requests, self.lock = answer, [], threading.Lock()
        self.busy, self.most_busy = 0, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def api_server(answer: Callable[[str, int], Answer] = lambda prompt, count: Answer()):
    """A server for the time of a `with` block."""
    server = ApiServer(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
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
        prompt = content["contents"][-1]["parts"][0]["text"] if gemini else content["messages"][-1]["content"]
        server = self.server
        with server.lock:
            count = sum(request.prompt == prompt for request in server.requests)
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append(Request(path, headers, content, prompt, time.monotonic()))
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        answer = server.answer(prompt, count)
        time.sleep(answer.seconds)
        with server.lock:
            server.busy -= 1
        self.send(answer, _gemini(answer) if gemini else _openai(answer))

    def send(self, answer: Answer, content: dict) -> None:
        body = json.dumps(content).encode() if answer.body is None else answer.body
        self.send_response(answer.status)
        kind = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in (kind | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def _openai(answer: Answer) -> dict:
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
        "usage": {"prompt_tokens": 3, "completion_tokens": answer.tokens, "total_tokens": 3 + answer.tokens},
    }


def _gemini(answer: Answer) -> dict:
    if answer.status != 200:
        return {"error": {"code": answer.status, "message": answer.text, "status": "ERROR"}}
    if answer.finish == "blocked":
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    finish = {"stop": "STOP", "length": "MAX_TOKENS"}.get(answer.finish, answer.finish)
    candidate = {"content": {"role": "model", "parts": [{"text": answer.text}]}, "finishReason": finish}
    # One of the tokens went into thinking, which Gemini counts apart.
    usage = {"promptTokenCount": 3, "candidatesTokenCount": answer.tokens - 1, "thoughtsTokenCount": 1}
    return {"candidates": [candidate], "usageMetadata": usage}
