"""Captioning: batches into a store, bad images, kills, and the words that reach a prompt."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from conftest import ROOT
from helpers.cases import Answer
from helpers.data import Cases
from helpers.data import images as images
from helpers.data.images import BadImage, Unreadable
from helpers.experiments.answers import Answers
from helpers.experiments.caption_texts import caption_cases, has_given_captions
from helpers.experiments.captions import Captions
from helpers.experiments.experiment import record, record_scored
from helpers.experiments.finetune import Finetune
from helpers.experiments.scores import Grading
from helpers.files import LabError, WorkFailed, read_json, read_jsonl, write_json
from helpers.models import answering, captioning
from helpers.models.answer_file import AnswerFile
from helpers.models.api import model as api_models
from helpers.models.base import ImagePrompt
from helpers.models.captioning import (
    caption_file,
    caption_images,
    caption_prompt,
)
from helpers.models.captions import FAILED, Captioner, Captioners, case_text
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.refs import ModelRef
from helpers.models.vlm import load_vlm
from helpers.training import lora_sft
from tests.models import tiny_vlms as tiny_vision
from tests.models.api_server import ServerAnswer, api_server

DATA = "photos"  # the name under which captions are kept
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


def captioner(model, prompt="auto", *, batch=3) -> Captioner:
    return Captioner(name=str(model), prompt=prompt, max_new_tokens=8, batch=batch)


def store_of(one: Captioner, data: str = DATA) -> AnswerFile:
    return caption_file(one, data)


def without_seconds(store: AnswerFile) -> list[dict]:
    """The rows of a store, without what differs from run to run."""
    return [row | {"seconds": 0, "seal": ""} for row in read_jsonl(store.path)]


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


def test_a_text_that_was_gone_on_with_is_part_of_the_caption(blip_2, photos):
    found = caption_images(captioner(blip_2, batch=4), photos, DATA)
    assert list(found) == photos and all(
        row.text.startswith(CAPTION_PREFIX + " ") for row in found.values()
    )


def test_what_is_asked_is_data(blip_2):
    asked = {
        prompt: caption_prompt(captioner(blip_2, prompt))
        for prompt in ("auto", "prefix", "clinical", "a photo of")
    }
    assert asked["auto"] == asked["prefix"] == CAPTION_PREFIX
    assert asked["clinical"] == CLINICAL_PROMPT and asked["a photo of"] == "a photo of"
    different = [captioner(blip_2, prompt) for prompt in ("auto", "clinical", "a photo of")]
    assert len({store_of(one).path for one in different}) == 3
    assert len({one.identity()["asked"] for one in different}) == 3
    assert {one.identity()["model"] for one in different} == {different[0].fingerprint_model()}


def test_captions_that_are_kept_need_no_model(blip_2, photos, monkeypatch):
    blip = captioner(blip_2, batch=4)
    first = caption_images(blip, photos, DATA)
    monkeypatch.setattr(captioning, "load_once", lambda *_, **__: pytest.fail("it was loaded"))
    renamed = photos[0].rename(photos[0].with_name("other name.png"))
    again = caption_images(blip.but(batch=2), [renamed, *photos[1:]], DATA)
    assert list(again.values()) == list(first.values())
    assert len(read_jsonl(store_of(blip).path)) == len(photos)


def test_equal_images_are_captioned_once(blip_2, photos):
    copy = photos[0].with_name("copy.png")
    copy.write_bytes(photos[0].read_bytes())
    blip = captioner(blip_2, batch=4)
    found = caption_images(blip, [*photos, copy, photos[0]], DATA)
    assert found[copy] == found[photos[0]]
    assert len(read_jsonl(store_of(blip).path)) == len(photos)


def test_bad_images_are_kept_as_failed_and_end_nothing(blip_2, photos, tmp_path, monkeypatch):
    (photos[0].parent / "empty.jpg").touch()
    (photos[0].parent / "text.jpg").write_text("no image")
    photos[1].write_bytes(photos[1].read_bytes()[:60])
    (photos[0].parent / "a folder.jpg").mkdir()
    paths = [*sorted(photos[0].parent.iterdir()), photos[0].parent / "not there.jpg"]
    store = store_of(captioner(blip_2))
    found = caption_images(captioner(blip_2), paths, DATA)
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
    assert caption_images(captioner(blip_2), paths, DATA) == found


@pytest.mark.slow
def test_a_captioning_killed_anywhere_gives_the_same_store(blip_2, photos):
    """Killed with -9 while it works, again and again at other places, and a torn end besides."""
    (photos[0].parent / "5a.jpg").write_text("no image")
    whole, torn = (store_of(captioner(blip_2), name) for name in ("whole", "torn"))
    caption_images(captioner(blip_2), sorted(photos[0].parent.iterdir()), "whole")
    command = [
        sys.executable,
        Path(__file__).with_name("captioning_worker.py"),
        blip_2,
        photos[0].parent,
        "torn",
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


def test_what_lies_not_in_an_image_is_not_kept(blip_2, photos, monkeypatch):
    def full(path, *, max_side=0):
        raise Unreadable("the memory is full") if path == photos[2] else BadImage("damaged")

    store, real = store_of(captioner(blip_2)), images.open_image
    monkeypatch.setattr(images, "open_image", full)
    found = caption_images(captioner(blip_2), photos, DATA)
    assert (
        found[photos[2]].error == "the memory is full"
        and len(read_jsonl(store.path)) == len(photos) - 1
    )
    monkeypatch.setattr(images, "open_image", real)
    again = caption_images(captioner(blip_2), photos, DATA)
    assert not again[photos[2]].error and again[photos[1]].error == "damaged"


def test_captions_that_are_kept_are_read_while_another_process_writes(blip_2, photos):
    store = store_of(captioner(blip_2))
    whole = caption_images(captioner(blip_2), photos, DATA)
    with store.locked(), open(store.path, "ab") as file:
        file.write(b'{"image": "being writ')
        file.flush()
        assert caption_images(captioner(blip_2), photos, DATA) == whole
    assert store.path.read_bytes().endswith(b"being writ")


def test_images_that_another_process_captions_just_now_are_waited_for(blip_2, photos, monkeypatch):
    """The lock is held here as another process would hold it."""
    asked = captioner(blip_2)
    expected, loads = caption_images(asked, photos, "elsewhere"), []
    made = store_of(asked, "elsewhere").read().values()
    monkeypatch.setattr(captioning, "load_once", lambda *_, **__: loads.append("loaded"))
    with ThreadPoolExecutor(1) as pool:
        with store_of(asked).locked():
            waiting = pool.submit(caption_images, asked, photos, DATA)
            time.sleep(0.5)  # long enough to begin, if it were not to wait
            store_of(asked).add(made)
        assert waiting.result(60) == expected
    assert loads == [] and len(read_jsonl(store_of(asked).path)) == len(photos)


def test_other_settings_for_generation_make_other_captions(blip_2, tmp_path):
    copy = shutil.copytree(blip_2, tmp_path / "copy")
    same = captioner(copy).fingerprint_model()
    settings = read_json(copy / "generation_config.json")
    write_json(copy / "generation_config.json", settings | {"repetition_penalty": 3.0})
    assert captioner(blip_2).fingerprint_model() == same != captioner(copy).fingerprint_model()


@pytest.mark.parametrize("prompt", ["auto", "clinical"])
def test_a_captioner_that_cannot_be_had_is_a_sentence(tmp_path, photos, prompt):
    (tmp_path / "config.json").write_text("[]")
    for model, message in (
        (tmp_path, "could not be loaded"),
        ("pocket/nothing", "`model` is 'pocket/nothing', but the models shipped"),
        ("nobody/no-such-model", "'nobody/no-such-model' is not on this machine"),
        ("pocket/llama", "'pocket/llama', but a model of type 'llama' sees no images"),
    ):
        with pytest.raises(LabError, match=message):
            caption_prompt(captioner(model, prompt))


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


def test_no_image_leaves_without_consent(photos):
    with pytest.raises(
        LabError,
        match="`model` is 'gemini:tiny', so texts or images of the data set would be sent to",
    ):
        caption_images(captioner("gemini:tiny"), photos, DATA)


def test_gemini_captions_images_and_what_it_blocks_is_kept_with_its_reason(gemini, photos, capsys):
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
        asked = gemini(server).but(batch=1)
        found = caption_images(asked, sorted(photos[0].parent.iterdir()), DATA)
        kept = store_of(asked).path.read_text()
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
    assert "the-secret-key" not in said + kept


def test_what_was_paid_for_is_not_asked_again(gemini, photos):
    with api_server(
        lambda prompt, again: (
            ServerAnswer("no", status=500) if again >= 3 else ServerAnswer("A patch.")
        )
    ) as server:
        asked = gemini(server).but(batch=2)
        store = store_of(asked)
        with pytest.raises(WorkFailed, match="no answer to image"):
            caption_images(asked, photos, DATA)
        kept = len(read_jsonl(store.path))
        assert 2 <= kept <= 3
        before = len(server.requests)
        server.answer = lambda prompt, again: ServerAnswer("A patch.")
        found = caption_images(asked, photos, DATA)
        assert len(server.requests) - before == len(photos) - kept
    assert {caption.text for caption in found.values()} == {"A patch."}
    assert len(read_jsonl(store.path)) == len(photos)


# From captions to prompts.


@pytest.fixture
def given(clinic) -> dict:
    """Parameters of small experiments on the small clinic, with its own captions."""
    small = {"SEED": 5, "STEPS": 4, "BATCH": 4, "RANK": 4, "MAX_NEW_TOKENS": 8}
    return small | {"CAPTIONER": "given", "DATA_ROOT": str(clinic / "iiyi")}


def test_the_clinic_comes_with_captions_of_somebody_who_sees_everything(given, tmp_path):
    experiment = Captions.of_profile("pocket", given)
    cases = experiment.data.load().split("valid")
    found = caption_cases(experiment.captioner, experiment.data, cases)
    assert [len(found[case.id]) for case in cases] == [len(case.images) for case in cases]
    assert not [
        caption.error for captions in found.values() for caption in captions if caption.error
    ]
    assert has_given_captions(experiment.data)
    assert not has_given_captions(Cases(name="photos", root=str(tmp_path)))


def test_the_captioners_that_are_compared_are_a_list_with_commas():
    assert Captioners.of_profile("pocket").listed == ["pocket/blip", "pocket/llava"]
    assert Captioners(names=" pocket/blip ,").listed == ["pocket/blip"]
    with pytest.raises(LabError, match="`captioners` names nothing"):
        Captioners(names=" , ")
    with pytest.raises(LabError, match="'none', which is no captioner and is compared anyway"):
        Captioners(names="pocket/blip, none")


@pytest.fixture
def read_by_models(monkeypatch) -> dict:
    """What a model is asked ("asked", by case id), and what it is trained on ("learnt")."""
    seen = {}

    def answer_all(model, prompts, file, **_):
        seen["asked"] = prompts
        file.add(Answer(case_id, "Eczema.") for case_id in prompts)

    def train_adapter(base, train, valid, folder, **_):
        seen["learnt"] = [row["prompt"] for row in train]
        return {}

    monkeypatch.setattr(answering, "answer_all", answer_all)
    monkeypatch.setattr(lora_sft, "train_adapter", train_adapter)
    return seen


def test_words_for_images_stand_where_image_text_says(given, read_by_models):
    counts = {}
    for where in ("question", "shots", "training"):
        chosen = given | {"IMAGE_TEXT": where, "SHOTS": 2}
        asked, training = (kind.of_profile("pocket", chosen) for kind in (Answers, Finetune))
        record(asked), record(training)
        case = asked.cases()[0]
        prompt, learnt = read_by_models["asked"][case.id], read_by_models["learnt"][0]
        counts[where] = prompt.count("Picture: "), "Picture: " in learnt
        told = case_text(caption_cases(asked.captions, asked.data, [case])[case.id])
        assert f"{case.question or case.context}\nPicture: {told}\n\n### Response:\n" in prompt
    assert counts == {"question": (1, False), "shots": (3, False), "training": (3, True)}


def test_without_a_captioner_there_are_no_words_for_images(given, read_by_models):
    chosen = given | {"CAPTIONER": "none", "IMAGE_TEXT": "training", "SHOTS": 2}
    for kind in (Answers, Finetune):
        run = record(kind.of_profile("pocket", chosen))
        assert run.record["parents"] == {}
    read = [*read_by_models["asked"].values(), *read_by_models["learnt"]]
    assert len(read) > 20 and "Picture: " not in "".join(read)


@pytest.mark.slow
def test_answers_with_words_for_images_are_another_run_and_others_keep_theirs(given):
    asked = Answers.of_profile("pocket", given)
    plain, told = record(asked.but(CAPTIONER="none")), record(asked)
    assert plain.record["inputs"]["captions"] is None and told.record["inputs"]["captions"]
    assert told.id != plain.id
    assert "CAPTIONER given" in told.record["name"] and "CAPTIONER" not in plain.record["name"]
    assert record(asked.but(IMAGE_TEXT="shots")).id == told.id  # without shots it is the same


@pytest.mark.slow
def test_a_training_depends_on_words_only_where_they_are_in_its_records(given):
    ids = [
        record(Finetune.of_profile("pocket", given | {"CAPTIONER": name, "IMAGE_TEXT": where})).id
        for name, where in (
            ("none", "question"),
            ("given", "question"),
            ("given", "shots"),
            ("given", "training"),
        )
    ]
    assert len(set(ids[:3])) == 1 and ids[3] != ids[0]


def test_without_any_image_on_disk_captioning_is_refused_and_with_some_it_is_not(
    given, clinic, tmp_path
):
    blip = Captioner(name="pocket/blip", max_new_tokens=8)
    source = Cases(root=str(clinic / "iiyi"))
    texts = shutil.copytree(
        clinic / "iiyi", tmp_path / "iiyi", ignore=shutil.ignore_patterns("images*", "*.png")
    )
    bare = Cases(root=str(texts))
    with pytest.raises(
        LabError,
        match="CAPTIONER is 'pocket/blip', but none of the images that the data set 'pocket' "
        "names is on disk",
    ):
        caption_cases(blip, bare, bare.cases())
    lost = replace(source.cases()[0], images=(Path("nowhere.jpg"),))
    (found,) = caption_cases(blip, source, [lost])[lost.id]
    assert found.text == FAILED and found.error


def test_the_captioning_run_counts_failures_and_keeps_examples_of_drawn_images_only(
    given, clinic, tmp_path
):
    experiment = Captions.of_profile("pocket", given)
    run = record_scored(experiment, Grading())
    assert run.scores["failed"].value == 0 and run.scores["concept_recall"].value > 0.9
    assert len(run.record["examples"]) == 3 and record(experiment).id == run.id
    shutil.copytree(clinic / "iiyi", tmp_path / "iiyi")
    path = tmp_path / "iiyi" / "captions.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-12]))
    other = experiment.but(DATASET="iiyi", DATA_ROOT=str(tmp_path / "iiyi"), SPLIT="test")
    fewer = record_scored(other, Grading())
    assert fewer.scores["failed"].value > 0 and fewer.record["examples"] == []
