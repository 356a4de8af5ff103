"""How `pocket/blip` is made: a captioner that goes on with "the image is of", in brief everyday
words.

A real `BlipForConditionalGeneration`: its vision tower learns to look first, then its text decoder
learns to speak while the tower stays as it is.
"""

import random
from pathlib import Path

from helpers.pocket import descriptions
from helpers.training.zoo.images import Example, normal
from helpers.training.zoo.training import descend
from helpers.training.zoo.vision import learn_to_look, right_facts

# The names of BERT's special tokens, with the decoder's own first token, as in the published BLIP.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]")


def train(recipe: dict, folder: Path, drawn: tuple, held: tuple) -> dict:
    """Train and save model and processor; returns what the heads knew of held-out images, and the
    size.

    `drawn`, `held`: the examples, and their images as bytes (images, 3, height, width).
    """
    import torch
    from transformers import set_seed

    set_seed(recipe["seed"])
    processor = _processor(_texts(drawn[0], recipe["seed"]), recipe)
    model = _model(processor.tokenizer, recipe)

    def look(batch):
        return model.vision_model(batch).last_hidden_state

    heads = learn_to_look(model.vision_model, look, drawn[1], drawn[0], recipe["look"])
    facts = right_facts(heads, look, held[1], held[0])
    model.vision_model.requires_grad_(False)
    loss = _learn_to_speak(model, processor.tokenizer, look, drawn, recipe["speak"])
    model.to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)
    return {"parameters": model.num_parameters(), "final_loss": round(loss, 3), "heads": facts}


def _texts(made: list[Example], seed: int) -> list[str]:
    rng = random.Random(f"blip/{seed}")
    return [
        descriptions.describe(example.seen, example.view, site=example.site, style="lay", rng=rng)
        for example in made
    ]


def _processor(texts: list[str], recipe: dict):
    """A lower-case WordPiece tokenizer of the captions' words, and images as numbers from -1 to
    1.
    """
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast, BlipImageProcessor, BlipProcessor

    learner = BertWordPieceTokenizer(lowercase=True)
    learner.train_from_iterator(
        texts,
        vocab_size=recipe["vocabulary"],
        min_frequency=1,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz'-.,"),
    )
    vocabulary = sorted(learner.get_vocab().items(), key=lambda pair: pair[1])
    tokenizer = BertTokenizerFast(
        vocab=dict(vocabulary),
        do_lower_case=True,
        bos_token=SPECIAL[-1],
        eos_token="[SEP]",
        padding_side="left",
        clean_up_tokenization_spaces=True,
    )  # "person's", not "person ' s"
    pixels = BlipImageProcessor(
        size={"height": recipe["image"], "width": recipe["image"]},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return BlipProcessor(pixels, tokenizer)


def _model(tokenizer, recipe: dict):
    from transformers import (
        BlipConfig,
        BlipForConditionalGeneration,
        BlipTextConfig,
        BlipVisionConfig,
    )

    look, speak = recipe["look"], recipe["speak"]
    # Plain attention: in bfloat16 on a CPU it is twice as fast for so few tokens as the fused one.
    return BlipForConditionalGeneration._from_config(
        BlipConfig(
            vision_config=BlipVisionConfig(
                hidden_size=look["width"],
                intermediate_size=look["intermediate"],
                num_hidden_layers=look["layers"],
                num_attention_heads=look["heads"],
                image_size=recipe["image"],
                patch_size=recipe["patch"],
                initializer_range=0.02,
            ).to_dict(),
            text_config=BlipTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=speak["width"],
                encoder_hidden_size=look["width"],
                intermediate_size=speak["intermediate"],
                num_hidden_layers=speak["layers"],
                num_attention_heads=speak["heads"],
                max_position_embeddings=recipe["context"],
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.sep_token_id,
                sep_token_id=tokenizer.sep_token_id,
                pad_token_id=tokenizer.pad_token_id,
            ).to_dict(),
            image_text_hidden_size=look["width"],
        ),
        attn_implementation="eager",
    )


def _learn_to_speak(model, tokenizer, look, drawn: tuple, recipe: dict) -> float:
    """Train the text decoder on captions of what the tower sees; each epoch words them anew.
    Returns the last loss.
    """
    import torch

    made, pixels = drawn
    with torch.inference_mode():
        seen = torch.cat([look(normal(part)) for part in pixels.split(256)])
    seen, batches = seen.clone(), []
    for epoch in range(recipe["epochs"]):
        rows = tokenizer(
            _texts(made, epoch), padding=True, padding_side="right", return_tensors="pt"
        )
        rows["input_ids"][:, 0] = tokenizer.bos_token_id
        order = torch.randperm(len(made), generator=torch.Generator().manual_seed(epoch)).split(
            recipe["batch"]
        )
        batches += [(part, rows["input_ids"][part], rows["attention_mask"][part]) for part in order]

    def loss_of(batch):
        part, tokens, mask = batch
        labels = tokens.masked_fill(mask == 0, -100)
        return model.text_decoder(
            tokens,
            attention_mask=mask,
            encoder_hidden_states=seen[part],
            labels=labels,
            reduction="mean",
        ).loss

    model.text_decoder.train()
    loss = descend(model, batches, loss_of, recipe, "speaking")
    model.eval()
    return loss
