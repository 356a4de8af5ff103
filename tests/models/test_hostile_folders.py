"""A model's folder is only data: what is pickled, torn, absurd or stands for another model is one
sentence, before anything is loaded.
"""

import pickle
import resource
import shutil
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers.files import LabError, read_json, write_json
from helpers.models import foreign
from helpers.models.adapter_card import write_card
from helpers.models.captioning import caption_prompt
from helpers.models.captions import Captioner
from helpers.models.encoders import load_encoder
from helpers.models.export import export
from helpers.models.failures import explain_loading
from helpers.models.foreign import check_model, load_config, read_shapes
from helpers.models.llm import load_llm, load_tokenizer
from helpers.models.processors import load_processor
from helpers.models.refs import ModelRef
from helpers.models.shipped import POCKET_MODELS
from helpers.models.vlm import load_vlm
from tests.models.adapters import CONFIG, lora_weights, plain_adapter
from tests.models.test_adapter_config import Canary


@pytest.fixture
def llama(tmp_path) -> Path:
    return shutil.copytree(POCKET_MODELS / "llama", tmp_path / "llama")


def change(folder: Path, **entries) -> None:
    write_json(folder / "config.json", read_json(folder / "config.json") | entries)


def refused(message: str, folder: Path, *ways) -> str:
    """What a person is told of this folder, in one line, in each of these ways."""
    said = ""
    for way in ways or (load_llm,):
        with pytest.raises(LabError, match=message) as error:
            way(folder if way is load_encoder_here else ModelRef(str(folder)))
        said = str(error.value)
        assert "\n" not in said and ". " not in said
    return said


def load_encoder_here(folder: Path):
    return load_encoder(str(folder), "cpu")


ALL_WAYS = (load_llm, load_vlm, load_tokenizer, load_processor, load_encoder_here)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "a.pth", "a.ckpt", "tf.h5"])
def test_pickled_weights_are_refused_and_never_read(llama, tmp_path, name):
    (llama / "model.safetensors").unlink()
    (llama / name).write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    said = refused(rf"its weights are pickled \({name}\), which can run code", llama, *ALL_WAYS)
    assert "name a copy in safetensors, from its authors" in said
    assert not (tmp_path / "canary").exists()


def test_a_hub_model_without_safetensors_says_what_to_do():
    with pytest.raises(LabError, match="has no safetensors weights.*name a copy in safetensors"):
        with explain_loading("some/model"):
            raise OSError(
                "some/model does not appear to have a file named model.safetensors or "
                "model.safetensors.index.json and thus cannot be loaded with `safetensors`. Please"
            )


@pytest.mark.parametrize("places", [{"a": "evil.bin"}, {"a": "../other.safetensors"}, {"a": 3}])
def test_an_index_that_names_other_files_is_refused(llama, tmp_path, places):
    (llama / "model.safetensors").rename(llama / "model-00001-of-00001.safetensors")
    (llama / "evil.bin").write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    index = llama / "model.safetensors.index.json"
    write_json(index, {"metadata": {}, "weight_map": places})
    refused("which is no safetensors file beside it", llama, *ALL_WAYS)
    write_json(index, {"metadata": {}})
    refused("lists no weights", llama)
    whole = dict.fromkeys(
        load_file(llama / "model-00001-of-00001.safetensors"), "model-00001-of-00001.safetensors"
    )
    write_json(index, {"metadata": {}, "weight_map": whole})
    assert load_llm(ModelRef(str(llama))).model
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("with_config", [True, False])
def test_an_adapter_is_no_model(llama, with_config):
    if not with_config:
        (llama / "config.json").unlink()
    base = {"base_model_name_or_path": str(POCKET_MODELS / "llama")}
    write_json(llama / "adapter_config.json", CONFIG | base)
    save_file(lora_weights(), llama / "adapter_model.safetensors")
    ways = (load_llm, load_vlm, load_tokenizer, load_processor)
    said = refused(r"is an adapter \(adapter_config.json is in it\): name its base", llama, *ways)
    assert "models/llama') as `model`, and its folder as `adapter`." in said
    refused("`encoder` is .*that is an adapter .*: name a whole model", llama, load_encoder_here)
    with pytest.raises(LabError, match="that is an adapter"):
        caption_prompt(Captioner(name=str(llama)))


def test_an_adapter_in_a_hub_repository_is_no_model_either(tmp_path, monkeypatch):
    """transformers would load the base that it names in its place, without a word."""
    write_json(tmp_path / "adapter_config.json", CONFIG | {"base_model_name_or_path": "a/base"})
    asked = []

    def cached_file(path, name, revision=None, **_):
        asked.append((path, name, revision))
        return str(tmp_path / name) if (tmp_path / name).exists() else None

    monkeypatch.setattr("transformers.utils.cached_file", cached_file)
    with pytest.raises(LabError, match=r"is an adapter .*\(by its own account 'a/base'\)"):
        check_model("some/adapter", "0123")
    assert asked == [("some/adapter", "adapter_config.json", "0123")]
    with pytest.raises(LabError, match="`model` is 'some/adapter', but that is an adapter"):
        load_llm(ModelRef("some/adapter"))


def test_a_base_that_is_an_adapter_is_not_merged(llama, tmp_path):
    adapter = plain_adapter(tmp_path / "adapter")
    write_json(llama / "adapter_config.json", CONFIG)
    weights = ModelRef(str(llama)).fingerprint_weights()
    write_card(adapter, {"model": str(llama), "weights": weights})
    with pytest.raises(LabError, match="that is an adapter"):
        export(adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"num_hidden_layers": 10**6}, "'num_hidden_layers' '1000000', and more than 1,000"),
        ({"text_config": {"depth": 10**9}}, "'depth' '1000000000', and more than 1,000"),
        ({"num_experts": 10**7}, "'num_experts' '10000000', and more than 1,000"),
        ({"num_labels": 10**9}, "'num_labels' '1000000000', and more than 1,000,000"),
        ({"hidden_size": 10**9}, "asks for [0-9,]+ weights and its files hold 2,164,416"),
        ({"vocab_size": 10**9}, "asks for 192,00[0-9,]+ weights"),
        ({"intermediate_size": 10**9}, "asks for [0-9,]+ weights"),
        ({"hidden_size": 10**15}, "asks for [0-9,]+ weights"),
        ({"hidden_size": 10**30}, "could not be loaded"),
        ({"hidden_size": -1}, "could not be loaded"),
        ({"hidden_size": "192"}, "could not be loaded"),
        ({"num_attention_heads": 0}, "could not be loaded"),
        ({"transformers_weights": "adapter_model.bin"}, "takes the model from other files"),
        ({"configuration_files": ["config.5.0.json"]}, "takes the model from other files"),
    ],
)
def test_absurd_entries_are_one_sentence_and_take_no_memory(llama, entries, message):
    change(llama, **entries)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(message, llama, load_llm)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_an_encoder_is_held_to_its_weights_too(llama):
    change(llama, vocab_size=10**9)
    refused("`encoder` is .*asks for", llama, load_encoder_here)


def test_weights_of_slightly_other_shapes_are_one_sentence(llama):
    change(llama, intermediate_size=500)
    refused(r"\(its weights have other shapes than its config.json says\)", llama, load_llm)


@pytest.mark.parametrize("content", ["[]", "null", "{", "7"])
def test_a_configuration_that_is_none_is_one_sentence(llama, content):
    (llama / "config.json").write_text(content)
    refused("no settings in config.json|is not valid JSON", llama, *ALL_WAYS)


def test_missing_weights_are_not_drawn_at_random(llama):
    weights = load_file(llama / "model.safetensors")
    weights = {name: tensor for name, tensor in weights.items() if "layers.3.mlp" not in name}
    save_file(weights, llama / "model.safetensors", metadata={"format": "pt"})
    refused(r"lack 'model.layers.3.mlp.down_proj.weight' and 2 more, which would be drawn", llama)


HEADERS = {
    "empty": b"",
    "no header": b"abc",
    "too long": struct.pack("<Q", 2**60) + b"{}",
    "garbage": struct.pack("<Q", 9) + b"no json!!",
    "too much": struct.pack("<Q", 75)
    + b'{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000]}}'[:75],
}


@pytest.mark.parametrize("content", HEADERS)
def test_weights_with_a_broken_head_are_one_sentence(llama, content):
    (llama / "model.safetensors").write_bytes(HEADERS[content])
    refused(r"'llama/model.safetensors' cannot be read \(.+\)", llama, load_llm, load_encoder_here)


def test_torn_weights_are_one_sentence(llama, tmp_path):
    whole = (llama / "model.safetensors").read_bytes()
    (llama / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refused("the file is torn or not safetensors", llama, load_llm, load_encoder_here)
    with pytest.raises(LabError, match="torn"):
        read_shapes([llama / "model.safetensors"])


def test_a_torn_tokenizer_is_one_sentence(llama):
    (llama / "tokenizer.json").write_text('{"model": {"type": "BPE"')
    refused("could not be loaded", llama, load_tokenizer, load_encoder_here)


@pytest.mark.parametrize(
    "name",
    ["/nowhere/model", "x\0y", "a" * 5000, f"pocket/{'a' * 5000}", "pocket/x\0y", "../..",
     "~nouser/x", "a/b/c", "pocket/../models/llama", "x\ny", "-", "@", "a@b@c"],
)  # fmt: skip
def test_names_of_no_model_are_one_short_sentence(name):
    for load in (load_llm, load_vlm, load_tokenizer, load_processor, ModelRef.fingerprint_weights):
        if load is ModelRef.fingerprint_weights and name == "../..":
            continue
        with pytest.raises(LabError) as error:
            load(ModelRef(name))
        assert not {"\n", "\0"} & set(str(error.value)) and len(str(error.value)) < 1000


@pytest.mark.parametrize("name", ["/nowhere/model", "x\0y", "a" * 5000, "~nouser/x", "../.."])
def test_names_of_no_encoder_are_one_short_sentence(name):
    with pytest.raises(LabError, match="encoder") as error:
        load_encoder(name, "cpu")
    assert not {"\n", "\0"} & set(str(error.value)) and len(str(error.value)) < 1000


def test_a_run_says_at_which_commit_a_hub_model_stood(monkeypatch):
    monkeypatch.setattr(ModelRef, "resolve_commit", lambda ref: "0123")
    assert ModelRef("some/model@v1").about() == {
        "model": "some/model",
        "revision": "v1",
        "model_commit": "0123",
    }
    assert "model_commit" not in ModelRef("pocket/llama").about()
    assert "model_commit" not in ModelRef("openai:gpt").about()


def test_nothing_is_built_for_a_model_that_is_loaded_by_its_hub_id():
    config = load_config(str(POCKET_MODELS / "llama"))
    foreign.check_sizes(None, config, "some/model")  # its files are not there yet
    assert torch.get_default_device().type == "cpu"
