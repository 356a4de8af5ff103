"""Which models a notebook's settings name."""

from types import SimpleNamespace

from helpers.models.refs import ModelRef


def llm_ref(settings: SimpleNamespace) -> ModelRef:
    """Return the LLM, without an adapter."""
    return ModelRef(settings.MODEL, settings.REVISION, settings.QUANTIZATION)


def vlm_ref(settings: SimpleNamespace) -> ModelRef:
    """Return the VLM, without an adapter."""
    return ModelRef.parse(
        settings.VLM, quantization=settings.VLM_QUANTIZATION, max_side=settings.PICTURE_SIDE
    )


def captioner_ref(settings: SimpleNamespace) -> ModelRef:
    """Return the model that captions."""
    return ModelRef.parse(settings.CAPTIONER, quantization=settings.CAPTION_QUANTIZATION)
