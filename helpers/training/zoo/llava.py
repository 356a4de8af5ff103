"""How `pocket/llava` is made: a chat VLM that describes images and answers brief questions.

A real `LlavaForConditionalGeneration`: its SigLIP tower learns to look first; then the projector
and the text tower, which is `pocket/llama`'s and so knows the words, learn to speak of what the
tower sees.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    SiglipImageProcessor,
    set_seed,
)

from helpers.models.shipped import POCKET_MODELS
from helpers.pocket import descriptions
from helpers.training.zoo.images import Drawing, DrawnImages
from helpers.training.zoo.talking import (
    IMAGE_TOKEN,
    Encoded,
    Turns,
    conversations,
    encode_turns,
    learn_to_speak,
    plan_lessons,
)
from helpers.training.zoo.vision import Look, learn_to_look, look_at_all, right_facts

Pair = tuple[str, str]

# In the manner of LLaVA-1.5, but the template writes the first token itself, so that nobody else
# has to.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ 'USER: ' if message['role'] == 'user' else "
    "'ASSISTANT: ' }}{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}{{ "
    "part['text'] }}{% endif %}{% endfor %}{% endif %}{{ eos_token if message['role'] == "
    "'assistant' else '\n' }}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def train(recipe: dict, folder: Path, drawn: DrawnImages, held: DrawnImages) -> dict:
    """Train and save model and processor; return size, loss, and what the heads know of `held`."""
    set_seed(recipe["seed"])
    processor, parts = _build_processor(drawn.drawings, recipe)
    model = _build_model(processor.tokenizer, parts, recipe)
    tower = model.model.vision_tower

    def look(batch: torch.Tensor) -> torch.Tensor:
        return tower(batch, output_hidden_states=True).hidden_states[-1]

    heads = learn_to_look(tower, look, drawn, recipe["look"])
    facts = right_facts(heads, look, held)
    tower.requires_grad_(False)
    loss = _learn_to_speak(model, processor.tokenizer, look, drawn, recipe["speak"])
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    return {"parameters": model.num_parameters(), "final_loss": round(loss, 3), "heads": facts}


def _build_processor(
    drawings: list[Drawing], recipe: dict
) -> tuple[LlavaProcessor, list[tuple[int, int]]]:
    """Make pocket/llama's tokenizer with more whole words, and images numbers from -1 to 1.

    Returns the processor, and for each added token the two tokens that it joins.
    """
    state = json.loads((POCKET_MODELS / "llama" / "tokenizer.json").read_text(encoding="utf-8"))
    made_up = conversations(
        drawings[: recipe["speak"]["talk"]["pictures"]], "llava/words", recipe["speak"]["share"]
    )
    answers = [answer for turns in made_up for _, answer in turns]
    parts = _join_words(state, [*answers, *descriptions.prompts() * 20], recipe["joined"])
    # The chat template writes the first token.
    state["post_processor"] = None
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        extra_special_tokens={"image_token": IMAGE_TOKEN},
    )
    size = {"height": recipe["image"], "width": recipe["image"]}
    processor = LlavaProcessor(
        SiglipImageProcessor(size=size),
        tokenizer,
        patch_size=recipe["patch"],
        image_token=IMAGE_TOKEN,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )
    return processor, parts


def _join_words(state: dict, texts: list[str], count: int) -> list[tuple[int, int]]:
    """Go on with the tokenizer's own training (BPE) on new texts, for `count` tokens more.

    A description of 50 words is 95 tokens without it, and about 65 with it. `state` is the
    tokenizer's JSON and is changed in place; what was joined before is joined first and as before.
    Returns the ids of what each joins.
    """
    words, split = _split_words(state, texts)
    vocabulary, merges = state["model"]["vocab"], state["model"]["merges"]
    parts = []
    for _ in range(count):
        best = _commonest_pair(words, split)
        parts.append((vocabulary[best[0]], vocabulary[best[1]]))
        vocabulary["".join(best)] = len(vocabulary)
        merges.append(list(best))
        split = {word: _joined(pieces, best) for word, pieces in split.items()}
    return parts


def _split_words(state: dict, texts: list[str]) -> tuple[Counter[str], dict[str, list[str]]]:
    """Count the words of texts, and split each into its tokens."""
    tokenizer = Tokenizer.from_str(json.dumps(state))
    words = Counter(
        word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)
    )
    split = {word: [token.value for token in tokenizer.model.tokenize(word)] for word in words}
    return words, split


def _commonest_pair(words: Counter[str], split: dict[str, list[str]]) -> Pair:
    pairs: Counter[Pair] = Counter()
    for word, pieces in split.items():
        for pair in pairwise(pieces):
            pairs[pair] += words[word]
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def _joined(pieces: list[str], pair: Pair) -> list[str]:
    """Join every such pair among the pieces of a word."""
    out: list[str] = []
    for piece in pieces:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def _build_model(
    tokenizer: PreTrainedTokenizerBase, parts: list[tuple[int, int]], recipe: dict
) -> LlavaForConditionalGeneration:
    """Build the architecture with pocket/llama's weights in its text tower."""
    text = _load_text_tower(tokenizer, parts)
    look = recipe["look"]
    vision_config = {
        "model_type": "siglip_vision_model",
        "hidden_size": look["width"],
        "intermediate_size": look["intermediate"],
        "num_hidden_layers": look["layers"],
        "num_attention_heads": look["heads"],
        "image_size": recipe["image"],
        "patch_size": recipe["patch"],
        "vision_use_head": False,
    }
    text_config = text.config.to_dict()
    text_config.pop("_name_or_path", None)  # the folder of this machine that it came from
    config = LlavaConfig(
        vision_config=vision_config,
        text_config=text_config,
        image_token_index=tokenizer.get_vocab()[IMAGE_TOKEN],
        image_seq_length=(recipe["image"] // recipe["patch"]) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration._from_config(config, attn_implementation="eager")
    model.model.language_model.load_state_dict(text.model.state_dict())
    model.tie_weights()
    model.generation_config.update(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def _load_text_tower(
    tokenizer: PreTrainedTokenizerBase, parts: list[tuple[int, int]]
) -> LlamaForCausalLM:
    """Load pocket/llama; a joined word begins as the mean of its parts."""
    text = LlamaForCausalLM.from_pretrained(POCKET_MODELS / "llama", dtype=torch.float32)
    before = text.config.vocab_size
    text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    words = text.model.embed_tokens.weight.data
    for index, (first, second) in enumerate(parts, start=before):
        words[index] = (words[first] + words[second]) / 2
    return text


def _learn_to_speak(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    look: Look,
    drawn: DrawnImages,
    recipe: dict,
) -> float:
    """Train projector and text tower on conversations about images; return the last loss."""
    seen = look_at_all(look, drawn.pixels)

    def ask(number: int, request: str) -> str:
        image = IMAGE_TOKEN * seen.shape[1] + "\n" if number == 0 else ""
        return f"USER: {image}{request}\nASSISTANT:"

    def encode(turns: Turns) -> Encoded:
        return encode_turns(turns, tokenizer, ask, tokenizer.eos_token)

    lessons = plan_lessons(drawn.drawings, "llava", encode, recipe)
    image = model.config.image_token_index
    return learn_to_speak(model, seen, lessons, model.model.multi_modal_projector, image, recipe)
