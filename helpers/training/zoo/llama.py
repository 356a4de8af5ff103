"""How `pocket/llama` is made: it reads textbook prose and exercise sheets, from scratch.

It has read neither the Alpaca prompt nor a word of the clinic's patients and doctors, so that
fine-tuning has something to teach.
"""

import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from helpers.pocket import exercises, textbook
from helpers.training.zoo.training import descend

SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def write_texts(recipe: dict) -> list[str]:
    """Write what the model reads: textbook prose and exercise sheets, shuffled.

    Prose comes in documents of one to `document` passages: what follows an empty line is a new
    passage, not the end.
    """
    passages = textbook.passages(seed=recipe["seed"], count=recipe["passages"])
    texts = exercises.sheets(seed=recipe["seed"], count=recipe["sheets"])
    rng = random.Random(recipe["seed"])
    while passages:
        count = rng.randint(1, recipe["document"])
        texts.append("\n\n".join(passages[:count]))
        passages = passages[count:]
    rng.shuffle(texts)
    return texts


def build(recipe: dict, folder: Path) -> dict:
    """Train tokenizer and model, save both, and return size, loss and minutes."""
    started = time.monotonic()
    texts = write_texts(recipe)
    tokenizer = _train_tokenizer(texts, recipe["vocabulary"])
    blocks = _cut_into_blocks(tokenizer, texts, recipe["block"])
    set_seed(recipe["seed"])
    model = LlamaForCausalLM(_config(tokenizer, recipe))
    loss = _train(model, blocks, recipe)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "parameters": model.num_parameters(),
        "tokens": blocks.numel(),
        "final_loss": round(loss, 3),
        "minutes": round((time.monotonic() - started) / 60, 1),
    }


def _config(tokenizer: PreTrainedTokenizerFast, recipe: dict) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe["hidden"],
        intermediate_size=recipe["intermediate"],
        num_hidden_layers=recipe["layers"],
        num_attention_heads=recipe["heads"],
        num_key_value_heads=recipe["kv_heads"],
        head_dim=recipe["head_width"],
        rope_parameters={"rope_type": "default", "rope_theta": recipe["rope_theta"]},
        max_position_embeddings=recipe["context"],
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _train_tokenizer(texts: list[str], size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer that puts the BOS token first, as Llama-3's does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(SPECIAL_TOKENS.values()),
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    bos = SPECIAL_TOKENS["bos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos} $B",
        special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS)


def _cut_into_blocks(
    tokenizer: PreTrainedTokenizerFast, texts: list[str], length: int
) -> torch.Tensor:
    """Join all texts, each closed by EOS, and cut them into blocks (blocks, `length`) of tokens."""
    stream: list[int] = []
    for text in texts:
        stream += tokenizer(text)["input_ids"]
        stream.append(tokenizer.eos_token_id)
    count = len(stream) // length
    return torch.tensor(stream[: count * length]).view(count, length)


def _train(model: LlamaForCausalLM, blocks: torch.Tensor, recipe: dict) -> float:
    """Predict next tokens, and return the mean loss of the last 50 steps."""

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        return model(input_ids=blocks[rows], labels=blocks[rows]).loss

    generator = torch.Generator().manual_seed(recipe["seed"])
    order = torch.randperm(len(blocks), generator=generator)
    return descend(model, order.split(recipe["batch"]), loss_of, recipe)
