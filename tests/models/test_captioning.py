"""Captioning: batches into a store, bad images, kills, and the words that reach a prompt."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from conftest import ROOT
from helpers.data import images as images
from helpers.data import load_dataset
from helpers.data.images import BadImage, Unreadable
from helpers.experiments.answers import answer
from helpers.experiments.caption_texts import caption_cases, caption_texts, captioners_to_compare
from helpers.experiments.captions import caption
from helpers.experiments.finetune import finetune
from helpers.experiments.inputs import (
    ImageWords,
    image_words,
    llm_examples,
    prompts_with_shots,
    training_words,
)
from helpers.files import LabError, WorkFailed, read_json, read_jsonl, write_json
from helpers.models import captioning
from helpers.models.answer_file import AnswerFile
from helpers.models.api import model as api_models
from helpers.models.base import ImagePrompt
from helpers.models.captioning import caption_images, find_captioner
from helpers.models.captions import FAILED
from helpers.models.llm import load_llm
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.refs import ModelRef
from helpers.models.shots import shot_pool
from helpers.models.vlm import load_vlm
from helpers.settings.profiles import resolve
from tests.models import tiny_vlms as tiny_vision
from tests.models.api_server import ServerAnswer, api_server

COLOURS = ("red", "green", "blue", "white", "black", "yellow", "pink")


@pytest.fixture(scope="module")
def blip_2(tmp_path_factory) -> Path:
    return tiny_vision.build("blip-2", tmp_path_factory.mktemp("models") / "blip-2")


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (40 + number, 30), colour).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def captioner(model, prompt="auto"):
    return find_captioner(ModelRef(str(model)), prompt=prompt, max_new_tokens=8)


def without_seconds(store: AnswerFile) -> list[dict]:
    return [row | {"seconds": 0} for row in read_jsonl(store.path)]


@pytest.mark.parametrize("kind", tiny_vision.BUILDERS)
def test_models_of_each_kind_answer_a_batch_as_one_by_one(kind, tmp_path):
    model = load_vlm(ModelRef(str(tiny_vision.build(kind, tmp_path / kind))))
    assert model.chats == (not kind.startswith("blip-2"))
    asked = {
        colour: ImagePrompt(Image.new("RGB", (40, 30), colour), "the image is of")
        for colour in COLOURS[:3]
    }
    together = list(model.answer_batch(asked, max_new_tokens=6))
    alone = [model.answer(pair.image, pair.text, max_new_tokens=6) for pair in asked.values()]
    assert [row.text for row in together] == [row.text for row in alone] and [
        row.case_id for row in together
    ] == list(asked)
    assert all(row.tokens <= 6 and row.finish in ("length", "stop") for row in together)
    assert all(
        row.text and not row.error for row in together
    )  # random weights say nonsense, but not nothing


def test_a_captioner_in_four_bit(blip_2, photos):
    model = load_vlm(ModelRef(str(blip_2), quantization="nf4"))
    assert any(type(module).__name__ == "Linear4bit" for module in model.model.modules())
    answer = model.answer(photos[0], CAPTION_PREFIX, max_new_tokens=4)
    assert answer.text.startswith(CAPTION_PREFIX)


def test_a_text_that_was_gone_on_with_is_part_of_the_caption(blip_2, photos, tmp_path):
    found = caption_images(captioner(blip_2), photos, AnswerFile(tmp_path / "s.jsonl"), batch=4)
    assert list(found) == photos and all(
        row.text.startswith(CAPTION_PREFIX + " ") for row in found.values()
    )


def test_what_is_asked_is_data(blip_2):
    assert captioner(blip_2).text == captioner(blip_2, "prefix").text == CAPTION_PREFIX
    assert (
        captioner(blip_2, "clinical").text == CLINICAL_PROMPT
        and captioner(blip_2, "a photo of").text == "a photo of"
    )
    assert (
        len({captioner(blip_2, prompt).prompt_id for prompt in ("auto", "clinical", "a photo of")})
        == 3
    )


def test_captions_that_are_kept_need_no_model(blip_2, photos, tmp_path, monkeypatch):
    store, blip = AnswerFile(tmp_path / "s.jsonl"), captioner(blip_2)
    first = caption_images(blip, photos, store, batch=4)
    monkeypatch.setattr(captioning, "load_once", lambda *_, **__: pytest.fail("it was loaded"))
    renamed = photos[0].rename(photos[0].with_name("other name.png"))
    again = caption_images(blip, [renamed, *photos[1:]], store, batch=2)
    assert list(again.values()) == list(first.values()) and len(read_jsonl(store.path)) == len(
        photos
    )


def test_equal_images_are_captioned_once(blip_2, photos, tmp_path):
    copy = photos[0].with_name("copy.png")
    copy.write_bytes(photos[0].read_bytes())
    store = AnswerFile(tmp_path / "s.jsonl")
    found = caption_images(captioner(blip_2), [*photos, copy, photos[0]], store, batch=4)
    assert found[copy] == found[photos[0]] and len(read_jsonl(store.path)) == len(photos)


def test_bad_images_are_kept_as_failed_and_end_nothing(blip_2, photos, tmp_path, monkeypatch):
    (photos[0].parent / "empty.jpg").touch()
    (photos[0].parent / "text.jpg").write_text("no image")
    photos[1].write_bytes(photos[1].read_bytes()[:60])
    (photos[0].parent / "a folder.jpg").mkdir()
    paths = [*sorted(photos[0].parent.iterdir()), photos[0].parent / "not there.jpg"]
    store = AnswerFile(tmp_path / "s.jsonl")
    found = caption_images(captioner(blip_2), paths, store, batch=3)
    bad = {path.name: caption.error for path, caption in found.items() if caption.error}
    assert (
        set(bad) == {"empty.jpg", "text.jpg", "1.png", "not there.jpg", "a folder.jpg"}
        and "0 bytes" in bad["empty.jpg"]
    )
    assert "not there" in bad["not there.jpg"] and str(tmp_path) not in str(bad)
    assert {found[path].text for path in paths if path.name in bad} == {FAILED}
    assert (
        len(read_jsonl(store.path)) == len(photos) + 2
    )  # what is not there has no content to be kept under
    monkeypatch.setattr(captioning, "load_once", lambda *_, **__: pytest.fail("it was loaded"))
    assert caption_images(captioner(blip_2), paths, store, batch=3) == found


@pytest.mark.slow
def test_a_captioning_killed_anywhere_gives_the_same_store(blip_2, photos, tmp_path):
    """Killed with -9 while it works, again and again at other places, and a torn end besides."""
    (photos[0].parent / "5a.jpg").write_text("no image")
    whole, torn = AnswerFile(tmp_path / "whole.jsonl"), AnswerFile(tmp_path / "torn.jsonl")
    caption_images(captioner(blip_2), sorted(photos[0].parent.iterdir()), whole, batch=3)
    command = [
        sys.executable,
        Path(__file__).with_name("captioning_worker.py"),
        blip_2,
        photos[0].parent,
        torn.path,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for lines in (1, 4):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and (
            not torn.path.exists() or torn.path.read_bytes().count(b"\n") < lines
        ):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert (
            process.wait() == -signal.SIGKILL
            and torn.path.read_bytes().count(b"\n") < len(photos) + 1
        )
        with open(torn.path, "ab") as file:
            file.write(b'{"image": "torn')
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    assert without_seconds(torn) == without_seconds(whole)


def test_what_lies_not_in_an_image_is_not_kept(blip_2, photos, tmp_path, monkeypatch):
    def full(path, *, max_side=0):
        raise Unreadable("the memory is full") if path == photos[2] else BadImage("damaged")

    store, real = AnswerFile(tmp_path / "s.jsonl"), images.open_image
    monkeypatch.setattr(images, "open_image", full)
    found = caption_images(captioner(blip_2), photos, store, batch=3)
    assert (
        found[photos[2]].error == "the memory is full"
        and len(read_jsonl(store.path)) == len(photos) - 1
    )
    monkeypatch.setattr(images, "open_image", real)
    again = caption_images(captioner(blip_2), photos, store, batch=3)
    assert not again[photos[2]].error and again[photos[1]].error == "damaged"


def test_captions_that_are_kept_are_read_while_another_process_writes(blip_2, photos, tmp_path):
    store = AnswerFile(tmp_path / "s.jsonl")
    whole = caption_images(captioner(blip_2), photos, store, batch=3)
    with store.locked(), open(store.path, "ab") as file:
        file.write(b'{"image": "being writ')
        file.flush()
        assert caption_images(captioner(blip_2), photos, store, batch=3) == whole
    assert store.path.read_bytes().endswith(b"being writ")


def test_other_settings_for_generation_make_other_captions(blip_2, tmp_path):
    copy = shutil.copytree(blip_2, tmp_path / "copy")
    same = captioner(copy).fingerprint_model()
    settings = read_json(copy / "generation_config.json")
    write_json(copy / "generation_config.json", settings | {"repetition_penalty": 3.0})
    assert captioner(blip_2).fingerprint_model() == same != captioner(copy).fingerprint_model()


def test_a_captioner_that_cannot_be_had_is_a_sentence(tmp_path):
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(LabError, match="could not be loaded"):
        captioner(tmp_path)
    with pytest.raises(LabError, match="`model` is 'pocket/nothing', but the models shipped"):
        captioner("pocket/nothing")
    with pytest.raises(LabError, match="'nobody/no-such-model' is not on this machine"):
        captioner("nobody/no-such-model")
    with pytest.raises(
        LabError, match="'pocket/llama', but a model of type 'llama' sees no images"
    ):
        captioner("pocket/llama")


# Captioners behind an API: a real server on loopback.


@pytest.fixture
def gemini(monkeypatch):
    monkeypatch.delenv("GEMINI_BASE_URL", raising=False)
    monkeypatch.setattr(api_models, "FIRST_WAIT", 0.01)

    def connect(server):
        monkeypatch.setenv("GEMINI_BASE_URL", server.url)
        monkeypatch.setenv("GEMINI_API_KEY", "the-secret-key")
        return captioner("gemini:tiny")

    return connect


def test_no_image_leaves_without_consent(photos, tmp_path):
    with pytest.raises(
        LabError,
        match="`model` is 'gemini:tiny', so texts or images of the data set would be sent to",
    ):
        caption_images(captioner("gemini:tiny"), photos, AnswerFile(tmp_path / "s.jsonl"), batch=2)


def test_gemini_captions_images_and_what_it_blocks_is_kept_with_its_reason(
    gemini, photos, tmp_path, capsys
):
    (photos[0].parent / "8.jpg").write_text("no image")
    count = iter(range(100))
    behaviours = {
        2: ServerAnswer(finish="blocked"),
        4: ServerAnswer(""),
        5: ServerAnswer("slow down", status=429, headers={"Retry-After": "0"}),
    }
    with api_server(
        lambda prompt, again: behaviours.get(next(count), ServerAnswer("A red patch."))
    ) as server:
        store = AnswerFile(tmp_path / "s.jsonl")
        found = caption_images(gemini(server), sorted(photos[0].parent.iterdir()), store, batch=1)
        sent = [request.images for request in server.requests]
    texts = [caption.text for caption in found.values()]
    assert texts == ["A red patch."] * 2 + [FAILED, "A red patch.", FAILED] + [
        "A red patch."
    ] * 2 + [FAILED]
    errors = [caption.error for caption in found.values() if caption.error]
    assert "SAFETY" in errors[0] and "empty" in errors[1] and "no image" in errors[2]
    assert len(sent) == len(photos) + 1 and all(len(images) == 1 for images in sent)
    said = capsys.readouterr().out
    assert "8 prompts with 8 images" in said and "3 of 8 images got no caption" in said
    assert "the-secret-key" not in said + store.path.read_text()


def test_what_was_paid_for_is_not_asked_again(gemini, photos, tmp_path):
    store = AnswerFile(tmp_path / "s.jsonl")
    with api_server(
        lambda prompt, again: (
            ServerAnswer("no", status=500) if again >= 3 else ServerAnswer("A patch.")
        )
    ) as server:
        with pytest.raises(WorkFailed, match="no answer to image"):
            caption_images(gemini(server), photos, store, batch=2)
        kept = len(read_jsonl(store.path))
        assert 2 <= kept <= 3
    with api_server(lambda prompt, again: ServerAnswer("A patch.")) as server:
        found = caption_images(gemini(server), photos, store, batch=2)
        assert len(server.requests) == len(photos) - kept
    assert {caption.text for caption in found.values()} == {"A patch."} and len(
        read_jsonl(store.path)
    ) == len(photos)


# From captions to prompts.


@pytest.fixture
def lab(clinic):
    settings = SimpleNamespace(
        **resolve(
            "pocket",
            {
                "DATA_ROOT": str(clinic / "iiyi"),
                "SEED": 5,
                "CAPTIONER": "recorded",
                "STEPS": 4,
                "BATCH": 4,
                "RANK": 4,
                "MAX_NEW_TOKENS": 8,
            },
        )
    )
    return load_dataset("pocket", clinic / "iiyi"), settings


def changed(settings, **values) -> SimpleNamespace:
    return SimpleNamespace(**vars(settings) | values)


def test_the_clinic_comes_with_captions_of_somebody_who_sees_everything(lab):
    data, settings = lab
    found = caption_cases(data, settings, data.split("valid"))
    assert [len(found[case.id]) for case in data.split("valid")] == [
        len(case.images) for case in data.split("valid")
    ]
    assert not [
        caption.error for captions in found.values() for caption in captions if caption.error
    ]
    assert captioners_to_compare(data, settings) == ["pocket/blip", "pocket/llava", "recorded"]
    assert captioners_to_compare(data, changed(settings, CAPTIONERS=" pocket/blip ,")) == [
        "pocket/blip",
        "recorded",
    ]


def test_words_for_images_stand_where_image_text_says(lab):
    data, settings = lab
    model, cases = load_llm(ModelRef("pocket/llama")), data.split("valid")
    case, counts = cases[0], {}
    for where in ("question", "shots", "training"):
        chosen = changed(settings, IMAGE_TEXT=where)
        prompts, _ = prompts_with_shots(
            model, data, [case], chosen, 2, image_words(data, chosen, [case], 2)
        )
        words = training_words(data, chosen, data.split("train"))
        records = llm_examples(shot_pool(data.split("train")), chosen, words)
        counts[where] = prompts[case.id].count("Picture: "), "Picture: " in records[0]["prompt"]
    assert counts == {"question": (1, False), "shots": (3, False), "training": (3, True)}
    told = caption_texts(data, settings, [case])[case.id]
    assert (
        f"{case.question or case.context}\nPicture: {told}\n\n### Response:\n" in prompts[case.id]
    )
    none = changed(settings, CAPTIONER="none", IMAGE_TEXT="training")
    assert image_words(data, none, cases, 2) == ImageWords() and not training_words(
        data, none, cases
    )


@pytest.mark.slow
def test_answers_with_words_for_images_are_another_run_and_others_keep_theirs(lab):
    data, settings = lab
    plain = answer(data, changed(settings, CAPTIONER="none"), shots=0)
    told = answer(data, settings, shots=0)
    assert (
        "image_text" not in plain.record["determines"] and told.record["determines"]["image_text"]
    )
    assert (
        told.id != plain.id
        and "CAPTIONER recorded" in told.record["name"]
        and "CAPTIONER" not in plain.record["name"]
    )
    assert (
        answer(data, changed(settings, IMAGE_TEXT="shots"), shots=0).id == told.id
    )  # without shots it is the same


@pytest.mark.slow
def test_a_training_depends_on_words_only_where_they_are_in_its_records(lab):
    data, settings = lab
    ids = [
        finetune(data, changed(settings, CAPTIONER=captioner, IMAGE_TEXT=where)).id
        for captioner, where in (
            ("none", "question"),
            ("recorded", "question"),
            ("recorded", "shots"),
            ("recorded", "training"),
        )
    ]
    assert len(set(ids[:3])) == 1 and ids[3] != ids[0]


def test_without_any_image_on_disk_captioning_is_refused_and_with_some_it_is_not(lab):
    data, settings = lab
    blip = changed(settings, CAPTIONER="pocket/blip")
    cases = [replace(case, images=(Path("nowhere.jpg"),)) for case in data.split("valid")]
    with pytest.raises(
        LabError, match="none of the images that the data set 'pocket' names is on disk"
    ):
        caption_cases(replace(data, splits={"valid": tuple(cases)}), blip, cases)
    assert caption_texts(data, blip, cases[:1]) == {cases[0].id: FAILED}


def test_the_captioning_run_counts_failures_and_keeps_examples_of_drawn_images_only(
    lab, clinic, tmp_path
):
    data, settings = lab
    run = caption(data, settings)
    assert run.scores["failed"].value == 0 and run.scores["concept_recall"].value > 0.9
    assert len(run.record["examples"]) == 3 and caption(data, settings).id == run.id
    shutil.copytree(clinic / "iiyi", tmp_path / "iiyi")
    path = tmp_path / "iiyi" / "captions.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-12]))
    other = load_dataset("iiyi", tmp_path / "iiyi")
    fewer = caption(
        other, changed(settings, DATASET="iiyi", DATA_ROOT=str(tmp_path / "iiyi"), SPLIT="test")
    )
    assert fewer.scores["failed"].value > 0 and fewer.record["examples"] == []
