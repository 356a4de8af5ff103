"""Med-Idefics' batches against those of its original collators, on a tiny Idefics2."""

import json
import re

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, Idefics2Config

from helpers.models.processors import complete
from helpers.training.medidefics import (
    INSTRUCTIONS,
    TARGETS,
    conversation_text,
    instructed_pair,
    published_batch,
)

STAGES = {"stage1": "captions", "stage2": "questions", "single_stage": "single_stage"}


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "medidefics_collator"


@pytest.fixture(scope="module")
def expected(golden):
    return json.loads((golden / "expected.json").read_text())


@pytest.fixture(scope="module")
def values(golden):
    return load_file(golden / "expected.safetensors"), load_file(
        golden / "expected_right.safetensors"
    )


@pytest.fixture(scope="module")
def processor(golden):
    found = AutoProcessor.from_pretrained(golden / "model")
    complete(found, AutoConfig.from_pretrained(golden / "model"))
    return found


@pytest.fixture(scope="module")
def model(golden):
    made = AutoModelForImageTextToText.from_pretrained(golden / "model", dtype=torch.float32)
    return made.eval()


@pytest.fixture(scope="module")
def images(values):
    return [Image.fromarray(values[0][f"picture_{place}"].numpy()) for place in range(3)]


def pairs_of(expected, stage):
    if stage == "stage1":
        return [instructed_pair(record) for record in expected["examples"]["stage1"]]
    return [(one["question"], one["answer"]) for one in expected["examples"]["vqa"]]


@pytest.mark.parametrize("stage", STAGES)
def test_texts_places_and_losses_are_the_originals(
    stage, golden, expected, values, processor, model, images
):
    pairs, instruction = pairs_of(expected, stage), INSTRUCTIONS[STAGES[stage]]
    texts = [conversation_text(processor, instruction, *pair) for pair in pairs]
    assert texts == expected["stages"][stage]["texts"]
    batch = published_batch(processor, instruction, images, pairs)
    right = values[1]
    for ours, theirs in (("input_ids", "input_ids"), ("labels", "labels_100")):
        assert torch.equal(batch[ours], right[f"{stage}.{theirs}"])
    assert torch.equal(batch["attention_mask"], right[f"{stage}.attention_mask"])
    padded_right = json.loads((golden / "expected_right.json").read_text())["stages"][stage]
    learnt = [int((row[1:] != -100).sum()) for row in batch["labels"]]  # the first has no before
    assert learnt == padded_right["n_learned"]
    with torch.inference_mode():
        loss = model(**batch).loss
        alone = [
            model(**published_batch(processor, instruction, [image], [pair])).loss.item()
            for image, pair in zip(images, pairs)
        ]
    assert loss.item() == pytest.approx(float(right[f"{stage}.loss"]), abs=1e-5)
    assert alone == pytest.approx(padded_right["loss_each"], abs=1e-5)


def test_an_example_without_an_answer_is_left_out(expected, processor, images):
    pairs = pairs_of(expected, "stage1")
    batch = published_batch(processor, "", images, [*pairs[:2], ("What is this?", "")])
    assert len(batch["input_ids"]) == expected["dropped"]["rows"] == 2


def test_a_question_is_asked_and_answered_as_in_their_evaluation(
    expected, processor, model, images
):
    text = conversation_text(processor, INSTRUCTIONS["questions"], "Is there redness?")
    assert text == expected["evaluation_text"]
    inputs = processor(text=[text], images=[[images[0]]], return_tensors="pt")
    assert inputs["input_ids"][0].tolist() == expected["evaluation"]["input_ids"]
    said = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    new = said[0, inputs["input_ids"].shape[1] :].tolist()
    assert new == expected["evaluation"]["generated"]


# The published sizes of Idefics2-8B, as far as they decide which layers there are.
PUBLISHED = {
    "text_config": {
        "model_type": "mistral",
        "vocab_size": 32003,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": 980,
    },
    "perceiver_config": {
        "resampler_n_latents": 64,
        "resampler_depth": 3,
        "resampler_n_heads": 16,
        "resampler_head_dim": 96,
        "num_key_value_heads": 4,
    },
}


def test_the_adapter_has_the_published_size():
    """On the real configuration, without its weights."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(Idefics2Config(**PUBLISHED))
    adapted = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and re.fullmatch(TARGETS, name)
    ]
    assert len(adapted) == 248
    assert sum(8 * (one.in_features + one.out_features) for one in adapted) == 23_326_720
