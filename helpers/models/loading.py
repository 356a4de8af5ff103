"""Where models come from: device and dtype with the reason, model names, loading, and what a
failure means.

`pocket/<name>` is a small model shipped with the lab, anything else a folder or a Hugging Face id.
All are loaded by the same `from_pretrained` calls, from safetensors only and without remote code.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from helpers.files import REPOSITORY, LabError, file_hash, fingerprint, read_json
from helpers.models.api.address import api_host, is_api_model
from helpers.models.devices import Device, choose_device
from helpers.models.moondream import processor as moondream
from helpers.models.prompts import Prompt, render_prompt

POCKET_MODELS = REPOSITORY / "helpers" / "pocket" / "models"
ADAPTER_CARD = "lab.json"
# What decides what a model reads, besides its weights; the last three only of models that see.
READ_WITH_WEIGHTS = (
    "config.json",
    "tokenizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
)
UNKNOWN_CONTEXT = 2048  # tokens assumed of a model that states no limit


@dataclass(frozen=True)
class LLM:
    """A causal language model with its tokenizer, ready to answer or to be trained."""

    model: object
    tokenizer: object
    device: Device

    @property
    def context_length(self) -> int:
        """How many tokens prompt and answer may have together."""
        return getattr(
            self.model.config.get_text_config(), "max_position_embeddings", UNKNOWN_CONTEXT
        )

    def token_ids(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt as the model reads them; a chat template writes special tokens
        itself.
        """
        text = render_prompt(prompt, self.tokenizer)
        return self.tokenizer(text, add_special_tokens=isinstance(prompt, str))["input_ids"]

    def count_tokens(self, prompt: Prompt) -> int:
        """Length of a prompt in tokens, special tokens included."""
        return len(self.token_ids(prompt))


def shipped_models() -> list[str]:
    """The names of the models that come with the lab."""
    return sorted(f"pocket/{path.parent.name}" for path in POCKET_MODELS.glob("*/config.json"))


def split_revision(model_id: str) -> tuple[str, str]:
    """Name and revision of a model that may be written as name@revision."""
    name, _, revision = (model_id, "", "") if Path(model_id).is_dir() else model_id.partition("@")
    return name, revision


def model_path(model_id: str, setting: str = "MODEL") -> str:
    """The folder of a model shipped with the lab, or the folder or hub id as it is given.

    `setting` is the parameter that named it, for the advice in errors, here and below.
    """
    if not model_id.startswith("pocket/"):
        return model_id
    folder = POCKET_MODELS / model_id.removeprefix("pocket/")
    if not (folder / "config.json").exists():
        there = ", ".join(shipped_models())
        raise LabError(
            f"{setting} is {model_id!r}, but the models shipped with the lab are: "
            f"{there or 'none'}; name one of them."
        )
    return str(folder)


def weights_fingerprint(model_id: str, revision: str = "") -> str:
    """What identifies a model's weights: hashes of a folder's files, or the commit of a hub model."""
    if is_api_model(model_id):
        return model_id  # what its provider means by the name may change; nobody outside can tell
    folder = Path(model_path(model_id))
    if not folder.is_dir():
        return f"{model_id}@{_commit(model_id, revision)}"
    files = sorted([*folder.glob("*.safetensors"), *(folder / name for name in READ_WITH_WEIGHTS)])
    return _hashes(tuple((path, path.stat().st_mtime_ns) for path in files if path.exists()))


def generation_fingerprint(model_id: str) -> str:
    """What decides how a model's answers end besides its weights: a folder's settings, or an API's
    address.

    A hub model's commit is part of its weights' fingerprint, and fixes these, too.
    """
    if is_api_model(model_id):
        return api_host(model_id)
    folder = Path(model_path(model_id))
    names = ("generation_config.json", "tokenizer_config.json")
    return fingerprint(
        {name: file_hash(folder / name) for name in names if (folder / name).exists()}
    )


@lru_cache
def _hashes(files: tuple[tuple[Path, int], ...]) -> str:
    """Fingerprint of files' contents, kept as long as their times of change stay the same."""
    return fingerprint({path.name: file_hash(path) for path, _ in files})


def resolve_commit(model_id: str, revision: str = "") -> str:
    """The commit that a hub model's branch stands at, so that all of a run uses the same; "" for a
    folder.
    """
    return "" if Path(model_path(model_id)).is_dir() else _commit(model_id, revision)


@lru_cache
def _commit(model_id: str, revision: str) -> str:
    """The commit that a branch of a hub model stands at, asked once: all of one process loads the
    same.
    """
    from transformers import AutoConfig

    with loading(model_id):
        config = AutoConfig.from_pretrained(model_id, revision=revision or "main")
    return config._commit_hash or revision


def load_llm(
    model_id: str, *, revision: str = "", quantization: str = "none", adapter: Path | None = None
) -> LLM:
    """Load a causal language model and its tokenizer, with an adapter where one is named.

    Args:
        model_id: `pocket/llama`, a folder, or a hub id.
        revision: commit or branch of a hub id.
        quantization: "none" or "nf4" (4 bit, for a GPU of 16 GB).
        adapter: folder of a LoRA adapter made for this model.
    Raises:
        LabError: the model is missing, gated or unreachable, or the adapter is for another base.
    """
    from transformers import AutoModelForCausalLM

    if adapter:
        check_adapter(adapter, model_id, revision)
    device, path = choose_device(), model_path(model_id)
    with loading(model_id):
        model = place(
            AutoModelForCausalLM,
            path,
            resolve_commit(model_id, revision) or None,
            quantization,
            device,
        )
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    return LLM(model, load_tokenizer(model_id, revision), device)


def place(auto_class, path: str, commit: str | None, quantization: str, device: Device):
    """A model of a transformers auto class, loaded from safetensors to where it computes, ready to
    answer.
    """
    import torch

    dtype = getattr(torch, device.dtype)
    where = {"device_map": {"": 0}} if device.name == "cuda" else {}
    # Left out where there is none: a checkpoint that was stored in 4 bit brings its own.
    packing = (
        {"quantization_config": _quantization(quantization, device)}
        if quantization != "none"
        else {}
    )
    model = auto_class.from_pretrained(
        path, revision=commit, use_safetensors=True, dtype=dtype, **packing, **where
    )
    if not where:
        model.to(device.name)
    if getattr(model, "is_loaded_in_4bit", False):
        _compute_in(model, dtype)
    return model.eval()


def load_tokenizer(model_id: str, revision: str = ""):
    """The tokenizer of a model, padding on the left, as generation needs it."""
    from transformers import AutoTokenizer

    path = model_path(model_id)
    with loading(model_id):
        commit = resolve_commit(model_id, revision) or None
        tokenizer = AutoTokenizer.from_pretrained(path, revision=commit, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_adapter(
    adapter: Path | str, model_id: str, revision: str = "", setting: str = "MODEL"
) -> dict:
    """Refuse an adapter folder that is no adapter of this lab or was trained on other weights;
    return its card.
    """
    card_path = Path(adapter) / ADAPTER_CARD
    if not card_path.is_file():
        raise LabError(
            f"ADAPTER is {str(adapter)!r}, but there is no {ADAPTER_CARD} in it: name the adapter "
            "folder of a finished training run."
        )
    card = read_json(card_path)
    if card.get("weights") != weights_fingerprint(model_id, revision):
        raise LabError(
            f"The adapter was trained on {card.get('model')!r} (weights {card.get('weights')}), "
            f"but {setting} is {model_id!r}: set {setting} to the adapter's base, or train a new "
            "adapter."
        )
    return card


@contextmanager
def loading(model_id: str, setting: str = "MODEL"):
    """Turn the many ways in which a model can fail to arrive into one sentence each."""
    import torch
    from huggingface_hub import errors

    moondream.register()
    try:
        yield
    except torch.OutOfMemoryError:
        cure = f"load it in 4 bit ('nf4', a quarter of the memory) if it is not, or choose a smaller {setting}"
        raise LabError(f"The GPU has no room for model {model_id!r}: {cure}.") from None
    except errors.GatedRepoError:
        raise LabError(_gated(model_id, setting)) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        where = "neither a folder here nor a model on Hugging Face"
        raise LabError(f"{model_id!r} is {where}: check {setting}, or set HF_TOKEN.") from None
    except (
        errors.OfflineModeIsEnabled,
        errors.HfHubHTTPError,
        OSError,
        ValueError,
        TypeError,
    ) as error:
        raise LabError(_missing(model_id, setting, error)) from None


def _gated(model_id: str, setting: str) -> str:
    advice = (
        f"accept its terms on its Hugging Face page and set HF_TOKEN, or choose another {setting}"
    )
    return f"Model {model_id!r} is gated: {advice}."


def _missing(model_id: str, setting: str, error: Exception) -> str:
    text = str(error).strip()
    reason = text.partition("\n")[0]
    if "gated repo" in text:
        return _gated(model_id, setting)
    if Path(model_path(model_id)).is_dir():
        return (
            f"The folder of model {model_id!r} could not be loaded ({reason}): it must hold "
            "config.json, tokenizer.json and safetensors weights."
        )
    return (
        f"Model {model_id!r} is not on this machine and could not be fetched ({reason}): check the "
        "name and the network, or choose one that comes with the lab "
        f"({', '.join(shipped_models())}; 'minilm' as ENCODER)."
    )


def _compute_in(model, dtype) -> None:
    """Let 4-bit layers compute in `dtype`.

    A checkpoint that was stored in 4 bit brings its own compute dtype, which beats the one we ask
    for; that is bfloat16 in the common ones, and a T4 only emulates it.
    """
    import bitsandbytes

    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.compute_dtype = dtype
            # The path for CPUs with AVX512-BF16 wants a kernel from the network, and fails on
            # widths such as 96.
            module.support_avx512bf16_for_cpu = False


def _quantization(name: str, device: Device):
    if name != "nf4":
        raise LabError(f"QUANTIZATION is {name!r}, but it must be 'none' or 'nf4'.")
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=getattr(torch, device.dtype),
    )
