"""What a model that sees reads: an image and a text, in the words of its own chat template, as
tensors.

Generation and fine-tuning prepare their inputs here, so that a model is trained on the very tokens
that it is asked.
"""

from collections.abc import Sequence

from transformers import AutoProcessor
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as IMAGE_TEXT_TO_TEXT,
)

from helpers.files import LabError
from helpers.models.failures import explain_loading
from helpers.models.foreign import load_config
from helpers.models.moondream import processor as moondream
from helpers.models.prompts import image_turn
from helpers.models.refs import ModelRef
from helpers.models.skingpt4 import MODEL_TYPE as SKINGPT4
from helpers.models.skingpt4 import processor as skingpt4

# Model types that go on with a text and know no instructions; every other is asked through its chat
# template.
PREFIX_MODELS = ("blip", "blip-2")
# Model types whose processors place one image in a conversation.
ONE_IMAGE = (moondream.MODEL_TYPE, SKINGPT4)
# TinyLLaVA's published format, as VisionQAries asked it; its processor brings no template.
LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: {% for part in "
    "message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\n ' }}{% else %}{{ "
    "part['text'] }}{% endif %}{% endfor %}{{ ' ' }}{% else %}ASSISTANT: {{ "
    "message['content'][0]['text'] }}{{ eos_token }}{% endif %}{% endfor %}{% if "
    "add_generation_prompt %}ASSISTANT:{% endif %}"
)


# Idefics2's, which transformers 4.40 had built in: what it saved has none.
IDEFICS2_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}:{{ '' if "
    "message['content'][0]['type'] == 'image' else ' ' }}{% for part in message['content'] %}{% if "
    "part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
TEMPLATES = {"llava": LLAVA_TEMPLATE, "idefics2": IDEFICS2_TEMPLATE}


def load_processor(ref: ModelRef):
    """Load the processor of a VLM, with what its repository left out.

    Raises:
        LabError: the model is not there, or reads only text.
    """
    vlm_type(ref)
    commit = ref.resolve_commit()
    with explain_loading(ref.id):
        config = load_config(ref.path, commit)
        if config.model_type == moondream.MODEL_TYPE:
            processor = moondream.load_processor(ref.path, revision=commit)
        elif config.model_type == SKINGPT4:
            processor = skingpt4.load_processor(config)
        else:
            processor = AutoProcessor.from_pretrained(
                ref.path, revision=commit, trust_remote_code=False
            )
    complete(processor, config)
    limit_max_side(processor, ref.max_side)
    return processor


def vlm_type(ref: ModelRef) -> str:
    """Read the type of a VLM, such as "blip" or "llava", from its config.json; no weights are read.

    Raises:
        LabError: the model is not there, or of a type that reads only text.
    """
    kind = model_type(ref)
    if not is_vlm_type(kind):
        raise LabError(
            f"`model` is {str(ref)!r}, but a model of type {kind!r} sees no images: name one that "
            "does, such as pocket/blip."
        )
    return kind


def model_type(ref: ModelRef) -> str:
    """Read the type of a model from its config.json."""
    with explain_loading(ref.id):
        return load_config(ref.path, ref.resolve_commit()).model_type


def is_vlm_type(kind: str) -> bool:
    """Tell whether a model of this type sees images."""
    return kind in (*IMAGE_TEXT_TO_TEXT, moondream.MODEL_TYPE, SKINGPT4)


def complete(processor, config) -> None:
    """Give a processor what its model's repository left out: padding, the template of LLaVA and
    Idefics2, LLaVA's patches.
    """
    tokenizer = processor.tokenizer
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if config.model_type in TEMPLATES and not processor.chat_template:
        processor.chat_template = TEMPLATES[config.model_type]
    if config.model_type == "llava" and processor.patch_size is None:
        processor.patch_size = config.vision_config.patch_size
        processor.vision_feature_select_strategy = config.vision_feature_select_strategy
        # CLIP puts a token of its own before those of the patches; SigLIP does not.
        processor.num_additional_image_tokens = int("clip" in config.vision_config.model_type)


def limit_max_side(processor, side: int) -> None:
    """Let a processor make images no larger than `side` pixels, where their tokens grow with
    them; 0 changes nothing.

    Idefics2 is then given no tiles; Idefics3 counts the longest edge, and at least one tile
    remains; Qwen counts pixels in all. Others make every image the same size, and its tokens are
    what they are.
    """
    images = processor.image_processor
    if side and hasattr(images, "do_image_splitting") and not hasattr(images, "max_image_size"):
        images.do_image_splitting = False  # Idefics2's tiles are as large as the image may be
    size = {name: value for name, value in dict(images.size).items() if value}
    if not side or "longest_edge" not in size:
        return
    tile = dict(getattr(images, "max_image_size", None) or {}).get("longest_edge") or 0
    most = side**2 if hasattr(images, "merge_size") else max(side, tile)
    images.size = {name: min(value, most) for name, value in size.items()}


def turn_text(
    processor, text: str, answer: str | None = None, shots: Sequence[tuple[str, str]] = ()
) -> str:
    """One user's turn as the model reads it, up to where the answer begins, or with an answer; the
    image stands first, or where `prompts.IMAGE_PLACE` says.

    Args:
        shots: worked examples (text, answer), turns with an image each before this one.
    Raises:
        LabError: the processor has no chat template.
    """
    if not getattr(processor, "chat_template", None):
        raise LabError(
            f"A model with a {type(processor).__name__} is asked in chat messages, but its "
            "processor has no chat template: choose another model."
        )
    turns = []
    for asked, said in [*shots, (text, answer)]:
        turns.append(image_turn(asked, {"type": "image"}))
        if said is not None:
            turns.append({"role": "assistant", "content": [{"type": "text", "text": said}]})
    return processor.apply_chat_template(
        turns, add_generation_prompt=answer is None, tokenize=False
    )


def completion(processor, text: str, answer: str) -> str:
    """What follows `turn_text` when the model gives this answer: the answer, and what the template
    ends a turn with.

    Raises:
        LabError: the template writes a finished turn otherwise than its beginning.
    """
    before, whole = turn_text(processor, text), turn_text(processor, text, answer)
    if not whole.startswith(before):
        raise LabError(
            f"The chat template of {type(processor).__name__} writes a finished conversation "
            "otherwise than its beginning, so question and answer cannot be told apart: choose "
            "another model."
        )
    return whole[len(before) :]


def read(processor, texts: Sequence[str], images: Sequence, *, padding_side: str):
    """Rendered texts with their images as tensors: `input_ids` (texts, tokens), and what the
    model needs besides.

    Args:
        texts: from `turn_text`; where one begins with the model's first token, none is added.
        images: RGB images of PIL, one for each text; of a text with several, their list.
    Raises:
        LabError: the processor was made for another model.
    """
    bos = processor.tokenizer.bos_token
    try:
        return processor(
            text=list(texts),
            images=[image if isinstance(image, list) else [image] for image in images],
            padding=True,
            padding_side=padding_side,
            return_tensors="pt",
            add_special_tokens=not (bos and texts[0].startswith(bos)),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(mismatch(str(error))) from None


def check_pair(model, processor, name: str) -> None:
    """Refuse a processor that was made for another model: its image token or its words are not
    the model's.
    """
    words = model.get_input_embeddings().weight.shape[0]
    token = getattr(model.config, "image_token_id", None)
    # What Gemma's processor calls its image token is the one that opens an image; its tokenizer
    # knows both.
    theirs = getattr(processor.tokenizer, "image_token_id", None)
    if theirs is None:
        theirs = processor.tokenizer.convert_tokens_to_ids(
            getattr(processor, "image_token", "<image>")
        )
    if len(processor.tokenizer) > words or (token is not None and token != theirs):
        raise LabError(
            f"The processor of {name!r} has {len(processor.tokenizer)} words and images at token "
            f"{theirs}, but its model {words} words and images at {token}: they do not belong "
            "together; take both from one place."
        )
    for name, wanted in _image_numbers(model.config).items():
        found = next(
            (
                value
                for value in (
                    getattr(part, name, None) for part in (processor, processor.image_processor)
                )
                if value is not None
            ),
            None,
        )
        if found != wanted:
            raise LabError(
                mismatch(f"{name} is {found} in its processor and {wanted} in the model")
            )


def _image_numbers(config) -> dict:
    """What decides how many tokens an image is, by its name in the processor, with the model's own
    number.

    Idefics takes features that are too many without a word, and every image but the first gets
    another's.
    """
    kind = config.model_type
    if kind == "idefics2":
        return {"image_seq_len": config.perceiver_config.resampler_n_latents}
    if kind == "gemma3":
        return {"image_seq_length": config.mm_tokens_per_image}
    if kind in ("idefics3", "smolvlm"):
        vision = config.vision_config
        places = (vision.image_size // vision.patch_size) ** 2
        return {"image_seq_len": places // config.scale_factor**2}
    if kind in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"):
        vision = config.vision_config
        return {"patch_size": vision.patch_size, "merge_size": vision.spatial_merge_size}
    if kind == "llava":
        return {"patch_size": config.vision_config.patch_size}
    return {}


def mismatch(reason: str) -> str:
    """The sentence for an image that takes other tokens than its model gives it."""
    reason = reason.strip().partition("\n")[0]
    return (
        f"Model and processor do not fit together ({reason}): take both from the same model's "
        "folder or repository."
    )
