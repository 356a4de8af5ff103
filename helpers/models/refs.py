"""Which model is meant, exactly: the one reference that loading, training and the cache take."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

from helpers.files import LabError, file_hash, fingerprint, read_json
from helpers.models.api.address import api_host, is_api_model
from helpers.models.failures import explain_loading
from helpers.models.shipped import model_path

ADAPTER_CARD = "lab.json"  # what an adapter says of itself: model, weights, data, prompt, training
QUANTIZATIONS = ("none", "nf4")
# What decides what a model reads, besides its weights; the last three only of VLMs.
READ_WITH_WEIGHTS = (
    "config.json",
    "tokenizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class ModelRef:
    """A model with all that changes what it answers.

    Attributes:
        id: `pocket/<name>`, a folder, a hub id, `openai:<name>` or `gemini:<name>` behind an API.
        revision: commit, tag or branch of a hub id; "" is its main branch.
        quantization: "none" or "nf4" (4 bit).
        adapter: folder of a LoRA adapter for this model or, of a VLM, of the whole model after a
            training.
        max_side: pixels; a VLM's processor is asked for no larger images, which caps their tokens.
            0 leaves it as it is.
    """

    id: str
    revision: str = ""
    quantization: str = "none"
    adapter: Path | None = None
    max_side: int = 0

    def __post_init__(self) -> None:
        if self.quantization not in QUANTIZATIONS:
            raise LabError(
                f"`quantization` is {self.quantization!r}, but it must be 'none' or 'nf4'."
            )

    @classmethod
    def parse(cls, text: str, *, quantization: str = "none", max_side: int = 0) -> Self:
        """Read a reference that may be written as id@revision."""
        name, _, revision = (text, "", "") if Path(text).is_dir() else text.partition("@")
        return cls(name, revision, quantization, max_side=max_side)

    def but(self, **changes) -> Self:
        """Return the same reference with other fields."""
        return replace(self, **changes)

    @property
    def is_remote(self) -> bool:
        """True for a model behind an API."""
        return is_api_model(self.id)

    @property
    def path(self) -> str:
        """The folder of the model, or its hub id."""
        return model_path(self.id)

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}" if self.revision else self.id

    def resolve_commit(self) -> str | None:
        """Ask the hub once which commit `revision` stands at; None for a folder."""
        return None if Path(self.path).is_dir() else _ask_commit(self.id, self.revision)

    def fingerprint_weights(self) -> str:
        """Identify the weights without the adapter: hashes of a folder's files, or a commit.

        What a provider means by the name of a model behind an API may change; nobody outside can
        tell.
        """
        if self.is_remote:
            return self.id
        folder = Path(self.path)
        if not folder.is_dir():
            return f"{self.id}@{self.resolve_commit()}"
        named = [folder / name for name in READ_WITH_WEIGHTS]
        return _hash_files(tuple(sorted([*folder.glob("*.safetensors"), *named])))

    def fingerprint_generation(self) -> str:
        """Identify what decides how answers end: a folder's settings, or an API's address.

        A hub model's commit is part of its weights' fingerprint, and fixes these, too.
        """
        if self.is_remote:
            return api_host(self.id)
        names = ("generation_config.json", "tokenizer_config.json")
        files = [Path(self.path) / name for name in names]
        return fingerprint({path.name: file_hash(path) for path in files if path.exists()})

    def fingerprint_adapter(self) -> str:
        """Identify the weights of the adapter, or of the tuned model; "" for none."""
        return hash_weights(self.adapter) if self.adapter else ""

    def read_card(self) -> dict:
        """Read what the adapter says of itself.

        Raises:
            LabError: the folder holds no adapter of this lab, or one for other weights.
        """
        card_path = (self.adapter or Path()) / ADAPTER_CARD
        if not card_path.is_file():
            raise LabError(
                f"`adapter` is {str(self.adapter)!r}, but there is no {ADAPTER_CARD} in it: name "
                "the adapter folder of a finished training run."
            )
        card = read_json(card_path)
        if card.get("weights") != self.fingerprint_weights():
            raise LabError(
                f"The adapter was trained on {card.get('model')!r} (weights "
                f"{card.get('weights')}), but `model` is {self.id!r}: set `model` to the adapter's "
                "base, or train a new adapter."
            )
        return card


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
    from transformers import AutoConfig

    with explain_loading(model_id):
        config = AutoConfig.from_pretrained(model_id, revision=revision or "main")
    return config._commit_hash or revision
