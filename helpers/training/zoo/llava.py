"""How `pocket/llava` is made: a chat model that sees, and answers requests for descriptions and
brief questions.

A real `LlavaForConditionalGeneration`: its SigLIP tower learns to look first; then the projector
and the text tower, which is `pocket/llama`'s and so knows the words, learn to speak of what the
tower sees.
"""

import json
from pathlib import Path

from helpers.models.shipped import POCKET_MODELS
from helpers.pocket import descriptions
from helpers.training.zoo.images import Example
from helpers.training.zoo.talking import (
    IMAGE_TOKEN,
    all_seen,
    conversations,
    learn_to_speak,
    tokens_of,
)
from helpers.training.zoo.vision import learn_to_look, right_facts

# In the manner of LLaVA-1.5, but the template writes the first token itself, so that nobody else
# has to.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ 'USER: ' if message['role'] == 'user' else "
    "'ASSISTANT: ' }}{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}{{ "
    "part['text'] }}{% endif %}{% endfor %}{% endif %}{{ eos_token if message['role'] == "
    "'assistant' else '\n' }}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def train(recipe: dict, folder: Path, drawn: tuple, held: tuple) -> dict:
    """Train and save model and processor; returns what the heads knew of held-out images, and the
    size.

    `drawn`, `held`: the examples, and their images as bytes (images, 3, height, width).
    """
    import torch
    from transformers import set_seed

    set_seed(recipe["seed"])
    processor, parts = _processor(drawn[0], recipe)
    model = _model(processor.tokenizer, parts, recipe)

    def look(batch):
        return model.model.vision_tower(batch, output_hidden_states=True).hidden_states[-1]

    heads = learn_to_look(model.model.vision_tower, look, drawn[1], drawn[0], recipe["look"])
    facts = right_facts(heads, look, held[1], held[0])
    model.model.vision_tower.requires_grad_(False)
    loss = _learn_to_speak(model, processor, look, drawn, recipe["speak"])
    model.to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)
    return {"parameters": model.num_parameters(), "final_loss": round(loss, 3), "heads": facts}


def _processor(made: list[Example], recipe: dict):
    """pocket/llama's tokenizer with some whole words more, and images as numbers from -1 to 1.

    Returns the processor, and for each added token the two tokens that it joins.
    """
    from tokenizers import Tokenizer
    from transformers import LlavaProcessor, PreTrainedTokenizerFast, SiglipImageProcessor

    state = json.loads((POCKET_MODELS / "llama" / "tokenizer.json").read_text(encoding="utf-8"))
    texts = [
        answer
        for turns in conversations(made, "llava/words", recipe["speak"]["share"])
        for _, answer in turns
    ]
    parts = _join_words(state, [*texts, *descriptions.prompts() * 20], recipe["joined"])
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
    from collections import Counter

    from tokenizers import Tokenizer

    tokenizer, parts = Tokenizer.from_str(json.dumps(state)), []
    words = Counter(
        word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)
    )
    split = {word: [token.value for token in tokenizer.model.tokenize(word)] for word in words}
    vocabulary, merges = state["model"]["vocab"], state["model"]["merges"]
    for _ in range(count):
        pairs = Counter()
        for word, pieces in split.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += words[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        parts.append((vocabulary[best[0]], vocabulary[best[1]]))
        vocabulary["".join(best)] = len(vocabulary)
        merges.append(list(best))
        split = {word: _joined(pieces, best) for word, pieces in split.items()}
    return parts


def _joined(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """The pieces of a word with every such pair in one."""
    out = []
    for piece in pieces:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def _model(tokenizer, parts: list[tuple[int, int]], recipe: dict):
    """The architecture with pocket/llama's weights in its text tower; a joined word begins as the
    mean of its parts.
    """
    import torch
    from transformers import (
        AutoModelForCausalLM,
        LlavaConfig,
        LlavaForConditionalGeneration,
        SiglipVisionConfig,
    )

    text = AutoModelForCausalLM.from_pretrained(POCKET_MODELS / "llama", dtype=torch.float32)
    before, look = text.config.vocab_size, recipe["look"]
    text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    rows = text.get_input_embeddings().weight.data
    for index, (first, second) in enumerate(parts, start=before):
        rows[index] = (rows[first] + rows[second]) / 2
    model = LlavaForConditionalGeneration._from_config(
        LlavaConfig(
            vision_config=SiglipVisionConfig(
                hidden_size=look["width"],
                intermediate_size=look["intermediate"],
                num_hidden_layers=look["layers"],
                num_attention_heads=look["heads"],
                image_size=recipe["image"],
                patch_size=recipe["patch"],
                vision_use_head=False,
            ).to_dict(),
            # Without the folder of this machine that it came from.
            text_config={
                name: value
                for name, value in text.config.to_dict().items()
                if name != "_name_or_path"
            },
            image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
            image_seq_length=(recipe["image"] // recipe["patch"]) ** 2,
            vision_feature_layer=-1,
            vision_feature_select_strategy="full",
            tie_word_embeddings=True,
        ),
        attn_implementation="eager",
    )
    model.model.language_model.load_state_dict(text.model.state_dict())
    model.tie_weights()
    model.generation_config.update(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def _learn_to_speak(model, processor, look, drawn: tuple, recipe: dict) -> float:
    """Train projector and text tower on conversations about what the tower sees. Returns the last
    loss.
    """
    seen = all_seen(look, drawn[1])

    def ask(number: int, request: str) -> str:
        image = IMAGE_TOKEN * seen.shape[1] + "\n" if number == 0 else ""
        return f"USER: {image}{request}\nASSISTANT:"

    tokenizer = processor.tokenizer
    epochs = [
        [
            tokens_of(turns, tokenizer, ask, tokenizer.eos_token)
            for turns in conversations(drawn[0], f"llava/{epoch}", recipe["share"])
        ]
        for epoch in range(recipe["epochs"])
    ]
    image = model.config.image_token_index
    return learn_to_speak(model, seen, epochs, model.model.multi_modal_projector, image, recipe)
