"""Images in words: who captions, which images of a case, and how its captions become one text."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from helpers.cases import Answer, Case
from helpers.data.images import MAX_SIDE
from helpers.files import LabError, fingerprint, split_names
from helpers.models.api.address import api_host
from helpers.models.decoding import MOST_TOKENS
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.refs import ModelRef
from helpers.settings.section import LARGEST_BATCH, Section, setting

NONE, GIVEN = "none", "given"  # no captions; those of the data's own captions.csv
# Ways to ask by name; any other text is itself what is asked.
CAPTION_PROMPTS = {"prefix": CAPTION_PREFIX, "clinical": CLINICAL_PROMPT}

# What stands in place of a caption that could not be had: YuanAI's words (Table 4).
FAILED = "No Image describe"
# More images of a case than these are not captioned for its question: the first ones, in the case's
# own order.
IMAGES_PER_CASE = 3


class Captioner(Section):
    """A model that puts images into words, with what it is asked."""

    name: str = setting(
        NONE,
        "none, given (captions.csv of the data), or what captions images: see notebook 01",
        parameter="CAPTIONER",
        min_length=1,
    )
    quantization: Literal["none", "nf4"] = setting(
        "none", "none, or nf4: the captioner in 4 bit", parameter="CAPTION_QUANTIZATION"
    )
    prompt: str = setting(
        "auto",
        "auto (what the captioner understands), prefix, clinical, or your own words",
        parameter="CAPTION_PROMPT",
        min_length=1,
    )
    max_new_tokens: int = setting(
        256,
        "where a caption is cut; a model that thinks first needs 1000",
        parameter="CAPTION_TOKENS",
        ge=1,
        le=MOST_TOKENS,
    )
    batch: int = setting(
        16,
        "images at a time (of an API, requests at a time); lower it if the GPU has no room",
        parameter="CAPTION_BATCH",
        ge=1,
        le=LARGEST_BATCH,
        effect=False,
    )
    allow_upload: bool = setting(
        False, "whether questions and images may be sent to models behind an API", effect=False
    )
    profiles: ClassVar = {
        "pocket": {"max_new_tokens": 96},
        "t4": {"quantization": "nf4", "batch": 4},
        "a100": {"quantization": "none", "batch": 16},
    }

    @property
    def is_model(self) -> bool:
        """True if a model captions; False for none, and for given captions."""
        return self.name not in (NONE, GIVEN)

    @property
    def ref(self) -> ModelRef:
        """The model."""
        return ModelRef(self.name, quantization=self.quantization)

    def effective(self) -> dict[str, Any]:
        """Without a model, nothing is asked; without captions, they stand nowhere."""
        asked = ("quantization", "prompt", "max_new_tokens")
        without = () if self.is_model else asked if self.name == GIVEN else (*asked, "where")
        found = super().effective()
        return {name: value for name, value in found.items() if name not in without}

    def identity(self) -> Any:
        """Identify the model and what it is asked; given captions are identified by their data."""
        if not self.is_model:
            return self.name
        named = CAPTION_PROMPTS if self.prompt == "auto" else CAPTION_PROMPTS.get(self.prompt)
        asked = [named or self.prompt, self.max_new_tokens, MAX_SIDE]
        return {"model": self.fingerprint_model(), "asked": fingerprint(asked)}

    def fingerprint_model(self) -> str:
        """Identify the model: its weights, how its answers end, and its quantization."""
        if self.ref.is_remote:
            return f"{self.ref.id} {api_host(self.ref.id)}"  # nobody outside can tell more
        weights = self.ref.fingerprint_weights()
        return f"{weights} {self.ref.fingerprint_generation()} {self.quantization}"


class Captioners(Section):
    """The captioners that are compared."""

    names: str = setting(
        "Salesforce/blip-image-captioning-large, Salesforce/blip2-opt-2.7b, "
        "Qwen/Qwen3-VL-4B-Instruct",
        "captioners that are compared, with commas: shipped models, folders, Hugging Face ids, "
        "gemini:NAME, openai:NAME",
        parameter="CAPTIONERS",
        min_length=1,
    )
    profiles: ClassVar = {
        "pocket": {"names": "pocket/blip, pocket/llava"},
        "a100": {"names": "Salesforce/blip2-opt-6.7b, Qwen/Qwen3-VL-8B-Instruct"},
    }

    def model_post_init(self, context: Any) -> None:
        """Refuse what is compared anyway, and nothing at all."""
        if not self.listed:
            raise LabError(
                "`captioners` names nothing, but it takes a captioner, such as pocket/blip."
            )
        if NONE in self.listed:
            raise LabError(
                "`captioners` lists 'none', which is no captioner and is compared anyway: leave it "
                "out."
            )

    @property
    def listed(self) -> list[str]:
        """The captioners, one by one."""
        return split_names(self.names)


class PromptCaptions(Captioner):
    """Captions as part of an LLM's prompt: who captions, and where the captions stand."""

    # YuanAI had them with the question alone, and tried them with the shots, too.
    where: Literal["question", "shots", "training"] = setting(
        "question",
        "where captions stand: question, shots (with the shots, too) or training (also in the "
        "training examples)",
        parameter="IMAGE_TEXT",
    )


def failed_caption(key: str, reason: str) -> Answer:
    """Return the caption of an image that has none."""
    return Answer(key, FAILED, error=reason)


def as_caption(answer: Answer) -> Answer:
    """Return an answer as a caption: one without text is a failed one."""
    if answer.text:
        return answer
    return replace(answer, text=FAILED, error=answer.error or "the captioner said nothing")


def images_to_caption(case: Case) -> tuple[Path, ...]:
    """Return the images of a case that are put into words for its question."""
    return case.images[:IMAGES_PER_CASE]


def case_text(captions: Sequence[Answer]) -> str:
    """Join the captions of a case's images by a space, in their order, equal ones once.

    A failed caption is left out, unless all failed, or there was no image: then it is `FAILED`.
    """
    texts = dict.fromkeys(caption.text.strip() for caption in captions if not caption.error)
    return " ".join(texts) or FAILED
