"""moondream2 of 2024-04-02 as a transformers model: what
`helpers.models.moondream.processor.register` makes known to the auto classes.

A SigLIP tower (so400m, 378 x 378 pixels in patches of 14), a projector of two layers and Phi-1.5,
put together as in LLaVA. How the published weights are read is said in
`helpers.models.moondream.weights`. Source of the architecture: the published checkpoint
(vikhyatk/moondream2, revision 2024-04-02) and its model card.
"""

from copy import copy
from typing import Any

from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import LlavaConfig, LlavaForConditionalGeneration
from transformers.activations import ACT2FN
from transformers.models.auto import AutoModel
from transformers.models.llava.modeling_llava import LlavaModel, LlavaPreTrainedModel

from helpers.files import LabError
from helpers.models.process import without_load_report

PUBLISHED = "vikhyatk/moondream2@2024-04-02"
# The sizes of the published tower and projector, which its config.json leaves to the code beside
# it.
FULL_SIZE = {
    "image_size": 378,
    "patch_size": 14,
    "hidden_size": 1152,
    "layers": 27,
    "heads": 16,
    "mlp": 4304,
    "projection_hidden": 8192,
}
END_OF_TEXT = 50256  # of GPT-2's vocabulary: begins a text, and ends it
IMAGE_TOKEN_ID = (
    50295  # the first row of the embeddings that no token of the published tokenizer uses
)
UNPACKED = (
    "model.vision_tower",
    "model.multi_modal_projector",
    "lm_head",
)  # what "nf4" leaves as it is
PHI_DEFAULTS = (None, 1, 2)  # ids of special tokens that PhiConfig states for want of better ones


@strict
class MoondreamConfig(LlavaConfig):
    """Sizes of tower, projector and text model, from a published config.json or from one that we
    saved.

    A published one has no `vision_config`: its text model is `phi_config` (empty for the real
    size), and a `note` may state sizes of a smaller tower in the keys of `FULL_SIZE`.
    `projector_hidden_size`: width between the projector's layers.
    Raises:
        LabError: the config is of a moondream2 of 2025, which is built in another way.
    """

    model_type = "moondream1"

    projector_hidden_size: int = FULL_SIZE["projection_hidden"]
    projector_hidden_act: str = "gelu_pytorch_tanh"
    vision_feature_select_strategy: str = "full"
    vision_feature_layer: int | list[int] = -1
    image_token_index: int | None = None
    image_seq_length: int | None = None
    # Dictionaries before, and configurations after __post_init__.
    vision_config: Any = None
    text_config: Any = None

    def __post_init__(self, phi_config: dict | None = None, note: dict | None = None, **kwargs):
        # Code in a checkpoint, which is not run, and which a saved one does not hold.
        kwargs.pop("auto_map", None)
        if "HfMoondream" in (self.architectures or []):
            later = "its config.json is that of a later moondream2"
            raise LabError(_unfit(kwargs.get("name_or_path", ""), "", later))
        if self.vision_config is None:
            sizes = FULL_SIZE | (note or {}).get("vision", {})
            self.vision_config = _tower(sizes)
            self.projector_hidden_size = sizes["projection_hidden"]
            self.text_config = _phi(phi_config or self.text_config or {})
        super().__post_init__(**kwargs)
        vocabulary, tower = self.text_config.vocab_size, self.vision_config
        if self.image_token_index is None:
            self.image_token_index = min(IMAGE_TOKEN_ID, vocabulary - 1)
        if self.image_seq_length is None:
            self.image_seq_length = (tower.image_size // tower.patch_size) ** 2


def _tower(sizes: dict) -> dict:
    # The published code's normalisations have torch's default epsilon, ten times that of timm's and
    # of SigLIP's.
    return {
        "model_type": "siglip_vision_model",
        "vision_use_head": False,
        "image_size": sizes["image_size"],
        "patch_size": sizes["patch_size"],
        "hidden_size": sizes["hidden_size"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["mlp"],
        "layer_norm_eps": 1e-5,
        "hidden_act": "gelu_pytorch_tanh",
    }


def _phi(stated) -> dict:
    """The text model's sizes; what is not stated is Phi-1.5's, and so PhiConfig's default."""
    stated = dict(stated) if isinstance(stated, dict) else stated.to_dict()
    stated["model_type"] = "phi"
    if stated.get("vocab_size", END_OF_TEXT + 1) > END_OF_TEXT:
        stated |= {"bos_token_id": END_OF_TEXT, "eos_token_id": END_OF_TEXT}
    return stated


class MoondreamProjector(nn.Module):
    """What the tower sees (images, patches, tower's width) as word embeddings (images, patches,
    Phi's width).
    """

    def __init__(self, config: MoondreamConfig):
        super().__init__()
        width = config.projector_hidden_size
        self.linear_1 = nn.Linear(config.vision_config.hidden_size, width)
        self.act = ACT2FN[config.projector_hidden_act]
        self.linear_2 = nn.Linear(width, config.text_config.hidden_size)

    def forward(self, seen):
        """Project; shapes as above."""
        return self.linear_2(self.act(self.linear_1(seen)))


class MoondreamModel(LlavaModel):
    """Tower, projector and text model without a head."""

    config: MoondreamConfig

    def __init__(self, config: MoondreamConfig):
        LlavaPreTrainedModel.__init__(self, config)
        self.vision_tower = AutoModel.from_config(config.vision_config, trust_remote_code=False)
        self.multi_modal_projector = MoondreamProjector(config)
        self.language_model = AutoModel.from_config(config.text_config, trust_remote_code=False)
        self.post_init()

    def get_image_features(self, pixel_values, **kwargs):
        """What the text model reads of images, as `pooler_output`: one (patches, Phi's width) per
        image.

        LLaVA takes a layer's output; here it is what comes out of the tower's last normalisation.
        `pixel_values`: (images, 3, height, width). LLaVA's arguments for choosing a layer are
        passed over.
        """
        seen = self.vision_tower(pixel_values, return_dict=True)
        seen.pooler_output = list(self.multi_modal_projector(seen.last_hidden_state))
        return seen


class MoondreamForConditionalGeneration(LlavaForConditionalGeneration):
    """moondream2: answers questions on one image or more, which stand where `image_token_index`
    does in a prompt.
    """

    config: MoondreamConfig

    def __init__(self, config: MoondreamConfig):
        LlavaPreTrainedModel.__init__(self, config)
        self.model = MoondreamModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size)
        self.post_init()

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path, *args, output_loading_info: bool = False, **kwargs
    ):
        """As in transformers, from a published checkpoint or one that we saved; refuses weights
        that do not fit.

        Raises:
            LabError: names or shapes of the weights are those of another moondream2.
        """
        path, revision = pretrained_model_name_or_path, kwargs.get("revision")
        kwargs |= {"ignore_mismatched_sizes": True, **_packing(kwargs.get("quantization_config"))}
        with without_load_report():
            try:
                model, info = super().from_pretrained(
                    path, *args, output_loading_info=True, **kwargs
                )
            except RuntimeError as error:
                if "automatic conversion of the weights" not in str(error):
                    raise
                raise LabError(_unfit(path, revision, "weights have other shapes")) from None
        if wrong := _misfits(model, info):
            raise LabError(_unfit(path, revision, wrong))
        _know_the_end(model)
        return (model, info) if output_loading_info else model

    def save_pretrained(self, save_directory, *args, save_original_format: bool = False, **kwargs):
        """As in transformers, but with this class's names, which hold 4-bit weights, too, unlike
        the published ones.
        """
        return super().save_pretrained(
            save_directory, *args, save_original_format=save_original_format, **kwargs
        )


def _packing(quantization) -> dict:
    """How weights are packed into fewer bits: tower and projector stay as they are, unless the
    caller chose.

    They are a quarter of the weights, and on a CPU with AVX-512 bitsandbytes cannot compute with
    rows of 4304, which is no multiple of its blocks of 64.
    """
    if getattr(quantization, "llm_int8_skip_modules", ()) is not None:
        return {}
    packing = copy(quantization)
    packing.llm_int8_skip_modules = list(UNPACKED)
    return {"quantization_config": packing}


def _know_the_end(model) -> None:
    """Let generation stop where the text model's texts end: a published repository may only state
    Phi's defaults.
    """
    generation, text = model.generation_config, model.config.text_config
    if generation.eos_token_id in PHI_DEFAULTS:
        generation.update(bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id)
    if generation.pad_token_id is None:
        generation.pad_token_id = text.eos_token_id


def _misfits(model, info: dict) -> str:
    """What does not fit in loaded weights, in words; "" if all do."""
    shapes = sorted(name for name, *_ in info["mismatched_keys"]) or _misshapen(model)
    for names, problem in (
        (sorted(info["unexpected_keys"]), "have other names"),
        (shapes, "have other shapes"),
        (sorted(info["missing_keys"]), "are missing"),
    ):
        if names:
            return f"weights {problem}, such as {names[0]}"
    return ""


def _misshapen(model) -> list[str]:
    """The layers whose weights have another shape: transformers compares none when it packs into 4
    bits.
    """
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)
    }
    return [
        name
        for name, layer in layers.items()
        if tuple((getattr(layer.weight, "quant_state", None) or layer.weight).shape)
        != (layer.out_features, layer.in_features)
    ]


def _unfit(path, revision: str | None, found: str) -> str:
    asked = f"{path}@{revision}" if revision else str(path)
    return (
        f"{asked or 'This model'!r} is no moondream2 as the lab knows it ({found}): ask for "
        f"{PUBLISHED}, whose architecture later revisions changed."
    )
