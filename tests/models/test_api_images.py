"""Images before API models: what leaves this machine, what is refused, kept or given up, and what
it would cost.
"""

import base64
import io
import json
import logging
import re
import threading
import time
from email.utils import formatdate
from types import SimpleNamespace

import pytest
import yaml
from PIL import Image

from helpers.data.images import open_image
from helpers.files import LabError, WorkFailed
from helpers.models.api import clients as api_clients
from helpers.models.api import model as api_models
from helpers.models.api.clients import image_tokens
from helpers.models.api.model import PRICES, ApiModel, open_api_model, upload_notice
from helpers.models.api.quotes import HIDDEN
from tests.models.api_server import ServerAnswer, api_server
from tests.models.test_api_models import (  # noqa: F401 (fixtures)
    BOTH,
    KEY,
    SHARED,
    ask,
    connect,
    environment,
    everything_said,
    failure,
)

GPS, ORIENTATION, MAKER = 0x8825, 0x0112, 0x010F


@pytest.fixture
def photo(tmp_path):
    """A phone's photograph, 1600 x 1200, lying on its side: red where it is up, with GPS and a
    comment in its head.
    """
    image = Image.new("RGB", (1600, 1200), "blue")
    image.paste("red", (0, 0, 400, 1200))  # EXIF 6: the left of the file is the top of the image
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = 6, "Secret Phone"
    exif.get_ifd(GPS)[2] = (48.0, 8.0, 14.0)
    path = tmp_path / "photo.jpg"
    image.save(path, exif=exif, comment=b"Secret comment", icc_profile=b"Secret profile")
    return path


def asks(text: str, *images) -> list[dict]:
    """A chat with images before its text."""
    parts = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def small(colour: str = "red") -> Image.Image:
    return Image.new("RGB", (40, 30), colour)


def refusing(status: int, message: str):
    """A server's behaviour: it refuses whatever is asked about a bad one."""
    return lambda prompt, count: (
        ServerAnswer(message, status=status) if "bad" in prompt else ServerAnswer(f"{prompt}!")
    )


@BOTH
def test_an_image_is_sent_upright_small_and_bare(provider, photo, connect):
    with api_server() as server:
        answers = ask(
            connect(provider, server), {"A": asks("Describe.", open_image(photo))}, max_new_tokens=8
        )
    (request,) = server.requests
    (sent,) = request.images
    assert answers[0].text == "A rash." and request.prompt == "Describe."
    assert b"Secret" in photo.read_bytes() and b"Secret" not in sent and b"Exif" not in sent
    image = Image.open(io.BytesIO(sent))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (768, 1024))
    assert not image.getexif() and set(image.info) <= {
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
    }
    red, _, blue = image.getpixel((384, 100))
    assert red > 200 > 60 > blue and image.getpixel((384, 900))[2] > 200


@BOTH
def test_even_an_image_that_was_opened_otherwise_is_sent_bare(provider, photo, connect):
    with api_server() as server:
        ask(
            connect(provider, server), {"A": asks("Describe.", Image.open(photo))}, max_new_tokens=8
        )
    sent = server.requests[0].images[0]
    assert b"Secret" not in sent and not Image.open(io.BytesIO(sent)).getexif()


@BOTH
def test_parts_keep_their_order_and_turns(provider, connect):
    chat = [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}]
    chat += [*asks("First?", small("red")), {"role": "assistant", "content": "A rash."}]
    chat += asks("And these?", small("lime"), small("blue"))
    with api_server() as server:
        ask(connect(provider, server), {"A": chat}, max_new_tokens=8)
    (request,) = server.requests
    colours = [Image.open(io.BytesIO(image)).getpixel((20, 15)) for image in request.images]
    assert [max(range(3), key=colour.__getitem__) for colour in colours] == [1, 2]
    assert request.prompt == "And these?"
    turns = request.content["contents" if provider == "gemini" else "messages"]
    if provider == "gemini":
        assert [turn["role"] for turn in turns] == ["user", "model", "user"]
        assert ["inlineData" in part for part in turns[2]["parts"]] == [True, True, False]
        assert [part["text"] for part in request.content["systemInstruction"]["parts"]] == [
            "Be brief."
        ]
    else:
        assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]
        assert (
            turns[0]["content"] == [{"type": "text", "text": "Be brief."}]
            and turns[2]["content"] == "A rash."
        )
        assert [part["type"] for part in turns[3]["content"]] == ["image_url", "image_url", "text"]


@BOTH
def test_the_jpeg_is_kept_nowhere(provider, connect, monkeypatch):
    made = []
    to_jpeg = api_clients.to_jpeg

    def counted(image, *, max_side: int) -> bytes:
        made.append(max_side)
        return to_jpeg(image, max_side=max_side)

    monkeypatch.setattr(api_clients, "to_jpeg", counted)
    prompts = {"A": asks("Describe.", small())}
    with api_server(
        lambda prompt, count: ServerAnswer(status=503) if count == 0 else ServerAnswer()
    ) as server:
        model = connect(provider, server)
        assert made == []
        ask(model, prompts, max_new_tokens=8)
    assert made == [1024, 1024]  # once for each attempt
    assert set(prompts["A"][0]["content"][0]) == {"type", "image"}


@SHARED
def test_images_are_answered_in_order_and_no_more_at_a_time_than_the_batch_has(provider, connect):
    prompts = {f"P{number}": asks(f"Question {number}", small()) for number in range(6)}

    def answer(prompt: str, count: int) -> ServerAnswer:
        return ServerAnswer(f"{prompt}!", seconds=0.3 - 0.05 * int(prompt[-1]))

    kept = []
    with api_server(answer) as server:
        model = connect(provider, server)
        batches = [dict(list(prompts.items())[start : start + 3]) for start in (0, 3)]
        answers = [
            one
            for batch in batches
            for one in ask(model, batch, max_new_tokens=8, keep=kept.append)
        ]
    assert [(one.case_id, one.text) for one in answers] == [
        (f"P{n}", f"Question {n}!") for n in range(6)
    ]
    assert sorted(one.case_id for one in kept) == list(prompts) and kept[0].case_id != "P0"
    assert 1 < server.most_busy <= 3


BAD_IMAGE = [
    (
        400,
        "Unable to process input image. Please retry or report in https://developers.example/guide",
    ),
    (400, "Provided image is not valid."),
    (
        400,
        "You uploaded an unsupported image. Please make sure your image has of one the following "
        "formats: ['png'].",
    ),
    (
        400,
        "The image data you provided does not represent a valid image. Please check your input and "
        "try again with one of the supported image formats.",
    ),
    (400, "Failed to load image: cannot identify image file <_io.BytesIO object at 0x7f>"),
    (422, "absolute aspect ratio must be smaller than 200, got 300.0"),
    (413, "Request Entity Too Large"),
    (400, "Your request was rejected as a result of our safety system."),
    (400, "The response was filtered due to the prompt triggering the content management policy."),
    (403, "Your chosen model requires moderation and your input was flagged for sexual"),
    (400, "Failed to load an image for llama-3.2-vision: truncated"),
]


@pytest.mark.parametrize(
    "provider, status, message",
    [("openai", *fault) for fault in BAD_IMAGE] + [("gemini", *BAD_IMAGE[0])],
)
def test_an_image_that_is_refused_does_not_end_the_run(provider, status, message, connect):
    prompts = {"A": asks("good", small()), "B": asks("bad", small()), "C": asks("fine", small())}
    with api_server(refusing(status, message)) as server:
        answers = ask(connect(provider, server), prompts, max_new_tokens=8)
    assert [one.text for one in answers] == ["good!", "", "fine!"] and len(server.requests) == 3
    assert answers[1].error.startswith(f"refused by the server: status {status}: {message[:40]}")
    assert (answers[1].finish, answers[1].tokens, answers[0].error) == ("", 0, "")


@SHARED
def test_a_server_that_fails_at_an_image_each_time_goes_on_without_it(provider, connect):
    with api_server(refusing(500, "failed to process inputs: image: unknown format")) as server:
        prompts = {"A": asks("bad", small()), "B": asks("good", small())}
        bad, good = ask(connect(provider, server), prompts, max_new_tokens=8)
    assert "image: unknown format" in bad.error and good.text == "good!"
    assert sum("bad" in request.prompt for request in server.requests) == api_models.ATTEMPTS


ALL_IMAGES = [
    (400, "This model does not support image input."),
    (400, "Invalid content type. image_url is only supported by certain models."),
    (400, "org/tiny is not a multimodal model"),
    (400, "At most 0 image(s) may be provided in one prompt."),
    (400, "Image input modality is not enabled for models/tiny"),
    (
        422,
        "Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected "
        "`text`",
    ),
    (400, "Request contains an invalid argument."),
    (400, "temperature does not support 0 with this model"),
]


@pytest.mark.parametrize(
    "provider, status, message",
    [("openai", *fault) for fault in ALL_IMAGES] + [("gemini", *ALL_IMAGES[0])],
)
def test_what_is_true_for_all_images_ends_the_run(provider, status, message, connect):
    with api_server(lambda *_: ServerAnswer(message, status=status)) as server:
        sentence = failure(LabError, connect(provider, server), {"P1": asks("Describe.", small())})
    assert f"refused the prompt of case 'P1' (status {status}: {message[:30]}" in sentence
    assert "see that the `model` can read images" in sentence and len(server.requests) == 1


@SHARED
def test_an_image_that_is_named_in_a_question_without_one_is_no_image(provider, connect):
    with api_server(
        lambda *_: ServerAnswer("cannot parse: 'see the image of my rash'", status=400)
    ) as server:
        assert "if it is too long" in failure(
            LabError, connect(provider, server), {"A": "see the image of my rash"}
        )


@BOTH
@pytest.mark.parametrize(
    "status, kind, words",
    [
        (401, LabError, "_API_KEY in the environment"),
        (403, LabError, "_API_KEY in the environment"),
        (402, LabError, "wants to be paid first"),
        (404, LabError, "has no model 'tiny'"),
        (429, WorkFailed, "in 6 attempts"),
        (503, WorkFailed, "in 6 attempts"),
    ],
)
def test_key_model_and_quota_end_the_run_with_images_too(
    provider, status, kind, words, connect, capsys, caplog
):
    caplog.set_level(logging.DEBUG)
    said = ServerAnswer(f"image: no, says {KEY}", status=status, headers={"Retry-After": "0"})
    with api_server(lambda *_: said) as server:
        assert words in failure(kind, connect(provider, server), {"A": asks("Describe.", small())})
    output = capsys.readouterr()
    assert KEY not in output.out + output.err + caplog.text


@SHARED
def test_an_account_that_is_flagged_is_no_matter_of_one_image(provider, connect):
    with api_server(
        lambda *_: ServerAnswer("Your account was flagged for images.", status=403)
    ) as server:
        assert "_API_KEY" in failure(
            LabError, connect(provider, server), {"A": asks("Describe.", small())}
        )


def test_an_image_that_a_server_quotes_back_is_not_shown(connect):
    def quote(prompt: str, count: int) -> ServerAnswer:
        return ServerAnswer(f"bad value data:image/jpeg;base64,{'QUJD' * 200}== given", status=400)

    with api_server(quote) as server:
        prediction = ask(
            connect("openai", server), {"A": asks("Describe.", small())}, max_new_tokens=8
        )[0]
    assert "base64,<...> given" in prediction.error and "QUJD" not in prediction.error


@SHARED
@pytest.mark.parametrize("as_date", [False, True])
def test_a_busy_server_is_asked_again_when_it_says(provider, as_date, connect):
    def answer(prompt: str, count: int) -> ServerAnswer:
        # A date has no fractions of a second: one 2 s ahead is at least 1 s ahead.
        after = formatdate(time.time() + 2, usegmt=True) if as_date else "1"
        return (
            ServerAnswer("slow down", status=429, headers={"Retry-After": after})
            if count == 0
            else ServerAnswer()
        )

    with api_server(answer) as server:
        prediction = ask(
            connect(provider, server), {"A": asks("Describe.", small())}, max_new_tokens=8
        )[0]
    first, second = server.requests
    assert (
        prediction.text == "A rash."
        and 0.9 <= second.at - first.at < 4
        and prediction.seconds < 0.9
    )
    assert first.images == second.images and len(first.images) == 1


@BOTH
def test_a_connection_cut_in_the_middle_of_an_answer_is_asked_again(provider, connect):
    with api_server(lambda prompt, count: ServerAnswer(cut=count < 2)) as server:
        prediction = ask(
            connect(provider, server), {"A": asks("Describe.", small())}, max_new_tokens=8
        )[0]
    assert prediction.text == "A rash." and len(server.requests) == 3
    with api_server(lambda *_: ServerAnswer(cut=True)) as server:
        sentence = failure(WorkFailed, connect(provider, server), {"A": asks("Describe.", small())})
    assert "gave no answer to case 'A' in 6 attempts" in sentence


@BOTH
def test_a_slow_server_is_not_waited_for_for_ever(provider, connect, monkeypatch):
    monkeypatch.setattr(api_clients, "REQUEST_SECONDS", 0.3)
    with api_server(lambda prompt, count: ServerAnswer(seconds=1.5 if count == 0 else 0)) as server:
        prediction = ask(
            connect(provider, server), {"A": asks("Describe.", small())}, max_new_tokens=8
        )[0]
    assert prediction.text == "A rash." and len(server.requests) >= 2


@BOTH
@pytest.mark.parametrize(
    "body", [b'{"candidates": [{"content"', b'{"choices": [{"mess', b"[1, 2", b"\xff\xfe"]
)
def test_a_malformed_answer_is_asked_for_once_more(provider, body, connect):
    prompts = {"A": asks("Describe.", small())}
    with api_server(
        lambda prompt, count: ServerAnswer(body=body) if count == 0 else ServerAnswer()
    ) as server:
        assert ask(connect(provider, server), prompts, max_new_tokens=8)[0].text == "A rash."
    with api_server(lambda *_: ServerAnswer(body=body)) as server:
        sentence = failure(LabError, connect(provider, server), prompts)
    assert "twice gave no sound answer to case 'A'" in sentence and len(server.requests) == 2


def gemini_says(connect, content: dict):
    with api_server(lambda *_: ServerAnswer(body=json.dumps(content).encode())) as server:
        (prediction,) = ask(
            connect("gemini", server), {"A": asks("Describe.", small())}, max_new_tokens=8
        )
    assert len(server.requests) == 1
    return prediction


@pytest.mark.filterwarnings("ignore:A_NEW_ONE is not")
@pytest.mark.parametrize(
    "reason", ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "IMAGE_SAFETY", "A_NEW_ONE"]
)
def test_an_image_that_gemini_blocks_says_why(reason, connect):
    prediction = gemini_says(connect, {"promptFeedback": {"blockReason": reason}})
    assert (prediction.text, prediction.error) == ("", f"blocked by the server: {reason}")


@pytest.mark.filterwarnings("ignore:A_NEW_ONE is not")
@pytest.mark.parametrize(
    "reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "OTHER", "A_NEW_ONE"]
)
def test_an_answer_that_gemini_breaks_off_is_none(reason, connect):
    candidate = {
        "content": {"role": "model", "parts": [{"text": "The image is of"}]},
        "finishReason": reason,
    }
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 4}
    prediction = gemini_says(connect, {"candidates": [candidate], "usageMetadata": usage})
    assert (prediction.text, prediction.tokens) == ("", 4)
    assert prediction.error == f"blocked by the server: {reason}"


@pytest.mark.parametrize(
    "content, error",
    [
        ({"candidates": []}, "blocked by the server: no answer, no reason"),
        ({}, "blocked by the server: no answer, no reason"),
        ({"candidates": [{"finishReason": "STOP"}]}, "the server sent an empty answer"),
        (
            {"candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}]},
            "the server sent an empty answer",
        ),
        (
            {
                "candidates": [
                    {
                        "content": {"parts": [{"text": "Hm", "thought": True}]},
                        "finishReason": "STOP",
                    }
                ]
            },
            "the server sent an empty answer",
        ),
    ],
)
def test_an_answer_of_gemini_without_one_says_so(content, error, connect):
    prediction = gemini_says(connect, content)
    assert (prediction.text, prediction.error) == ("", error)


def test_thinking_that_leaves_no_token_for_the_answer_says_what_to_raise(connect, monkeypatch):
    with api_server(
        lambda *_: ServerAnswer("", finish="MAX_TOKENS", tokens=96, thoughts=96)
    ) as server:
        monkeypatch.setenv("GEMINI_BASE_URL", server.url)
        model = open_api_model("gemini:tiny", allow_upload=False)
        prediction = ask(model, {"A": asks("Describe.", small())}, max_new_tokens=96)[0]
    assert (prediction.text, prediction.finish, prediction.tokens) == ("", "length", 96)
    reason = (
        "empty: all 96 tokens were spent before the answer began, as on thinking; raise the limit "
        "of tokens"
    )
    assert prediction.error == reason
    assert "thinkingConfig" not in server.requests[0].content["generationConfig"]


def test_a_refusal_of_an_openai_model_is_no_answer(connect):
    message = {"role": "assistant", "content": None, "refusal": "I cannot look at people."}
    content = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    with api_server(lambda *_: ServerAnswer(body=json.dumps(content).encode())) as server:
        prediction = ask(
            connect("openai", server), {"A": asks("Describe.", small())}, max_new_tokens=8
        )[0]
    assert (prediction.text, prediction.error) == (
        "",
        "blocked by the server: I cannot look at people.",
    )


@BOTH
def test_no_image_leaves_without_consent(provider, monkeypatch, capsys, caplog):
    """Our server stands in as the proxy, so that it would see whatever goes to another host."""
    caplog.set_level(logging.DEBUG)
    with api_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("LAB_ALLOW_HTTP", "llm.example:8000")
        monkeypatch.setenv(f"{provider.upper()}_BASE_URL", "http://llm.example:8000/v1")
        with pytest.raises(LabError) as caught:
            open_api_model(f"{provider}:tiny", allow_upload=False)
        assert str(caught.value) == (
            f"`model` is '{provider}:tiny', so texts or images of the data set would be sent to "
            "llm.example:8000: set `allow_upload` to True if that is permitted, or choose a "
            "`model` that runs on this machine."
        )
        assert KEY not in everything_said(caught.value) and proxy.requests == []
        model = open_api_model(f"{provider}:tiny", allow_upload=True)
        ask(model, {"A": asks("Describe.", small())}, max_new_tokens=8)
        assert len(proxy.requests) == 1 and len(proxy.requests[0].images) == 1
    output = capsys.readouterr()
    assert KEY not in output.out + output.err + caplog.text


def test_sentences_name_the_parameter_that_is_meant(connect, monkeypatch):
    with pytest.raises(LabError, match="`model` is 'claude:x', but"):
        open_api_model("claude:x", allow_upload=True)
    with api_server(lambda *_: ServerAnswer("no", status=404)) as server:
        monkeypatch.setenv("GEMINI_BASE_URL", server.url)
        model = open_api_model("gemini:tiny", allow_upload=False)
        assert "check `model`, and GEMINI_BASE_URL" in failure(
            LabError, model, {"A": asks("x", small())}
        )
        server.answer = lambda *_: ServerAnswer("no such field", status=400)
        assert "see that the `model` can read" in failure(
            LabError, model, {"A": asks("x", small())}
        )


@pytest.mark.parametrize(
    "provider, name, size, tokens",
    [
        ("gemini", "gemini-2.5-flash", (384, 384), 258),
        ("gemini", "gemini-2.5-flash", (385, 200), 258),
        ("gemini", "gemini-2.5-flash", (769, 700), 2 * 258),
        ("gemini", "models/gemini-2.0-flash", (4000, 3000), 2 * 258),  # sent as 1024 x 768
        ("gemini", "gemini-2.5-pro", (4000, 4000), 4 * 258),
        ("gemini", "gemini-2.5-pro", (9000, 1), 2 * 258),
        ("gemini", "gemini-3.8-flash", (40, 30), 1120),
        ("gemini", "gemini-flash-latest", (40, 30), 1120),
        ("openai", "gpt-4.1-mini", (1024, 768), 768),
        ("openai", "gpt-4.1-mini", (33, 32), 2),
    ],
)
def test_the_tokens_of_an_image(provider, name, size, tokens):
    assert image_tokens(provider, name, *size) == tokens


def api_model(provider: str, name: str, host: str = "") -> ApiModel:
    return ApiModel(
        provider, name, host or {"gemini": "generativelanguage.googleapis.com"}[provider], None
    )


def test_a_prompt_counts_its_text_and_its_images():
    model = api_model("gemini", "gemini-2.5-flash")
    assert model.count_tokens(asks("12345", small(), small())) == 2 + 2 * 258
    assert model.count_tokens("瘙痒红斑") == 3  # twelve bytes


def test_the_notice_says_what_images_cost_at_most():
    prompts = {str(number): asks("x" * 400, small()) for number in range(1000)}
    notice = upload_notice(api_model("gemini", "gemini-2.5-flash"), prompts, 300)
    # (1000 * 358 * 0.30 + 1000 * 300 * 2.50) / 1e6 = 0.8574
    assert notice == (
        "1,000 prompts with 1,000 images, about 358,000 tokens, go to "
        "generativelanguage.googleapis.com (gemini:gemini-2.5-flash), for at most about 0.86 USD "
        "(prices of 2026-05, see https://ai.google.dev/gemini-api/docs/pricing)."
    )
    assert "USD" not in upload_notice(api_model("gemini", "gemini-2.5-flash"), prompts)


def test_the_notice_asks_an_image_for_nothing_but_its_size():
    unopened = SimpleNamespace(size=(4000, 3000))
    notice = upload_notice(
        api_model("gemini", "gemini-2.5-flash-lite"), {"A": asks("", unopened)}, 100
    )
    assert (
        "1 prompt with 1 image, about 516 tokens" in notice and "at most about 0.01 USD" in notice
    )


def test_the_notice_of_an_unknown_price_says_so(monkeypatch):
    one, unknown = {"A": asks("", small())}, "; price unknown, see the provider's page."
    assert upload_notice(api_model("gemini", "gemini-9"), one, 8) == (
        "1 prompt with 1 image, about 1,120 tokens, goes to generativelanguage.googleapis.com "
        "(gemini:gemini-9)" + unknown
    )
    # Who stands between us and the provider may take something else.
    monkeypatch.setenv("GEMINI_BASE_URL", "https://router.example")
    assert upload_notice(api_model("gemini", "gemini-2.5-pro", "router.example"), one, 8).endswith(
        unknown
    )
    monkeypatch.setenv("GEMINI_BASE_URL", "http://127.0.0.1:8000")
    assert upload_notice(api_model("gemini", "gemini-2.5-pro", "127.0.0.1:8000"), one, 8).endswith(
        "gemini-2.5-pro)."
    )


def test_prices_are_dated_and_say_where_they_are_from():
    table = yaml.safe_load(PRICES.read_text())
    assert set(table) == set(api_models.ADDRESSES)
    for provider in table.values():
        assert provider["source"].startswith("https://")
        for price in provider["models"].values():
            assert 0 < price["input"] < price["output"] < 100 and re.fullmatch(
                r"\d{4}-\d\d(-\d\d)?", price["as_of"]
            )


@SHARED
def test_an_interrupted_batch_of_images_keeps_what_came(provider, connect):
    kept, prompts = [], {name: asks(name, small()) for name in ("good", "key", "fine")}

    def answer(prompt: str, count: int) -> ServerAnswer:
        return (
            ServerAnswer("no", status=401, seconds=0.3) if prompt == "key" else ServerAnswer(prompt)
        )

    with api_server(answer) as server, pytest.raises(LabError, match="does not let this key"):
        ask(connect(provider, server), prompts, max_new_tokens=8, keep=kept.append)
    assert sorted(one.case_id for one in kept) == ["fine", "good"]
    while any(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate()):
        time.sleep(0.01)


def test_what_goes_over_the_wire_is_base64_of_a_jpeg(connect):
    with api_server() as server:
        ask(connect("openai", server), {"A": asks("Describe.", small())}, max_new_tokens=8)
    url = server.requests[0].content["messages"][0]["content"][0]["image_url"]["url"]
    assert base64.b64decode(url.removeprefix("data:image/jpeg;base64,")).startswith(b"\xff\xd8\xff")


@BOTH
def test_the_reason_why_an_image_was_refused_holds_no_key(provider, connect):
    with api_server(lambda *_: ServerAnswer(f"bad image, sent with {KEY}", status=400)) as server:
        prediction = ask(
            connect(provider, server), {"A": asks("Describe.", small())}, max_new_tokens=8
        )[0]
    assert prediction.error == f"refused by the server: status 400: {HIDDEN}"
