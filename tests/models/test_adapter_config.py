"""An adapter from elsewhere: only plain LoRA within bounds is put on a model, and nothing else of
its folder is used.
"""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.files import LabError
from helpers.models.adapter_config import (
    ADAPTER_WEIGHTS,
    LARGEST_ALPHA,
    LARGEST_RANK,
    check_adapter,
    read_adapter,
)
from helpers.models.export import export
from helpers.models.llm import load_llm
from helpers.models.loading import attach_adapter
from helpers.models.refs import ModelRef
from helpers.training.recipe import LoraRecipe
from tests.models.adapters import CONFIG, lora_weights, plain_adapter, seal


@pytest.fixture
def adapter(tmp_path) -> Path:
    return plain_adapter(tmp_path / "adapter")


def change(folder: Path, **entries) -> None:
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | entries))


class Canary:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_plain_adapter_is_put_on_its_base_and_changes_its_answers(adapter, tmp_path):
    seal(adapter)
    prompt = "A rash of the elbow is"
    plain = load_llm(ModelRef("pocket/llama")).answer(prompt, max_new_tokens=8).text
    tuned = load_llm(ModelRef("pocket/llama", adapter=adapter)).answer(prompt, max_new_tokens=8)
    export(adapter, tmp_path / "merged")
    merged = load_llm(ModelRef(str(tmp_path / "merged"))).answer(prompt, max_new_tokens=8)
    assert tuned.text == merged.text != plain


def test_bounds_are_those_of_a_recipe():
    limits = {
        name: next(one.le for one in LoraRecipe.model_fields[name].metadata if hasattr(one, "le"))
        for name in ("rank", "alpha")
    }
    assert limits == {"rank": LARGEST_RANK, "alpha": LARGEST_ALPHA}


HOSTILE = {
    "r": ({"r": 10**7}, "'r' is '10000000' and must be at most 4096"),
    "no r": ({"r": 0}, "'r' is '0' and must be 1 or more"),
    "r of truth": ({"r": True}, "'r' is 'True' and must be a whole number"),
    "other r": ({"r": 8}, r"'r' is 8, but '.*lora_A.weight' has the shape \[4, 192\]"),
    "kind": ({"peft_type": "IA3"}, "'peft_type' is 'IA3' and must be one of LORA"),
    "no kind": ({"peft_type": None}, "'peft_type' is 'None' and must be one of LORA"),
    "task": ({"task_type": "SEQ_CLS"}, "'task_type' is 'SEQ_CLS'"),
    "text": ({"lora_alpha": "16"}, "'lora_alpha' is '16' and must be a number"),
    "alpha": ({"lora_alpha": 1e9}, "'lora_alpha' is '1000000000.0' and must be at most 65536"),
    "negative": ({"lora_alpha": -16}, "'lora_alpha' is '-16' and must be above 0"),
    "dropout": ({"lora_dropout": 1.5}, "'lora_dropout' is '1.5' and must be at most 1"),
    "bias": ({"bias": "all"}, "'bias' is 'all'"),
    "saved": ({"modules_to_save": ["lm_head"]}, "it sets 'modules_to_save'"),
    "dora": ({"use_dora": True}, "it sets 'use_dora'"),
    "rslora": ({"use_rslora": True}, "it sets 'use_rslora'"),
    "ranks": ({"rank_pattern": {"q_proj": 10**7}}, "it sets 'rank_pattern'"),
    "alphas": ({"alpha_pattern": {"q_proj": 10**7}}, "it sets 'alpha_pattern'"),
    "layers": ({"layer_replication": [[0, 10**6]]}, "it sets 'layer_replication'"),
    "tokens": ({"trainable_token_indices": [1]}, "it sets 'trainable_token_indices'"),
    "parameters": ({"target_parameters": ["a"]}, "it sets 'target_parameters'"),
    "drawn": ({"init_lora_weights": "pissa_niter_16"}, "'init_lora_weights' to 'pissa_niter_16'"),
    "drawn list": ({"init_lora_weights": ["pissa"]}, "'init_lora_weights' to "),
    "megatron": ({"megatron_config": {"a": 1}}, "it sets 'megatron_config'"),
    "targets": ({"target_modules": ["a"] * 5000}, "'target_modules' names no layers, or too many"),
    "no targets": ({"target_modules": None}, "'target_modules' names no layers"),
    "numbers": ({"target_modules": [1, 2]}, "'target_modules' names no layers"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_configuration_is_one_sentence(adapter, case):
    entries, message = HOSTILE[case]
    change(adapter, **entries)
    with pytest.raises(LabError, match=message) as error:
        check_adapter(adapter)
    said = str(error.value)
    assert said.startswith("The adapter 'adapter' cannot be used: ") and "\n" not in said
    assert said.endswith("name the folder of a plain LoRA adapter, as a fine-tuning of this lab "
                         "writes it.")  # fmt: skip


@pytest.mark.parametrize("content", ["[]", "null", '"LORA"', "3"])
def test_a_configuration_that_is_none_is_refused(adapter, content):
    (adapter / "adapter_config.json").write_text(content)
    with pytest.raises(LabError, match="holds no settings"):
        check_adapter(adapter)


def test_a_number_without_end_is_refused(adapter):
    path = adapter / "adapter_config.json"
    path.write_text(path.read_text().replace('"lora_alpha": 16', '"lora_alpha": 1e999'))
    with pytest.raises(LabError, match="the number 1e999, which is too large"):
        check_adapter(adapter)


def test_entries_of_other_versions_are_passed_over(adapter):
    change(adapter, new_in_2027={"a": [1]}, eva_config={"rho": 2.0}, velora_config=None, revision=7)
    assert read_adapter(adapter).scale == 4


def test_weights_are_never_unpickled(adapter, tmp_path):
    (adapter / ADAPTER_WEIGHTS).unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    seal(adapter)
    for load in (
        lambda: load_llm(ModelRef("pocket/llama", adapter=adapter)),
        lambda: export(adapter, tmp_path / "merged"),
    ):
        with pytest.raises(LabError, match=r"pickled \(adapter_model.bin\), which can run code"):
            load()
    assert not (tmp_path / "canary").exists()
    pickle.loads((adapter / "adapter_model.bin").read_bytes())
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("{q}.lora_A.weight", [5, 192], "lora_A.weight' has the shape \\[5, 192\\]"),
        ("{q}.lora_B.weight", [256, 5], "lora_B.weight' has the shape \\[256, 5\\]"),
        ("{q}.lora_A.weight", [4, 192, 1, 1], "has the shape \\[4, 192, 1, 1\\]"),
        ("{q}.lora_magnitude_vector", [256], "is no half of a LoRA pair"),
        ("{q}.lora_B.bias", [256], "is no half of a LoRA pair"),
        ("base_model.model.lm_head.weight", [9, 9], "is no half of a LoRA pair"),
        ("{q}2.lora_A.weight", [4, 192], "is no half of a LoRA pair"),
    ],
)  # fmt: skip
def test_weights_of_other_shapes_or_kinds_are_refused(adapter, name, shape, message):
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    weights = lora_weights() | {name.format(q=layer): torch.zeros(shape)}
    save_file(weights, adapter / ADAPTER_WEIGHTS)
    with pytest.raises(LabError, match=message):
        check_adapter(adapter)


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 9) + b"no json!!"],
)
def test_torn_weights_are_one_sentence(adapter, content):
    (adapter / ADAPTER_WEIGHTS).write_bytes(content)
    with pytest.raises(LabError, match=r"adapter/adapter_model.safetensors' cannot be read \("):
        check_adapter(adapter)


def test_no_weights_at_all_are_refused(adapter):
    save_file({}, adapter / ADAPTER_WEIGHTS)
    with pytest.raises(LabError, match="holds no weights"):
        check_adapter(adapter)
    (adapter / ADAPTER_WEIGHTS).unlink()
    with pytest.raises(LabError, match="there is no adapter_model.safetensors in it"):
        check_adapter(adapter)


@pytest.fixture
def llama():
    return load_llm(ModelRef("pocket/llama")).model


def test_the_base_that_an_adapter_names_is_never_loaded(adapter, llama, tmp_path):
    change(adapter, base_model_name_or_path=str(tmp_path / "elsewhere"))
    adapted = attach_adapter(llama, adapter)
    assert adapted.unload() is llama


@pytest.mark.parametrize(
    ("entries", "renamed", "message"),
    [
        ({"target_modules": ["no_such_layer"]}, ("", ""), "does not fit `model`"),
        (
            {"target_modules": ["q_proj", "v_proj"]},
            ("", ""),
            "has no weights for .*v_proj",
        ),
        ({}, ("layers.3.", "layers.9."), "which has no place for .*layers.9"),
        ({"target_modules": ["o_proj"]}, ("q_proj", "o_proj"), "does not fit `model` "),
    ],
)
def test_an_adapter_for_another_model_is_not_used_in_part(
    adapter, llama, entries, renamed, message
):
    change(adapter, **entries)
    weights = {name.replace(*renamed): tensor for name, tensor in lora_weights().items()}
    save_file(weights, adapter / ADAPTER_WEIGHTS)
    with pytest.raises(LabError, match=message) as error:
        attach_adapter(llama, adapter)
    assert str(error.value).endswith("name the base that it was trained on.")
