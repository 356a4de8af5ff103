"""What a server sends is text that can be written and a number of tokens, or a fault: broken
letters, bodies without an end, absurd numbers, other shapes.
"""

import gzip
import json
import random
import time

import pytest

from helpers.cases import Answer
from helpers.files import LabError, WorkFailed
from helpers.models.answer_file import AnswerFile
from helpers.models.api import clients as api_clients
from helpers.models.api import model as api_models
from tests.models.api_server import ServerAnswer, api_server
from tests.models.test_api_models import (  # noqa: F401 (fixtures)
    BOTH,
    ask,
    connect,
    environment,
    failure,
)


def whole(provider: str, text: str = '"A rash."', tokens: str = "7", finish: str = "") -> bytes:
    """The body of an answer, with JSON of anything as its text and its number of tokens."""
    if provider == "gemini":
        finish = finish or '"STOP"'
        return (
            f'{{"candidates": [{{"content": {{"role": "model", "parts": [{{"text": {text}}}]}},'
            f'"finishReason": {finish}}}], "usageMetadata": {{"candidatesTokenCount": {tokens}}}}}'
        ).encode()
    finish = finish or '"stop"'
    return (
        '{"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [{"index":'
        f' 0, "message": {{"role": "assistant", "content": {text}}}, "finish_reason": {finish}}}],'
        f'"usage": {{"completion_tokens": {tokens}}}}}'
    ).encode()


def said(provider, connect, body: bytes) -> Answer:
    with api_server(lambda *_: ServerAnswer(body=body)) as server:
        return ask(connect(provider, server), {"A": "x"}, max_new_tokens=8)[0]


@BOTH
@pytest.mark.parametrize(
    "text, read",
    [
        (r'"A \ud83d rash."', "A \ufffd rash."),
        (r'"A \udc00\ud83d rash."', "A \ufffd\ufffd rash."),
        (r'"A \u0000 rash.\u001b[2J\u0007\u009b"', "A \ufffd rash.\ufffd[2J\ufffd\ufffd"),
        (r'"A\tred\r\nrash.\rEczema"', "A\tred\nrash.\ufffdEczema"),
        (r'"\ud83d\ude00 Ekzem, Ausschlag, 湿疹, \u00fc"', "\U0001f600 Ekzem, Ausschlag, 湿疹, ü"),
    ],
)
def test_an_answer_can_be_written(provider, text, read, connect, tmp_path):
    answer = said(provider, connect, whole(provider, text))
    assert answer.text == read
    file = AnswerFile(tmp_path / "answers.jsonl")
    file.add([answer])
    assert file.read()["A"].text == read


@pytest.mark.parametrize("text", [r'"I cannot \ud83d help\u0000."', r'"\ud83d"'])
def test_a_refusal_can_be_written(text, connect):
    message = f'"content": null, "refusal": {text}'
    body = whole("openai").replace(b'"content": "A rash."', message.encode())
    answer = said("openai", connect, body)
    json.dumps(answer.as_row(), ensure_ascii=False).encode("utf-8")
    assert answer.text == "" and answer.error.startswith("blocked by the server: ")


@BOTH
@pytest.mark.parametrize(
    "tokens, counted",
    [("-5", 0), ("1" + "0" * 400, 0), ("null", 0), ("3.0", 3), ("0", 0), ("1000000", 1_000_000)],
)
def test_an_absurd_number_of_tokens_is_none(provider, tokens, counted, connect):
    answer = said(provider, connect, whole(provider, tokens=tokens))
    assert answer.text == "A rash." and answer.tokens == (
        0 if provider == "openai" and "." in tokens else counted
    )


@BOTH
@pytest.mark.parametrize("tokens", ['"many"', "1e400", "[]", '{"a": 1}', "true", "9" * 5000, "NaN"])
def test_what_is_no_number_of_tokens_is_no_crash(provider, tokens, connect):
    try:
        answer = said(provider, connect, whole(provider, tokens=tokens))
    except LabError as error:
        assert "twice gave no sound answer" in str(error)
    else:
        assert answer.text == "A rash." and answer.tokens in (0, 1)


SHAPES = [
    "null",
    "[]",
    "{}",
    "0",
    '"x"',
    "true",
    "[null]",
    "[{}]",
    "[[]]",
    "1e999",
    "[" * 900 + "]" * 900,
]


def shapes(provider: str) -> list[bytes]:
    """Bodies in which one value, wherever it stands, is another."""
    sound = json.loads(whole(provider))
    found = []

    def put(value, path):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            before = value[key]
            for shape in SHAPES:
                value[key] = "SHAPE"
                found.append(json.dumps(sound).replace('"SHAPE"', shape).encode())
            value[key] = before
            if isinstance(before, dict | list):
                put(before, [*path, key])

    put(sound, [])
    return found + [shape.encode() for shape in SHAPES] + [b"[" * 100_000, b"", b"\xff\xfe\x00"]


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("status", [200, 400])
def test_no_shape_of_an_answer_is_a_crash(provider, status, connect):
    chosen = random.Random(status).sample(shapes(provider), 60)

    def answer(prompt: str, count: int) -> ServerAnswer:
        return ServerAnswer(status=status, body=chosen[int(prompt)])

    with api_server(answer) as server:
        model = connect(provider, server)
        for number in range(len(chosen)):
            try:
                (answered,) = model.answer_batch({"A": str(number)}, max_new_tokens=8)
            except LabError as error:
                assert str(error).startswith(f"{model.host} "), chosen[number][:200]
            else:
                assert isinstance(answered.text, str) and isinstance(answered.tokens, int)
                json.dumps(answered.as_row()).encode()


@BOTH
@pytest.mark.parametrize("status", [200, 400])
def test_a_body_without_an_end_is_cut_off(provider, status, connect):
    part = ServerAnswer(status=status, body=b"[" * 1_000_000, endless=0.001)
    with api_server(lambda *_: part) as server:
        sentence = failure(LabError, connect(provider, server))
        assert "what it sent is longer than 20,000,000 bytes" in sentence
        assert len(server.requests) == 2 and server.sent < 3 * api_clients.LONGEST_BODY


@BOTH
def test_an_answer_of_50_mb_is_not_read_to_its_end(provider, connect):
    text = json.dumps("rash " * 10_000_000)
    with api_server(lambda *_: ServerAnswer(body=whole(provider, text))) as server:
        assert "longer than 20,000,000 bytes" in failure(LabError, connect(provider, server))


@BOTH
def test_a_body_that_trickles_is_not_waited_for_for_ever(provider, connect, monkeypatch):
    monkeypatch.setattr(api_clients, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(api_models, "ATTEMPTS", 2)
    started = time.monotonic()
    with api_server(lambda *_: ServerAnswer(body=b" ", endless=0.05)) as server:
        sentence = failure(WorkFailed, connect(provider, server))
    assert "its answer had no end after 0.5 s" in sentence and time.monotonic() - started < 5


@BOTH
def test_a_body_that_unpacks_to_any_length_is_not_unpacked(provider, connect):
    bomb = gzip.compress(whole(provider, json.dumps("x" * 30_000_000)))
    packed = ServerAnswer(body=bomb, headers={"Content-Encoding": "gzip"})
    with api_server(lambda *_: packed) as server:
        assert "is packed" in failure(LabError, connect(provider, server))
    assert server.requests[0].headers["accept-encoding"] == "identity"
