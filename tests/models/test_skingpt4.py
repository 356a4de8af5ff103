"""SkinGPT-4 against values of its original code, on random tiny weights in the published names."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaConfig

from helpers.cases import Case
from helpers.files import LabError
from helpers.models.devices import Device
from helpers.models.processors import completion, read, turn_text
from helpers.models.prompts import IMAGE_PLACE, INSTRUCTIONS, REQUESTS, vlm_question
from helpers.models.skingpt4.model import SkinGPT4Config, SkinGPT4Model
from helpers.models.skingpt4.processor import make_processor
from helpers.models.skingpt4.weights import rename
from helpers.models.vlm import LocalVLM
from helpers.training.recipe import VlmRecipe
from helpers.training.vlm_examples import encode, live_collator
from helpers.training.vlm_sft import make_trainable

REQUESTED = (*REQUESTS["disease"], *REQUESTS["concepts"])
RECIPE = VlmRecipe(recipe="projection", epochs=1.0)


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
    return AutoTokenizer.from_pretrained(golden, padding_side="left")


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


@pytest.fixture(scope="module")
def processor(model, tokenizer):
    tokenizer.pad_token = tokenizer.eos_token
    return make_processor(model.config, tokenizer)


@pytest.fixture(scope="module")
def pictures(expected, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for number, one in enumerate(expected["pictures_uint8"]):
        Image.fromarray(one.numpy()).save(folder / f"{number}.png")
        found.append(folder / f"{number}.png")
    return found


@pytest.fixture(scope="module")
def batch_of(processor, texts, pictures):
    """Make a training batch in the lab's own way: of one request, and of all or some captions."""

    def make(request: str, places=slice(None), longest: int = 0) -> dict:
        rows = [
            {
                "id": str(place),
                "image": str(picture),
                "prompt": turn_text(processor, request),
                "completions": [completion(processor, request, caption)],
            }
            for place, (picture, caption) in enumerate(zip(pictures, texts["captions"]))
        ]
        asked = len(
            read(processor, [rows[0]["prompt"]], [black()], padding_side="right")["input_ids"][0]
        )
        room = asked + longest if longest else 10_000
        examples = [one for [one] in encode(processor, rows, RECIPE, room).choices]
        return live_collator(processor)(examples[places])

    return make


def black() -> Image.Image:
    return Image.new("RGB", (8, 8))


def close(found, wanted, tolerance=1e-4):
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=0)


def kept(wanted: torch.Tensor, batch: dict) -> torch.Tensor:
    """The columns of the original's values that a batch of the lab keeps."""
    return wanted[:, -batch["labels"].shape[1] :]


def test_a_picture_becomes_the_same_pixels(processor, expected):
    pictures = [Image.fromarray(one.numpy()) for one in expected["pictures_uint8"]]
    seen = read(processor, ["", ""], pictures, padding_side="left")["pixel_values"]
    close(seen, expected["pixel_values"], 1e-5)


def test_what_it_sees_is_what_the_original_sees(model, expected):
    with torch.inference_mode():
        seen = model.get_image_features(expected["pixel_values"], return_dict=True)
    close(seen.vision_outputs.last_hidden_state, expected["image_embeds"])
    close(seen.qformer_outputs.last_hidden_state, expected["query_output"])
    close(seen.pooler_output, expected["projected"])


def test_prompts_and_captions_become_the_same_tokens(processor, texts, batch_of):
    rendered = [turn_text(processor, request) for request in REQUESTED]
    assert rendered == texts["prompts"]
    for prompt, (before, after) in zip(rendered, texts["prompt_ids"]):
        row = read(processor, [prompt], [black()], padding_side="left")["input_ids"][0].tolist()
        assert row == [1, *before, *[0] * 32, *after]
    labels = batch_of(REQUESTED[0])["labels"]
    assert [row[row != -100].tolist() for row in labels] == texts["text_ids"]


def test_training_has_the_same_logits_losses_and_gradient(model, expected, batch_of):
    batch = batch_of(REQUESTED[0])
    assert torch.equal(batch["labels"], kept(expected["labels"], batch))
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    trained = [one for one in make_trainable(model, RECIPE).parameters() if one.requires_grad]
    assert sum(weight.numel() for weight in trained) == 36 * 40 + 40
    model.zero_grad()
    output = model(**batch)
    output.loss.backward()
    seen = kept(batch["attention_mask"], batch).bool()
    close(output.logits[seen], kept(expected["logits"], batch)[seen])
    close(output.loss, expected["loss"])
    close(model.language_projection.weight.grad, expected["grad.llama_proj.weight"])
    close(model.language_projection.bias.grad, expected["grad.llama_proj.bias"])
    others = [name for name, weight in model.named_parameters() if weight.grad is not None]
    assert others == ["language_projection.weight", "language_projection.bias"]


def loss_of(model, batch):
    with torch.inference_mode():
        return model(**batch).loss


def test_each_prompt_and_each_example_has_its_loss(model, expected, batch_of):
    for request, wanted in zip(REQUESTED, expected["loss_by_prompt"]):
        close(loss_of(model, batch_of(request)), wanted)
    for place, wanted in enumerate(expected["loss_each"]):
        close(loss_of(model, batch_of(REQUESTED[0], slice(place, place + 1))), wanted)


def test_a_long_caption_is_cut_with_its_end_sign(model, expected, batch_of):
    batch = batch_of(REQUESTED[0], longest=14)
    assert torch.equal(batch["labels"], kept(expected["labels_max_txt_len_14"], batch))
    assert torch.equal(batch["attention_mask"], expected["attention_mask_max_txt_len_14"])
    close(loss_of(model, batch), expected["loss_max_txt_len_14"])


def test_the_demo_asks_and_answers_the_same(model, processor, expected, texts):
    asked = f"{INSTRUCTIONS['demo']}{IMAGE_PLACE}Is it contagious?"
    prompt = turn_text(processor, asked)
    assert prompt == texts["chat_prompt"]
    inputs = read(processor, [prompt], [black()], padding_side="left")
    inputs["pixel_values"] = expected["pixel_values"][:1]
    with torch.inference_mode():
        logits = model(**inputs).logits
        said = model.generate(**inputs, max_new_tokens=12, do_sample=False, eos_token_id=-1)
    close(logits[:, -1], expected["chat_logits_last"])
    assert said[0, -12:].tolist() == texts["chat_greedy_ids"][1:]


def test_the_demo_alone_lacks_the_space_of_training(processor):
    case = Case("a")
    trained, demo = (
        turn_text(processor, vlm_question(case, prompt)) for prompt in ("concepts", "demo")
    )
    assert trained.endswith("###Assistant: ") and demo.endswith("###Assistant:")


def test_both_requests_about_a_disease_are_asked_each_of_its_cases():
    asked = [vlm_question(Case(f"case {number}"), "disease") for number in range(40)]
    assert {text.removeprefix(IMAGE_PLACE) for text in asked} == set(REQUESTS["disease"])
    assert asked == [vlm_question(Case(f"case {number}"), "disease") for number in range(40)]


def test_an_answer_ends_before_the_end_sign(model, processor):
    """The end sign may be any tokens of a tokenizer: it is found in the text."""
    loaded = LocalVLM(model, processor, Device("cpu", "float32", "a test"))
    answer = loaded._to_answer("a", "", processor.tokenizer("Acne. ### Human")["input_ids"], 0.0)
    assert (answer.text, answer.finish) == ("Acne.", "stop")


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
