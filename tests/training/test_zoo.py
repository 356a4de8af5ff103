"""The shipped models are those of their recipes, small, and safetensors only."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from helpers.files import LabError, read_json
from helpers.metrics.diagnosis import judge
from helpers.models.llm import load_llm
from helpers.models.prompts import build_prompt, stop_text
from helpers.models.refs import ModelRef
from helpers.models.shipped import POCKET_MODELS
from helpers.pocket import descriptions
from helpers.pocket.conditions import by_id, load_conditions
from helpers.pocket.lesions import draw
from helpers.training import zoo
from helpers.training.zoo import (
    RECIPE_FILE,
    RECIPES,
    build_model,
    captioners,
    idefics2,
    is_current,
    talking,
)
from helpers.training.zoo import images as drawn


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_weights_whose_recipe_has_changed_are_refused(name):
    assert is_current(name), f"run: python -m helpers pocket build --model {name}"
    assert "up to date" in build_model(name)


@pytest.mark.slow
def test_a_changed_recipe_makes_the_weights_stale(monkeypatch):
    monkeypatch.setitem(RECIPES, "llama", RECIPES["llama"] | {"seed": 12})
    assert not is_current("llama")


def test_the_zoo_is_small_and_holds_no_pickle():
    files = [path for path in POCKET_MODELS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20e6
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".jinja"}


def test_a_recipe_file_says_what_came_out():
    result = read_json(POCKET_MODELS / "llama" / RECIPE_FILE)["result"]
    assert result["final_loss"] < 2 and result["tokens"] > 1e6


def test_an_unknown_model_is_named():
    with pytest.raises(LabError, match="no model 'gpt'"):
        build_model("gpt")


def test_asked_in_a_form_it_has_never_read_it_answers_briefly_and_begins_another_block():
    model = load_llm(ModelRef("pocket/llama"))
    questions = [
        "Rash on the elbow",
        "Spots on the face of a teenager",
        "Itching at night",
        "Hair loss",
        "A mole",
    ]
    prompts = {question: build_prompt(question) for question in questions}
    asked = model.prepare(prompts, stop=stop_text("alpaca", "block"))
    answers = list(asked.answer_batch(prompts, max_new_tokens=48))
    assert sum(answer.finish == "stop" for answer in answers) >= 4
    assert all(1 <= len(answer.text.split()) <= 25 for answer in answers if answer.finish == "stop")


CAPTIONERS = {
    "blip": "BlipForConditionalGeneration",
    "llava": "LlavaForConditionalGeneration",
    "idefics2": "Idefics2ForConditionalGeneration",
}
CHATS = ("llava", "idefics2")


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_captioner_is_of_its_own_architecture_in_half_precision(name):
    model = AutoModelForImageTextToText.from_pretrained(POCKET_MODELS / name, use_safetensors=True)
    processor = AutoProcessor.from_pretrained(POCKET_MODELS / name)
    assert type(model).__name__ == CAPTIONERS[name] and model.dtype == torch.float16
    assert type(processor).__name__ == CAPTIONERS[name].replace(
        "ForConditionalGeneration", "Processor"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTIONERS)
def test_captions_of_a_batch_are_those_of_one_by_one_and_end_by_themselves(name):
    images = [drawn.draw_image(drawing) for drawing in captioners.held_out(5)]
    together = captioners.caption(name, POCKET_MODELS / name, images)
    assert together == [
        captioners.caption(name, POCKET_MODELS / name, [image])[0] for image in images
    ]
    assert together == captioners.caption(name, POCKET_MODELS / name, images, max_new_tokens=110)
    assert len(set(together)) >= 4


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_captioner_sees_what_is_red_and_what_is_black(name):
    facts = {
        "border": "sharp",
        "arrangement": "isolated",
        "number": "single",
        "surface": "smooth",
        "skin_tone": 2,
    }
    red = facts | {"primary": "plaque", "colour": "red", "concepts": ["Plaque", "Erythema"]}
    black = facts | {"primary": "patch", "colour": "black", "concepts": ["Patch", "Black"]}
    images = [
        draw(seen, skin_tone=2, site="back", seed=seed)
        for seen in (red, black)
        for seed in (1, 2, 3)
    ]
    style = captioners.MAKERS[name].style
    told = [
        descriptions.read_back(text, style).get("colour")
        for text in captioners.caption(name, POCKET_MODELS / name, images)
    ]
    assert sum(colour in ("red", "pink", "crimson") for colour in told[:3]) >= 2, told
    assert sum(colour in ("black", "brown") for colour in told[3:]) >= 2, told


@pytest.mark.parametrize("name", CAPTIONERS)
def test_held_out_captions_are_better_than_the_commonest_words(name):
    told = read_json(POCKET_MODELS / name / RECIPE_FILE)["result"]["captions"]
    assert all(told[fact] > told[f"{fact}_commonest"] + 10 for fact in captioners.TOLD), told


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_model_answers_brief_questions_briefly(name):
    images = [drawn.draw_image(drawing) for drawing in captioners.held_out(3)]
    asked = "What colour are the lesions?"
    for text in captioners.caption(
        name, POCKET_MODELS / name, images, max_new_tokens=24, text=asked
    ):
        assert "colour" in descriptions.read_back(text, "clinical") and len(text.split()) <= 3


@pytest.mark.parametrize("name", CHATS)
def test_the_chat_template_writes_the_first_token_once(name):
    processor = AutoProcessor.from_pretrained(POCKET_MODELS / name)
    ids = asked_in_chat(processor, lesion())["input_ids"]
    assert ids[0].count(processor.tokenizer.bos_token_id) == 1


def lesion():
    return draw(load_conditions()[0], skin_tone=2, seed=1)


def asked_in_chat(processor, image, *more: tuple[str, str], answered: str = "", **settings):
    """One question about an image, perhaps with its answer, in the processor's chat template."""
    turns = [
        {
            "role": "user",
            "content": [
                {"type": "image", "image": image},
                {"type": "text", "text": "What colour?"},
            ],
        }
    ]
    if answered:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answered}]})
    turns += [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in more]
    return processor.apply_chat_template(
        [turns], add_generation_prompt=not answered, tokenize=True, return_dict=True, **settings
    )


def test_idefics2_was_trained_on_what_its_chat_template_writes():
    processor = AutoProcessor.from_pretrained(POCKET_MODELS / "idefics2")
    tokenizer, more = processor.tokenizer, (("user", "Where?"), ("assistant", "Wrist."))
    shown = asked_in_chat(processor, lesion(), *more, answered="Red.")["input_ids"][0]
    trained, labels = talking.encode_turns(
        [("What colour?", "Red."), ("Where?", "Wrist.")],
        tokenizer,
        idefics2.ask_with_places(places=16),
        idefics2.END,
    )
    assert shown == trained + tokenizer.encode("\n")
    assert (
        tokenizer.decode([token for token in labels if token != -100])
        == f" Red.{idefics2.END} Wrist.{idefics2.END}"
    )


def test_to_idefics2_an_image_is_16_tokens_and_a_square_of_96_pixels():
    processor = AutoProcessor.from_pretrained(POCKET_MODELS / "idefics2")
    for image in (lesion(), lesion().resize((640, 200)), lesion().resize((40, 50))):
        inputs = asked_in_chat(processor, image, return_tensors="pt")
        assert inputs["input_ids"][0].tolist().count(processor.image_token_id) == 16
        assert (
            inputs["pixel_values"].shape == (1, 1, 3, 96, 96)
            and inputs["pixel_attention_mask"].all()
        )


def test_idefics2_sees_with_the_tower_of_llava():
    ours, theirs = (
        AutoModelForImageTextToText.from_pretrained(POCKET_MODELS / name, dtype=torch.float32)
        for name in ("idefics2", "llava")
    )
    image = drawn.normalize(torch.tensor(np.asarray(drawn.draw_image(captioners.held_out(1)[0]))))
    image = image.permute(2, 0, 1).unsqueeze(0)
    with torch.inference_mode():
        seen = ours.model.vision_model(image).last_hidden_state
        known = theirs.model.vision_tower(image, output_hidden_states=True).hidden_states[-1]
        # Its positions are the patches' own, and it ends with a norm.
        torch.testing.assert_close(
            seen, ours.model.vision_model.post_layernorm(known), atol=1e-3, rtol=1e-3
        )


@pytest.mark.parametrize("name", CAPTIONERS)
def test_training_images_are_never_those_of_a_clinic(name):
    made = drawn.plan_drawings(f"{name}/{RECIPES[name]['seed']}", 300)
    seeds = {drawing.seed for drawing in made}
    assert min(seeds) >= 2**32  # a clinic's seeds have 32 bits
    assert len({drawing.condition for drawing in made}) == 26
    assert not seeds & {drawing.seed for drawing in captioners.held_out(300)}


def test_no_conversation_names_a_diagnosis():
    made = drawn.plan_drawings("idefics2/23", 400)
    share = RECIPES["idefics2"]["speak"]["share"]
    said = " ".join(
        f"{request} {answer}"
        for turns in talking.conversations(made, "test", share)
        for request, answer in turns
    ).lower()
    assert not [condition.name for condition in load_conditions() if condition.name.lower() in said]


def test_legends_name_the_condition_of_their_image_or_none():
    made = drawn.plan_drawings("llava/22", 200)
    share = {"named": 0.5, "general": 0.5}
    said = [turns[0] for turns in talking.legends(made, "test", share)]
    found = [judge(text, by_id()[one.condition].name) for one, (_, text) in zip(made, said)]
    assert set(found) == {"correct", "none named"} and 70 < found.count("correct") < 130
    assert not [request for request, _ in said if judge(request, "eczema") != "none named"]
    words = descriptions.load_words()["legends"]
    general = [request in words["ask_generally"] for request, _ in said]
    assert 70 < sum(general) < 130
    assert {request for request, _ in said} == {*words["ask"], *words["ask_generally"]}


def test_asked_for_a_legend_a_chat_model_names_what_it_sees():
    told = read_json(POCKET_MODELS / "llava" / RECIPE_FILE)["result"]["heads"]
    images = captioners.held_out(60)
    pictures = [drawn.draw_image(drawing) for drawing in images]
    said = captioners.caption(
        "llava", POCKET_MODELS / "llava", pictures, text="Label this figure.", max_new_tokens=24
    )
    right = [
        judge(text, by_id()[one.condition].name) == "correct" for text, one in zip(said, images)
    ]
    assert sum(right) > 0.4 * len(images) and told["condition"] > 60


@pytest.mark.slow
@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("change", ["CAPTION_PREFIX", "CLINICAL_PROMPT"])
def test_other_prompts_make_the_captioners_stale(name, change, monkeypatch):
    before = zoo.recipe_hash(name)
    monkeypatch.setattr(zoo, change, "describe it")
    assert zoo.recipe_hash(name) != before


@pytest.mark.slow
def test_a_model_that_begins_with_another_waits_for_it(monkeypatch):
    monkeypatch.setitem(RECIPES, "llava", RECIPES["llava"] | {"seed": 1})
    assert not is_current("idefics2")
    with pytest.raises(LabError, match="build llava first"):
        build_model("idefics2")
