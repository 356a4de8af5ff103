"""The small models shipped with the lab: one recipe each, in the real architectures' own format.

`pocket/llama` is a real `LlamaForCausalLM` with a byte-level BPE tokenizer. It has read textbook
prose about the clinic's conditions, and exercise sheets: worked items in many forms. It has read
neither the Alpaca prompt nor a word of the clinic's patients and doctors, so that fine-tuning has
something to teach.

What it can do: write prose about the conditions; take an unknown form of question and answer for
what it is, answer in a few words, mostly with a condition or a phrase about one, and go on with the
next block. What it cannot: learn from worked examples. Shots change the form of its answers a
little, but it copies hardly any answer even where a shot asks the same, and does not find the
diagnosis. It cannot reason, and it knows no medicine.

`pocket/blip`, `pocket/llava` and `pocket/idefics2` see: they describe drawn images of skin, the
first in a brief everyday phrase, the others in clinical sentences; to the last an image is 16
tokens, to llava 64. These two have also read legends that name the condition, as figures of a book
have them, but no patient's question and no doctor's answer; of photographs all three know nothing.
`pocket/skingpt4` is a BLIP-2 whose language model is pocket/llava's text tower, and only a tower, a
Q-Former and a projection of its own: it describes, and has not learnt to name what it sees.
`recipe.json` says how often they are right on drawings that they have not seen.
"""

import json
import shutil
from functools import lru_cache
from pathlib import Path

from helpers.files import LabError, file_hash, fingerprint, read_json, write_json
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.shipped import POCKET_MODELS
from helpers.pocket import conditions, descriptions, lesions
from helpers.training.zoo import captioners, llama

# How the captioners' towers learn, and how they look: 96 pixels in patches of 12 are 64 tokens.
LOOK = {
    "layers": 4,
    "width": 96,
    "intermediate": 384,
    "heads": 4,
    "epochs": 4,
    "batch": 32,
    "shift": 6,
    "naming": 0.3,
    "seed": 5,
    "learning_rate": 4e-3,
    "adam_rate": 3e-3,
    "warmup": 0.05,
    "weight_decay": 0.05,
}
RECIPES = {
    "llama": {
        "architecture": "LlamaForCausalLM",
        "vocabulary": 2048,
        "hidden": 192,
        "intermediate": 512,
        "layers": 4,
        "heads": 4,
        "kv_heads": 2,
        "head_width": 64,
        "rope_theta": 500000.0,
        "context": 2048,
        "passages": 13000,
        "document": 4,
        "sheets": 8000,
        "block": 640,
        "batch": 6,
        "learning_rate": 5e-3,
        "adam_rate": 3e-3,
        "warmup": 0.05,
        "weight_decay": 0.05,
        "seed": 11,
    },
    "blip": {
        "architecture": "BlipForConditionalGeneration",
        "image": 96,
        "patch": 12,
        "vocabulary": 400,
        "context": 64,
        "pictures": 4800,
        "held_out": 500,
        "asked": 300,
        "seed": 21,
        "look": LOOK | {"epochs": 7},
        "speak": {
            "layers": 3,
            "width": 96,
            "intermediate": 384,
            "heads": 4,
            "epochs": 4,
            "batch": 32,
            "learning_rate": 3e-3,
            "adam_rate": 2e-3,
            "warmup": 0.05,
            "weight_decay": 0.05,
        },
    },
    "llava": {
        "architecture": "LlavaForConditionalGeneration",
        "image": 96,
        "patch": 12,
        "joined": 220,
        "pictures": 9600,
        "held_out": 500,
        "asked": 300,
        "seed": 22,
        "look": LOOK,
        "speak": {
            "talk": {"pictures": 4400, "batch": 8},
            "legends": {"pictures": 9600, "batch": 32, "named": 0.85, "general": 0.04},
            "share": {"describe": 0.5, "clinical": 0.25, "questions": 6},
            "learning_rate": 3e-3,
            "adam_rate": 2e-3,
            "warmup": 0.05,
            "weight_decay": 0.05,
        },
    },
    # Both towers are llava's. `spread`: how unlike its latents are at first.
    "idefics2": {
        "architecture": "Idefics2ForConditionalGeneration",
        "image": 96,
        "pictures": 7200,
        "held_out": 500,
        "asked": 300,
        "seed": 23,
        "perceiver": {
            "latents": 16,
            "depth": 1,
            "heads": 4,
            "head_width": 32,
            "kv_heads": 2,
            "spread": 1.0,
        },
        "gather": {
            "epochs": 5,
            "batch": 32,
            "seed": 6,
            "learning_rate": 1e-2,
            "adam_rate": 7e-3,
            "warmup": 0.05,
            "weight_decay": 0.05,
        },
        "speak": {
            "talk": {"pictures": 4400, "batch": 8},
            "legends": {"pictures": 7200, "batch": 32, "named": 0.85, "general": 0.04},
            "share": {"describe": 0.5, "clinical": 0.25, "questions": 6},
            "learning_rate": 3e-3,
            "adam_rate": 2e-3,
            "warmup": 0.05,
            "weight_decay": 0.05,
        },
    },
    # Its language model is pocket/llava's text tower as it is.
    "skingpt4": {
        "architecture": "SkinGPT4Model",
        "patch": 12,
        "pictures": 7200,
        "held_out": 500,
        "asked": 300,
        "seed": 24,
        "qformer": {
            "queries": 32,
            "layers": 2,
            "width": 80,
            "intermediate": 160,
            "heads": 4,
            "spread": 1.0,
        },
        "look": LOOK | {"layers": 3, "width": 80, "intermediate": 240, "epochs": 4},
        "speak": {
            "pictures": 4800,
            "batch": 16,
            "learning_rate": 3e-3,
            "adam_rate": 2e-3,
            "warmup": 0.05,
            "weight_decay": 0.05,
        },
    },
}
# What a model begins with, and so must be current before it is built.
BEGINS_WITH = {"llava": "llama", "idefics2": "llava", "skingpt4": "llava"}
RECIPE_FILE = "recipe.json"


def recipe_hash(name: str) -> str:
    """Hash all that a model is made from: its recipe, and its texts or images."""
    recipe = RECIPES[name]
    if name == "llama":
        return _hash_of_read(json.dumps(recipe))
    if name in ("idefics2", "skingpt4"):
        # llava's is that of all images, words and prompts, too.
        return fingerprint([recipe, recipe_hash("llava")])
    parts = [recipe, lesions.VERSION, file_hash(conditions.PATH)]
    if name == "blip":
        # Clinical words may change without it.
        return fingerprint(
            [*parts, descriptions.prefix(), descriptions.load_words()["lay"], CAPTION_PREFIX]
        )
    return fingerprint(
        [
            *parts,
            file_hash(descriptions.PATH),
            CAPTION_PREFIX,
            CLINICAL_PROMPT,
            recipe_hash("llama"),
        ]
    )


@lru_cache
def _hash_of_read(recipe_json: str) -> str:
    """Hash a language model's recipe and the text that it reads, which takes seconds to write."""
    recipe = json.loads(recipe_json)
    return fingerprint([recipe, llama.write_texts(recipe)])


def is_current(name: str) -> bool:
    """True if the shipped weights are those of the recipe as it stands now."""
    path = POCKET_MODELS / name / RECIPE_FILE
    return path.exists() and read_json(path)["hash"] == recipe_hash(name)


def build_model(name: str) -> str:
    """Train a model of the zoo again if its recipe has changed, and say what was done."""
    if name not in RECIPES:
        raise LabError(f"The zoo has no model {name!r}; it has {', '.join(RECIPES)}.")
    if is_current(name):
        return f"pocket/{name} is up to date: its recipe has not changed."
    folder = POCKET_MODELS / name
    unfinished = folder.with_name(f".{name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    # Before the training, so that what changes meanwhile makes the new weights stale.
    made_from = {"hash": recipe_hash(name), "recipe": RECIPES[name]}
    result = _train(name, unfinished)
    write_json(unfinished / RECIPE_FILE, made_from | {"result": result})
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return f"pocket/{name} was trained: {json.dumps(result)}."


def _train(name: str, folder: Path) -> dict:
    if name == "llama":
        return llama.build(RECIPES[name], folder)
    first = BEGINS_WITH.get(name)
    if first and not is_current(first):
        raise LabError(
            f"pocket/{name} begins with pocket/{first}'s weights, and those are not current: build "
            f"{first} first."
        )
    return captioners.build(name, RECIPES[name], folder)
