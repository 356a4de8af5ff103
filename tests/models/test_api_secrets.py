"""A server that repeats the key, in any disguise and anywhere: none of it is shown or kept, and
what helps a person is.
"""

import base64
import codecs
import html
import json
import logging
import random
import string
from urllib.parse import quote as url_quote

import pytest

from helpers.files import LabError, WorkFailed
from helpers.models.answer_file import AnswerFile
from helpers.models.api import model as api_models
from helpers.models.api.model import upload_notice
from helpers.models.api.quotes import HIDDEN, NO_KEY, holds_key, quote
from tests.models.api_server import ServerAnswer, api_server
from tests.models.test_api_models import (  # noqa: F401 (fixtures)
    BOTH,
    KEY,
    SHARED,
    connect,
    environment,
    everything_said,
)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DISGUISES = {
    "as it is": str,
    "upper case": str.upper,
    "cases swapped": str.swapcase,
    "reversed": lambda key: key[::-1],
    "base64": b64,
    "base64 without padding": lambda key: b64(key).rstrip("="),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "base64 one later": lambda key: b64("x" + key),
    "base64 two later": lambda key: b64("Bearer  " + key),
    "base64 of the reversed": lambda key: b64(key[::-1]),
    "base64 reversed": lambda key: b64(key)[::-1],
    "base64 in lines": lambda key: "\n".join(b64(key)[n : n + 8] for n in range(0, 99, 8)),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    "base85": lambda key: base64.b85encode(key.encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "hex in capitals": lambda key: key.encode().hex().upper(),
    "hex in pairs": lambda key: key.encode().hex(" "),
    "hex with x": lambda key: "".join(f"\\x{ord(sign):02x}" for sign in key),
    "octal": lambda key: "".join(f"\\{ord(sign):03o}" for sign in key),
    "numbers": lambda key: " ".join(str(ord(sign)) for sign in key),
    "url": lambda key: "".join(f"%{ord(sign):02x}" for sign in key),
    "url twice": lambda key: url_quote("".join(f"%{ord(sign):02x}" for sign in key)),
    "rot13": lambda key: codecs.encode(key, "rot13"),
    "json": lambda key: "".join(f"\\u{ord(sign):04x}" for sign in key),
    "json twice": lambda key: "".join(f"\\\\u{ord(sign):04X}" for sign in key),
    "spaced out": " ".join,
    "with dots": ".".join,
    "with bars": " | ".join,
    "with what cannot be seen": "\u200b".join,
    "with accents": "\u0336".join,
    "wide letters": lambda key: "".join(chr(ord(sign) + 0xFEE0) for sign in key),
    "two lines": lambda key: f"{key[: len(key) // 2]}\n{key[len(key) // 2 :]}",
    "halves": lambda key: f"{key[: len(key) // 2]} and then {key[len(key) // 2 :]}",
    "pieces of four": lambda key: " ".join(key[n : n + 4] for n in range(0, len(key), 4)),
    "html": lambda key: "".join(f"&#{ord(sign)};" for sign in key),
    "html in hex": lambda key: "".join(f"&#x{ord(sign):x};" for sign in key),
    "html twice": lambda key: html.escape("".join(f"&#{ord(sign)};" for sign in key)),
}
DISGUISED = pytest.mark.parametrize("disguise", DISGUISES)


def letters(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())


def shows(said: str, hidden: str, key: str) -> bool:
    """True if six signs in a row, or six letters, of what was hidden or of the key are said."""
    pairs = [(said, hidden)] + [(letters(said), letters(one)) for one in (hidden, key)]
    return any(
        part[start : start + 6] in text
        for text, part in pairs
        for start in range(len(part) - 5)
        if "and then" not in part[start : start + 6] and part[start : start + 6] not in INNOCENT
    )


INNOCENT = letters("and then")  # of the disguise "halves"


def keys(count: int) -> list[str]:
    """Keys as providers make them."""
    chance = random.Random(7)

    def some(signs: str, length: int) -> str:
        return "".join(chance.choices(signs, k=length))

    every = string.ascii_letters + string.digits
    makers = [
        lambda: "sk-proj-" + some(every + "_-", 48),
        lambda: "AIzaSy" + some(every + "_-", 33),
        lambda: some("0123456789abcdef", 32),
        lambda: "-".join(some("0123456789abcdef", 4) for _ in range(8)),
        lambda: some(string.ascii_lowercase, 24),
        lambda: some(string.digits, 24),
        lambda: "gsk_" + some(every, 52),
        lambda: some(string.ascii_uppercase, 16),
    ]
    return [makers[number % len(makers)]() for number in range(count)]


@DISGUISED
def test_no_disguise_of_a_key_is_shown(disguise):
    for key in keys(80):
        hidden = DISGUISES[disguise](key)
        for said in (
            hidden,
            f"The image {hidden} is bad.",
            f"Invalid: '{hidden}'",
            "x" * 280 + hidden,
        ):
            assert not shows(quote(said, key), hidden, key), (key, said)


HELPFUL = [
    "The model `gpt-9` does not exist or you do not have access to it.",
    "You exceeded your current quota, please check your plan and billing details.",
    "invalid image",
    "This model's maximum context length is 128000 tokens, but you requested 1,048,576 tokens.",
    "models/gemini-3.8-flash-lite-preview-09-2025 is not found for API version v1beta",
    "Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`",
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8 is not a multimodal model",
    "Unsupported value: 'temperature' does not support 0 with this model.",
    "See https://platform.openai.com/docs/guides/error-codes/api-errors.",
    "RemoteProtocolError: peer closed connection (received 10 bytes, expected 20)",
    "InvalidRequestError: max_completion_tokens is too large: 300000.",
    "图片格式不支持",
    "CUDA out of memory. Tried to allocate 2.50 GiB",
]


def test_what_helps_a_person_is_shown():
    every = [(said, key) for said in HELPFUL for key in keys(80)]
    lost = [(said, key) for said, key in every if quote(said, key) != said]
    assert len(lost) <= len(every) / 100, lost[:3]
    assert [quote(said, NO_KEY) for said in HELPFUL] == HELPFUL
    assert quote("An image is needed, no key.", NO_KEY) == "An image is needed, no key."


@pytest.mark.parametrize(
    "said, shown",
    [
        ("Limit reached in organization org-AbC12345678xyz today", "organization <...> today"),
        ("trace 7f3a9c1d22e84b10 of node-1", "trace <...> of node-1"),
        ("bad\tvalue \x1b[31m here\r\nsecond line", "bad value [31m here"),
        ("it&#39;s  wrong", "it's wrong"),
        ("", ""),
    ],
)
def test_what_is_no_word_is_left_out(said, shown):
    assert quote(said, KEY).endswith(shown)


@pytest.mark.parametrize("key", ["x", "-", "EMPTY", "!!!!", "ollama"])
def test_a_key_that_is_hardly_one_is_not_shown_either(key):
    assert f"'{key}'" not in quote(f"the key '{key}' is wrong", key) or key in ("-", "!!!!")
    assert not holds_key("An empty blister, as ollama says: x - !!!!", key)


def test_an_answer_may_share_words_with_a_key():
    key = "my-eczema-key-2026"
    assert not holds_key("It is eczema; the key is 2026.", key)
    assert holds_key(f"It is {key[::-1]}.", key) and holds_key(f"Look: {b64(key)}", key)


PLACES = {
    "message": lambda said: {"text": said, "status": 400},
    "unknown model": lambda said: {"text": said, "status": 404},
    "unpaid": lambda said: {"text": said, "status": 402},
    "failure": lambda said: {"text": said, "status": 500, "headers": {"Retry-After": "9999"}},
    "page": lambda said: {"status": 400, "body": f"<p>image {said}</p>".encode()},
    "form": lambda said: {"status": 422, "body": json.dumps({"detail": said}).encode()},
    "code": lambda said: {
        "status": 400,
        "body": json.dumps({"error": {"message": "", "code": said, "status": said}}).encode(),
    },
    "header": lambda said: {
        "text": "no",
        "status": 400,
        "headers": {"X-Key": url_quote(said), "Retry-After": url_quote(said)},
        "reason": url_quote(said),
    },
    "wrong header": lambda said: {"text": "no", "headers": {"Content-Length": url_quote(said)}},
    "no answer": lambda said: {"body": json.dumps([said]).encode()},
    "end": lambda said: {"finish": said},
    "answer": lambda said: {"text": said},
}


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.filterwarnings("always")
def test_a_key_in_any_place_is_shown_and_kept_nowhere(
    provider, place, connect, tmp_path, capsys, caplog, recwarn, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(api_models, "ATTEMPTS", 2)
    hidden = {name: write(KEY) for name, write in DISGUISES.items()}
    # All of them in a message, a third of them in each other place.
    tried = list(hidden)
    if place != "message":
        tried = tried[list(PLACES).index(place) % 3 :: 3]

    def repeat(prompt: str, count: int) -> ServerAnswer:
        return ServerAnswer(**PLACES[place](hidden[prompt]))

    with api_server(repeat) as server:
        model = connect(provider, server)
        for name in tried:
            file, told = AnswerFile(tmp_path / name), ""
            try:
                file.add(model.answer_batch({"A": name}, max_new_tokens=8))
            except (LabError, WorkFailed) as error:
                told = everything_said(error)
                assert str(error).count("\n") == 0 and str(error).endswith(".")
            told += file.path.read_text() if file.path.exists() else ""
            shown = capsys.readouterr()
            told += caplog.text + shown.out + shown.err
            told += "".join(str(one.message) for one in recwarn)
            caplog.clear(), recwarn.clear()
            assert not shows(told, hidden[name], KEY), (name, told)
            assert server.requests, "nothing was asked"


@SHARED
def test_a_server_that_repeats_the_key_is_told_of_with_status_and_cure(provider, connect):
    with api_server(lambda *_: ServerAnswer(f"no, {b64(KEY)}", status=404)) as server:
        model = connect(provider, server)
        with pytest.raises(LabError) as caught:
            list(model.answer_batch({"A": "x"}, max_new_tokens=8))
        assert str(caught.value) == (
            f"{model.host} has no model 'tiny' (status 404: {HIDDEN}): check `model`, and "
            "OPENAI_BASE_URL if it is set."
        )
        assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert KEY not in upload_notice(model, {"A": KEY})
