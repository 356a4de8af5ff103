"""What a VLM is shown and asked: the first image of a case, and one of VisionQAries' prompts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from helpers.cases import Case
from helpers.data.images import MAX_SIDE, find_image_key
from helpers.experiments.advice import parameters_named
from helpers.files import LabError, fingerprint
from helpers.models.prompts import vlm_question
from helpers.models.refs import ModelRef, Vlm


def first_image(case: Case) -> Path | None:
    """Return the first image of a case, as VisionQAries took it; None where none is on disk."""
    return case.images_on_disk[0] if case.images_on_disk else None


def images_fingerprint(images: Sequence[Path | None]) -> str:
    """Identify the images that are shown, by their content."""
    return fingerprint([MAX_SIDE, *(find_image_key(image) if image else "" for image in images)])


def check_images(images: Iterable[Path | None], data: str, split: str) -> None:
    """Refuse cases with none of which an image on disk is shown."""
    if not any(images):
        raise LabError(
            f"A VLM was to be asked about the split {split!r} of the data set {data!r}, but none "
            "of its images is on disk: put them where the README says, and name their folder as "
            "`root`."
        )


def cases_to_learn(cases: Sequence[Case], limit: int = 0) -> list[Case]:
    """Return the cases with an answer and an image on disk, at most `limit` of them (0: all)."""
    found = [
        case
        for case in cases
        if case.images_on_disk and any(reference.text for reference in case.references)
    ]
    return found[:limit] if limit else found


def questions_of(
    cases: Sequence[Case], images: dict[str, Path | None], prompt: str
) -> dict[str, tuple[Path | None, str]]:
    """Return image and question of each case by its id, the longest question first."""
    texts = {case.id: vlm_question(case, prompt) for case in cases}
    ids = sorted(texts, key=lambda case_id: (-len(texts[case_id]), case_id))
    return {case_id: (images[case_id], texts[case_id]) for case_id in ids}


def check_vlm(ref: ModelRef) -> None:
    """Refuse a model that answers no questions about images, or that is not on this machine."""
    # Late: it loads transformers.
    from helpers.models.processors import PREFIX_MODELS, vlm_type

    if ref.is_remote:
        raise LabError(
            f"`model` is {ref.name!r}, but models behind an API are not asked here: name a local "
            "one, or let it caption images as CAPTIONER."
        )
    kind = vlm_type(ref)
    if kind in PREFIX_MODELS:
        raise LabError(
            f"`model` is {ref.name!r}, but a model of type {kind!r} goes on with a text and "
            "answers no questions: name a chat model, such as pocket/llava."
        )


def keep_available(names: Sequence[str]) -> list[str]:
    """Return the VLMs that can be had; say of each other one, such as a gated one, why not.

    Raises:
        LabError: none of them can be had.
    """
    there, missing = [], []
    for name in names:
        try:
            with parameters_named(Vlm):
                check_vlm(ModelRef(name))
            there.append(name)
        except LabError as error:
            missing.append(error)
            print(f"Left out: {error}")
    if not there:
        raise missing[0]
    return there


def training_example(processor, case: Case, prompt: str, *, glued: bool) -> dict:
    """Build a training example (see `vlm_examples`): the question as it will be asked, and the
    answers in their order.

    Args:
        glued: without spaces around the patient's words, VisionQAries' slip.
    """
    # Late: it loads transformers.
    from helpers.models.processors import completion, turn_text

    question = vlm_question(case, prompt, glued=glued)
    answers = [reference.text for reference in case.references if reference.text]
    return {
        "id": case.id,
        "image": str(first_image(case)),
        "prompt": turn_text(processor, question),
        "completions": [completion(processor, question, text) for text in answers],
    }
