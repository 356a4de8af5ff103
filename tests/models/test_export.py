"""Merging an adapter into its base: the same answers, whole files, and what is refused."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file, save_file

from helpers.experiments.runs import adapter_in, open_run
from helpers.files import LabError, WorkFailed, read_json
from helpers.models import export as export_module
from helpers.models.adapter_card import write_card
from helpers.models.export import export
from helpers.models.llm import load_llm
from helpers.models.refs import ModelRef
from helpers.models.shipped import model_path
from helpers.models.vlm import load_vlm
from helpers.training.lora_sft import train_adapter
from helpers.training.recipe import LoraRecipe
from tests.full_disk import needs_full_disk, on_a_small_disk

RECORDS = [
    {
        "prompt": f"### Input:\nA rash, day {day}\n\n### Response:\n",
        "completion": "It is eczema.</s>",
    }
    for day in range(8)
]
RECIPE = LoraRecipe(
    rank=4, learning_rate=2e-2, steps=6, batch=4, accumulation=1, warmup_steps=0, max_length=64
)


def train(model_id: str, folder: Path, quantization: str = "none") -> Path:
    card = {
        "model": model_id,
        "weights": ModelRef(model_id).fingerprint_weights(),
        "data": "abc",
        "prompt": "alpaca-1",
    }
    base = ModelRef(model_id, quantization=quantization)
    train_adapter(base, RECORDS, [], folder, recipe=RECIPE, card=card, backend="peft")
    return folder / "adapter"


def copy_of_llama(folder: Path, quantization: str = "none") -> str:
    """The pocket Llama saved anew, in float32 or in 4 bit."""
    base = load_llm(ModelRef("pocket/llama", quantization=quantization))
    base.model.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def full_precision(tmp_path_factory) -> tuple[str, Path]:
    """A base in float32, and an adapter for it."""
    folder = tmp_path_factory.mktemp("float32")
    base = copy_of_llama(folder / "base")
    return base, train(base, folder / "run")


def answers(model_id: str, adapter: Path | None = None) -> list[list[int]]:
    text_model = load_llm(ModelRef(model_id, adapter=adapter))
    prompts = ["A rash", "An itchy spot on the arm", RECORDS[0]["prompt"]]
    found = []
    for prompt in prompts:
        ids = torch.tensor([text_model.token_ids(prompt)])
        found.append(text_model.model.generate(ids, max_new_tokens=24, do_sample=False)[0].tolist())
    return found


@pytest.mark.slow
def test_the_merged_model_answers_as_base_and_adapter_do(full_precision, tmp_path):
    base, adapter = full_precision
    sentence = export(adapter, tmp_path / "merged", base=base)
    assert "in float32, as the base is" in sentence and "convert_hf_to_gguf.py" in sentence
    merged = answers(str(tmp_path / "merged"))
    assert merged == answers(base, adapter) and merged != answers(base)
    card = read_json(tmp_path / "merged" / "lab.json")["merged"]
    assert (
        card["weights"] == ModelRef(base).fingerprint_weights()
        and card["data"] == "abc"
        and len(card["adapter"]) == 64
    )
    assert (tmp_path / "merged" / "generation_config.json").exists() and card["recipe"]["rank"] == 4


@pytest.mark.slow
def test_several_files_hold_the_same_weights(full_precision, tmp_path, monkeypatch):
    base, adapter = full_precision
    export(adapter, tmp_path / "one", base=base)
    monkeypatch.setattr(export_module, "SHARD_BYTES", 3_000_000)
    export(adapter, tmp_path / "many", base=base)
    shards = [load_file(path) for path in sorted((tmp_path / "many").glob("*.safetensors"))]
    assert len(shards) > 2 and answers(str(tmp_path / "one")) == answers(str(tmp_path / "many"))
    whole = load_file(tmp_path / "one" / "model.safetensors")
    together = {name: tensor for shard in shards for name, tensor in shard.items()}
    assert together.keys() == whole.keys() and all(
        torch.equal(together[name], whole[name]) for name in whole
    )


@pytest.mark.slow
def test_a_run_folder_will_do_and_the_card_names_the_base(tmp_path):
    run = open_run("finetune", "0123456789ab", about={})
    train("pocket/llama", run.folder)
    sentence = export(adapter_in(run.folder), tmp_path / "merged")
    assert (
        sentence.startswith("pocket/llama with its adapter")
        and "float16, as the base is" in sentence
    )
    stored = load_file(Path(model_path("pocket/llama")) / "model.safetensors")
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    changed = {name for name in stored if not torch.equal(stored[name], merged[name])}
    assert len(changed) == 4 * 7 and all("proj" in name for name in changed)


@pytest.mark.slow
def test_a_base_stored_in_4_bit_is_unpacked(tmp_path):
    base = copy_of_llama(tmp_path / "base", "nf4")
    adapter = train(base, tmp_path / "run", "nf4")
    sentence = export(adapter, tmp_path / "merged", base=base)
    assert "unpacked from the base's 4 bit" in sentence
    packed = load_llm(ModelRef(base, quantization="nf4", adapter=adapter)).model
    merged = load_llm(ModelRef(str(tmp_path / "merged"))).model
    assert "quantization_config" not in read_json(tmp_path / "merged" / "config.json")
    packed.train()  # bitsandbytes answers in bfloat16 on some CPUs when it need not train
    ids = torch.tensor([[0, 36, 302, 341, 295, 40, 41]])
    with torch.no_grad():
        difference = (packed(ids).logits - merged(ids).logits).abs().max()
    assert difference < 2e-2, f"half precision allows for less than {difference}"


def test_what_is_refused(full_precision, tmp_path):
    base, adapter = full_precision
    with pytest.raises(LabError, match="there is something already"):
        export(adapter, Path(base))
    with pytest.raises(LabError, match="trained on"):
        export(adapter, tmp_path / "merged", base="pocket/llama")
    with pytest.raises(LabError, match="no lab.json in it"):
        export(tmp_path, tmp_path / "merged")
    moved = tmp_path / "moved"
    moved.mkdir()
    write_card(moved, {"model": "my-llama", "weights": "0123456789ab"})
    with pytest.raises(LabError, match="'my-llama'.*say with `base`"):
        export(moved, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_an_adapter_for_other_layers_is_not_merged_in_part(full_precision, tmp_path):
    base, adapter = full_precision
    odd = tmp_path / "odd"
    odd.mkdir()
    shutil.copy(adapter / "adapter_config.json", odd)
    weights = load_file(adapter / "adapter_model.safetensors")
    layer = "base_model.model.model.layers.9.mlp.up_proj"
    weights[f"{layer}.lora_A.weight"] = torch.zeros(4, 192)
    weights[f"{layer}.lora_B.weight"] = torch.zeros(512, 4)
    save_file(weights, odd / "adapter_model.safetensors")
    write_card(odd, {"model": base, "weights": ModelRef(base).fingerprint_weights()})
    with pytest.raises(LabError, match="layers.9.mlp.up_proj"):
        export(odd, tmp_path / "merged", base=base)
    assert not (tmp_path / "merged").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.slow
@needs_full_disk
def test_a_full_disk_leaves_nothing_behind(full_precision, tmp_path):
    base, adapter = full_precision
    script = f"""
from pathlib import Path
from helpers.models.export import export
try:
    export({str(adapter)!r}, Path({str(tmp_path)!r}) / "small" / "merged", base={base!r})
except Exception as error:
    print(type(error).__name__, error)
print(sorted(path.name for path in Path({str(tmp_path)!r}, "small").iterdir()))
"""
    done = on_a_small_disk(tmp_path / "small", "2m", [sys.executable, "-c", script])
    assert (
        WorkFailed.__name__ in done
        and "is full: free some space" in done
        and done.strip().endswith("[]")
    )


def train_to_see(base: str, folder: Path) -> Path:
    """Two steps of LoRA on what speaks in a model that sees; returns the folder of the adapter,
    with its card.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    loaded = load_vlm(ModelRef(base))
    set_seed(0)
    targets = r".*language_model.*\.(q_proj|v_proj|down_proj)"
    model = get_peft_model(
        loaded.model, LoraConfig(r=4, lora_alpha=16, target_modules=targets)
    ).train()
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=1e-2
    )
    inputs = seen(loaded)
    for _ in range(2):
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    write_card(folder, {"model": base, "weights": ModelRef(base).fingerprint_weights()})
    return folder


def seen(loaded):
    """What a model that sees reads of one image and a question."""
    image = Image.radial_gradient("L").resize((96, 96)).convert("RGB")
    turn = [
        {
            "role": "user",
            "content": [
                {"type": "image", "image": image},
                {"type": "text", "text": "What is it?"},
            ],
        }
    ]
    return loaded.processor.apply_chat_template(
        turn, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    ).to(loaded.model.dtype)


@pytest.mark.slow
@pytest.mark.parametrize("stored, near", [("float32", 1e-4), ("float16", 2e-2)])
def test_a_model_that_sees_answers_as_base_and_adapter_do(tmp_path, stored, near):
    base = "pocket/llava"
    if stored == "float32":
        base, llava = str(tmp_path / "base"), load_vlm(ModelRef("pocket/llava"))
        llava.model.save_pretrained(base)
        llava.processor.save_pretrained(base)
    adapter = train_to_see(base, tmp_path / "adapter")
    sentence = export(adapter, tmp_path / "merged")
    assert f"in {stored}, as the base is" in sentence
    assert "GGUF is not promised for a VLM" in sentence and "--mmproj" in sentence
    apart, merged = load_vlm(ModelRef(base)), load_vlm(ModelRef(str(tmp_path / "merged")))
    inputs = seen(apart)
    with torch.no_grad():
        plain = apart.model(**inputs).logits
        expected = PeftModel.from_pretrained(apart.model, adapter).eval()(**inputs).logits
        found = merged.model(**inputs).logits
    assert (found - expected).abs().max() < near < 0.5 < (plain - expected).abs().max()
    names = {path.name for path in (tmp_path / "merged").iterdir()}
    assert {
        "processor_config.json",
        "chat_template.jinja",
        "tokenizer.json",
        "generation_config.json",
    } <= names
    assert merged.processor.chat_template == apart.processor.chat_template
    kept = load_file(tmp_path / "merged" / "model.safetensors")
    assert kept.keys() == load_file(Path(model_path(base)) / "model.safetensors").keys()
