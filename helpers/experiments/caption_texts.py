"""What the images of cases show, in words, under some settings (`settings.CAPTIONER`, ...)."""

from collections.abc import Sequence
from types import SimpleNamespace

from helpers.cases import Case
from helpers.data import Dataset, data_folder
from helpers.data.given_captions import GIVEN_FILE, match_given_captions, read_given_captions
from helpers.experiments.parameters import names_in
from helpers.files import LabError, fingerprint
from helpers.models.captioning import Captioner, caption_images, open_captioner
from helpers.models.captions import Caption, case_text, failed, images_to_caption
from helpers.models.memory import load_once

NONE, RECORDED = "none", "recorded"


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
    """The captioner that the settings name; its model is the one that is kept in memory."""
    return open_captioner(
        settings.CAPTIONER,
        prompt=settings.CAPTION_PROMPT,
        max_new_tokens=settings.CAPTION_TOKENS,
        quantization=settings.CAPTION_QUANTIZATION,
        allow_upload=settings.ALLOW_UPLOAD,
        keep=load_once,
    )


def captioner_identity(data: Dataset, settings: SimpleNamespace) -> dict[str, str]:
    """What determines captions besides the images: the captioner, its weights, and what it is
    asked.
    """
    if settings.CAPTIONER == RECORDED:
        texts = read_given_captions(data_folder(data.name, settings.DATA_ROOT))
        return {"captioner": fingerprint(texts), "asked": ""}
    captioner = captioner_of(settings)
    return {"captioner": captioner.weights, "asked": captioner.prompt_id}


def caption_cases(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case]
) -> dict[str, list[Caption]]:
    """The captions of each case's images, in their order, by case id; made now where they are not
    there yet.

    Raises:
        LabError: no image of the data set is on disk, or the captioner cannot be had.
    """
    paths = [path for case in cases for path in images_to_caption(case)]
    if settings.CAPTIONER == RECORDED:
        found = _recorded(data, settings, paths)
    else:
        _check_images(data, settings)
        captioner = captioner_of(settings)
        found = caption_images(
            captioner, paths, captioner.store(data.name), batch_size=settings.CAPTION_BATCH
        )
    return {case.id: [found[path] for path in images_to_caption(case)] for case in cases}


def caption_texts(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case]
) -> dict[str, str]:
    """One text for the images of each case, by case id; {} where CAPTIONER is "none", or for no
    cases.
    """
    if settings.CAPTIONER == NONE or not cases:
        return {}
    return {
        case_id: case_text(captions)
        for case_id, captions in caption_cases(data, settings, cases).items()
    }


def _recorded(data: Dataset, settings: SimpleNamespace, paths: Sequence) -> dict:
    # A bare name in the table that fits two images of the data set is refused, though only one is
    # asked about.
    every = [path for split in data.splits.values() for case in split for path in case.images]
    texts = match_given_captions(data_folder(data.name, settings.DATA_ROOT), [*every, *paths])
    return {
        path: Caption(path.name, RECORDED, texts[path])
        if texts[path]
        else failed(path.name, RECORDED, "no caption of it is recorded")
        for path in paths
    }


def _check_images(data: Dataset, settings: SimpleNamespace) -> None:
    """Refuse data without any image; that some are missing, as on Reddit, is for the captions to
    say.
    """
    if not any(case.images_on_disk for split in data.splits.values() for case in split):
        raise LabError(
            f"CAPTIONER is {settings.CAPTIONER!r}, but none of the images that the data set "
            f"{data.name!r} names is on disk: put them where the README says, or set CAPTIONER to "
            "'none'."
        )
