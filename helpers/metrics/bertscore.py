"""BERTScore (Zhang et al. 2020) of many answers at once: one model load, each text encoded once.

The values are those of the bert-score package, whose encoding and greedy matching do the work: no idf weights, no
rescaling, no lower-casing. What is mended is around them: see `helpers.metrics.encoders` for the tokenizer; an empty
text, on which the package fails, scores 0.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from helpers.metrics.encoders import Encoder, default_device, load_encoder, quiet

VERSION = 1  # raised when the same answers would score differently
BATCH = 64  # texts, or pairs of texts, at a time
KEPT_TOKENS = 200_000  # references kept encoded: 0.3 GB for MiniLM, 0.8 GB for roberta-large
NOTHING = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class BertScores:
    """Precision, recall and F1 of each case, arrays of shape (n_cases,) with values up to 1, and the settings."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    signature: str


def bert_scores(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    encoder: str = "minilm",
    device: str | None = None,
) -> BertScores:
    """BERTScore of each answer against the reference with the highest F1 (Zhang et al. 2020, section 3).

    `answers` and `references` run in parallel, one entry per case. `encoder`: "minilm", a model id or a folder;
    `device`: "cpu", "cuda" or None for what is there. The answer is the candidate: precision asks which of the answer's
    tokens the reference supports. The challenge's program swaps the two, so its precision is our recall; F1 is the
    same. An empty answer or reference scores 0. Raises `LabError` if the encoder cannot be loaded.
    """
    loaded = load_encoder(encoder, device or default_device())
    answers = [answer.strip() for answer in answers]
    references = [[text.strip() for text in texts] for texts in references]
    pairs = {
        (answer, text) for answer, texts in zip(answers, references, strict=True) for text in texts if answer and text
    }
    with quiet():
        scores = _match(loaded, pairs, _encode(loaded, pairs))
    best = np.array([
        max((scores.get((answer, text), NOTHING) for text in texts), key=lambda score: score[2], default=NOTHING)
        for answer, texts in zip(answers, references)
    ]).reshape(len(answers), 3)
    return BertScores(best[:, 0], best[:, 1], best[:, 2], _signature(loaded))


def _encode(encoder: Encoder, pairs: set[tuple[str, str]]) -> dict[str, tuple]:
    """Token vectors and weights of every text in `pairs`; those of references are kept for the next call."""
    kept = encoder.references
    if sum(len(weights) for _, weights in kept.values()) > KEPT_TOKENS:
        kept.clear()
    references = {text for _, text in pairs}
    kept.update(_encode_texts(encoder, references - kept.keys()))
    return kept | _encode_texts(encoder, {answer for answer, _ in pairs} - kept.keys())


def _encode_texts(encoder: Encoder, texts: set[str]) -> dict[str, tuple]:
    """Text -> (token vectors (tokens, width), token weights (tokens,)), on the CPU."""
    from bert_score.utils import get_bert_embedding

    # The marks at the beginning and end of a text are encoded with it but not counted.
    token_weights = defaultdict(lambda: 1.0, {encoder.tokenizer.cls_token_id: 0.0, encoder.tokenizer.sep_token_id: 0.0})
    encoded = {}
    for batch in _batches(sorted(texts, key=lambda text: (len(text), text))):
        vectors, mask, weights = get_bert_embedding(
            batch, encoder.model, encoder.tokenizer, token_weights, device=encoder.device
        )
        vectors, lengths = vectors.cpu(), mask.sum(dim=1).tolist()
        for row, (text, length) in enumerate(zip(batch, lengths)):
            # A copy: a slice would keep the whole padded batch in memory.
            encoded[text] = (vectors[row, :length].clone(), weights[row, :length].clone())
    return encoded


def _match(encoder: Encoder, pairs: set[tuple[str, str]], encoded: dict[str, tuple]) -> dict[tuple[str, str], tuple]:
    """(answer, reference) -> (precision, recall, F1); a pair with a text of no tokens is left out."""
    import torch
    from bert_score.utils import greedy_cos_idf

    tokens = {text: len(weights) for text, (_, weights) in encoded.items() if weights.sum() > 0}
    usable = [(answer, text) for answer, text in pairs if answer in tokens and text in tokens]
    # Pairs of like lengths together, so that little of a batch is padding.
    usable.sort(key=lambda pair: (tokens[pair[1]], tokens[pair[0]], pair))
    scores = {}
    with torch.no_grad():
        for batch in _batches(usable):
            answers = _padded([encoded[answer] for answer, _ in batch], encoder.device)
            texts = _padded([encoded[text] for _, text in batch], encoder.device)
            precision, recall, f1 = greedy_cos_idf(*texts, *answers)
            scores.update(zip(batch, zip(precision.tolist(), recall.tolist(), f1.tolist())))
    return scores


def _padded(encoded: list[tuple], device: str) -> tuple:
    """Vectors (batch, tokens, width), mask and weights (batch, tokens), as bert-score's matching takes them."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    # Padding vectors must not be zero: they are divided by their length before the mask hides them.
    vectors = pad_sequence([vectors.float() for vectors, _ in encoded], batch_first=True, padding_value=1.0)
    weights = pad_sequence([weights for _, weights in encoded], batch_first=True)
    lengths = torch.tensor([len(weights) for _, weights in encoded])
    mask = torch.arange(weights.shape[1]) < lengths[:, None]
    return vectors.to(device), mask.to(device), weights.to(device)


def _batches(items: list) -> Iterator[list]:
    for start in range(0, len(items), BATCH):
        yield items[start:start + BATCH]


def _signature(encoder: Encoder) -> str:
    # The package's own __version__ was left at 0.3.12 in release 0.3.13, so ask what is installed.
    return "|".join([
        "BERTScore",
        f"encoder:{encoder.name}",
        f"layers:{encoder.layers}",
        f"dtype:{encoder.dtype}",
        "idf:no",
        "rescaled:no",
        f"bert-score:{version('bert-score')}",
        f"transformers:{version('transformers')}",
        f"lab:{VERSION}",
    ])
