"""Generation that ends where a text says so."""

import torch
from transformers import StoppingCriteriaList


def stopping(tokenizer, stop: str, width: int) -> StoppingCriteriaList:
    """End each row whose new tokens, behind the first `width`, hold the text `stop` ("": none)."""

    def stopped(ids, scores, **kwargs):
        # A token is at least one byte: a text that ends just now lies within as many tokens as it
        # has bytes.
        recent = ids[:, max(width, ids.shape[1] - len(stop.encode()) - 1) :]
        return torch.tensor(
            [stop in text for text in tokenizer.batch_decode(recent)], device=ids.device
        )

    return StoppingCriteriaList([stopped] if stop else [])
