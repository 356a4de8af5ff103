"""LLMs that choose a label instead of writing: a text classifier whole or with a LoRA adapter."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

from helpers.files import LabError, display_path, read_json, write_json
from helpers.models.devices import Device
from helpers.models.failures import explain_loading
from helpers.models.loading import load_weights
from helpers.models.process import without_load_report
from helpers.models.refs import ModelRef

WEIGHTS, FACTS = "trained.safetensors", "diagnoser.json"
LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
AT_ONCE = 64  # texts


@dataclass(frozen=True)
class TextClassifier:
    """A text classifier, ready to be trained or asked."""

    model: Any
    tokenizer: Any
    device: Device
    max_length: int

    def trained(self) -> dict[str, torch.Tensor]:
        """Return the weights that learn: the adapter, and the last layer."""
        return {name: one for name, one in self.model.named_parameters() if one.requires_grad}

    def scores(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the scores (texts, outputs), with their gradients where these are kept."""
        read = self.tokenizer(
            list(texts),
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=self.max_length,
        )
        given = {name: read[name].to(self.device.name) for name in ("input_ids", "attention_mask")}
        return self.model(**given).logits.float()

    @torch.inference_mode()
    def score_all(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the scores (texts, outputs) of many texts, in their order."""
        self.model.eval()
        longest_last = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found: dict[int, torch.Tensor] = {}
        for start in range(0, len(texts), AT_ONCE):
            places = longest_last[start : start + AT_ONCE]
            rows = self.scores([texts[place] for place in places]).cpu()
            found |= dict(zip(places, rows))
        return torch.stack([found[place] for place in range(len(texts))])


class Adapting(Protocol):
    """What a recipe says of what learns."""

    whole: bool
    rank: int
    alpha: int
    max_length: int
    seed: int


def new_text_classifier(ref: ModelRef, outputs: int, recipe: Adapting) -> TextClassifier:
    """Load an LLM as a classifier of so many outputs, with a last layer drawn anew.

    Raises:
        LabError: the model can't be had, or has other layers than Llama's.
    """
    set_seed(recipe.seed)  # the first weights are drawn here
    with without_load_report():
        model, device = load_weights(AutoModelForSequenceClassification, ref, labels=outputs)
    with explain_loading(ref.id):
        tokenizer = AutoTokenizer.from_pretrained(
            ref.path, revision=ref.resolve_commit(), trust_remote_code=False, padding_side="right"
        )
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.truncation_side = "left"  # what is chosen from stands at the end
    model.config.pad_token_id = tokenizer.pad_token_id
    adapted = model if recipe.whole else _with_adapter(model, ref, recipe)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # half precision would lose small steps
    return TextClassifier(adapted, tokenizer, device, recipe.max_length)


def _with_adapter(model: Any, ref: ModelRef, recipe: Adapting) -> Any:
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=list(LAYERS),
        bias="none",
        task_type="SEQ_CLS",
    )
    try:
        return get_peft_model(model, config)
    except ValueError:
        raise LabError(
            f"`model` is {ref.id!r}, but its layers have none of the projections that get an "
            f"adapter ({', '.join(LAYERS)}): choose a model that is built like Llama."
        ) from None


def save_text_classifier(folder: Path, classifier: TextClassifier, facts: dict[str, Any]) -> None:
    """Write what was trained, and what else a loading needs."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: one.detach().contiguous() for name, one in classifier.trained().items()}
    save_file(weights, folder / WEIGHTS)
    write_json(folder / FACTS, facts)


def load_text_classifier(
    ref: ModelRef, folder: Path, recipe: Adapting
) -> tuple[TextClassifier, dict[str, Any]]:
    """Load what `save_text_classifier` wrote, and the facts beside it.

    Raises:
        LabError: the weights were trained on another model, or by another recipe.
    """
    facts = read_json(folder / FACTS)
    classifier = new_text_classifier(ref, facts["outputs"], recipe)
    weights, own = load_file(folder / WEIGHTS), classifier.trained()
    if {name: one.shape for name, one in weights.items()} != {n: w.shape for n, w in own.items()}:
        raise LabError(
            f"The weights in {display_path(folder)} belong to another model than {ref.id!r}: name "
            "their `model`, or train anew."
        )
    with torch.no_grad():
        for name, one in own.items():
            one.copy_(weights[name])
    return classifier, facts
