"""Which model is meant, exactly: the one reference that loading, training and the cache take."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from helpers.files import LabError, file_hash, fingerprint, split_names
from helpers.models.adapter_card import read_card
from helpers.models.api.address import api_host, is_api_model
from helpers.models.failures import explain_loading
from helpers.models.foreign import load_config
from helpers.models.packaged import fingerprint_packaged, is_packaged_llm
from helpers.models.shipped import model_path
from helpers.settings.section import Section, setting, without_folders

FORMS = ("float32", "bfloat16", "int8", "nf4")  # how weights are packed on a small device
SMALLEST_SIDE = 32  # pixels: two patches of the usual size
# What decides what a model reads, besides its weights; the last three only of VLMs.
READ_WITH_WEIGHTS = (
    "config.json",
    "tokenizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
)


class ModelRef(Section):
    """A model with all that changes what it answers.

    Attributes:
        name: with the revision (commit, tag or branch) behind an @ where it is not the main branch.
        adapter: folder of a LoRA adapter for this model or, of a VLM, of the whole model after a
            training.
        max_side: pixels; a VLM's processor is asked for no larger images, which caps their tokens.
            0 leaves it as it is.
    """

    name: str = setting(
        "pocket/llama",
        "a shipped model (pocket/...), smollm2-135m, a folder, a Hugging Face id (with @revision "
        "if need be), openai:NAME or gemini:NAME",
        parameter="MODEL",
        min_length=1,
    )
    quantization: Literal["none", "nf4"] = setting("none", "none, or nf4: the model in 4 bit")
    adapter: Path | None = None
    max_side: int = 0

    def __init__(self, name: Path | str | None = None, **fields: Any) -> None:
        super().__init__(**fields, **({} if name is None else {"name": str(name)}))

    def model_post_init(self, context: Any) -> None:
        """Refuse a packaged model in a form that its package does not have."""
        if is_packaged_llm(self.id) and (self.revision or self.quantization != "none"):
            raise LabError(
                f"`quantization` is {self.quantization!r}, but {self.id} comes in 4 bit and was "
                "made larger again, which nothing is won by undoing: set `quantization` to 'none'."
                if self.quantization != "none"
                else f"`model` is {self.name!r}, but {self.id} comes in a package, which has no "
                f"revisions: name it {self.id}."
            )

    @property
    def id(self) -> str:
        """The name without the revision."""
        return self.name if os.path.isdir(self.name) else self.name.partition("@")[0]

    @property
    def revision(self) -> str:
        """The revision that the name gives; "" is the main branch."""
        return "" if os.path.isdir(self.name) else self.name.partition("@")[2]

    @property
    def is_remote(self) -> bool:
        """True for a model behind an API."""
        return is_api_model(self.id)

    @property
    def path(self) -> str:
        """The folder of the model, or its hub id; a packaged model is unpacked if need be."""
        return model_path(self.id)

    @property
    def is_on_disk(self) -> bool:
        """True for a model that does not come from the hub."""
        return is_packaged_llm(self.id) or os.path.isdir(self.path)

    def __str__(self) -> str:
        return self.name

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the model for readers."""
        found = {"model": without_folders(self.id), "revision": self.revision}
        if self.is_remote or self.is_on_disk:
            return found
        return found | {"model_commit": self.resolve_commit()}  # what the revision stood at

    def identity(self) -> dict[str, Any]:
        """Identify weights, how answers end, and all else that changes what the model answers."""
        found: dict[str, Any] = {
            "weights": self.fingerprint_weights(),
            "generation": self.fingerprint_generation(),
            "quantization": self.quantization,
        }
        found |= {"max_side": self.max_side} if self.max_side else {}
        return found | ({"adapter": self.fingerprint_adapter()} if self.adapter else {})

    def resolve_commit(self) -> str | None:
        """Ask the hub once which commit `revision` stands at; None for a folder."""
        return None if self.is_on_disk else _ask_commit(self.id, self.revision)

    def fingerprint_weights(self) -> str:
        """Identify the weights without the adapter: hashes of a folder's files, or a commit.

        What a provider means by the name of a model behind an API may change; nobody outside can
        tell.
        """
        if self.is_remote:
            return self.id
        if is_packaged_llm(self.id):
            return fingerprint_packaged(self.id)
        if not self.is_on_disk:
            return f"{self.id}@{self.resolve_commit()}"
        folder = Path(self.path)
        named = [folder / name for name in READ_WITH_WEIGHTS]
        return _hash_files(tuple(sorted([*folder.glob("*.safetensors"), *named])))

    def fingerprint_generation(self) -> str:
        """Identify what decides how answers end: a folder's settings, or an API's address.

        What identifies the weights of a model from the hub or a package fixes these, too.
        """
        if self.is_remote:
            return api_host(self.id)
        if is_packaged_llm(self.id):
            return ""
        names = ("generation_config.json", "tokenizer_config.json")
        files = [Path(self.path) / name for name in names]
        return fingerprint({path.name: file_hash(path) for path in files if path.exists()})

    def fingerprint_adapter(self) -> str:
        """Identify the weights of the adapter, or of the tuned model; "" for none."""
        return hash_weights(self.adapter) if self.adapter else ""

    def read_card(self) -> dict:
        """Read what the adapter says of itself.

        Raises:
            LabError: the folder holds no adapter of this lab, one for other weights, or one that
                is not as its training wrote it.
        """
        card = read_card(self.adapter or Path())
        if card.get("weights") != self.fingerprint_weights():
            raise LabError(
                f"The adapter was trained on {card.get('model')!r} (weights "
                f"{card.get('weights')}), but `model` is {self.id!r}: set `model` to the adapter's "
                "base, or train a new adapter."
            )
        return card


class Llm(ModelRef):
    """The LLM that a notebook asks or fine-tunes."""

    profiles: ClassVar = {
        "pocket": {"name": "pocket/llama"},
        "laptop": {"name": "smollm2-135m"},
        "t4": {"name": "unsloth/llama-3-8b-bnb-4bit", "quantization": "nf4"},
    }


class Vlm(ModelRef):
    """The VLM that a notebook asks or fine-tunes."""

    max_side: int = setting(
        0,
        "pixels; larger images are shrunk where that saves tokens; 0: as the model has it",
        ge=0,
        le=8192,
    )
    profiles: ClassVar = {
        "pocket": {"name": "pocket/llava"},
        "t4": {"name": "HuggingFaceTB/SmolVLM-Instruct", "quantization": "nf4", "max_side": 512},
        "a100": {
            "name": "Qwen/Qwen3-VL-8B-Instruct",
            "quantization": "none",
            "max_side": 1024,
        },
    }

    def model_post_init(self, context: Any) -> None:
        """Also refuse images that no model can see."""
        super().model_post_init(context)
        if 0 < self.max_side < SMALLEST_SIDE:
            raise LabError(
                f"`max_side` is {self.max_side}, but it takes 0 (as the model has it) or "
                f"{SMALLEST_SIDE} pixels or more."
            )


class Vlms(Section):
    """The VLMs that are asked as they are."""

    names: str = setting(
        "bczhou/tiny-llava-v1-hf, vikhyatk/moondream2@2024-04-02, HuggingFaceTB/SmolVLM-Instruct, "
        "Qwen/Qwen3-VL-4B-Instruct, google/medgemma-4b-it",
        "the models that are asked as they are, with commas",
        parameter="MODELS",
        min_length=1,
    )
    profiles: ClassVar = {
        "pocket": {"names": "pocket/llava, pocket/idefics2"},
        "a100": {
            "names": "bczhou/tiny-llava-v1-hf, vikhyatk/moondream2@2024-04-02, "
            "HuggingFaceTB/SmolVLM-Instruct, Qwen/Qwen3-VL-8B-Instruct, google/medgemma-4b-it"
        },
    }

    def model_post_init(self, context: Any) -> None:
        """Refuse an empty list."""
        if not self.listed:
            raise LabError("`models` names nothing, but it takes a VLM, such as pocket/llava.")

    @property
    def listed(self) -> list[str]:
        """The models, one by one."""
        return split_names(self.names)


def hash_weights(folder: Path) -> str:
    """Hash the weights in the folder of an adapter or a model."""
    return fingerprint([file_hash(path) for path in sorted(folder.glob("*.safetensors"))])


def _hash_files(paths: tuple[Path, ...]) -> str:
    there = [path for path in paths if path.exists()]
    return _hash_unchanged(tuple((path, path.stat().st_mtime_ns) for path in there))


@lru_cache
def _hash_unchanged(files: tuple[tuple[Path, int], ...]) -> str:
    """Hash files' contents once, as long as their times of change stay the same."""
    return fingerprint({path.name: file_hash(path) for path, _ in files})


@lru_cache
def _ask_commit(model_id: str, revision: str) -> str:
    """Ask the hub once, so that all of one process loads the same commit."""
    with explain_loading(model_id):
        config = load_config(model_id, revision or "main")
    return config._commit_hash or revision
