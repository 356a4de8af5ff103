"""LLMs that choose a label: what learns, what is written and loaded, and what is refused."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from helpers.files import LabError
from helpers.models.refs import ModelRef
from helpers.models.shipped import POCKET_MODELS
from helpers.models.text_classifiers import (
    AT_ONCE,
    FACTS,
    WEIGHTS,
    load_text_classifier,
    new_text_classifier,
    save_text_classifier,
)
from helpers.training.options_recipe import OptionsRecipe

LLAMA = ModelRef("pocket/llama")
TEXTS = ["It itches.", "It has itched on both arms for three weeks, and creams do not help.", ""]


def recipe(**more):
    return OptionsRecipe(**{"rank": 2, "whole": False, "max_length": 64} | more)


def new(ref=LLAMA, outputs=5, **more):
    return new_text_classifier(ref, outputs, recipe(**more))


def test_of_an_adapted_llm_only_the_adapter_and_the_last_layer_learn():
    names = new().trained().keys()
    heads = [name for name in names if "score" in name]
    assert len(heads) == 1 and len(names) > 10
    assert all("lora_" in name for name in names - set(heads))


def test_of_a_whole_one_everything_learns():
    one = new(whole=True)
    assert one.trained().keys() == dict(one.model.named_parameters()).keys()


def test_the_last_layer_is_drawn_by_the_seed_and_the_rest_is_the_llms_own():
    first, again, other = (new(whole=True, seed=seed).trained() for seed in (1, 1, 2))
    assert torch.equal(first["score.weight"], again["score.weight"])
    assert [name for name in first if not torch.equal(first[name], other[name])] == ["score.weight"]
    own = load_file(POCKET_MODELS / "llama" / "model.safetensors")
    assert torch.equal(first["model.norm.weight"], own["model.norm.weight"].float())


@pytest.mark.slow
def test_scores_come_in_the_order_of_the_texts_whatever_they_are_padded_to():
    one = new(outputs=7)
    texts = [f"{'Itching. ' * (number * 5 % 7)}Case {number}." for number in range(AT_ONCE + 5)]
    together = one.score_all(texts)
    assert together.shape == (len(texts), 7)
    alone = torch.cat([one.score_all([text]) for text in texts])
    assert (together - alone).abs().max() < 1e-3 < alone.std(0).min()


def test_a_text_too_long_loses_its_beginning_and_keeps_the_options_at_its_end():
    one, end = new(max_length=12), "on both arms for three weeks. Options: acne, scabies."
    texts = [f"{begin} {end}" for begin in ("It itches", "It burns and itches")]
    assert torch.equal(*one.score_all(texts))
    assert not torch.equal(*new(max_length=64).score_all(texts))
    others = [f"It itches {end}", f"It itches {end.replace('scabies', 'eczema')}"]
    assert not torch.equal(*one.score_all(others))


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_written_is_what_is_loaded(tmp_path, whole):
    one = new(whole=whole)
    with torch.no_grad():
        for weights in one.trained().values():
            weights.add_(0.01)
    facts = {"labels": ["a", "b", "c"], "outputs": 5}
    save_text_classifier(tmp_path / "made", one, facts)
    again, read = load_text_classifier(LLAMA, tmp_path / "made", recipe(whole=whole, seed=9))
    assert read == facts
    assert torch.equal(again.score_all(TEXTS), one.score_all(TEXTS))
    assert not torch.allclose(new(whole=whole).score_all(TEXTS), one.score_all(TEXTS))


def test_weights_of_another_recipe_are_refused(tmp_path):
    save_text_classifier(tmp_path, new(), {"outputs": 5})
    for other in ({"rank": 4}, {"whole": True}):
        with pytest.raises(LabError, match="belong to another model than 'pocket/llama'"):
            load_text_classifier(LLAMA, tmp_path, recipe(**other))
    assert {path.name for path in tmp_path.iterdir()} == {WEIGHTS, FACTS}


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(POCKET_MODELS / "llama", tmp_path / "llama")


def test_no_weights_but_the_last_layers_are_drawn_at_random(copied):
    weights = load_file(copied / "model.safetensors")
    kept = {name: one for name, one in weights.items() if "layers.1.mlp.up_proj" not in name}
    save_file(kept, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(LabError, match=r"lack 'model\.layers\.1\.mlp\.up_proj\.weight', which"):
        new(ModelRef(str(copied)))


def test_a_model_that_is_built_otherwise_gets_no_adapter(copied):
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=4096, pad_token_id=0)
    (copied / "model.safetensors").unlink()
    GPT2LMHeadModel(config).save_pretrained(copied)
    with pytest.raises(LabError, match="none of the projections that get an adapter") as told:
        new(ModelRef(str(copied)))
    assert len(str(told.value).splitlines()) == 1
    assert new(ModelRef(str(copied)), whole=True).score_all(TEXTS).shape == (3, 5)
