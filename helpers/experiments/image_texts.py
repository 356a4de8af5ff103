"""What the pictures of cases show, in words, under some settings (`settings.CAPTIONER`, ...)."""

from collections.abc import Sequence
from types import SimpleNamespace

from helpers.cases import Case
from helpers.data import Dataset, data_folder
from helpers.data.given_captions import RECORDED_FILE, read_recorded, recorded_captions
from helpers.experiments.parameters import names_in
from helpers.files import LabError, fingerprint
from helpers.models.captioning import Captioner, caption_pictures, open_captioner
from helpers.models.captions import Caption, case_text, failed, shown_pictures
from helpers.models.memory import kept

NONE, RECORDED = "none", "recorded"


def compared(data: Dataset, settings: SimpleNamespace) -> list[str]:
    """The captioners that `settings.CAPTIONERS` names, and "recorded" where the data has captions
    of its own.

    Where no picture of the split is on disk there is nothing to caption: then none of the named
    ones.
    """
    on_disk = any(case.pictures for case in data.split(settings.SPLIT))
    there = (data_folder(data.name, settings.DATA_ROOT) / RECORDED_FILE).is_file()
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
        keep=kept,
    )


def captioner_identity(data: Dataset, settings: SimpleNamespace) -> dict[str, str]:
    """What determines captions besides the pictures: the captioner, its weights, and what it is
    asked.
    """
    if settings.CAPTIONER == RECORDED:
        texts = read_recorded(data_folder(data.name, settings.DATA_ROOT))
        return {"captioner": fingerprint(texts), "asked": ""}
    captioner = captioner_of(settings)
    return {"captioner": captioner.weights, "asked": captioner.prompt_id}


def captions_of(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case]
) -> dict[str, list[Caption]]:
    """The captions of each case's pictures, in their order, by case id; made now where they are not
    there yet.

    Raises:
        LabError: no picture of the data set is on disk, or the captioner cannot be had.
    """
    paths = [path for case in cases for path in shown_pictures(case)]
    if settings.CAPTIONER == RECORDED:
        found = _recorded(data, settings, paths)
    else:
        _check_pictures(data, settings)
        captioner = captioner_of(settings)
        found = caption_pictures(
            captioner, paths, captioner.store(data.name), batch_size=settings.CAPTION_BATCH
        )
    return {case.id: [found[path] for path in shown_pictures(case)] for case in cases}


def image_texts(data: Dataset, settings: SimpleNamespace, cases: Sequence[Case]) -> dict[str, str]:
    """One text for the pictures of each case, by case id; {} where CAPTIONER is "none", or for no
    cases.
    """
    if settings.CAPTIONER == NONE or not cases:
        return {}
    return {
        case_id: case_text(captions)
        for case_id, captions in captions_of(data, settings, cases).items()
    }


def _recorded(data: Dataset, settings: SimpleNamespace, paths: Sequence) -> dict:
    # A bare name in the table that fits two pictures of the data set is refused, though only one is
    # asked about.
    every = [path for split in data.splits.values() for case in split for path in case.images]
    texts = recorded_captions(data_folder(data.name, settings.DATA_ROOT), [*every, *paths])
    return {
        path: Caption(path.name, RECORDED, texts[path])
        if texts[path]
        else failed(path.name, RECORDED, "no caption of it is recorded")
        for path in paths
    }


def _check_pictures(data: Dataset, settings: SimpleNamespace) -> None:
    """Refuse data without any picture; that some are missing, as on Reddit, is for the captions to
    say.
    """
    if not any(case.pictures for split in data.splits.values() for case in split):
        raise LabError(
            f"CAPTIONER is {settings.CAPTIONER!r}, but none of the pictures that the data set "
            f"{data.name!r} names is on disk: put them where the README says, or set CAPTIONER to "
            "'none'."
        )
