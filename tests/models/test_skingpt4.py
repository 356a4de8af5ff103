"""SkinGPT-4 against values of its original code, on random tiny weights in the published names."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaConfig

from helpers.files import LabError
from helpers.models.skingpt4 import sequences
from helpers.models.skingpt4.model import SkinGPT4Config, SkinGPT4Model
from helpers.models.skingpt4.pixels import pixel_values
from helpers.models.skingpt4.sequences import (
    CONCEPT_PROMPTS,
    DISEASE_PROMPTS,
    TEMPLATE,
    answer_of,
    chat_ids,
)
from helpers.models.skingpt4.weights import rename
from helpers.training.skingpt4 import training_batch

PROMPTS = (*DISEASE_PROMPTS, *CONCEPT_PROMPTS)


@pytest.fixture(scope="module")
def golden(shared) -> Path:
    return shared / "golden" / "skingpt4_tiny"


@pytest.fixture(scope="module")
def expected(golden):
    return load_file(golden / "expected.safetensors")


@pytest.fixture(scope="module")
def texts(golden):
    return json.loads((golden / "expected_texts.json").read_text())


@pytest.fixture(scope="module")
def tokenizer(golden):
    return AutoTokenizer.from_pretrained(golden)


@pytest.fixture(scope="module")
def model(golden) -> SkinGPT4Model:
    sizes = json.loads((golden / "config.json").read_text())
    places = {"image_size": sizes["image_size"], "patch_size": sizes["patch_size"]}
    config = SkinGPT4Config(
        vision_config=sizes["vision"] | places,
        qformer_config=sizes["qformer"] | {"vocab_size": 10},
        text_config=LlamaConfig(**sizes["llm"]),
        num_query_tokens=sizes["num_query_token"],
        image_token_index=0,
    )
    made = SkinGPT4Model(config)
    published = load_file(golden / "model.safetensors")
    made.load_state_dict(rename(published, blocks=4), strict=True)
    return made.eval()


def close(found, wanted, tolerance=1e-4):
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=0)


def test_a_picture_becomes_the_same_pixels(expected):
    pictures = [Image.fromarray(one.numpy()) for one in expected["pictures_uint8"]]
    close(pixel_values(pictures, 42), expected["pixel_values"], 1e-5)


def test_what_it_sees_is_what_the_original_sees(model, expected):
    with torch.inference_mode():
        seen = model.get_image_features(expected["pixel_values"], return_dict=True)
    close(seen.vision_outputs.last_hidden_state, expected["image_embeds"])
    close(seen.qformer_outputs.last_hidden_state, expected["query_output"])
    close(seen.pooler_output, expected["projected"])


def test_prompts_and_captions_become_the_same_tokens(tokenizer, texts):
    assert [TEMPLATE.format(prompt) for prompt in PROMPTS] == texts["prompts"]
    for prompt, (before, after) in zip(PROMPTS, texts["prompt_ids"]):
        row = training_batch(tokenizer, prompt, ["x"])["input_ids"][0].tolist()
        assert row[: len(before) + 33] == [1, *before, *[0] * 32]
        assert row[len(before) + 33 :][: len(after)] == after
    batch = training_batch(tokenizer, PROMPTS[0], texts["captions"])
    learnt = [row[row != -100].tolist() for row in batch["labels"]]
    assert learnt == texts["text_ids"]


def test_training_has_the_same_logits_losses_and_gradient(model, tokenizer, expected, texts):
    batch = training_batch(tokenizer, PROMPTS[0], texts["captions"])
    assert torch.equal(batch["labels"], expected["labels"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    trained = list(model.freeze())
    assert sum(weight.numel() for weight in trained) == 36 * 40 + 40
    model.zero_grad()
    output = model(pixel_values=expected["pixel_values"], **batch)
    output.loss.backward()
    seen = batch["attention_mask"].bool()
    close(output.logits[seen], expected["logits"][seen])
    close(output.loss, expected["loss"])
    close(model.language_projection.weight.grad, expected["grad.llama_proj.weight"])
    close(model.language_projection.bias.grad, expected["grad.llama_proj.bias"])
    others = [name for name, weight in model.named_parameters() if weight.grad is not None]
    assert others == ["language_projection.weight", "language_projection.bias"]


def loss_of(model, pixels, batch):
    with torch.inference_mode():
        return model(pixel_values=pixels, **batch).loss


def test_each_prompt_and_each_example_has_its_loss(model, tokenizer, expected, texts):
    pixels, captions = expected["pixel_values"], texts["captions"]
    for prompt, wanted in zip(PROMPTS, expected["loss_by_prompt"]):
        close(loss_of(model, pixels, training_batch(tokenizer, prompt, captions)), wanted)
    for place, wanted in enumerate(expected["loss_each"]):
        batch = training_batch(tokenizer, PROMPTS[0], captions[place : place + 1])
        close(loss_of(model, pixels[place : place + 1], batch), wanted)


def test_a_long_caption_is_cut_with_its_end_sign(model, tokenizer, expected, texts):
    batch = training_batch(tokenizer, PROMPTS[0], texts["captions"], longest=14)
    assert torch.equal(batch["labels"], expected["labels_max_txt_len_14"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask_max_txt_len_14"])
    close(loss_of(model, expected["pixel_values"], batch), expected["loss_max_txt_len_14"])


def test_the_demo_asks_and_answers_the_same(model, tokenizer, expected, texts):
    question = "Is it contagious?"
    assert sequences.CHAT.format(question) == texts["chat_prompt"]
    ids = torch.tensor([chat_ids(tokenizer, question)])
    pixels = expected["pixel_values"][:1]
    with torch.inference_mode():
        logits = model(pixel_values=pixels, input_ids=ids).logits
        said = model.generate(
            pixel_values=pixels, input_ids=ids, max_new_tokens=12, do_sample=False, eos_token_id=-1
        )
    close(logits[:, -1], expected["chat_logits_last"])
    assert said[0, -12:].tolist() == texts["chat_greedy_ids"][1:]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Psoriasis.###Human: and?", "Psoriasis."),
        ("Human: what? Assistant: Acne. ###", "Acne."),
        ("Acne", "Acne"),
    ],
)
def test_an_answer_is_cut_as_the_demo_does(text, answer):
    assert answer_of(text) == answer


# Published files


def test_what_other_models_need_of_the_files_is_left_out(golden):
    published = load_file(golden / "model.safetensors")
    more = {
        "Qformer.cls.predictions.bias": torch.zeros(3),
        "Qformer.bert.embeddings.word_embeddings.weight": torch.zeros(3, 3),
        "Qformer.bert.encoder.layer.0.output.dense.weight": torch.zeros(3, 3),
        "visual_encoder.blocks.4.attn.q_bias": torch.zeros(3),
        "visual_encoder.blocks.4.norm1.weight": torch.zeros(3),
        "llm_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(3),
    }
    assert rename(published | more, blocks=4).keys() == rename(published, blocks=4).keys()


def test_another_file_is_refused(golden):
    with pytest.raises(LabError, match=r"'head\.weight' is no weight of SkinGPT-4"):
        rename({"head.weight": torch.zeros(3)}, blocks=4)
    with pytest.raises(LabError, match="Block 0 .* one of its biases"):
        rename({"visual_encoder.blocks.0.attn.q_bias": torch.zeros(3)}, blocks=4)
