"""How `pocket/idefics2` is made: a chat model that sees through a perceiver, so that an image is
only a few tokens.

A real `Idefics2ForConditionalGeneration` that begins with what pocket/llava has learned: the
weights of its vision tower, and those of its text tower, which a Mistral takes as they are. New is
what connects the two: a projection, and the perceiver, whose latents gather what the patches show.
"""

from collections.abc import Callable
from pathlib import Path

from helpers.models.shipped import POCKET_MODELS
from helpers.training.zoo.talking import (
    IMAGE_TOKEN,
    all_seen,
    conversations,
    learn_to_speak,
    tokens_of,
)
from helpers.training.zoo.training import descend

FAKE_TOKEN, END = "<fake_token_around_image>", "<end_of_utterance>"
# In Idefics2's published manner, but the template writes the first token itself, so that nobody
# else has to.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% if message['content'] is string %} {{ message['content'] }}{% else %}"
    "{{ '' if message['content'][0]['type'] == 'image' else ' ' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ "
    "part['text'] }}{% endif %}{% endfor %}{% endif %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def train(recipe: dict, folder: Path, drawn: tuple, held: tuple) -> dict:
    """Train and save model and processor; returns the losses and the size.

    `drawn`, `held`: the examples, and their images as bytes (images, 3, height, width).
    """
    import torch
    from transformers import AutoModelForImageTextToText, set_seed

    set_seed(recipe["seed"])
    llava = AutoModelForImageTextToText.from_pretrained(
        POCKET_MODELS / "llava", dtype=torch.float32
    )
    processor = _processor(recipe)
    model = _model(llava, processor.tokenizer, recipe)
    gathering = _learn_to_gather(model, llava, drawn[1], recipe["gather"])
    loss = _learn_to_speak(model, processor.tokenizer, drawn, recipe["speak"])
    model.to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)
    return {
        "parameters": model.num_parameters(),
        "gathering_loss": round(gathering, 4),
        "final_loss": round(loss, 3),
    }


def ask_with_places(places: int) -> Callable:
    """How a request is written for `tokens_of`, as the chat template and the processor do;
    `places`: image tokens.
    """

    def ask(number: int, request: str) -> str:
        if number:
            return f"\nUser: {request}{END}\nAssistant:"
        return f"User:{FAKE_TOKEN}{IMAGE_TOKEN * places}{FAKE_TOKEN} {request}{END}\nAssistant:"

    return ask


def _processor(recipe: dict):
    """pocket/llava's tokenizer with Idefics2's special tokens, and images whole, as numbers from
    -1 to 1.
    """
    from tokenizers import Tokenizer
    from transformers import Idefics2ImageProcessor, Idefics2Processor, PreTrainedTokenizerFast

    state = (POCKET_MODELS / "llava" / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(state),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        extra_special_tokens={
            "image_token": IMAGE_TOKEN,
            "image_boundary_token": FAKE_TOKEN,
            "end_of_utterance_token": END,
        },
    )
    # The tower knows no other size; both edges bound make every image a square.
    size = {"shortest_edge": recipe["image"], "longest_edge": recipe["image"]}
    pixels = Idefics2ImageProcessor(size=size, do_image_splitting=False, resample=3)
    return Idefics2Processor(
        pixels, tokenizer, image_seq_len=recipe["perceiver"]["latents"], chat_template=CHAT_TEMPLATE
    )


def _model(llava, tokenizer, recipe: dict):
    """The architecture with pocket/llava's weights in both towers; only what connects them begins
    from nothing.
    """
    import torch
    from transformers import Idefics2Config, Idefics2ForConditionalGeneration, MistralConfig

    look, speak, perceiver = (
        llava.config.vision_config,
        llava.config.text_config,
        recipe["perceiver"],
    )
    same = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "hidden_act",
    )
    model = Idefics2ForConditionalGeneration._from_config(
        Idefics2Config(
            vision_config={
                name: getattr(look, name)
                for name in (*same, "image_size", "patch_size", "layer_norm_eps")
            },
            perceiver_config={
                "hidden_size": speak.hidden_size,
                "rms_norm_eps": speak.rms_norm_eps,
                "resampler_n_latents": perceiver["latents"],
                "resampler_depth": perceiver["depth"],
                "resampler_n_heads": perceiver["heads"],
                "resampler_head_dim": perceiver["head_width"],
                "num_key_value_heads": perceiver["kv_heads"],
            },
            text_config=MistralConfig(
                **{
                    name: getattr(speak, name)
                    for name in (
                        *same,
                        "num_key_value_heads",
                        "head_dim",
                        "rms_norm_eps",
                        "rope_parameters",
                        "max_position_embeddings",
                        "bos_token_id",
                        "eos_token_id",
                        "pad_token_id",
                    )
                },
                vocab_size=len(tokenizer),
                sliding_window=None,
                tie_word_embeddings=True,
            ).to_dict(),
            image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
            tie_word_embeddings=True,
        ),
        attn_implementation="eager",
    )
    words = llava.resize_token_embeddings(len(tokenizer), mean_resizing=False).weight.data
    ids = tokenizer.convert_tokens_to_ids
    words[ids(END)], words[ids(FAKE_TOKEN)] = (
        words[tokenizer.eos_token_id],
        words[tokenizer.encode("\n")[0]],
    )
    model.model.vision_model.load_state_dict(llava.model.vision_tower.state_dict())
    model.model.text_model.load_state_dict(llava.model.language_model.state_dict())
    model.tie_weights()
    # As the architecture begins all latents are equal, and would only slowly learn to look at
    # different places.
    torch.nn.init.normal_(
        model.model.connector.perceiver_resampler.latents, std=perceiver["spread"]
    )
    model.model.vision_model.requires_grad_(False)
    model.generation_config.update(
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=[tokenizer.eos_token_id, ids(END)],
    )
    return model


def _learn_to_gather(model, llava, pixels, recipe: dict) -> float:
    """Train what connects the towers to tell of each part of an image what pocket/llava tells of
    the patches in it.

    So each latent knows where to look, and speaks as the text tower is used to, before the two
    learn together: of the colours told 77 and 79 % were then right (two runs), and 71 % without it
    (one). Returns the last loss.
    """
    import torch

    def look(batch):
        return llava.model.vision_tower(batch, output_hidden_states=True).hidden_states[-1]

    connector, patches = model.model.connector, all_seen(look, pixels)
    with torch.no_grad():
        seen, told = (
            model.model.vision_model.post_layernorm(patches),
            llava.model.multi_modal_projector(patches),
        )
    told = _squares(told, connector.perceiver_resampler.n_latents)
    connector.perceiver_resampler.norm.weight.data.fill_(told.square().mean().sqrt())
    generator = torch.Generator().manual_seed(recipe["seed"])
    batches = [
        rows
        for _ in range(recipe["epochs"])
        for rows in torch.randperm(len(seen), generator=generator).split(recipe["batch"])
    ]

    def loss_of(rows):
        return torch.nn.functional.mse_loss(_connect(connector, seen[rows]).float(), told[rows])

    connector.train()
    return descend(connector, batches, loss_of, recipe, "gathering")


def _squares(told, count: int):
    """The mean of each of `count` squares of patches: (images, patches, width) to (images,
    count, width).
    """
    images, patches, width = told.shape
    side, places = int(patches**0.5), int(count**0.5)
    grid = told.view(images, places, side // places, places, side // places, width)
    return grid.mean((2, 4)).reshape(images, count, width)


def _connect(connector, seen):
    """What the text tower reads of images without padding (images, latents, width)."""
    return connector(seen, seen.new_ones(seen.shape[:2], dtype=bool))


def _learn_to_speak(model, tokenizer, drawn: tuple, recipe: dict) -> float:
    """Train all but the vision tower on conversations about what that sees. Returns the last loss."""
    connector = model.model.connector

    def look(batch):
        return model.model.vision_model(batch).last_hidden_state

    ask = ask_with_places(connector.perceiver_resampler.n_latents)
    epochs = [
        [
            tokens_of(turns, tokenizer, ask, END)
            for turns in conversations(drawn[0], f"idefics2/{epoch}", recipe["share"])
        ]
        for epoch in range(recipe["epochs"])
    ]
    return learn_to_speak(
        model,
        all_seen(look, drawn[1]),
        epochs,
        lambda seen: _connect(connector, seen),
        model.config.image_token_id,
        recipe,
    )
