"""What an adapter's folder may ask for: plain LoRA within bounds, in safetensors.

Checked before anything is loaded, from adapter_config.json and the head of the weights' file. PEFT
then gets the fields below and nothing else of that file; entries of other PEFT versions are passed
over unless they are known to change results.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers.files import LabError, display_path, read_json
from helpers.models.foreign import ADAPTER_CONFIG, NOT_UNPICKLED, read_shapes, shown
from helpers.settings.mistakes import explain

ADAPTER_WEIGHTS = "adapter_model.safetensors"
LARGEST_RANK, LARGEST_ALPHA = 4096, 65536  # as in a recipe
MOST_NAMES = 4096  # layers that a list may name
# They change what an adapter does to its base, and must be off.
CHANGES_RESULTS = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "ensure_weight_tying",
    "fan_in_fan_out",
    "kasa_config",
    "layer_replication",
    "loftq_config",
    "lora_bias",
    "megatron_config",
    "modules_to_save",
    "monteclora_config",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "use_rslora",
)
# How the first weights were drawn; others, such as PiSSA, change the base as well.
DRAWN = (None, True, False, "gaussian", "orthogonal")

Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MOST_NAMES)]
Numbers = Annotated[list[int], Field(max_length=MOST_NAMES)]


class AdapterConfig(BaseModel):
    """The part of adapter_config.json that is used."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    peft_type: Literal["LORA"]
    task_type: Literal["CAUSAL_LM"] | None = None
    r: int = Field(ge=1, le=LARGEST_RANK)
    lora_alpha: float = Field(gt=0, le=LARGEST_ALPHA, allow_inf_nan=False)
    lora_dropout: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    bias: Literal["none"] = "none"
    target_modules: Text | Texts
    exclude_modules: Text | Texts | None = None
    layers_to_transform: int | Numbers | None = None
    layers_pattern: Text | Texts | None = None

    @property
    def scale(self) -> float:
        """What the product of the adapter's matrices is multiplied by."""
        return self.lora_alpha / self.r


def check_adapter(folder: Path) -> None:
    """Refuse an adapter that is no plain LoRA within bounds; no tensor is loaded.

    Raises:
        LabError: see `read_adapter`.
    """
    read_adapter(folder)


def read_adapter(folder: Path) -> AdapterConfig:
    """Read and check the configuration of an adapter, and the shapes of its weights.

    Raises:
        LabError: another kind of adapter, a number out of bounds, weights that are pickled, torn,
            missing or of other shapes than the configuration says.
    """
    entries = read_json(folder / ADAPTER_CONFIG)
    if not isinstance(entries, dict):
        raise _refusal(folder, f"{ADAPTER_CONFIG} holds no settings")
    for name in CHANGES_RESULTS:
        if entries.get(name):
            raise _refusal(folder, f"it sets {name!r}")
    drawn = entries.get("init_lora_weights")
    if not isinstance(drawn, str | bool | None) or drawn not in DRAWN:
        raise _refusal(folder, f"it sets 'init_lora_weights' to {shown(str(drawn))}")
    try:
        config = AdapterConfig.model_validate(entries)
    except ValidationError as error:
        raise _refusal(folder, _mistake(error)) from None
    _check_weights(folder, config.r)
    return config


def _mistake(error: ValidationError) -> str:
    """Word the first mistake without its own advice."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "missing":
        return f"{ADAPTER_CONFIG} has no {name!r}"
    if name in ("target_modules", "exclude_modules", "layers_pattern", "layers_to_transform"):
        return f"{name!r} names no layers, or too many"
    wanted = explain(error, ADAPTER_CONFIG).rpartition("but it must be ")[2].rstrip(".")
    return f"{name!r} is {shown(str(first['input']))} and must be {wanted}"


def _check_weights(folder: Path, rank: int) -> None:
    """Refuse weights that are not pairs of matrices of this rank."""
    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        pickled = sorted(one.name for one in folder.glob("*.bin"))
        if pickled:
            raise _refusal(folder, f"its weights are pickled ({pickled[0]}), {NOT_UNPICKLED}", "")
        raise _refusal(folder, f"there is no {ADAPTER_WEIGHTS} in it")
    shapes = read_shapes([path])
    if not shapes:
        raise _refusal(folder, f"{ADAPTER_WEIGHTS} holds no weights")
    for name, shape in shapes.items():
        layer, _, part = name.rpartition(".lora_")
        other = {"A.weight": "B.weight", "B.weight": "A.weight"}.get(part)
        if other is None or f"{layer}.lora_{other}" not in shapes:
            raise _refusal(folder, f"{shown(name)} is no half of a LoRA pair")
        found = shape[0 if part == "A.weight" else 1] if len(shape) == 2 else None
        if found != rank:
            raise _refusal(folder, f"'r' is {rank}, but {shown(name)} has the shape {shape}")


def _refusal(folder: Path, found: str, cure: str | None = None) -> LabError:
    advice = "name the folder of a plain LoRA adapter, as a fine-tuning of this lab writes it"
    tail = f": {advice}." if cure is None else f"{cure}."
    return LabError(f"The adapter {shown(display_path(folder))} cannot be used: {found}{tail}")


def peft_fields(config: AdapterConfig) -> dict[str, Any]:
    """Return the arguments of PEFT's LoraConfig."""
    return config.model_dump(exclude={"peft_type"})
