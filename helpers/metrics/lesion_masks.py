"""Score masks of lesions against those of several annotators, as MAGIC 2025 does, in two modes.

Jaccard is the marked pixels that two masks share over those that either has, Dice twice the shared
ones over the sum of both. Two kinds of score: `jaccard_meanofmax` and `..._meanofmean` compare a
picture with each annotator, take the highest or the mean, and the mean over pictures; `jaccard` and
`dice` compare all pixels of all pictures together with what the majority of annotators marked,
where half of them are enough (of two annotators, one).

`official` repeats the challenge's program (score_segmentations.py) with its faults: values are cut
to whole numbers from 0 to 255 and only 1 counts as marked (so a mask of 0 and 255 marks nothing,
nor do probabilities), masks of another shape and as many pixels are compared in reading order,
pictures that were not asked and other annotators than ann0 to ann3 are passed over, and where both
masks are empty the score is 0/0, which makes the mean NaN. `aligned` refuses all these but the
last, where two masks agree: the score is 1.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from helpers.files import LabError, list_some, quoted
from helpers.metrics.scores import Score, mean_score, score_of

# Raised by hand when the same masks would score differently.
VERSION = 1
MODES = ("aligned", "official")
ANNOTATORS = ("ann0", "ann1", "ann2", "ann3")
BETWEEN = "_mask_"  # a picture and who marked it, in the name of a file
SUFFIX = "sys"  # who marked it, of a system's mask
# A mask's file name without ".tiff" -> the mask, (height, width).
Masks = Mapping[str, np.ndarray]
# Picture -> who marked it -> the mask.
ByPicture = dict[str, dict[str, np.ndarray]]


def score_masks(
    references: Masks, predictions: Masks, *, suffix: str = SUFFIX, mode: str = "aligned"
) -> dict[str, Score]:
    """Score masks, each named as its file is, such as "IMG_ENC00852_00001_mask_ann0".

    Args:
        suffix: of the names of predictions, after "_mask_".
    Returns: `jaccard_meanofmax`, `jaccard_meanofmean`, the same of `dice`, `jaccard` and `dice`, 0
        to 1, with bootstrap intervals over encounters.
    Raises:
        LabError: an unknown mode; what a mode does not score.
    """
    if mode not in MODES:
        raise LabError(f"The mode asked for is {mode!r}: choose one of {', '.join(MODES)}.")
    signature = f"masks|mode:{mode}|interval:bootstrap|v:{VERSION}"
    if mode == "official" and not predictions:  # then the program gives zeros
        zero = Score(0.0, 0.0, 0.0, 0, signature)
        return dict.fromkeys([*_names("meanofmax", "meanofmean"), "jaccard", "dice"], zero)
    if mode == "aligned":
        _check_values(references, "references")
        _check_values(predictions, "predictions")
    truths, said = _by_picture(references), _by_picture(predictions)
    if mode == "aligned":
        _check_pictures(truths, said, suffix)
    counted = [_count(picture, found, said, suffix) for picture, found in truths.items()]
    if not counted:
        raise LabError("The references hold no mask: check that it is the right folder.")
    groups = [picture.rpartition("_")[0] or picture for picture in truths]
    empty = 1.0 if mode == "aligned" else np.nan
    return _means(counted, groups, signature, empty) | _pooled(counted, groups, signature, empty)


def overlap(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Count pixels marked in both masks, only in the truth, and only in what a system said.

    Raises:
        LabError: the masks have different numbers of pixels.
    """
    one, other = truth.reshape(-1) == 1, said.reshape(-1) == 1
    if one.shape != other.shape:
        raise LabError(
            f"A mask of {_size(said)} pixels was to be compared with one of {_size(truth)}: give "
            "it the size of the image."
        )
    return np.array([(one & other).sum(), (one & ~other).sum(), (other & ~one).sum()], dtype=float)


def jaccard_from_sums(sums: np.ndarray, empty: float = 1.0) -> np.ndarray:
    """Compute Jaccard (...) from `overlap` (..., 3); `empty` where nothing is marked."""
    return _ratio(sums[..., 0], sums.sum(axis=-1), empty)


def dice_from_sums(sums: np.ndarray, empty: float = 1.0) -> np.ndarray:
    """Compute Dice (...) from `overlap` (..., 3); `empty` where nothing is marked."""
    return _ratio(2 * sums[..., 0], sums[..., 0] + sums.sum(axis=-1), empty)


MEASURES = {"jaccard": jaccard_from_sums, "dice": dice_from_sums}


def majority(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Mark (0 and 1) what at least half of some masks of 8-bit numbers have."""
    total = masks[0]
    for one in masks[1:]:
        total = total + one  # of 255 it goes beyond 8 bits, as the challenge's program does
    return (total >= np.ceil(len(masks) / 2)).astype(np.uint8)


def _ratio(over: np.ndarray, under: np.ndarray, empty: float) -> np.ndarray:
    return np.where(under == 0, empty, over / np.where(under == 0, 1, under))


def _names(*kinds: str) -> list[str]:
    return [f"{measure}_{kind}" for measure in MEASURES for kind in kinds]


def _means(
    counted: Sequence[np.ndarray], groups: Sequence[str], signature: str, empty: float
) -> dict[str, Score]:
    """Return the means over pictures of the highest and of the mean over annotators."""
    found = {}
    for name, measure in MEASURES.items():
        each = [measure(counts[:-1], empty) for counts in counted]
        for kind, take in (("meanofmax", np.max), ("meanofmean", np.mean)):
            values = np.array([take(one) for one in each])
            found[f"{name}_{kind}"] = mean_score(values, signature=signature, groups=groups)
    return found


def _pooled(
    counted: Sequence[np.ndarray], groups: Sequence[str], signature: str, empty: float
) -> dict[str, Score]:
    """Return the scores of all pixels against the majority."""
    columns = np.array([counts[-1] for counts in counted])
    return {
        name: score_of(columns, partial(measure, empty=empty), signature=signature, groups=groups)
        for name, measure in MEASURES.items()
    }


def _by_picture(masks: Masks) -> ByPicture:
    """Sort masks by picture and by who marked it, their values cut to whole numbers."""
    found: ByPicture = {}
    for name, mask in masks.items():
        picture, _, who = name.partition(BETWEEN)
        found.setdefault(picture, {})[who] = np.asarray(mask).astype(np.uint8)
    return found


def _count(
    picture: str, truths: Mapping[str, np.ndarray], said: ByPicture, suffix: str
) -> np.ndarray:
    """Return `overlap` with each annotator's mask and, last, with the majority's, (n + 1, 3)."""
    masks = [truths[who] for who in ANNOTATORS if who in truths]
    if not masks:
        raise LabError(
            f"The picture {quoted(picture)} has a mask of none of {', '.join(ANNOTATORS)}: correct "
            "the references."
        )
    if suffix not in said.get(picture, {}):
        raise LabError(
            f"There is no prediction {quoted(picture + BETWEEN + suffix)}: give one for each "
            "picture."
        )
    if sizes := {_size(mask) for mask in masks} - {_size(masks[0])}:
        raise LabError(
            f"The masks of {quoted(picture)} have {_size(masks[0])} and {sizes.pop()} pixels: "
            "correct the references."
        )
    return np.array([overlap(mask, said[picture][suffix]) for mask in [*masks, majority(masks)]])


def _check_values(masks: Masks, whose: str) -> None:
    """Refuse what is no mask of 0 and 1."""
    for name, mask in masks.items():
        place = f"The {whose} have {quoted(name)}"
        if BETWEEN not in name:
            raise LabError(f"{place}: a name such as IMG_ENC00852_00001_mask_ann0 was expected.")
        if mask.ndim != 2 or mask.dtype.kind not in "bui" or not np.isin(mask, (0, 1)).all():
            raise LabError(
                f"{place}, of {mask.dtype} and {_size(mask)} pixels: a mask has two dimensions, "
                "and whole numbers that are 0 or 1 (marked)."
            )


def _check_pictures(truths: ByPicture, said: ByPicture, suffix: str) -> None:
    """Refuse masks of others, of pictures that were not asked, and of another shape."""
    for found, expected, whose in (
        (truths, ANNOTATORS, "references"),
        (said, (suffix,), "predictions"),
    ):
        others = {who for masks in found.values() for who in masks} - {*expected}
        if others:
            raise LabError(
                f"The {whose} have masks of {list_some(sorted(map(quoted, others)))}, but "
                f"{', '.join(expected)} was expected: leave others out."
            )
    if unknown := [quoted(picture) for picture in said if picture not in truths]:
        raise LabError(
            f"The predictions have {list_some(unknown)}, not among the {len(truths)} pictures of "
            "the references: check that both are of the same split."
        )
    for picture, masks in said.items():
        sizes = {_size(one) for one in (*masks.values(), *truths[picture].values())}
        if len(sizes) > 1:
            raise LabError(
                f"The masks of {quoted(picture)} have {' and '.join(sorted(sizes))} pixels: give "
                "each the size of the image."
            )


def _size(mask: np.ndarray) -> str:
    return " x ".join(map(str, mask.shape))
