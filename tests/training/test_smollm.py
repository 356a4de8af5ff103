"""A real pretrained model through what a person with a GPU does with a larger one: fine-tune by
LoRA, ask, export, and train it as a classifier.
"""

import importlib.util

import pytest
import torch

from helpers.data import load_dataset
from helpers.experiments.llm_prompts import training_examples
from helpers.files import read_json
from helpers.models import devices
from helpers.models.export import export
from helpers.models.llm import load_llm
from helpers.models.packaged import PACKAGED
from helpers.models.prompts import LlmPrompt, build_prompt
from helpers.models.refs import Llm
from helpers.models.shots import shot_pool
from helpers.training.lora_sft import train_adapter
from helpers.training.recipe import PROJECTIONS, LoraRecipe

NAME = "smollm2-135m"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec(PACKAGED[NAME].module) is None,
        reason=f"{PACKAGED[NAME].requirement} is not installed",
    ),
]
QUESTION = "Red scaly plaques on both elbows. What is it?"


@pytest.fixture
def smollm(unpacked, monkeypatch) -> Llm:
    """The model, unpacked already."""
    monkeypatch.setenv("LAB_OUTPUTS", str(unpacked))
    return Llm(name=NAME)


@pytest.fixture(scope="module")
def tuned(unpacked, clinic, tmp_path_factory):
    """The run's folder of a LoRA fine-tuning of a few steps, in the chat model's own template."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_OUTPUTS", str(unpacked))
        base = Llm(name=NAME)
        cases = shot_pool(load_dataset("pocket", clinic / "iiyi").split("train"))
        examples = training_examples(base, cases, LlmPrompt(layout="chat"), {})
        recipe = LoraRecipe.of_profile("laptop").but(steps=8, batch=4, warmup_steps=0)
        card = {"model": base.id, "weights": base.fingerprint_weights()}
        train_adapter(
            base, examples[:16], examples[16:], folder, recipe=recipe, card=card, backend="peft"
        )
    return folder


def test_a_few_steps_of_lora_teach_it_how_doctors_answer(tuned):
    losses = [one["eval_loss"] for one in read_json(tuned / "training.json") if "eval_loss" in one]
    assert losses[-1] < losses[0] - 0.3


def test_with_its_adapter_it_answers_and_ends_by_itself(smollm, tuned):
    model = load_llm(smollm.but(adapter=tuned / "adapter"))
    asked = {"a": build_prompt(QUESTION, layout="chat")}
    answer = next(model.answer_batch(asked, max_new_tokens=60))
    assert answer.finish == "stop" and answer.text and "<|" not in answer.text


def test_what_a_person_asks_is_a_turn_of_a_conversation(smollm):
    model = load_llm(smollm)
    said = model.answer(QUESTION, max_new_tokens=12)
    asked = {"": [{"role": "user", "content": QUESTION}]}
    assert said.text == next(model.answer_batch(asked, max_new_tokens=12)).text != ""


def test_merged_and_exported_it_is_a_model_for_plain_transformers(
    smollm, tuned, tmp_path, monkeypatch
):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Both in float32 on every CPU: bfloat16 would hide what merging changes.
    monkeypatch.setattr(devices, "measure_bfloat16", lambda width: 1.0)
    said = export(tuned / "adapter", tmp_path / "merged")
    assert "convert_hf_to_gguf.py" in said
    ours = load_llm(smollm.but(adapter=tuned / "adapter"))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).eval()
    asked = [{"role": "user", "content": QUESTION}]
    tokens = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    assert tokens[0].tolist() == ours.token_ids(asked)
    with torch.inference_mode():
        merged, with_adapter = model(tokens).logits, ours.model(tokens).logits
        with ours.model.disable_adapter():
            without = ours.model(tokens).logits
    # The merged weights are float16, as the base's are: that changes far less than the adapter.
    assert (merged - with_adapter).abs().max() < 0.2 < 0.1 * (without - with_adapter).abs().max()
    assert tokenizer.eos_token == tokenizer.pad_token == "<|im_end|>"


def test_as_a_classifier_it_learns_through_lora(smollm):
    """As Chain of Options uses a language model: a head over labels, and LoRA below it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm.path)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        smollm.path, num_labels=2, dtype=torch.float32
    )
    model = get_peft_model(
        model, LoraConfig(task_type="SEQ_CLS", r=8, target_modules=list(PROJECTIONS))
    )
    texts = ["It itches.", "It is red.", "The car is fast.", "The train is late."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    labels = torch.tensor([0, 0, 1, 1])
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    losses = []
    for _ in range(6):
        loss = model(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    with torch.inference_mode():
        assert model(**batch).logits.argmax(-1).tolist() == labels.tolist()
