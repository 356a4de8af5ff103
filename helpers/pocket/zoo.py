"""The small models shipped with the lab: one recipe each, from scratch, in the real architectures' own format.

`pocket/llama` is a real `LlamaForCausalLM` with a byte-level BPE tokenizer. It has read textbook prose about the
clinic's conditions, and exercise sheets: worked items in many forms. It has read neither the Alpaca prompt nor a word
of the clinic's patients and doctors, so that fine-tuning has something to teach.

What it can do: write prose about the conditions; take an unknown form of question and answer for what it is, answer in
a few words, mostly with a condition or a phrase about one, and go on with the next block.
What it cannot: learn from worked examples. Shots change the form of its answers a little, but it copies hardly any
answer even where a shot asks the same, and does not find the diagnosis. It cannot reason, and it knows no medicine.
"""

import json
import random
import shutil
import time
from pathlib import Path

from helpers.files import LabError, fingerprint, read_json, write_json
from helpers.models import POCKET_MODELS
from helpers.pocket import exercises, textbook

RECIPES = {
    "llama": {
        "architecture": "LlamaForCausalLM", "vocabulary": 2048, "hidden": 192, "intermediate": 512, "layers": 4,
        "heads": 4, "kv_heads": 2, "head_width": 64, "rope_theta": 500000.0, "context": 2048,
        "passages": 13000, "document": 4, "sheets": 8000, "block": 640, "batch": 6,
        "learning_rate": 5e-3, "adam_rate": 3e-3, "warmup": 0.05, "weight_decay": 0.05, "seed": 11,
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
    """What the model reads: textbook prose and exercise sheets, shuffled.

    Prose comes in documents of one to `document` passages: what follows an empty line is a new passage, not the end.
    """
    passages = textbook.passages(seed=recipe["seed"], count=recipe["passages"])
    rng, texts = random.Random(recipe["seed"]), exercises.sheets(seed=recipe["seed"], count=recipe["sheets"])
    while passages:
        count = rng.randint(1, recipe["document"])
        texts.append("\n\n".join(passages[:count]))
        passages = passages[count:]
    rng.shuffle(texts)
    return texts


def _pretrain_llama(recipe: dict, folder: Path) -> dict:
    """Train tokenizer and model on what it reads and save both; returns size, loss and minutes."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    started = time.monotonic()
    texts = _texts(recipe)
    tokenizer = _train_tokenizer(texts, recipe["vocabulary"])
    blocks = _blocks(tokenizer, texts, recipe["block"])
    set_seed(recipe["seed"])
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=recipe["hidden"], intermediate_size=recipe["intermediate"],
        num_hidden_layers=recipe["layers"], num_attention_heads=recipe["heads"], num_key_value_heads=recipe["kv_heads"],
        head_dim=recipe["head_width"], rope_parameters={"rope_type": "default", "rope_theta": recipe["rope_theta"]},
        max_position_embeddings=recipe["context"], tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    ))
    loss = _train(model, blocks, recipe)
    model.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "parameters": model.num_parameters(), "tokens": blocks.numel(),
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
    """Plain next-token training, linear warm-up and cosine decay; returns the mean loss of the last 50 steps.

    Matrices multiply in bfloat16 where AVX512 is at hand: more than twice as many tokens a second on such a CPU.
    """
    import torch
    from tqdm.auto import tqdm
    from transformers import get_cosine_schedule_with_warmup

    order = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(recipe["seed"]))
    batches = order.split(recipe["batch"])
    optimizers = _optimizers(model, recipe)
    schedules = [get_cosine_schedule_with_warmup(optimizer, int(len(batches) * recipe["warmup"]), len(batches))
                 for optimizer in optimizers]
    fast = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    losses = []
    progress = tqdm(batches, desc="pre-training", unit="step")
    for rows in progress:
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            loss = model(input_ids=blocks[rows], labels=blocks[rows]).loss
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for step in (*optimizers, *schedules):
            step.step()
        losses.append(loss.item())
        progress.set_postfix(loss=f"{losses[-1]:.3f}")
    return sum(losses[-50:]) / len(losses[-50:])


def _optimizers(model, recipe: dict) -> list:
    """Muon for the layers' matrices, AdamW for embeddings and norms.

    After a million tokens the loss on unread prose was 2.1 with Muon and 3.9 with AdamW alone, at the same rate
    (one run each; AdamW's rate was not tuned).
    """
    import torch

    matrices, others = [], []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "embed" not in name else others).append(weight)
    return [torch.optim.Muon(matrices, lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"],
                             adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=recipe["adam_rate"], weight_decay=0.0, betas=(0.9, 0.95))]
