"""SkinGPT-4 as a transformers model: BLIP-2 with a language model of Llama's family.

An EVA-CLIP tower (its 39 first blocks), BLIP-2's Q-Former with 32 queries, one linear projection to
the width of the language model: the projection is all that is trained. transformers' BLIP-2 is this
very architecture but for the norm after the tower, whose epsilon is torch's default here. Sources:
the paper, section 4.2, and its code (JoshuaChou2018/SkinGPT-4).
"""

from copy import deepcopy
from typing import Any, Self

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    Blip2Config,
    Blip2ForConditionalGeneration,
)

from helpers.files import LabError
from helpers.models.foreign import check_sizes, load_config
from helpers.models.shipped import model_path
from helpers.models.skingpt4 import MODEL_TYPE

TOWER_NORM_EPS = 1e-5
SPEAKS = "language_model."  # before the names of its weights
# How transformers is asked to load what is quantized: the language model alone is.
QUANTIZED = "quantization_config"


class SkinGPT4Config(Blip2Config):
    """Sizes of tower, Q-Former and language model.

    A picture's places are marked in the text by `image_token_index`, a token that no text contains:
    of Llama's tokenizers, which fall back to bytes, the unknown one. `language` names the language
    model (with @revision if need be), which is frozen, and whose weights stay where they are; "":
    they lie beside the others.
    """

    model_type = MODEL_TYPE
    language: str = ""


class SkinGPT4Model(Blip2ForConditionalGeneration):
    """The model. Where its language model is named it has none until `from_pretrained` loads that,
    and saves its other weights only.
    """

    config_class = SkinGPT4Config

    def __init__(self, config: SkinGPT4Config):
        super().__init__(_without_language(config) if config.language else config)
        self.config = config
        self.vision_model.post_layernorm.eps = TOWER_NORM_EPS
        if config.language:
            self._keys_to_ignore_on_load_missing = [rf"^{SPEAKS}"]

    @property
    def model(self) -> Self:
        """The part with the towers, which other architectures keep apart from their output."""
        return self

    @classmethod
    def from_pretrained(
        cls, path: Any, *unused: Any, output_loading_info: bool = False, **settings: Any
    ) -> Any:
        """Load it as any model, and a named language model from where that lies.

        Raises:
            LabError: that is none that the rest was made for.
        """
        config = settings["config"]  # the auto class has read it
        given = ("trust_remote_code", *((QUANTIZED,) if config.language else ()))
        own = {name: one for name, one in settings.items() if name not in given}
        model, found = super().from_pretrained(
            path, *unused, output_loading_info=True, trust_remote_code=False, **own
        )
        if config.language:
            passed = {n: settings[n] for n in (QUANTIZED, "device_map") if n in settings}
            model.language_model = load_language(config.language, dtype=model.dtype, **passed)
            _check_fits(config, model.language_model)
            model.is_loaded_in_4bit = getattr(model.language_model, "is_loaded_in_4bit", False)
        return (model, found) if output_loading_info else model

    def save_pretrained(self, folder: Any, *unused: Any, **settings: Any) -> None:
        """Save all weights but those of a named language model."""
        weights = settings.pop("state_dict", None) or self.state_dict()
        if self.config.language:
            weights = {n: one for n, one in weights.items() if not n.startswith(SPEAKS)}
        super().save_pretrained(folder, *unused, state_dict=weights, **settings)


def split_revision(language: str) -> tuple[str, str | None]:
    """Split the name of a language model into where it lies and its revision."""
    name, _, revision = language.partition("@")
    return model_path(name), revision or None


def _without_language(config: SkinGPT4Config) -> SkinGPT4Config:
    """Return the configuration with next to nothing of the language model but its width."""
    small = deepcopy(config)
    small.text_config.num_hidden_layers = 0
    small.text_config.vocab_size = 1
    small.text_config.pad_token_id = None
    small.text_config.tie_word_embeddings = False  # there is nothing to tie it to
    return small


def load_language(name: str, *, dtype: torch.dtype, **settings: Any) -> Any:
    """Load a language model as it is; of a chat model that sees, its text tower.

    Args:
        settings: as transformers takes them.
    Raises:
        LabError: it is missing, or none that may be loaded.
    """
    path, revision = split_revision(name)
    config = load_config(path, revision)
    sees = config.get_text_config() is not config
    auto_class = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    check_sizes(auto_class, config, path)
    found = auto_class.from_pretrained(
        path,
        revision=revision,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        **settings,
    )
    return _text_tower(found) if sees else found


def _text_tower(whole: Any) -> Any:
    """Make a language model of the parts of a chat model that sees."""
    with torch.device("meta"):
        text = whole.config.get_text_config()
        found = AutoModelForCausalLM.from_config(text, trust_remote_code=False)
    found.model, found.lm_head = whole.get_decoder(), whole.get_output_embeddings()
    found.generation_config = whole.generation_config
    return found


def _check_fits(config: SkinGPT4Config, language: Any) -> None:
    found, wanted = language.config, config.text_config
    if (found.model_type, found.hidden_size) != (wanted.model_type, wanted.hidden_size):
        raise LabError(
            f"A SkinGPT-4 was made for a language model of type {wanted.model_type!r} and width "
            f"{wanted.hidden_size}, but {config.language!r} is {found.model_type!r} of width "
            f"{found.hidden_size}: take both from one place."
        )
