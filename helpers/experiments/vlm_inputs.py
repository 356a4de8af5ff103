"""What a model that sees is given under some settings: which cases, which of their images, in
which words.

Settings are the notebooks' parameters after the profile, by their names.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from helpers.cases import Case
from helpers.data import Dataset
from helpers.data.images import MAX_SIDE
from helpers.experiments.advice import VLM_ANSWERS, parameters_named
from helpers.experiments.inputs import cases_to_answer, training_cases
from helpers.experiments.model_refs import vlm_ref
from helpers.files import LabError, fingerprint
from helpers.models.captioning import find_image_key
from helpers.models.processors import (
    PREFIX_MODELS,
    completion,
    load_processor,
    turn_text,
    vlm_type,
)
from helpers.models.prompts import VISUAL_PROMPTS, vlm_question


def cases_to_show(data: Dataset, settings: SimpleNamespace) -> tuple[Case, ...]:
    """The cases of `settings.SPLIT`; if none has an image on disk, that is a `LabError`."""
    cases = cases_to_answer(data, settings)
    if not any(case.images_on_disk for case in cases):
        raise LabError(
            f"A model that sees was to be asked about the split {settings.SPLIT!r} of the data set "
            f"{data.name!r}, but none of its images is on disk: put them where the README says, "
            "and name their folder as DATA_ROOT."
        )
    return cases


def prompt_identity(settings: SimpleNamespace, *, glued: bool | None = None) -> str:
    """Identify the wording, the model's own template included.

    Args:
        glued: where it is not as SLIPS says.
    """
    glued = settings.SLIPS == "authors" if glued is None else glued
    template = str(load_processor(vlm_ref(settings)).chat_template)
    words = fingerprint([*VISUAL_PROMPTS[settings.VLM_PROMPT], template])[:6]
    return f"{settings.VLM_PROMPT}{'-glued' if glued else ''}-{words}"


@parameters_named(VLM_ANSWERS)
def check_model(settings: SimpleNamespace) -> None:
    """Refuse a model that does not see, or that is not on this machine."""
    ref = vlm_ref(settings)
    if ref.is_remote:
        raise LabError(
            f"VLM is {settings.VLM!r}, but models behind an API are not asked here: name a local "
            "one, or let it put images into words as CAPTIONER."
        )
    kind = vlm_type(ref)
    if kind in PREFIX_MODELS:
        raise LabError(
            f"VLM is {settings.VLM!r}, but a model of type {kind!r} goes on with a text and "
            "answers no questions: name a chat model, such as pocket/llava."
        )


def cases_to_learn(data: Dataset, settings: SimpleNamespace, split: str) -> list[Case]:
    """The cases of a split with an answer and an image on disk; of the training split at most
    TRAIN_LIMIT.
    """
    cases = training_cases(data) if split == "train" else data.splits.get(split, ())
    found = [
        case
        for case in cases
        if case.images_on_disk and any(reference.text for reference in case.references)
    ]
    return found[: settings.TRAIN_LIMIT] if split == "train" and settings.TRAIN_LIMIT else found


def vlm_example(processor, case: Case, settings: SimpleNamespace) -> dict:
    """A training record (see `vision_records`): the question as it will be asked, and the answers
    in their order.
    """
    question = vlm_question(case, settings.VLM_PROMPT, glued=settings.SLIPS == "authors")
    return {
        "id": case.id,
        "image": str(first_image(case)),
        "prompt": turn_text(processor, question),
        "completions": [
            completion(processor, question, reference.text)
            for reference in case.references
            if reference.text
        ],
    }


def first_image(case: Case) -> Path | None:
    """The first image of a case, as VisionQAries took it, or None where it has none on disk."""
    return case.images_on_disk[0] if case.images_on_disk else None


def images_fingerprint(cases: Sequence[Case]) -> str:
    """What identifies the images that are shown, by their content."""
    images = [first_image(case) for case in cases]
    return fingerprint([MAX_SIDE, *(find_image_key(image) if image else "" for image in images)])
