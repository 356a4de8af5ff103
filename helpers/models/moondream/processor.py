"""moondream2 without remote code: what makes its published checkpoint load through transformers'
ordinary calls.

`register()` before `AutoConfig` or `AutoModelForImageTextToText`, and `load_processor` where the
repository has no processor, as the published one has none. The classes are in
`helpers.models.moondream.model`, which is slow to import.
"""

from functools import cache

from helpers.files import LabError
from helpers.models.foreign import load_config

MODEL_TYPE = "moondream1"  # what the config.json of every moondream2 says
IMAGE_TOKEN = "<image>"
# The words that the model was trained on. The first token is written here, so that nobody else has
# to.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['content'] is string %}{% set parts = [{'type': 'text', 'text': "
    "message['content']}] %}{% else %}{% set parts = message['content'] %}{% endif %}"
    "{% for part in parts if part['type'] == 'image' %}" + IMAGE_TOKEN + "{% endfor %}"
    "{% if message['role'] == 'user' %}{{ '\n\nQuestion: ' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' }}{% endif %}"
    "{% for part in parts if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% if message['role'] == 'user' %}{{ '\n\nAnswer:' }}{% elif message['role'] == 'assistant' "
    "%}{{ eos_token }}{% endif %}{% endfor %}"
)


@cache
def register() -> None:
    """Make moondream2 known to transformers' auto classes, once; a checkpoint's own code is then
    never asked for.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText
    from transformers.conversion_mapping import register_checkpoint_conversion_mapping

    from helpers.models.moondream import model as moondream_model
    from helpers.models.moondream import weights as moondream_weights

    AutoConfig.register(MODEL_TYPE, moondream_model.MoondreamConfig)
    AutoModelForImageTextToText.register(
        moondream_model.MoondreamConfig, moondream_model.MoondreamForConditionalGeneration
    )
    register_checkpoint_conversion_mapping(MODEL_TYPE, moondream_weights.CONVERSIONS)


def load_processor(path, revision: str | None = None):
    """Load the processor saved with a moondream2, or make one around its tokenizer.

    Made: images are resized to the tower's square without keeping their proportions (bicubic),
    with values from -1 to 1, as in the published preprocessing up to rounding; `<image>` becomes a
    token whose row of the embeddings stands ready, so that nothing is resized; padding is on the
    left, by the token that ends texts.

    Args:
        path: a folder or a hub id.
        revision: commit, tag or branch of a hub id.
    Raises:
        LabError: the tokenizer is another's, so that `<image>` gets an id that the model does not
            expect.
    """
    from transformers import AutoProcessor, LlavaProcessor, SiglipImageProcessor
    from transformers.utils import cached_file

    register()
    saved = cached_file(
        path,
        "processor_config.json",
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
    )
    if saved:
        return AutoProcessor.from_pretrained(path, revision=revision, trust_remote_code=False)
    config = load_config(str(path), revision)
    tower = config.vision_config
    images = SiglipImageProcessor(
        size={"height": tower.image_size, "width": tower.image_size},
        resample=3,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return LlavaProcessor(
        images,
        _load_tokenizer(path, revision, config),
        patch_size=tower.patch_size,
        image_token=IMAGE_TOKEN,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )


def _load_tokenizer(path, revision: str | None, config):
    """Load the tokenizer, which learns `<image>`."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        path,
        revision=revision,
        trust_remote_code=False,
        padding_side="left",
        extra_special_tokens={"image_token": IMAGE_TOKEN},
        model_max_length=config.text_config.max_position_embeddings,
    )
    if tokenizer.image_token_id != config.image_token_index:
        raise LabError(
            f"The tokenizer of {str(path)!r} gives {IMAGE_TOKEN} the id "
            f"{tokenizer.image_token_id}, but the model expects {config.image_token_index}: take "
            "weights and tokenizer from vikhyatk/moondream2@2024-04-02."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
