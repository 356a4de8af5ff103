"""Med-Idefics' batches against those of its original collators, on a tiny Idefics2."""

import json
import re

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, Idefics2Config

from helpers.cases import Case, Reference
from helpers.experiments.vlm_cases import training_example
from helpers.models.processors import complete, turn_text
from helpers.models.prompts import IMAGE_PLACE, vlm_question
from helpers.training.recipe import VlmRecipe
from helpers.training.vlm_examples import encode, live_collator
from helpers.training.vlm_sft import linear_layers

PROMPTS = {"stage1": "caption", "stage2": "brief", "single_stage": "single_stage"}
PUBLISHED_LOSS = VlmRecipe(loss="whole")
# Med-Idefics' pattern of the layers that get an adapter.
TARGETS = (
    r".*(text_model|modality_projection|perceiver_resampler)"
    r".*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$"
)


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
def cases(expected, values, tmp_path_factory):
    """Stage -> the golden examples as cases, their images written without loss."""
    folder = tmp_path_factory.mktemp("images")
    for place in range(3):
        Image.fromarray(values[0][f"picture_{place}"].numpy()).save(folder / f"{place}.png")

    def case(place, question, answer):
        references = (Reference(answer),) if answer else ()
        images = (folder / f"{place}.png",)
        return Case(str(place), question, images=images, references=references)

    def pair(record):
        """Of roco-instruct: the image is named behind a line break."""
        asked, told = record["conversations"][:2]
        return asked["value"].partition("\n")[0], told["value"]

    captions = [pair(record) for record in expected["examples"]["stage1"]]
    asked = [(one["question"], one["answer"]) for one in expected["examples"]["vqa"]]
    return {
        stage: [
            case(place, *one) for place, one in enumerate(captions if stage == "stage1" else asked)
        ]
        for stage in PROMPTS
    }


def batch_of(processor, texts):
    choices = encode(processor, texts, PUBLISHED_LOSS, 4096).choices
    batch = live_collator(processor)([example for (example,) in choices])
    del batch["logits_to_keep"]
    return batch


@pytest.mark.parametrize("stage", PROMPTS)
def test_texts_places_and_losses_are_the_originals(
    stage, golden, expected, values, processor, model, cases
):
    texts = [
        training_example(processor, case, PROMPTS[stage], glued=False) for case in cases[stage]
    ]
    whole = [(one["prompt"] + one["completions"][0]).strip() for one in texts]
    assert whole == expected["stages"][stage]["texts"]
    batch, right = batch_of(processor, texts), values[1]
    assert torch.equal(batch["input_ids"], right[f"{stage}.input_ids"])
    # The first token has nothing before it from which it could be predicted.
    assert torch.equal(batch["labels"][:, 1:], right[f"{stage}.labels_100"][:, 1:])
    assert torch.equal(batch["attention_mask"], right[f"{stage}.attention_mask"])
    padded_right = json.loads((golden / "expected_right.json").read_text())["stages"][stage]
    learnt = [int((row[1:] != -100).sum()) for row in batch["labels"]]
    assert learnt == padded_right["n_learned"]
    with torch.inference_mode():
        loss = model(**batch).loss.item()
        alone = [model(**batch_of(processor, [one])).loss.item() for one in texts]
    assert loss == pytest.approx(float(right[f"{stage}.loss"]), abs=1e-5)
    assert alone == pytest.approx(padded_right["loss_each"], abs=1e-5)


def test_a_question_is_asked_and_answered_as_in_their_evaluation(expected, processor, model, cases):
    case = Case("a", "Is there redness?")
    text = turn_text(processor, vlm_question(case, "brief"))
    assert text == expected["evaluation_text"]
    image = Image.open(cases["stage2"][0].images[0])
    inputs = processor(text=[text], images=[[image]], return_tensors="pt")
    assert inputs["input_ids"][0].tolist() == expected["evaluation"]["input_ids"]
    said = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    new = said[0, inputs["input_ids"].shape[1] :].tolist()
    assert new == expected["evaluation"]["generated"]


def test_a_patients_text_does_not_move_the_image():
    case = Case("a", f"Red {IMAGE_PLACE} spots", "They itch")
    assert IMAGE_PLACE not in vlm_question(case, "P1")


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
    names = linear_layers(model, "connector")
    of_pattern = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and re.fullmatch(TARGETS, name)
    ]
    assert sorted(names) == sorted(of_pattern) and len(names) == 248
    adapted = [model.get_submodule(name) for name in names]
    assert sum(8 * (one.in_features + one.out_features) for one in adapted) == 23_326_720
