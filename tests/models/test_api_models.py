"""API models against a real HTTP server on loopback: order, limits, waits, refusals, consent, and
no key anywhere.
"""

import itertools
import json
import logging
import socket
import subprocess
import sys
import threading
import time
import traceback
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from conftest import ROOT
from helpers.files import LabError, WorkFailed
from helpers.models.api import model as api_models
from helpers.models.api.address import find_address, is_api_model
from helpers.models.api.clients import _seconds_to_wait
from helpers.models.api.model import open_api_model, upload_notice
from tests.models.api_server import ServerAnswer, api_server

KEY = "sk-test-3f9a1c77d2"
BOTH = pytest.mark.parametrize("provider", ["openai", "gemini"])
# For what both clients leave to the code that they share (waits, faults by their text, order).
SHARED = pytest.mark.parametrize("provider", ["openai"])


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A key for both, nothing else from the person's own environment, and short waits."""
    for name in (
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "GOOGLE_API_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    for provider in ("OPENAI", "GEMINI"):
        monkeypatch.setenv(f"{provider}_API_KEY", KEY)
        monkeypatch.delenv(f"{provider}_BASE_URL", raising=False)
    monkeypatch.setattr(api_models, "FIRST_WAIT", 0.01)


@pytest.fixture
def connect(monkeypatch):
    """A model of `provider` behind a server of ours."""

    def connect(provider: str, server, name: str = "tiny") -> api_models.ApiModel:
        path = "/v1" if provider == "openai" else ""
        monkeypatch.setenv(f"{provider.upper()}_BASE_URL", server.url + path)
        return open_api_model(f"{provider}:{name}", allow_upload=False)

    return connect


def ask(model, prompts, *, max_new_tokens, keep=None):
    """The answers to a batch in the order of its prompts; each is given to `keep` as it comes."""
    found = {}
    for answer in model.answer_batch(prompts, max_new_tokens=max_new_tokens):
        found[answer.case_id] = answer
        if keep:
            keep(answer)
    return [found[case_id] for case_id in prompts]


def everything_said(error: BaseException) -> str:
    """All that could be printed of an error, and of those that led to it."""
    said = [*traceback.format_exception(error)]
    while error is not None:
        said.append(f"{error!r} {vars(error)}")
        error = error.__cause__ or error.__context__
    return "\n".join(said)


def failure(kind: type[Exception], model: api_models.ApiModel, prompts: dict | None = None) -> str:
    with pytest.raises(kind) as caught:
        ask(model, prompts or {"A": "What is this?"}, max_new_tokens=8)
    assert KEY not in everything_said(caught.value)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


@pytest.mark.parametrize(
    "model_id, expected",
    [
        ("openai:gpt-4o-mini", True),
        ("gemini:gemini-2.5-flash", True),
        ("openai:", True),
        ("openai", False),
    ]
    + [("pocket/llama", False), ("openai/gpt-oss-20b", False), ("C:gemini:x", False)],
)
def test_an_api_model_is_known_by_its_prefix(model_id, expected):
    assert is_api_model(model_id) is expected


@pytest.mark.parametrize(
    "model_id", ["openai:", "gemini: ", "openai:a b", "claude:x", "gemini:x?key=1"]
)
def test_a_malformed_name_is_refused(model_id):
    with pytest.raises(LabError, match="openai:<model name>"):
        open_api_model(model_id, allow_upload=True)


@SHARED
def test_answers_come_in_case_order_and_at_the_same_time(provider, connect):
    prompts = {f"C{number}": f"Question {number}" for number in range(8)}

    def answer(prompt: str, count: int) -> ServerAnswer:
        return ServerAnswer(
            f"  {prompt}!\n", seconds=0.4 - 0.04 * int(prompt[-1])
        )  # the first is answered last

    with api_server(answer) as server:
        predictions = ask(connect(provider, server), prompts, max_new_tokens=8)
    assert [(p.case_id, p.text) for p in predictions] == [
        (case_id, f"{text}!") for case_id, text in prompts.items()
    ]
    assert {(p.tokens, p.finish, p.error) for p in predictions} == {(7, "stop", "")}
    assert predictions[0].seconds >= 0.4 and predictions[-1].seconds > 0
    assert server.most_busy > 1 and len(server.requests) == len(prompts)


@SHARED
def test_no_prompts_no_requests(provider, connect):
    with api_server() as server:
        assert ask(connect(provider, server), {}, max_new_tokens=8) == []
    assert server.requests == []


def test_what_is_sent_to_an_openai_compatible_server(connect):
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?"},
    ]
    with api_server() as server:
        ask(connect("openai", server, "org/tiny:1b"), {"A": chat}, max_new_tokens=8)
    sent = server.requests[0]
    assert (sent.path, sent.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert sent.content == {
        "model": "org/tiny:1b",
        "messages": chat,
        "temperature": 0,
        "max_tokens": 8,
    }


def test_openai_itself_is_told_the_limit_by_its_new_name(monkeypatch):
    with api_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://api.openai.com/v1")
        monkeypatch.setenv("LAB_ALLOW_HTTP", "api.openai.com")
        ask(
            open_api_model("openai:tiny", allow_upload=True),
            {"A": "What is this?"},
            max_new_tokens=8,
        )
    sent = proxy.requests[0].content
    assert sent["max_completion_tokens"] == 8 and "max_tokens" not in sent


def test_what_is_sent_to_gemini(connect, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "another-key")  # the client would prefer it
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    said = [
        ("system", "Be brief."),
        ("user", "Itch?"),
        ("assistant", "Yes."),
        ("user", "Since when?"),
    ]
    with api_server() as server:
        model = connect("gemini", server)
        ask(
            model, {"A": [{"role": role, "content": text} for role, text in said]}, max_new_tokens=8
        )
    sent = server.requests[0]
    assert (
        sent.path.endswith("/models/tiny:generateContent") and sent.headers["x-goog-api-key"] == KEY
    )
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in sent.content["contents"]] == [
        ("user", "Itch?"),
        ("model", "Yes."),
        ("user", "Since when?"),
    ]
    assert "Be brief." in json.dumps(sent.content["systemInstruction"])
    assert sent.content["generationConfig"] == {"temperature": 0, "maxOutputTokens": 8}


@BOTH
def test_a_cut_answer_says_length(provider, connect):
    with api_server(lambda prompt, count: ServerAnswer("The rash of", finish="length")) as server:
        prediction = ask(connect(provider, server), {"A": "What is this?"}, max_new_tokens=3)[0]
    assert (prediction.text, prediction.finish, prediction.error) == ("The rash of", "length", "")


@BOTH
@pytest.mark.parametrize(
    "answer, finish, reason",
    [
        (ServerAnswer(finish="blocked"), "", "blocked by the server: "),
        (ServerAnswer(" \n"), "stop", "empty answer"),
        (ServerAnswer("", finish="length"), "length", "raise the limit of tokens"),
    ],
)
def test_a_blocked_or_empty_answer_says_why(provider, answer, finish, reason, connect):
    with api_server(lambda prompt, count: answer if prompt == "bad" else ServerAnswer()) as server:
        bad, good = ask(connect(provider, server), {"A": "bad", "B": "good"}, max_new_tokens=8)
    assert (bad.text, bad.finish) == ("", finish) and reason in bad.error
    assert (good.text, good.error) == ("A rash.", "")


def test_an_answer_that_gemini_breaks_off_for_safety_is_blocked(connect):
    with api_server(lambda prompt, count: ServerAnswer("The first wor", finish="SAFETY")) as server:
        prediction = ask(connect("gemini", server), {"A": "What is this?"}, max_new_tokens=8)[0]
    assert (prediction.text, prediction.error) == ("", "blocked by the server: SAFETY")


@BOTH
def test_a_busy_server_is_asked_again_when_it_says(provider, connect):
    def answer(prompt: str, count: int) -> ServerAnswer:
        return (
            ServerAnswer("slow down", status=429, headers={"Retry-After": "1"})
            if count == 0
            else ServerAnswer()
        )

    with api_server(answer) as server:
        prediction = ask(connect(provider, server), {"A": "What is this?"}, max_new_tokens=8)[0]
    first, second = server.requests
    assert prediction.text == "A rash." and 1.0 <= second.at - first.at < 3
    assert prediction.seconds < 1  # the wait is not the model's


def test_gemini_says_in_the_text_how_long_to_wait(connect):
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.7s"}
    body = json.dumps(
        {"error": {"code": 429, "message": "Quota.", "status": "X", "details": [wait]}}
    ).encode()

    with api_server(
        lambda prompt, count: ServerAnswer(status=429, body=body) if count == 0 else ServerAnswer()
    ) as server:
        ask(connect("gemini", server), {"A": "What is this?"}, max_new_tokens=8)
    first, second = server.requests
    assert 0.7 <= second.at - first.at < 2


@pytest.mark.parametrize(
    "header, text, expected",
    [
        ("", "", None),
        ("soon", "", None),
        ("0", "", 0),
        ("2.5", "", 2.5),
        ("3", "'retryDelay': '9s'", 3),
        ("", "{'retryDelay': '34.07s'}", 34.07),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "", 0),
    ],
)
def test_seconds_to_wait(header, text, expected):
    assert _seconds_to_wait(header, text) == expected


def test_seconds_to_wait_until_a_date():
    assert 25 < _seconds_to_wait(formatdate(time.time() + 30, usegmt=True), "") <= 30


@SHARED
@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_server_that_never_recovers_is_given_up(provider, status, connect):
    with api_server(
        lambda *_: ServerAnswer("overloaded\nsee log", status=status, headers={"Retry-After": "0"})
    ) as server:
        sentence = failure(WorkFailed, connect(provider, server))
    assert len(server.requests) == api_models.ATTEMPTS == 6
    assert (
        f"case 'A' in 6 attempts (status {status}: overloaded)" in sentence
        and "the same command" in sentence
    )


@SHARED
def test_waits_double_where_the_server_names_none(provider, connect, monkeypatch):
    monkeypatch.setattr(api_models, "ATTEMPTS", 4)
    monkeypatch.setattr(api_models, "FIRST_WAIT", 0.1)
    with api_server(lambda *_: ServerAnswer("oops", status=500)) as server:
        failure(WorkFailed, connect(provider, server))
    times = [request.at for request in server.requests]
    waits = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert [wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True)] == [True] * 3


@SHARED
def test_a_wait_of_an_hour_is_not_waited(provider, connect):
    with api_server(
        lambda *_: ServerAnswer("daily limit", status=429, headers={"Retry-After": "3600"})
    ) as server:
        sentence = failure(WorkFailed, connect(provider, server))
    assert len(server.requests) == 1 and "it asks to wait 3600 s" in sentence


@SHARED
def test_a_refusal_ends_the_waits_of_the_others(provider, connect):
    busy = ServerAnswer("busy", status=429, headers={"Retry-After": "60"})

    started = time.monotonic()
    with api_server(
        lambda prompt, count: busy if prompt == "wait" else ServerAnswer("no", status=401)
    ) as server:
        failure(LabError, connect(provider, server), {"A": "refuse", "B": "wait"})
        while any(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate()):
            time.sleep(0.01)
    assert time.monotonic() - started < 30 and len(server.requests) == 2


@BOTH
def test_an_unreachable_server_is_given_up(provider, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv(f"{provider.upper()}_BASE_URL", f"http://127.0.0.1:{port}/v1")
    sentence = failure(WorkFailed, open_api_model(f"{provider}:tiny", allow_upload=False))
    assert f"127.0.0.1:{port} gave no answer" in sentence and "Connection refused" in sentence


@BOTH
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_and_not_shown(provider, status, connect, caplog):
    caplog.set_level(logging.DEBUG)
    with api_server(
        lambda *_: ServerAnswer(f"Incorrect API key provided: {KEY}", status=status)
    ) as server:
        sentence = failure(LabError, connect(provider, server))
    assert f"{provider.upper()}_API_KEY" in sentence and len(server.requests) == 1
    assert KEY not in caplog.text


def test_gemini_refuses_a_key_with_status_400(connect):
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = {
        "code": 400,
        "message": "API key not valid.",
        "status": "INVALID_ARGUMENT",
        "details": [info],
    }
    with api_server(
        lambda *_: ServerAnswer(status=400, body=json.dumps({"error": error}).encode())
    ) as server:
        assert "check GEMINI_API_KEY" in failure(LabError, connect("gemini", server))


@BOTH
def test_a_key_is_hidden_before_the_servers_line_is_cut(provider, connect):
    with api_server(lambda *_: ServerAnswer("x" * 290 + KEY, status=400)) as server:
        assert KEY[:10] not in failure(LabError, connect(provider, server))


@BOTH
def test_an_unknown_model_and_a_prompt_too_long_are_named(provider, connect):
    with api_server(lambda *_: ServerAnswer("no such model `tiny`", status=404)) as server:
        sentence = failure(LabError, connect(provider, server))
        assert "has no model 'tiny' (status 404: no such model `tiny`)" in sentence
    with api_server(
        lambda *_: ServerAnswer("maximum context length is 4096 tokens\nmore", status=400)
    ) as server:
        sentence = failure(LabError, connect(provider, server))
        assert "case 'A' (status 400: maximum context length is 4096 tokens)" in sentence
        assert len(server.requests) == 1


@BOTH
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_something_that_is_no_api_is_said(provider, kind, connect):
    page = ServerAnswer(body=b"<html>Please log in</html>", headers={"Content-Type": kind})
    with api_server(lambda *_: page) as server:
        assert "is no" in failure(LabError, connect(provider, server))


@BOTH
def test_a_missing_key_is_named(provider, monkeypatch):
    monkeypatch.delenv(f"{provider.upper()}_API_KEY")
    with pytest.raises(LabError, match=f"{provider.upper()}_API_KEY is neither in the environment"):
        open_api_model(f"{provider}:tiny", allow_upload=True)


@pytest.mark.parametrize("key", ["sk-abc\nsk-def", "sk-abc def", "sk-abc’"])
def test_a_key_that_is_none_is_refused_unseen(key, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(LabError, match="OPENAI_API_KEY holds a blank") as caught:
        open_api_model("openai:tiny", allow_upload=True)
    assert "sk-abc" not in everything_said(caught.value)


@BOTH
def test_a_server_on_this_machine_needs_no_key(provider, connect, monkeypatch):
    monkeypatch.delenv(f"{provider.upper()}_API_KEY")
    with api_server() as server:
        assert (
            ask(connect(provider, server), {"A": "What is this?"}, max_new_tokens=8)[0].text
            == "A rash."
        )


def test_colabs_secrets_are_asked_where_the_environment_has_no_key(connect, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    secrets = {"OPENAI_API_KEY": KEY}
    monkeypatch.setitem(
        sys.modules,
        "google.colab",
        SimpleNamespace(userdata=SimpleNamespace(get=secrets.__getitem__)),
    )
    with api_server() as server:
        ask(connect("openai", server), {"A": "What is this?"}, max_new_tokens=8)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    secrets.clear()
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(LabError, match="nor in Colab's secrets"):
        open_api_model("openai:tiny", allow_upload=True)


@BOTH
def test_without_consent_nothing_is_sent_elsewhere(provider, monkeypatch):
    """Our server stands in as the proxy, so that it would see whatever goes to another host."""
    with api_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("LAB_ALLOW_HTTP", "llm.example:8000")
        monkeypatch.setenv(f"{provider.upper()}_BASE_URL", "http://llm.example:8000/v1")
        with pytest.raises(
            LabError,
            match="would be sent to llm.example:8000: set `allow_upload` to True if that is",
        ):
            open_api_model(f"{provider}:tiny", allow_upload=False)
        assert proxy.requests == []
        model = open_api_model(f"{provider}:tiny", allow_upload=True)
        assert proxy.requests == []
        assert ask(model, {"A": "What is this?"}, max_new_tokens=8)[0].text == "A rash."
        assert proxy.requests[0].headers["host"] == "llm.example:8000"


@pytest.mark.parametrize(
    "provider, host",
    [("openai", "api.openai.com"), ("gemini", "generativelanguage.googleapis.com")],
)
def test_the_providers_own_address_needs_consent(provider, host):
    with pytest.raises(LabError, match=f"sent to {host}: set `allow_upload` to True"):
        open_api_model(f"{provider}:tiny", allow_upload=False)
    assert open_api_model(f"{provider}:tiny", allow_upload=True).host == host


@pytest.mark.parametrize(
    "url, host, local",
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1:8000", True),
        ("http://127.8.0.1/v1", "127.8.0.1", True),
        ("http://[::1]:8000/v1", "[::1]:8000", True),
        ("http://localhost:11434/v1", "localhost:11434", True),
        ("http://127.0.0.1.example.com/v1", "127.0.0.1.example.com", False),
        ("http://10.0.0.5/v1", "10.0.0.5", False),
        ("http://localhost.example.com", "localhost.example.com", False),
        ("http://0.0.0.0:80", "0.0.0.0:80", False),
        ("HTTP://LOCALHOST/v1", "LOCALHOST", True),
        ("http://127.1/v1", "127.1", False),
        ("http://0x7f.1/v1", "0x7f.1", False),
        ("http://2130706433/v1", "2130706433", False),
        ("http://[::ffff:8.8.8.8]:80/v1", "[::ffff:8.8.8.8]:80", False),
        ("http://localhost./v1", "localhost.", False),
    ],
)
def test_what_is_this_machine(url, host, local, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert find_address("openai") == (url, host, local)


@BOTH
@pytest.mark.parametrize(
    "host",
    [
        "gpu.example:8000",
        "gpu.example",
        "127.0.0.1.example",
        "localhost.example:80",
        "[::ffff:8.8.8.8]",
        "0x7f.1",
        "127.1",
        "10.0.0.5:11434",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_another_machine_without_encryption_needs_a_consent_of_its_own(
    provider, scheme, host, monkeypatch
):
    monkeypatch.setenv(f"{provider.upper()}_BASE_URL", f"{scheme}://{host}/v1")
    monkeypatch.setenv("LAB_ALLOW_HTTP", f"evil.example,{host}.example,x{host}")
    with pytest.raises(LabError) as caught:
        open_api_model(f"{provider}:tiny", allow_upload=True)
    assert str(caught.value) == (
        f"{provider.upper()}_BASE_URL is http://{host}, so key and questions would travel "
        f"unencrypted: use https, or set LAB_ALLOW_HTTP={host} if you trust the network in between."
    )
    monkeypatch.setenv("LAB_ALLOW_HTTP", f"other.example, {host}")
    model = open_api_model(f"{provider}:tiny", allow_upload=True)
    assert f"go to {host} ({provider}:tiny), unencrypted" in upload_notice(
        model, {"A": "x", "B": "y"}
    )
    with pytest.raises(LabError, match="set `allow_upload` to True"):
        open_api_model(f"{provider}:tiny", allow_upload=False)


def test_nothing_is_sent_or_loaded_before_the_consent_to_plain_http(monkeypatch):
    code = (
        "import sys; from helpers.models.api.model import open_api_model\n"
        "try: open_api_model('openai:tiny', allow_upload=True)\n"
        "except Exception as error: print(error)\n"
        "print({'openai', 'google.genai', 'httpx2'} & set(sys.modules))"
    )
    with api_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu.example:8000/v1")
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
        )
        assert proxy.requests == []
    refusal, loaded = done.stdout.splitlines()
    assert "LAB_ALLOW_HTTP=gpu.example:8000" in refusal and loaded == "set()"


@pytest.mark.parametrize("url", ["https://gpu.example/v1", "http://127.0.0.1:9/v1"])
def test_https_and_this_machine_need_no_consent_to_plain_http(url, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    model = open_api_model("openai:tiny", allow_upload=True)
    assert "unencrypted" not in upload_notice(model, {"A": "x"})


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://127.0.0.1/",
        "http://",
        "http://me:secret@127.0.0.1",
        "http://a:b",
        "http://localhost@evil.example/v1",
        "http://127.0.0.1\\@evil.example/v1",
        "http://127.0.0.1\\.evil.example/v1",
        "http://evil\x1b[2J.example/v1",
        "http://127.0.0.1%2eevil.example/v1",
        "http://127.0.0.1 .evil.example/v1",
        "http://[::1",
    ],
)
def test_a_malformed_address_is_refused_unseen(url, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(LabError, match="OPENAI_BASE_URL is not an address") as caught:
        open_api_model("openai:tiny", allow_upload=True)
    assert "secret" not in everything_said(caught.value)


@BOTH
def test_a_server_on_this_machine_cannot_send_the_questions_on(provider, connect, monkeypatch):
    with api_server() as elsewhere:
        monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
        moved = ServerAnswer(
            "moved", status=307, headers={"Location": f"{elsewhere.url}/v1/chat/completions"}
        )
        with api_server(
            lambda prompt, count: moved if prompt == "move" else ServerAnswer()
        ) as server:
            model = connect(provider, server)
            assert ask(model, {"A": "stay"}, max_new_tokens=8)[0].text == "A rash."
            assert "status 307" in failure(LabError, model, {"A": "move"})
        assert elsewhere.requests == []


@BOTH
def test_a_model_says_who_it_is_and_not_its_key(provider, connect):
    with api_server() as server:
        model = connect(provider, server)
    shown = f"ApiModel(provider={provider!r}, name='tiny', host='127.0.0.1:{server.server_port}')"
    assert repr(model) == shown and KEY not in f"{model} {vars(model)}"
    assert model.context_length > 100_000


def test_the_notice_says_how_much_goes_where(connect):
    with api_server() as server:
        model = connect("openai", server)
    chat = [{"role": "system", "content": "a" * 6}, {"role": "user", "content": "b" * 3}]
    assert [model.count_tokens(prompt) for prompt in ("", "abc", "abcde", chat)] == [0, 1, 2, 3]
    prompts = {"A": "x" * 8000, "B": chat}
    assert upload_notice(model, prompts) == (
        f"2 prompts, about 2,003 tokens, go to 127.0.0.1:{server.server_port} (openai:tiny)."
    )


def test_no_client_is_loaded_before_a_model_is_opened():
    code = "import sys, helpers.models.api.model; print({'openai', 'google', 'httpx2'} & set(sys.modules))"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_answers_that_came_are_kept_when_another_request_of_the_batch_fails(connect):
    prompts, kept = {str(number): f"question {number}" for number in range(4)}, []

    def serve(prompt, count):
        return (
            ServerAnswer(status=400, text="too long")
            if prompt == "question 2"
            else ServerAnswer(text=prompt)
        )

    with api_server(serve) as server:
        with pytest.raises(LabError, match="refused the prompt of case '2'"):
            ask(connect("openai", server), prompts, max_new_tokens=8, keep=kept.append)
    assert sorted(answer.case_id for answer in kept) == ["0", "1", "3"]
    assert all(answer.text == prompts[answer.case_id] for answer in kept)
