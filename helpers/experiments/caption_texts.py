"""What the images of cases show, in words, by a captioner or as captions.csv gives it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from helpers.cases import Answer, Case
from helpers.data import Source, data_folder
from helpers.data.given_captions import GIVEN_FILE, match_given_captions, read_given_captions
from helpers.data.images import find_image_key
from helpers.experiments.advice import parameters_named
from helpers.files import LabError, fingerprint
from helpers.models.captions import (
    GIVEN,
    Captioner,
    failed_caption,
    images_to_caption,
)

NOT_GIVEN = "no caption of it is given"
# The rooms below call a captioner their model.
captioner_named = partial(parameters_named, Captioner, model="CAPTIONER")


def captions_identity(
    captioner: Captioner, source: Source, cases: Sequence[Case]
) -> dict[str, Any]:
    """Identify what determines captions of cases: the captioner and the images."""
    images = [find_image_key(path) for case in cases for path in images_to_caption(case)]
    with captioner_named():
        if captioner.name == GIVEN:
            asked = fingerprint(read_given_captions(data_folder(source.name, source.root)))
        else:
            asked = captioner.identity()
    return {"captioner": asked, "images": fingerprint(images)}


def caption_cases(
    captioner: Captioner, source: Source, cases: Sequence[Case]
) -> dict[str, list[Answer]]:
    """Caption the images of each case that have no caption yet; return all, by case id.

    Raises:
        LabError: no image of the data set is on disk, or the captioner cannot be had.
    """
    # Late: it loads torch.
    from helpers.models.captioning import caption_images

    paths = [path for case in cases for path in images_to_caption(case)]
    with captioner_named():
        if captioner.name == GIVEN:
            found = _read_given(source, paths)
        else:
            _check_images(captioner, source)
            found = caption_images(captioner, paths, source.name)
    return {case.id: [found[path] for path in images_to_caption(case)] for case in cases}


def caption_paths(captioner: Captioner, paths: Sequence[Path], store: str) -> dict[Path, Answer]:
    """Caption image files; their captions are kept under the name `store`, a data set's."""
    if captioner.name == GIVEN:
        return {path: failed_caption(path.name, NOT_GIVEN) for path in paths}
    # Late: it loads torch.
    from helpers.models.captioning import caption_images

    with captioner_named():
        return caption_images(captioner, paths, store)


def has_given_captions(source: Source) -> bool:
    """Tell whether a data set came with captions of its own."""
    return (data_folder(source.name, source.root) / GIVEN_FILE).is_file()


def _read_given(source: Source, paths: Sequence[Path]) -> dict[Path, Answer]:
    # A bare name in the table that fits two images of the data set is refused, though only one is
    # asked about.
    splits = source.load().splits.values()
    every = [path for split in splits for case in split for path in case.images]
    texts = match_given_captions(data_folder(source.name, source.root), [*every, *paths])
    return {path: _given_caption(path, texts[path]) for path in paths}


def _given_caption(path: Path, text: str) -> Answer:
    return Answer(path.name, text) if text else failed_caption(path.name, NOT_GIVEN)


def _check_images(captioner: Captioner, source: Source) -> None:
    """Refuse data without any image; that some are missing, as on Reddit, captions say."""
    if not source.has_images():
        raise LabError(
            f"`captioner` is {captioner.name!r}, but none of the images that the data set "
            f"{source.name!r} names is on disk: put them where the README says, or set `captioner` "
            "to 'none'."
        )
