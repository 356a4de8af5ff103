"""The small models shipped with the lab: one recipe each, from scratch, in the real architectures' own format.

`pocket/llama` is a real `LlamaForCausalLM` with a byte-level BPE tokenizer. It has read textbook prose about
the clinic's conditions and nothing else: it knows the words, but not the Alpaca prompt nor how the clinic's
doctors answer, so that fine-tuning has something to teach. It cannot reason, and it knows no medicine.
"""

import json
import random
import shutil
import time
from pathlib import Path

from helpers.files import LabError, fingerprint, read_json, write_json
from helpers.models import POCKET_MODELS
from helpers.pocket import textbook

RECIPES = {
    "llama": {
        "architecture": "LlamaForCausalLM", "vocabulary": 2048, "hidden": 192, "intermediate": 512, "layers": 4,
        "heads": 6, "kv_heads": 3, "context": 2048, "passages": 24000, "document": 4, "block": 256, "batch": 8,
        "epochs": 1, "learning_rate": 2e-3, "warmup": 0.05, "weight_decay": 0.05, "seed": 11,
    },
}
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
RECIPE_FILE = "recipe.json"


def recipe_hash(name: str) -> str:
    """Hash of all that a model is made from: its recipe and the text it reads."""
    return fingerprint([RECIPES[name], _texts(RECIPES[name])])


def is_current(name: str) -> bool:
    """Whether the shipped weights are those of the recipe as it stands now."""
    path = POCKET_MODELS / name / RECIPE_FILE
    return path.exists() and read_json(path)["hash"] == recipe_hash(name)


def build_model(name: str) -> str:
    """Train a model of the zoo again if its recipe has changed; returns a sentence that says what was done."""
    if name not in RECIPES:
        raise LabError(f"The zoo has no model {name!r}; it has {', '.join(RECIPES)}.")
    if is_current(name):
        return f"pocket/{name} is up to date: its recipe has not changed."
    folder = POCKET_MODELS / name
    unfinished = folder.with_name(f".{name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    result = _pretrain_llama(RECIPES[name], unfinished)
    write_json(unfinished / RECIPE_FILE, {"hash": recipe_hash(name), "recipe": RECIPES[name], "result": result})
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return f"pocket/{name} was trained: {json.dumps(result)}."


def _texts(recipe: dict) -> list[str]:
    """Documents of one to `document` passages: what comes after an empty line is a new passage, not the end."""
    passages = textbook.passages(seed=recipe["seed"], count=recipe["passages"])
    rng, texts = random.Random(recipe["seed"]), []
    while passages:
        count = rng.randint(1, recipe["document"])
        texts.append("\n\n".join(passages[:count]))
        passages = passages[count:]
    return texts


def _pretrain_llama(recipe: dict, folder: Path) -> dict:
    """Train tokenizer and model on the textbook and save both; returns size, loss and minutes."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    started = time.monotonic()
    tokenizer = _train_tokenizer(_texts(recipe), recipe["vocabulary"])
    blocks = _blocks(tokenizer, _texts(recipe), recipe["block"])
    set_seed(recipe["seed"])
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=recipe["hidden"], intermediate_size=recipe["intermediate"],
        num_hidden_layers=recipe["layers"], num_attention_heads=recipe["heads"], num_key_value_heads=recipe["kv_heads"],
        max_position_embeddings=recipe["context"], tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    ))
    loss = _train(model, blocks, recipe)
    model.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "parameters": model.num_parameters(), "tokens": blocks.numel() * recipe["epochs"],
        "final_loss": round(loss, 3), "minutes": round((time.monotonic() - started) / 60, 1),
    }


def _train_tokenizer(texts: list[str], size: int):
    """A byte-level BPE tokenizer that puts the BOS token first, as Llama-3's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIAL_TOKENS.values()), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    ))
    bos = SPECIAL_TOKENS["bos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS)


def _blocks(tokenizer, texts: list[str], length: int):
    """All passages, each closed by EOS, joined and cut into rows of `length` tokens: a tensor (rows, length)."""
    import torch

    stream = [token for text in texts for token in tokenizer(text)["input_ids"] + [tokenizer.eos_token_id]]
    rows = len(stream) // length
    return torch.tensor(stream[: rows * length]).view(rows, length)


def _train(model, blocks, recipe: dict) -> float:
    """Plain next-token training, linear warm-up and cosine decay; returns the mean loss of the last 50 steps."""
    import torch
    from tqdm.auto import tqdm
    from transformers import get_cosine_schedule_with_warmup

    generator = torch.Generator().manual_seed(recipe["seed"])
    steps_per_epoch = len(blocks) // recipe["batch"]
    steps = steps_per_epoch * recipe["epochs"]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"], betas=(0.9, 0.95)
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, int(steps * recipe["warmup"]), steps)
    losses = []
    progress = tqdm(total=steps, desc="pre-training", unit="step")
    for _ in range(recipe["epochs"]):
        order = torch.randperm(len(blocks), generator=generator)
        for rows in order[: steps_per_epoch * recipe["batch"]].view(steps_per_epoch, recipe["batch"]):
            loss = model(input_ids=blocks[rows], labels=blocks[rows]).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            progress.set_postfix(loss=f"{losses[-1]:.3f}")
            progress.update()
    return sum(losses[-50:]) / len(losses[-50:])
