"""Loading: shipped models, missing and gated ones, adapters for another base, and the dtype with
its reason.
"""

import shutil

import pytest

from helpers.files import LabError, read_json, write_json
from helpers.models.devices import choose_device
from helpers.models.loading import (
    ADAPTER_CARD,
    POCKET_MODELS,
    check_adapter,
    load_llm,
    loading,
    model_path,
    weights_fingerprint,
)


@pytest.fixture
def copy_of_llama(tmp_path):
    return shutil.copytree(POCKET_MODELS / "llama", tmp_path / "llama")


def test_the_shipped_llama_is_a_real_llama():
    text_model = load_llm("pocket/llama")
    assert type(text_model.model).__name__ == "LlamaForCausalLM"
    assert 1e6 <= text_model.model.num_parameters() <= 4e6 and text_model.context_length >= 1024
    ids = text_model.tokenizer("Itchy rash, 皮疹")["input_ids"]
    assert ids[0] == text_model.tokenizer.bos_token_id
    assert text_model.tokenizer.decode(ids, skip_special_tokens=True) == "Itchy rash, 皮疹"


def test_the_same_weights_have_the_same_fingerprint_wherever_they_lie(copy_of_llama):
    assert weights_fingerprint(str(copy_of_llama)) == weights_fingerprint("pocket/llama")
    config = read_json(copy_of_llama / "config.json")
    write_json(copy_of_llama / "config.json", config | {"rms_norm_eps": 1e-3})
    assert weights_fingerprint(str(copy_of_llama)) != weights_fingerprint("pocket/llama")


def test_device_and_dtype_come_with_a_reason():
    device = choose_device()
    assert device.reason and (device.name, device.dtype) in {
        ("cpu", "float32"),
        ("mps", "float32"),
        ("cuda", "float16"),
        ("cuda", "bfloat16"),
    }


def test_four_bit_loading_works_without_a_gpu(copy_of_llama):
    text_model = load_llm(str(copy_of_llama), quantization="nf4")
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
        text_model = load_llm(str(tmp_path), quantization=quantization)
        layers = [
            module for module in text_model.model.modules() if type(module).__name__ == "Linear4bit"
        ]
        assert layers and {str(layer.compute_dtype) for layer in layers} == {
            f"torch.{text_model.device.dtype}"
        }


def test_no_room_on_the_gpu_for_the_model_says_what_to_set():
    import torch

    with pytest.raises(LabError, match="no room for model 'big/model': load it in 4 bit"):
        with loading("big/model"):
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
        load_llm(model_id)
    assert "\n" not in str(error.value)


def test_a_gated_model_says_what_to_do():
    import httpx
    from huggingface_hub.errors import GatedRepoError

    response = httpx.Response(403, request=httpx.Request("GET", "https://huggingface.co/x"))
    with pytest.raises(LabError, match="is gated: accept its terms"):
        with loading("meta-llama/Meta-Llama-3-8B"):
            raise GatedRepoError("gated", response=response)
    with pytest.raises(LabError, match="is gated: accept its terms"):
        with loading("meta-llama/Meta-Llama-3-8B"):
            raise OSError("You are trying to access a gated repo.\nMake sure to have access to it")


def test_a_folder_without_weights_is_named(copy_of_llama):
    (copy_of_llama / "model.safetensors").unlink()
    with pytest.raises(LabError, match="could not be loaded"):
        load_llm(str(copy_of_llama))


def test_an_adapter_for_another_base_is_refused(tmp_path):
    with pytest.raises(LabError, match=f"no {ADAPTER_CARD}"):
        check_adapter(tmp_path, "pocket/llama")
    write_json(tmp_path / ADAPTER_CARD, {"model": "other/base", "weights": "0123456789ab"})
    with pytest.raises(LabError, match="trained on 'other/base'"):
        load_llm("pocket/llama", adapter=tmp_path)


def test_an_unknown_quantization_is_refused():
    with pytest.raises(LabError, match="QUANTIZATION is 'int3'"):
        load_llm("pocket/llama", quantization="int3")


def test_model_path_leaves_ids_alone():
    assert model_path("unsloth/llama-3-8b-bnb-4bit") == "unsloth/llama-3-8b-bnb-4bit"
