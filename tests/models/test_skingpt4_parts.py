"""A SkinGPT-4 put together from parts, and loaded as any model is."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Blip2Config, Blip2ForConditionalGeneration

from helpers.files import LabError
from helpers.models.base import ImagePrompt
from helpers.models.refs import ModelRef
from helpers.models.skingpt4.parts import place_token, put_together
from helpers.models.vlm import load_vlm


@pytest.fixture(scope="module")
def blip2(tmp_path_factory) -> Path:
    """A tiny BLIP-2 as transformers saves it, with a language model that nobody wants here."""
    folder = tmp_path_factory.mktemp("blip2") / "eyes"
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Blip2Config(
        vision_config=sizes | {"intermediate_size": 16, "image_size": 16, "patch_size": 8},
        qformer_config=sizes | {"intermediate_size": 16, "vocab_size": 5},
        text_config={"model_type": "opt", "hidden_size": 16, "ffn_dim": 8, "vocab_size": 9}
        | {"num_hidden_layers": 1, "num_attention_heads": 2, "word_embed_proj_dim": 16},
        num_query_tokens=4,
        image_token_index=8,
    )
    torch.manual_seed(0)
    Blip2ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def made(blip2) -> Path:
    return put_together(blip2.with_name("made"), eyes=str(blip2), language="pocket/llama")


def test_it_loads_with_the_eyes_of_one_and_the_words_of_another(blip2, made):
    loaded = load_vlm(ModelRef(str(made)))
    eyes = load_file(blip2 / "model.safetensors")
    words = load_file("helpers/pocket/models/llama/model.safetensors")
    mine = {name: one.float().cpu() for name, one in loaded.model.state_dict().items()}
    for name in ("query_tokens", "vision_model.post_layernorm.weight"):
        torch.testing.assert_close(mine[name], eyes[name].half().float(), atol=1e-2, rtol=0)
    name = "model.layers.0.mlp.up_proj.weight"
    torch.testing.assert_close(mine[f"language_model.{name}"], words[name].float())
    assert loaded.model.vision_model.post_layernorm.eps == 1e-5
    [answer] = loaded.answer_batch(
        {"a": ImagePrompt(Image.new("RGB", (20, 30)), "What is it?")}, max_new_tokens=3
    )
    assert answer.tokens <= 3


def test_the_language_model_is_not_saved_with_the_rest(made, tmp_path):
    load_vlm(ModelRef(str(made))).model.save_pretrained(tmp_path)
    saved, before = (load_file(one / "model.safetensors") for one in (tmp_path, made))
    assert saved.keys() == before.keys()
    assert not [name for name in saved if name.startswith("language_model.")]


def test_a_published_projection_is_taken(blip2, tmp_path):
    weight, bias = torch.ones(192, 16), torch.zeros(192)
    save_file(
        {"llama_proj.weight": weight, "llama_proj.bias": bias}, tmp_path / "published.safetensors"
    )
    made = put_together(
        tmp_path / "made",
        eyes=str(blip2),
        language="pocket/llama",
        projection=tmp_path / "published.safetensors",
    )
    assert torch.equal(
        load_file(made / "model.safetensors")["language_projection.weight"], weight.half()
    )
    save_file(
        {"llama_proj.weight": weight[:5], "llama_proj.bias": bias}, tmp_path / "other.safetensors"
    )
    with pytest.raises(LabError, match="holds no projection from 16 to 192"):
        put_together(
            tmp_path / "none",
            eyes=str(blip2),
            language="pocket/llama",
            projection=tmp_path / "other.safetensors",
        )
    assert not (tmp_path / "none").exists()


def test_what_does_not_fit_is_refused(blip2, made, tmp_path):
    with pytest.raises(LabError, match="is there already"):
        put_together(made, eyes=str(blip2), language="pocket/llama")
    with pytest.raises(LabError, match="'siglip.*|'llava' has no Q-Former"):
        put_together(tmp_path / "a", eyes="pocket/llava", language="pocket/llama")
    config = made / "config.json"
    before = config.read_text()
    config.write_text(before.replace("pocket/llama", "smollm2-135m"))
    try:
        with pytest.raises(
            LabError, match="made for a language model of type 'llama' and width 192"
        ):
            load_vlm(ModelRef(str(made)))
    finally:
        config.write_text(before)


def test_places_are_marked_by_what_no_text_contains(shared):
    pocket = AutoTokenizer.from_pretrained("helpers/pocket/models/llama")
    place = place_token(pocket)
    assert place not in pocket("ÿ \x7f Ġ naïve 皮肤 ###")["input_ids"]
    llama = AutoTokenizer.from_pretrained(shared / "golden" / "skingpt4_tiny")
    assert place_token(llama) == llama.unk_token_id == 0


@pytest.mark.slow
def test_it_speaks_with_a_real_language_model(tmp_path):
    """The eyes of the pocket model, and SmolLM2."""
    made = put_together(tmp_path / "made", eyes="pocket/skingpt4", language="smollm2-135m")
    loaded = load_vlm(ModelRef(str(made)))
    assert loaded.model.language_model.config.hidden_size == 576
    [answer] = loaded.answer_batch(
        {"a": ImagePrompt(Image.new("RGB", (64, 64), "red"), "What is it?")}, max_new_tokens=5
    )
    assert 0 < answer.tokens <= 5 and not answer.error
