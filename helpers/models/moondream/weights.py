"""How the weights of the published moondream2 become those of `helpers.models.moondream.model`, and
back on saving.

The checkpoint names its tower as timm does and its text model as Phi-1.5's first code did, and
packs queries, keys and values into one matrix; transformers' own machinery for such checkpoints
reads it, 4-bit packing included. Source of names and shapes: the published checkpoint
(vikhyatk/moondream2, revision 2024-04-02).
"""

from transformers.core_model_loading import (
    Chunk,
    Concatenate,
    ConversionOps,
    WeightConverter,
    WeightRenaming,
)


class Split(Chunk):
    """Packed attention (3 x width, ...) as queries, keys and values."""

    @property
    def reverse_op(self) -> "Pack":
        """The op for saving what this one loads."""
        return Pack(self.dim)


class Pack(Concatenate):
    """The opposite of Split."""

    def convert(
        self, input_dict: dict, source_patterns: list[str], target_patterns: list[str], **kwargs
    ) -> dict:
        """What transformers calls. Tower and text model call the result differently, so its whole
        name is given.
        """
        (packed,) = super().convert(input_dict, source_patterns, target_patterns, **kwargs).values()
        return {kwargs["full_layer_name"]: packed}

    @property
    def reverse_op(self) -> Split:
        """The op for loading."""
        return Split(self.dim)


class Reshape(ConversionOps):
    """One tensor in another shape: `there` makes it of the published one, `back` undoes that."""

    def __init__(self, there, back):
        self.there, self.back = there, back

    def convert(
        self, input_dict: dict, source_patterns: list[str], target_patterns: list[str], **kwargs
    ) -> dict:
        """What transformers calls: source pattern -> tensors, to target pattern -> tensor."""
        (found,) = input_dict.values()
        return {target_patterns[0]: self.there(found[0] if isinstance(found, list) else found)}

    @property
    def reverse_op(self) -> "Reshape":
        """The op for saving what this one loads."""
        return Reshape(self.back, self.there)


def _kernel(weight):
    """A linear patch embedding (width, 3 x side x side) as a convolution's kernels (width, 3, side,
    side).

    Each row is a patch flattened as (channel, row, column), which is a kernel's own order.
    """
    side = round((weight.shape[1] / 3) ** 0.5)
    return weight.reshape(weight.shape[0], 3, side, side)


def conversions() -> list:
    """How published names and shapes become this model's, as transformers' own machinery reads it.

    All renamings apply in their order, then the first converter that fits; saving goes the other
    way round. So packed attention gets one name in tower and text model before it is split.
    """
    old, tower, text = (
        "vision_encoder.encoder.model.visual",
        "model.vision_tower",
        "model.language_model",
    )
    names = [
        (f"^{old}.patch_embed.linear.bias", f"^{tower}.embeddings.patch_embedding.bias"),
        (f"^{old}.norm.", f"^{tower}.post_layernorm."),
        (f"^{old}.blocks.", f"^{tower}.encoder.layers."),
        *_in_layers(
            f"{tower}.encoder",
            {
                "attn.qkv": "mixer.Wqkv",
                "attn.proj": "self_attn.out_proj",
                "norm1": "layer_norm1",
                "norm2": "layer_norm2",
            },
        ),
        ("^vision_encoder.projection.mlp.fc1.", "^model.multi_modal_projector.linear_1."),
        ("^vision_encoder.projection.mlp.fc2.", "^model.multi_modal_projector.linear_2."),
        ("^text_model.transformer.embd.wte.", f"^{text}.embed_tokens."),
        ("^text_model.transformer.h.", f"^{text}.layers."),
        *_in_layers(text, {"mixer.out_proj": "self_attn.dense", "ln": "input_layernorm"}),
        ("^text_model.lm_head.ln.", f"^{text}.final_layernorm."),
        ("^text_model.lm_head.linear.", "^lm_head."),
    ]
    return [
        *(WeightRenaming(_literal(published), _literal(ours)) for published, ours in names),
        WeightConverter(
            r"\.mixer\.Wqkv\.", [rf"\.self_attn\.{part}_proj\." for part in "qkv"], [Split(dim=0)]
        ),
        WeightConverter(
            _literal(f"^{old}.patch_embed.linear.weight$"),
            _literal(f"^{tower}.embeddings.patch_embedding.weight$"),
            [Reshape(_kernel, lambda weight: weight.flatten(1))],
        ),
        WeightConverter(
            _literal(f"^{old}.pos_embed$"),
            _literal(f"^{tower}.embeddings.position_embedding.weight$"),
            [Reshape(lambda rows: rows.squeeze(0), lambda rows: rows.unsqueeze(0))],
        ),
    ]


def _in_layers(where: str, names: dict[str, str]) -> list[tuple[str, str]]:
    """Renamings inside a part's layers; the second side says what \\1, a layer's number, stands for
    on either.
    """
    return [
        (rf"^{where}.layers.\1.{published}.", rf"^{where}.layers.(\d+).{ours}.")
        for published, ours in names.items()
    ]


def _literal(name: str) -> str:
    return name.replace(".", r"\.")


CONVERSIONS = conversions()
