"""moondream2 without remote code: golden values, round trips, generation, training, 4 bit, and what
is refused.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from helpers.files import LabError, read_json, write_json
from helpers.models.base import ImagePrompt
from helpers.models.devices import choose_device
from helpers.models.moondream import processor as moondream
from helpers.models.vlm import LocalVLM

END, IMAGE = 1, 95
TINY = {
    "architectures": ["Moondream"],
    "auto_map": {
        "AutoConfig": "configuration_moondream.MoondreamConfig",
        "AutoModelForCausalLM": "moondream.Moondream",
        "AutoModelForImageTextToText": "moondream.Moondream",
    },
    "model_type": "moondream1",
    "phi_config": {
        "model_type": "phi",
        "vocab_size": 96,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "bos_token_id": END,
        "eos_token_id": END,
    },
    "note": {
        "vision": {
            "image_size": 56,
            "patch_size": 14,
            "hidden_size": 32,
            "layers": 2,
            "heads": 4,
            "mlp": 48,
            "projection_hidden": 256,
        }
    },
}


def load(folder, **settings):
    """A model as the lab loads one."""
    import torch
    from transformers import AutoModelForImageTextToText

    moondream.register()
    settings = {"use_safetensors": True, "dtype": torch.float32} | settings
    return AutoModelForImageTextToText.from_pretrained(folder, **settings).eval()


def nf4():
    """The quantization of the lab's "nf4"."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )


def logits_of(model, inputs):
    """Logits (batch, tokens, vocabulary), with nothing kept for gradients."""
    import torch

    with torch.inference_mode():
        return model(**inputs).logits


def write_tokenizer(folder, tokens: int = 95):
    """Files as in the published repository: GPT-2's kind of BPE with runs of spaces added, here of
    `tokens` tokens.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    letters = [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ?:.,", "Ġ", "Ċ"]
    pairs = [
        ("Ċ", "Ċ"),
        ("t", "h"),
        ("th", "e"),
        ("i", "s"),
        ("Ġ", "is"),
        ("i", "n"),
        ("e", "r"),
        ("a", "n"),
    ]
    words = ["!", "<|endoftext|>", *letters, *("".join(pair) for pair in pairs)]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder, tokenizer.post_processor = (
        decoders.ByteLevel(),
        processors.ByteLevel(trim_offsets=False),
    )
    tokenizer.add_special_tokens(["<|endoftext|>"])
    runs = [" " * length for length in range(2, tokens - len(words) + 2)]
    tokenizer.add_tokens([AddedToken(run, normalized=True) for run in runs])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "vocab.json", vocabulary)
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in pairs)])
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    write_json(
        folder / "added_tokens.json", {run: len(words) + number for number, run in enumerate(runs)}
    )
    special = {f"{name}_token": "<|endoftext|>" for name in ("bos", "eos", "unk")}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special
        | {
            "add_prefix_space": False,
            "model_max_length": 2048,
            "tokenizer_class": "CodeGenTokenizer",
        },
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder in the published format with random weights, code that must not run, and no
    processor.
    """
    from transformers import set_seed

    from helpers.models.moondream.model import MoondreamConfig, MoondreamForConditionalGeneration

    moondream.register()
    set_seed(0)
    folder = tmp_path_factory.mktemp("moondream2")
    model = MoondreamForConditionalGeneration(MoondreamConfig(**TINY))
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "embed" not in name:
            weight.data.mul_(5)
    model.save_pretrained(folder, save_original_format=True)
    write_json(folder / "config.json", TINY)
    write_json(
        folder / "generation_config.json",
        {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2},
    )
    for name in ("moondream", "configuration_moondream"):
        (folder / f"{name}.py").write_text("raise SystemExit('remote code has run')\n")
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def model(tiny):
    return load(tiny)


@pytest.fixture(scope="module")
def processor(tiny):
    return moondream.load_processor(tiny)


def image(seed: int = 0, size: tuple[int, int] = (90, 60)) -> Image.Image:
    """Blocks of colour, in `size` (width, height)."""
    blocks = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)


def turns(question: str, seed: int = 0, answer: str = "") -> list[dict]:
    """A conversation about one image."""
    user = {
        "role": "user",
        "content": [{"type": "image", "image": image(seed)}, {"type": "text", "text": question}],
    }
    said = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    return [user, said] if answer else [user]


def tokens_of(processor, conversations: list):
    """Conversations as the model reads them, padded on the left."""
    return processor.apply_chat_template(
        conversations,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )


@pytest.fixture(scope="module")
def golden(shared):
    """The folder of a tiny checkpoint with what the published code computes from it."""
    folder = shared / "golden/moondream2_tiny"
    if not folder.is_dir():
        pytest.skip(
            f"needs the golden values of a tiny moondream2, and {folder} is not there: set "
            "LAB_SHARED"
        )
    return folder


def golden_inputs(expected: dict) -> dict:
    import torch

    places = torch.full((2, 16), IMAGE)
    return {
        "input_ids": torch.cat([expected["bos_ids"], places, expected["input_ids"]], 1),
        "pixel_values": expected["pixel_values"],
    }


def test_image_and_logits_are_those_of_the_published_code(golden):
    import torch
    from safetensors.torch import load_file

    expected, model = load_file(golden / "expected.safetensors"), load(golden)
    with torch.inference_mode():
        seen = torch.stack(model.get_image_features(expected["pixel_values"]).pooler_output)
    torch.testing.assert_close(seen, expected["image_embeds"], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        logits_of(model, golden_inputs(expected)), expected["logits"], atol=1e-4, rtol=0
    )


def test_in_double_precision_nothing_but_the_rounding_of_the_golden_values_is_left(golden):
    """Close enough to tell a normalisation's epsilon of 1e-5 from one of 1e-6, and tanh's GELU from
    the exact one.
    """
    import torch
    from safetensors.torch import load_file

    expected, model = load_file(golden / "expected.safetensors"), load(golden, dtype=torch.float64)
    with torch.inference_mode():
        seen = torch.stack(
            model.get_image_features(expected["pixel_values"].double()).pooler_output
        )
    torch.testing.assert_close(seen.float(), expected["image_embeds"], atol=2e-6, rtol=0)
    logits = logits_of(
        model, golden_inputs(expected) | {"pixel_values": expected["pixel_values"].double()}
    )
    torch.testing.assert_close(logits.float(), expected["logits"], atol=3e-6, rtol=0)


def test_saving_in_the_published_format_gives_back_the_published_file(golden, tmp_path):
    import torch
    from safetensors.torch import load_file

    load(golden).save_pretrained(tmp_path, save_original_format=True)
    ours, theirs = (
        load_file(tmp_path / "model.safetensors"),
        load_file(golden / "model.safetensors"),
    )
    assert ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in theirs
    )


@pytest.mark.parametrize("published", [False, True])
def test_a_saved_model_loads_again_and_says_the_same(model, processor, tmp_path, published):
    import torch

    model.save_pretrained(tmp_path, save_original_format=published)
    processor.save_pretrained(tmp_path)
    assert "auto_map" not in read_json(tmp_path / "config.json")
    inputs = tokens_of(processor, [turns("Is the skin red?")])
    again = load(tmp_path)
    assert torch.equal(logits_of(again, inputs), logits_of(model, inputs))
    assert again.generation_config.eos_token_id == END


def test_the_code_in_a_checkpoint_is_never_asked_for(tiny, model, monkeypatch):
    from transformers import AutoConfig

    monkeypatch.setattr(
        "builtins.input", lambda *_: pytest.fail("it was asked whether to run remote code")
    )
    assert AutoConfig.from_pretrained(tiny).__class__.__module__ == "helpers.models.moondream.model"
    assert type(model).__module__ == "helpers.models.moondream.model"
    assert "transformers_modules" not in sys.modules or not any(
        name.startswith("transformers_modules.") and "moondream" in name for name in sys.modules
    )


def test_what_is_not_stated_is_the_published_size_and_ends_at_gpt2s_end():
    moondream.register()
    from transformers import AutoConfig

    config = AutoConfig.for_model("moondream1", phi_config={"model_type": "phi"})
    assert (config.image_token_index, config.image_seq_length) == (50295, 729)
    assert config.text_config.eos_token_id == config.text_config.bos_token_id == 50256
    assert config.text_config.rope_parameters["partial_rotary_factor"] == 0.5
    assert config.model_type == moondream.MODEL_TYPE


def published_full_size() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights at vikhyatk/moondream2, revision 2024-04-02."""

    def linear(name, inside, outside):
        return {f"{name}.weight": (outside, inside), f"{name}.bias": (outside,)}

    def norm(name, width):
        return {f"{name}.weight": (width,), f"{name}.bias": (width,)}

    tower, text = "vision_encoder.encoder.model.visual", "text_model"
    names = linear(f"{tower}.patch_embed.linear", 588, 1152) | {
        f"{tower}.pos_embed": (1, 729, 1152)
    }
    for block in (f"{tower}.blocks.{number}" for number in range(27)):
        names |= norm(f"{block}.norm1", 1152) | norm(f"{block}.norm2", 1152)
        names |= linear(f"{block}.attn.qkv", 1152, 3456) | linear(f"{block}.attn.proj", 1152, 1152)
        names |= linear(f"{block}.mlp.fc1", 1152, 4304) | linear(f"{block}.mlp.fc2", 4304, 1152)
    names |= norm(f"{tower}.norm", 1152)
    names |= linear("vision_encoder.projection.mlp.fc1", 1152, 8192)
    names |= linear("vision_encoder.projection.mlp.fc2", 8192, 2048)
    names |= {f"{text}.transformer.embd.wte.weight": (51200, 2048)}
    for layer in (f"{text}.transformer.h.{number}" for number in range(24)):
        names |= norm(f"{layer}.ln", 2048) | linear(f"{layer}.mixer.Wqkv", 2048, 6144)
        names |= linear(f"{layer}.mixer.out_proj", 2048, 2048)
        names |= linear(f"{layer}.mlp.fc1", 2048, 8192) | linear(f"{layer}.mlp.fc2", 8192, 2048)
    return names | norm(f"{text}.lm_head.ln", 2048) | linear(f"{text}.lm_head.linear", 2048, 51200)


def test_every_published_weight_of_the_full_size_finds_its_place():
    import torch
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import convert_and_load_state_dict_in_model
    from transformers.modeling_utils import LoadStateDictConfig

    from helpers.models.moondream.model import MoondreamConfig, MoondreamForConditionalGeneration

    moondream.register()
    with torch.device("meta"):
        model = MoondreamForConditionalGeneration(MoondreamConfig(phi_config={"model_type": "phi"}))
    published = {
        name: torch.empty(shape, device="meta") for name, shape in published_full_size().items()
    }
    assert sum(weight.numel() for weight in published.values()) == model.num_parameters()
    assert 1.85e9 < model.num_parameters() < 1.87e9
    setting = LoadStateDictConfig(
        device_map={"": "meta"}, weight_mapping=get_model_conversion_mapping(model)
    )
    info, _ = convert_and_load_state_dict_in_model(model, published, setting)
    assert (
        info.missing_keys,
        info.unexpected_keys,
        info.mismatched_keys,
        info.conversion_errors,
    ) == (set(), set(), set(), {})


def test_a_prompt_is_made_of_the_words_the_model_was_trained_on(processor):
    asked = processor.apply_chat_template(turns("Is it red?"), add_generation_prompt=True)
    assert asked == "<|endoftext|><image>\n\nQuestion: Is it red?\n\nAnswer:"
    answered = processor.apply_chat_template(turns("Is it red?", answer="The skin is."))
    assert answered == asked + " The skin is.<|endoftext|>"
    plain = [{"role": "user", "content": "Is it red?"}, {"role": "assistant", "content": "Yes."}]
    assert (
        processor.apply_chat_template(plain)
        == "<|endoftext|>\n\nQuestion: Is it red?\n\nAnswer: Yes.<|endoftext|>"
    )


def test_a_prompts_tokens_are_one_beginning_the_images_places_and_the_words(processor):
    ids = tokens_of(processor, [turns("Is it red?")])["input_ids"][0].tolist()
    words = processor.tokenizer.encode(
        "\n\nQuestion: Is it red?\n\nAnswer:", add_special_tokens=False
    )
    assert ids == [END] + [IMAGE] * 16 + words
    assert processor.tokenizer.decode(words) == "\n\nQuestion: Is it red?\n\nAnswer:"


def test_images_are_prepared_as_the_published_code_does(processor):
    import torch
    from torchvision.transforms import v2

    published = v2.Compose(
        [
            v2.Resize((56, 56), interpolation=v2.InterpolationMode.BICUBIC),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    for photo in (image(), image(1, (40, 130)), image(2, (56, 56)).convert("L")):
        ours = processor.image_processor(photo, return_tensors="pt")["pixel_values"][0]
        # Resized as a tensor and not by PIL, so that rounding may differ by one of a colour's 255
        # levels.
        torch.testing.assert_close(
            ours, published(photo.convert("RGB")), atol=2 / 255 + 1e-6, rtol=0
        )


def test_a_saved_processor_loads_by_the_ordinary_call(processor, tmp_path):
    import torch
    from transformers import AutoProcessor

    processor.save_pretrained(tmp_path)
    asked = [turns("Is it red?"), turns("the skin", seed=1)]
    expected = tokens_of(processor, asked)
    write_json(tmp_path / "config.json", TINY)
    for again in (AutoProcessor.from_pretrained(tmp_path), moondream.load_processor(tmp_path)):
        found = tokens_of(again, asked)
        assert all(torch.equal(found[name], expected[name]) for name in expected) and len(
            found
        ) == len(expected)


def test_a_tokenizer_that_puts_the_image_elsewhere_is_refused(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "other")
    write_tokenizer(folder, tokens=90)
    with pytest.raises(
        LabError, match=r"gives <image> the id 90, but the model expects 95: take .* from vikhyatk/"
    ):
        moondream.load_processor(folder)


def test_generation_is_greedy_choice_token_by_token(model, processor):
    import torch

    inputs = tokens_of(processor, [turns("What is the red in the skin?")])
    said = model.generate(**inputs, max_new_tokens=12, min_new_tokens=12, do_sample=False)
    ids = inputs["input_ids"]
    for _ in range(12):
        whole = {"input_ids": ids, "pixel_values": inputs["pixel_values"], "use_cache": False}
        last = logits_of(model, whole)[:, -1].clone()
        last[:, END] = -torch.inf
        ids = torch.cat([ids, last.argmax(-1, keepdim=True)], 1)
    assert said.tolist() == ids.tolist()


def test_a_batch_of_different_lengths_says_what_each_says_alone(model, processor):
    import torch

    asked = [
        turns("Is it red?"),
        turns("What is the name of the red in the skin, and is it there?", seed=3),
    ]
    both = tokens_of(processor, asked)
    assert (both["attention_mask"][0, 0], both["attention_mask"][1, 0]) == (0, 1)
    together = model.generate(**both, max_new_tokens=8, min_new_tokens=8, do_sample=False)[:, -8:]
    for number, conversation in enumerate(asked):
        alone = tokens_of(processor, [conversation])
        assert model.generate(**alone, max_new_tokens=8, min_new_tokens=8, do_sample=False)[
            0, -8:
        ].tolist() == (together[number].tolist())
        places = torch.cumsum(both["attention_mask"], 1).sub(1).clamp(min=0)
        whole = logits_of(model, both | {"position_ids": places})[
            number, -alone["input_ids"].shape[1] :
        ]
        torch.testing.assert_close(whole, logits_of(model, alone)[0], atol=1e-4, rtol=0)


def test_the_lab_asks_it_as_any_chat_model(model, processor):
    seeing = LocalVLM(model, processor, choose_device())
    asked = {
        "a": ImagePrompt(image(), "Is it red?"),
        "b": ImagePrompt(image(1), "What is it?"),
    }
    answers = list(seeing.answer_batch(asked, max_new_tokens=5))
    assert [answer.case_id for answer in answers] == ["a", "b"]


def lora(model, **settings):
    """The model with adapters on Phi alone."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(1)
    targets = (
        r".*language_model\.layers\.\d+\.(self_attn\.(q_proj|k_proj|v_proj|dense)|mlp\.(fc1|fc2))"
    )
    return get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=targets, **settings))


def loss_of(model, inputs):
    return model(
        **inputs, labels=inputs["input_ids"].masked_fill(inputs["input_ids"] == IMAGE, -100)
    ).loss


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_lora_on_the_text_model_learns_and_its_adapter_loads_again(
    tiny, processor, tmp_path, quantization
):
    import torch
    from peft import PeftModel

    packing = {"quantization_config": nf4()} if quantization == "nf4" else {}
    base = load(tiny, **packing)
    base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    base.enable_input_require_grads()
    model = lora(base).train()
    assert sum("lora_A" in name for name, _ in model.named_parameters()) == 12
    inputs = tokens_of(processor, [turns("Is it red?", answer="The skin is red.")])
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=1e-2
    )
    losses = []
    for _ in range(5):
        loss = loss_of(model, inputs)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[1] < losses[0]
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(load(tiny, **packing), tmp_path).eval()
    torch.testing.assert_close(
        logits_of(again, inputs), logits_of(model.eval(), inputs), atol=1e-5, rtol=0
    )


def test_gradient_checkpointing_changes_no_gradient(tiny, processor):
    import torch

    inputs, gradients = tokens_of(processor, [turns("Is it red?", answer="The skin is.")]), []
    for saving in (False, True):
        model = load(tiny).train()
        if saving:
            model.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )
        loss_of(model, inputs).backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None, name
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-6, rtol=1e-4)


def test_four_bit_packs_the_text_model_and_loads_again(tiny, model, processor, tmp_path):
    import torch

    packed = load(tiny, quantization_config=nf4())
    kinds = {name: type(module).__name__ for name, module in packed.named_modules()}
    layer = "model.language_model.layers.1"
    assert kinds[f"{layer}.self_attn.v_proj"] == kinds[f"{layer}.mlp.fc2"] == "Linear4bit"
    assert kinds["lm_head"] == kinds["model.multi_modal_projector.linear_1"] == "Linear"
    packed.save_pretrained(
        tmp_path
    )  # before it computes: bitsandbytes does not restore what some CPUs repack
    inputs = tokens_of(processor, [turns("Is it red?")])
    expected = logits_of(packed, inputs)
    near = torch.corrcoef(torch.stack([expected.flatten(), logits_of(model, inputs).flatten()]))[
        0, 1
    ]
    assert near > 0.9
    assert torch.equal(logits_of(load(tmp_path), inputs), expected)


def changed(tiny, folder, change):
    """A copy of the tiny checkpoint with weights that `change` makes of (name, weight)."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny, folder)
    weights = dict(change(*item) for item in load_file(folder / "model.safetensors").items())
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_weights_of_another_revision_are_refused_in_one_sentence(
    tiny, tmp_path, quantization, capfd
):
    packing = {"quantization_config": nf4()} if quantization == "nf4" else {}
    renamed = changed(
        tiny,
        tmp_path / "renamed",
        lambda name, weight: (
            name.replace("text_model.transformer.h.", "model.text.blocks."),
            weight,
        ),
    )
    with pytest.raises(LabError) as refused:
        load(renamed, revision="2025-01-09", **packing)
    assert str(refused.value) == (
        f"'{renamed}@2025-01-09' is no moondream2 as the lab knows it (weights have other names, "
        "such as model.text.blocks.0.ln.bias): ask for vikhyatk/moondream2@2024-04-02, whose "
        "architecture later revisions changed."
    )
    wider = changed(
        tiny,
        tmp_path / "wider",
        lambda name, weight: (
            name,
            weight.repeat(1, 2) if name.endswith("projection.mlp.fc1.weight") else weight,
        ),
    )
    with pytest.raises(
        LabError, match=r"weights have other shapes, such as model\.multi_modal_projector"
    ):
        load(wider, **packing)
    odd = changed(
        tiny,
        tmp_path / "odd",
        lambda name, weight: (
            name,
            weight[:, :-1].contiguous() if name.endswith("patch_embed.linear.weight") else weight,
        ),
    )
    with pytest.raises(LabError, match="other shapes"):
        load(odd, **packing)
    assert "REPORT" not in capfd.readouterr().err


def test_a_config_of_2025_is_refused_before_its_weights_are_fetched(tmp_path):
    from transformers import AutoConfig

    moondream.register()
    write_json(
        tmp_path / "config.json",
        {"model_type": "moondream1", "architectures": ["HfMoondream"], "config": {}},
    )
    with pytest.raises(
        LabError, match="is no moondream2 as the lab knows it .* ask for vikhyatk/moondream2@2024"
    ):
        AutoConfig.from_pretrained(tmp_path)


def test_naming_the_type_loads_nothing_heavy():
    code = "import helpers.models.moondream.processor, sys; print({'torch', 'transformers'} & set(sys.modules))"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_published_note_is_not_kept(model, tmp_path):
    model.config.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (
        not {"note", "phi_config", "auto_map"} & set(saved)
        and saved["projector_hidden_size"] == 256
    )
