"""How `pocket/blip` is made: a captioner that goes on with "the image is of", in everyday words.

A real `BlipForConditionalGeneration`: its vision tower learns to look first, then its text decoder
learns to speak while the tower stays as it is.
"""

import random
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    PreTrainedTokenizerBase,
    set_seed,
)

from helpers.pocket import descriptions
from helpers.training.zoo.images import Drawing, DrawnImages
from helpers.training.zoo.training import descend
from helpers.training.zoo.vision import Look, learn_to_look, look_at_all, right_facts

# The names of BERT's special tokens, with the decoder's own first token, as in the published BLIP.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]")


def train(recipe: dict, folder: Path, drawn: DrawnImages, held: DrawnImages) -> dict:
    """Train and save model and processor; return size, loss, and what the heads know of `held`."""
    set_seed(recipe["seed"])
    processor = _build_processor(_captions(drawn.drawings, recipe["seed"]), recipe)
    model = _build_model(processor.tokenizer, recipe)

    def look(batch: torch.Tensor) -> torch.Tensor:
        return model.vision_model(batch).last_hidden_state

    heads = learn_to_look(model.vision_model, look, drawn, recipe["look"])
    facts = right_facts(heads, look, held)
    model.vision_model.requires_grad_(False)
    loss = _learn_to_speak(model, processor.tokenizer, look, drawn, recipe["speak"])
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    return {"parameters": model.num_parameters(), "final_loss": round(loss, 3), "heads": facts}


def _captions(drawings: list[Drawing], seed: int) -> list[str]:
    """Word the drawings; another seed words them otherwise."""
    rng = random.Random(f"blip/{seed}")
    return [
        descriptions.describe(drawing.seen, drawing.view, site=drawing.site, style="lay", rng=rng)
        for drawing in drawings
    ]


def _build_processor(captions: list[str], recipe: dict) -> BlipProcessor:
    """Make a lower-case WordPiece tokenizer of the captions, and images numbers from -1 to 1."""
    learner = BertWordPieceTokenizer(lowercase=True)
    learner.train_from_iterator(
        captions,
        vocab_size=recipe["vocabulary"],
        min_frequency=1,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz'-.,"),
    )
    vocabulary = sorted(learner.get_vocab().items(), key=lambda pair: pair[1])
    tokenizer = BertTokenizer(
        vocab=dict(vocabulary),
        do_lower_case=True,
        bos_token=SPECIAL[-1],
        eos_token="[SEP]",
        padding_side="left",
        clean_up_tokenization_spaces=True,  # "person's", not "person ' s"
    )
    images = BlipImageProcessor(
        size={"height": recipe["image"], "width": recipe["image"]},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return BlipProcessor(images, tokenizer)


def _build_model(tokenizer: PreTrainedTokenizerBase, recipe: dict) -> BlipForConditionalGeneration:
    look, speak = recipe["look"], recipe["speak"]
    vision = BlipVisionConfig(
        hidden_size=look["width"],
        intermediate_size=look["intermediate"],
        num_hidden_layers=look["layers"],
        num_attention_heads=look["heads"],
        image_size=recipe["image"],
        patch_size=recipe["patch"],
        initializer_range=0.02,
    )
    text = BlipTextConfig(
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
    )
    config = BlipConfig(
        vision_config=vision.to_dict(),
        text_config=text.to_dict(),
        image_text_hidden_size=look["width"],
    )
    # Plain attention: in bfloat16 on a CPU it is twice as fast for so few tokens as the fused one.
    return BlipForConditionalGeneration._from_config(config, attn_implementation="eager")


def _learn_to_speak(
    model: BlipForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    look: Look,
    drawn: DrawnImages,
    recipe: dict,
) -> float:
    """Train the text decoder on captions of what the tower sees, and return the last loss."""
    seen = look_at_all(look, drawn.pixels)
    batches = [
        batch
        for epoch in range(recipe["epochs"])
        for batch in _batches(drawn.drawings, tokenizer, epoch, recipe["batch"])
    ]

    def loss_of(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
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


def _batches(
    drawings: list[Drawing], tokenizer: PreTrainedTokenizerBase, epoch: int, size: int
) -> list[tuple[torch.Tensor, ...]]:
    """Give an epoch's batches: numbers of images, tokens, and mask; each epoch has new words."""
    captions = _captions(drawings, epoch)
    encoded = tokenizer(captions, padding=True, padding_side="right", return_tensors="pt")
    tokens, mask = encoded["input_ids"], encoded["attention_mask"]
    tokens[:, 0] = tokenizer.bos_token_id
    generator = torch.Generator().manual_seed(epoch)
    order = torch.randperm(len(drawings), generator=generator)
    return [(part, tokens[part], mask[part]) for part in order.split(size)]
