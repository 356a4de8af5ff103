"""Loading: shipped models, missing and gated ones, adapters for another base, and the dtype with
its reason.
"""

import shutil

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from helpers import models
from helpers.data.images import BadImage
from helpers.files import LabError, read_json, write_json
from helpers.models import devices, loading
from helpers.models.adapter_card import ADAPTER_CARD, write_card
from helpers.models.devices import Device, choose_device, device_for
from helpers.models.failures import explain_loading
from helpers.models.llm import load_llm
from helpers.models.refs import ModelRef
from helpers.models.shipped import POCKET_MODELS, model_path


@pytest.fixture
def copy_of_llama(tmp_path):
    return shutil.copytree(POCKET_MODELS / "llama", tmp_path / "llama")


def test_the_shipped_llama_is_a_real_llama():
    text_model = load_llm(ModelRef("pocket/llama"))
    assert type(text_model.model).__name__ == "LlamaForCausalLM"
    assert 1e6 <= text_model.model.num_parameters() <= 4e6 and text_model.context_length >= 1024
    ids = text_model.tokenizer("Itchy rash, 皮疹")["input_ids"]
    assert ids[0] == text_model.tokenizer.bos_token_id
    assert text_model.tokenizer.decode(ids, skip_special_tokens=True) == "Itchy rash, 皮疹"


def test_the_same_weights_have_the_same_fingerprint_wherever_they_lie(copy_of_llama):
    assert (
        ModelRef(str(copy_of_llama)).fingerprint_weights()
        == ModelRef("pocket/llama").fingerprint_weights()
    )
    config = read_json(copy_of_llama / "config.json")
    write_json(copy_of_llama / "config.json", config | {"rms_norm_eps": 1e-3})
    assert (
        ModelRef(str(copy_of_llama)).fingerprint_weights()
        != ModelRef("pocket/llama").fingerprint_weights()
    )


def test_device_and_dtype_come_with_a_reason():
    device = choose_device()
    assert device.reason and (device.name, device.dtype) in {
        ("cpu", "float32"),
        ("mps", "float32"),
        ("cuda", "float16"),
        ("cuda", "bfloat16"),
    }


def test_four_bit_loading_works_without_a_gpu(copy_of_llama):
    text_model = load_llm(ModelRef(str(copy_of_llama), quantization="nf4"))
    kinds = {type(module).__name__ for module in text_model.model.modules()}
    assert "Linear4bit" in kinds


def test_a_checkpoint_stored_in_four_bit_computes_in_the_devices_dtype(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    stored = AutoModelForCausalLM.from_pretrained(
        POCKET_MODELS / "llama", quantization_config=config
    )
    stored.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(POCKET_MODELS / "llama" / name, tmp_path)
    for quantization in ("nf4", "none"):
        text_model = load_llm(ModelRef(str(tmp_path), quantization=quantization))
        layers = [
            module for module in text_model.model.modules() if type(module).__name__ == "Linear4bit"
        ]
        assert layers and {str(layer.compute_dtype) for layer in layers} == {
            f"torch.{text_model.device.dtype}"
        }


def test_no_room_on_the_gpu_for_the_model_says_what_to_set():
    import torch

    with pytest.raises(LabError, match="no room for model 'big/model': load it in 4 bit"):
        with explain_loading("big/model"):
            raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    ("model_id", "message"),
    [
        ("pocket/gpt", "shipped with the lab are: .*pocket/llama"),
        ("nobody/no-such-model", "not on this machine and could not be fetched"),
        ("not a model name!", "neither a folder here nor a model|could not be fetched"),
    ],
)
def test_missing_models_are_one_sentence(model_id, message):
    with pytest.raises(LabError, match=message) as error:
        load_llm(ModelRef(model_id))
    assert "\n" not in str(error.value)


def test_a_gated_model_says_what_to_do():
    import httpx
    from huggingface_hub.errors import GatedRepoError

    response = httpx.Response(403, request=httpx.Request("GET", "https://huggingface.co/x"))
    with pytest.raises(LabError, match="is gated: accept its terms"):
        with explain_loading("meta-llama/Meta-Llama-3-8B"):
            raise GatedRepoError("gated", response=response)
    with pytest.raises(LabError, match="is gated: accept its terms"):
        with explain_loading("meta-llama/Meta-Llama-3-8B"):
            raise OSError("You are trying to access a gated repo.\nMake sure to have access to it")


def test_a_folder_without_weights_is_named(copy_of_llama):
    (copy_of_llama / "model.safetensors").unlink()
    with pytest.raises(LabError, match="could not be loaded"):
        load_llm(ModelRef(str(copy_of_llama)))


def test_an_adapter_for_another_base_is_refused(tmp_path):
    with pytest.raises(LabError, match=f"no {ADAPTER_CARD}"):
        ModelRef("pocket/llama", adapter=tmp_path).read_card()
    write_card(tmp_path, {"model": "other/base", "weights": "0123456789ab"})
    with pytest.raises(LabError, match="trained on 'other/base'"):
        load_llm(ModelRef("pocket/llama", adapter=tmp_path))


def test_an_unknown_quantization_is_refused():
    with pytest.raises(LabError, match="`quantization` is 'int3'"):
        load_llm(ModelRef("pocket/llama", quantization="int3"))


@pytest.mark.parametrize(
    ("kind", "dtype", "chosen"),
    [
        ("gemma3", "float16", "float32"),
        ("gemma3n_text", "float16", "float32"),
        ("qwen3_5", "float16", "float32"),
        ("gpt_oss", "float16", "float32"),
        ("qwen3_vl", "float16", "float16"),
        ("llama", "float16", "float16"),
        ("gemma3", "bfloat16", "bfloat16"),
    ],
)
def test_kinds_that_overflow_in_float16_compute_in_float32(kind, dtype, chosen):
    found = device_for(kind, Device("cuda", dtype, "a T4"))
    assert found.dtype == chosen and ("overflow" in found.reason) == (dtype != chosen)


def test_a_wide_model_computes_in_bfloat16_on_a_cpu_that_is_faster_with_it(monkeypatch):
    cpu = Device("cpu", "float32", "no GPU found")
    measured = devices.measure_bfloat16(600)
    found = device_for("llama", cpu, 600)
    assert found.dtype == ("bfloat16" if measured >= 1.3 else "float32")
    assert found.reason.endswith(f"{measured:.2g} times as fast as float32 on this CPU")
    assert device_for("llama", cpu, 192) == cpu  # a small one is the same everywhere
    monkeypatch.setattr(devices, "measure_bfloat16", lambda width: 2.0)
    monkeypatch.setattr(devices, "WIDE", 100)
    model = load_llm(ModelRef("pocket/llama"))
    assert str(model.model.dtype) == "torch.bfloat16" == f"torch.{model.device.dtype}"
    assert model.answer("What is eczema?", max_new_tokens=8).tokens > 0


def test_a_model_whose_first_logits_overflow_in_float16_is_loaded_in_float32(
    copy_of_llama, monkeypatch
):
    monkeypatch.setattr(loading, "choose_device", lambda: Device("cpu", "float16", "a T4"))
    assert load_llm(ModelRef(str(copy_of_llama))).device.dtype == "float16"
    weights = load_file(copy_of_llama / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    weights[name] = weights[name].clamp(min=0) + 6e4  # larger sums than float16 can hold
    save_file(weights, copy_of_llama / "model.safetensors", metadata={"format": "pt"})
    found = load_llm(ModelRef(str(copy_of_llama)))
    assert found.device.dtype == "float32" and "not finite" in found.device.reason
    assert str(found.model.dtype) == "torch.float32"


@pytest.mark.parametrize("name", ["pocket/llama", "pocket/llava"])
def test_a_model_asked_from_a_python_prompt_answers_once(name, tmp_path):
    model = models.load(name)
    assert not model.is_remote and model.device.reason
    if name == "pocket/llama":
        assert model.answer("Psoriasis is", max_new_tokens=4).tokens <= 4
        with pytest.raises(LabError, match="An LLM was asked about an image"):
            model.answer(Image.new("RGB", (9, 9)), "What is this?")
        return
    image = Image.new("RGB", (96, 96), "pink")
    image.save(tmp_path / "a.png")
    answer = model.answer(image, "What is this?")
    assert answer.text and answer.text == model.answer(tmp_path / "a.png", "What is this?").text
    with pytest.raises(LabError, match="a text alone"):
        model.answer("What is this?")
    with pytest.raises(BadImage, match="not there"):
        model.answer(tmp_path / "b.png", "What is this?")


def test_model_path_leaves_ids_alone():
    assert model_path("unsloth/llama-3-8b-bnb-4bit") == "unsloth/llama-3-8b-bnb-4bit"
