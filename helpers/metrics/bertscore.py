"""BERTScore (Zhang et al. 2020) of many answers at once: one model load, each text encoded once.

The values are those of the bert-score package, whose encoding and greedy matching do the work: no
idf weights, no rescaling, no lower-casing. What is mended is around them: see
`helpers.models.encoders` for the tokenizer; an empty text, on which the package fails, scores 0.

In the package a value depends a little on its company: a token whose best match is negative counts
as 0 where the other text is padded, as it is beside a longer one. So the references of a case are
matched together, and nothing else with them: that is what the challenge's program does, and what
the values here equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from helpers.cases import Case
from helpers.metrics.measure import Graded, Measured, groups_of
from helpers.metrics.metric import Metric
from helpers.metrics.scores import mean_columns, mean_from_sums, mean_score
from helpers.models.encoders import Encoder, default_device, load_encoder, quiet
from helpers.models.refs import ModelRef

if TYPE_CHECKING:
    import torch

    # A text's token vectors (tokens, width) and token weights (tokens,), on the CPU.
    Encoded = tuple[torch.Tensor, torch.Tensor]

VERSION = 1  # raised when the same answers would score differently
METRICS = {
    "bertscore_f1": Metric("BERTScore F1", "0 to 1", 3),
    "bertscore_precision": Metric("BERTScore precision", "0 to 1", 3),
    "bertscore_recall": Metric("BERTScore recall", "0 to 1", 3),
}
STATISTICS = {"bertscore_f1": mean_from_sums}
LEFT_OUT = ("mode",)
# Encoded at a time, padding included: more is slower on a CPU and little faster on a GPU.
BATCH_TOKENS = 2048
BATCH_PAIRS = 64  # matched at a time, as in the package
KEPT_TOKENS = 200_000  # references kept encoded: 0.3 GB for MiniLM, 0.8 GB for roberta-large
NOTHING = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class BertScores:
    """Precision, recall and F1 of each case: arrays of shape (n_cases,), values up to 1."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    signature: str


def depends_on(graded: Graded) -> list:
    """List what the scores depend on besides the answers.

    Raises:
        LabError: The encoder cannot be had.
    """
    encoder = graded.encoder
    identity = encoder if encoder == "minilm" else ModelRef(encoder).fingerprint_weights()
    return [identity, graded.fingerprint_references()]


def measure(graded: Graded) -> dict[str, Measured]:
    """Score the answers to all cases that have references; {} where none has."""
    cases = graded.scorable
    return score_texts(cases, graded.texts(cases), encoder=graded.encoder) if cases else {}


def score_texts(
    cases: Sequence[Case],
    texts: Sequence[str],
    *,
    mode: str = "aligned",
    encoder: str = "minilm",
    seed: int = 0,
) -> dict[str, Measured]:
    """Score one text per case; `seed` is that of the bootstrap.

    `mode` tells the signature how the texts were found; the values depend on the texts alone.
    """
    references = [[reference.text for reference in case.references] for case in cases]
    found = bert_scores(texts, references, encoder=encoder)
    signature = found.signature.replace("BERTScore|", f"BERTScore|mode:{mode}|", 1)
    groups = groups_of(cases)
    measured = {
        key: Measured(mean_score(values, signature=signature, seed=seed, groups=groups))
        for key, values in (
            ("bertscore_f1", found.f1),
            ("bertscore_precision", found.precision),
            ("bertscore_recall", found.recall),
        )
    }
    measured["bertscore_f1"] = Measured(
        measured["bertscore_f1"].score,
        cases=tuple(case.id for case in cases),
        columns=mean_columns(found.f1),
    )
    return measured


def bert_scores(
    answers: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    encoder: str = "minilm",
    device: str | None = None,
) -> BertScores:
    """Score each answer against the reference with the highest F1 (Zhang et al. 2020, section 3).

    `answers` and `references` run in parallel, one entry per case. `encoder`: "minilm", a model id
    or a folder; `device`: "cpu", "cuda" or None for what is there. The answer is the candidate:
    precision asks which of the answer's tokens the reference supports. The challenge's program
    swaps the two, so its precision is our recall; F1 is the same. An empty answer or reference
    scores 0.

    Raises:
        LabError: The encoder cannot be loaded.
    """
    loaded = load_encoder(encoder, device or default_device())
    stripped = [answer.strip() for answer in answers]
    by_case = [[text.strip() for text in texts if text.strip()] for texts in references]
    with quiet():
        encoded = _encode(loaded, stripped, by_case)
        best = [
            _best(loaded, answer, texts, encoded)
            for answer, texts in zip(stripped, by_case, strict=True)
        ]
    precision, recall, f1 = np.array(best, dtype=float).reshape(len(stripped), 3).T
    return BertScores(precision=precision, recall=recall, f1=f1, signature=_signature(loaded))


def _encode(
    encoder: Encoder, answers: list[str], references: list[list[str]]
) -> dict[str, Encoded]:
    """Encode every text; the references' vectors are kept for the next call."""
    kept = encoder.references
    if sum(len(weights) for _, weights in kept.values()) > KEPT_TOKENS:
        kept.clear()
    # A reference without an answer to compare is not worth encoding.
    needed = {text for answer, texts in zip(answers, references) if answer for text in texts}
    kept.update(_encode_texts(encoder, needed - kept.keys()))
    return kept | _encode_texts(encoder, {answer for answer in answers if answer} - kept.keys())


def _encode_texts(encoder: Encoder, texts: set[str]) -> dict[str, Encoded]:
    """Encode texts in batches of similar length."""
    from bert_score.utils import get_bert_embedding

    # The marks at the beginning and end of a text are encoded with it but not counted.
    marks = (encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id)
    token_weights = defaultdict(lambda: 1.0, dict.fromkeys(marks, 0.0))
    encoded = {}
    for batch in _batches(encoder, texts):
        vectors, mask, weights = get_bert_embedding(
            batch, encoder.model, encoder.tokenizer, token_weights, device=encoder.device
        )
        vectors = vectors.cpu()
        lengths = mask.sum(dim=1).tolist()
        for row, (text, length) in enumerate(zip(batch, lengths)):
            # A copy: a slice would keep the whole padded batch in memory.
            encoded[text] = (vectors[row, :length].clone(), weights[row, :length].clone())
    return encoded


def _batches(encoder: Encoder, texts: set[str]) -> Iterator[list[str]]:
    """Batch texts of similar length, so that little is padding, up to `BATCH_TOKENS` with it."""
    from bert_score.utils import sent_encode

    by_length = sorted((len(sent_encode(encoder.tokenizer, text)), text) for text in texts)
    batch: list[str] = []
    for length, text in by_length:
        if batch and length * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch


def _best(
    encoder: Encoder, answer: str, texts: list[str], encoded: Mapping[str, Encoded]
) -> tuple[float, float, float]:
    """Compute precision, recall and F1 of one answer by its best reference, the highest in F1."""
    import torch
    from bert_score.utils import greedy_cos_idf

    # A text may hold nothing that the tokenizer keeps, such as a lone zero-width space.
    usable = [encoded[text] for text in texts if text in encoded and encoded[text][1].sum() > 0]
    if not answer or not usable or encoded[answer][1].sum() == 0:
        return NOTHING
    scores: list[tuple[float, float, float]] = []
    for start in range(0, len(usable), BATCH_PAIRS):
        batch = usable[start : start + BATCH_PAIRS]
        with torch.no_grad():
            matched = greedy_cos_idf(
                *_padded(batch, encoder.device),
                *_padded([encoded[answer]] * len(batch), encoder.device),
            )
        scores += zip(*(part.tolist() for part in matched))
    return max(scores, key=lambda score: score[2])


def _padded(encoded: list[Encoded], device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pad texts to one length, in the form that bert-score's matching takes.

    Returns: vectors (batch, tokens, width), mask and weights (both (batch, tokens)).
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    # Padding vectors must not be zero: they are divided by their length before the mask hides them.
    vectors = pad_sequence(
        [vectors.float() for vectors, _ in encoded], batch_first=True, padding_value=1.0
    )
    weights = pad_sequence([weights for _, weights in encoded], batch_first=True)
    lengths = torch.tensor([len(weights) for _, weights in encoded])
    mask = torch.arange(weights.shape[1]) < lengths[:, None]
    return vectors.to(device), mask.to(device), weights.to(device)


def _signature(encoder: Encoder) -> str:
    # The package's own __version__ was left at 0.3.12 in release 0.3.13, so ask what is installed.
    return "|".join(
        [
            "BERTScore",
            f"encoder:{encoder.name}",
            f"layers:{encoder.layers}",
            f"dtype:{encoder.dtype}",
            "idf:no",
            "rescaled:no",
            f"bert-score:{version('bert-score')}",
            f"transformers:{version('transformers')}",
            f"lab:{VERSION}",
        ]
    )
