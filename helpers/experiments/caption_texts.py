"""What the images of cases show, in words, under some settings (`settings.CAPTIONER`, ...)."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from helpers.cases import Answer, Case
from helpers.data import Dataset, data_folder
from helpers.data.given_captions import GIVEN_FILE, match_given_captions, read_given_captions
from helpers.experiments.advice import CAPTIONS, parameters_named
from helpers.experiments.made_with import NONE
from helpers.experiments.model_refs import captioner_ref
from helpers.experiments.parameters import names_in
from helpers.files import LabError, fingerprint
from helpers.models.captioning import Captioner, caption_images, find_captioner
from helpers.models.captions import case_text, failed_caption, images_to_caption

RECORDED = "recorded"
NOT_GIVEN = "no caption of it is recorded"


def captioners_to_compare(data: Dataset, settings: SimpleNamespace) -> list[str]:
    """The captioners that `settings.CAPTIONERS` names, and "recorded" where the data has captions
    of its own.

    Where no image of the split is on disk there is nothing to caption: then none of the named
    ones.
    """
    on_disk = any(case.images_on_disk for case in data.split(settings.SPLIT))
    there = (data_folder(data.name, settings.DATA_ROOT) / GIVEN_FILE).is_file()
    return list(
        dict.fromkeys(
            [*(names_in(settings.CAPTIONERS) if on_disk else ()), *([RECORDED] if there else [])]
        )
    )


def with_captioner(settings: SimpleNamespace, captioner: str) -> SimpleNamespace:
    """The same settings with this captioner."""
    return SimpleNamespace(**vars(settings) | {"CAPTIONER": captioner})


def captioner_of(settings: SimpleNamespace) -> Captioner:
    """Find the captioner that the settings name; its weights are loaded when first needed."""
    with parameters_named(CAPTIONS):
        return find_captioner(
            captioner_ref(settings),
            prompt=settings.CAPTION_PROMPT,
            max_new_tokens=settings.CAPTION_TOKENS,
            allow_upload=settings.ALLOW_UPLOAD,
        )


def captioner_identity(data: Dataset, settings: SimpleNamespace) -> dict[str, str]:
    """Identify what determines captions besides the images: the captioner and what it is asked."""
    if settings.CAPTIONER == RECORDED:
        with parameters_named(CAPTIONS):
            texts = read_given_captions(data_folder(data.name, settings.DATA_ROOT))
        return {"captioner": fingerprint(texts), "asked": ""}
    captioner = captioner_of(settings)
    return {"captioner": captioner.fingerprint_model(), "asked": captioner.prompt_id}


def caption_cases(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case]
) -> dict[str, list[Answer]]:
    """Caption the images of each case that have no caption yet; return all, by case id.

    Raises:
        LabError: no image of the data set is on disk, or the captioner cannot be had.
    """
    paths = [path for case in cases for path in images_to_caption(case)]
    if settings.CAPTIONER == RECORDED:
        found = _read_given(data, settings, paths)
    else:
        _check_images(data, settings)
        found = caption_paths(settings, paths, data.name)
    return {case.id: [found[path] for path in images_to_caption(case)] for case in cases}


def caption_paths(
    settings: SimpleNamespace, paths: Sequence[Path], data_name: str
) -> dict[Path, Answer]:
    """Caption image files; their captions are kept under a data set's name."""
    captioner = captioner_of(settings)
    with parameters_named(CAPTIONS):
        return caption_images(
            captioner, paths, captioner.file(data_name), batch=settings.CAPTION_BATCH
        )


def caption_texts(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case]
) -> dict[str, str]:
    """Caption the images of cases and join them to one text each, by case id.

    {} where CAPTIONER is "none", or for no cases.
    """
    if settings.CAPTIONER == NONE or not cases:
        return {}
    captioned = caption_cases(data, settings, cases)
    return {case_id: case_text(captions) for case_id, captions in captioned.items()}


def _read_given(
    data: Dataset, settings: SimpleNamespace, paths: Sequence[Path]
) -> dict[Path, Answer]:
    # A bare name in the table that fits two images of the data set is refused, though only one is
    # asked about.
    every = [path for split in data.splits.values() for case in split for path in case.images]
    with parameters_named(CAPTIONS):
        texts = match_given_captions(data_folder(data.name, settings.DATA_ROOT), [*every, *paths])
    return {path: _given_caption(path, texts[path]) for path in paths}


def _given_caption(path: Path, text: str) -> Answer:
    return Answer(path.name, text) if text else failed_caption(path.name, NOT_GIVEN)


def _check_images(data: Dataset, settings: SimpleNamespace) -> None:
    """Refuse data without any image; that some are missing, as on Reddit, captions say."""
    if not any(case.images_on_disk for split in data.splits.values() for case in split):
        raise LabError(
            f"CAPTIONER is {settings.CAPTIONER!r}, but none of the images that the data set "
            f"{data.name!r} names is on disk: put them where the README says, or set CAPTIONER to "
            "'none'."
        )
