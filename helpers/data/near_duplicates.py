"""Find pictures that are nearly the same: saved anew, in another size, a little brighter.

Sets that were put together from several sources hold many pictures twice, and some in training and
in test. A perceptual hash (pHash: the signs of the lowest frequencies of a small grey copy) changes
little where a picture hardly does.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.cases import Case
from helpers.data.images import open_image
from helpers.files.workers import map_in_workers

HASH_SIDE = 16  # a hash has 256 bits
# Bits. Of 3,115 drawings copies lie at most 16 apart, other pictures at least 32.
NEAR = 24
NO_HASH = 2  # in place of zeros and ones: as far from every hash as can be


@dataclass(frozen=True)
class Copy:
    """A picture that is left out because a nearly equal one is kept.

    Attributes:
        across: the one that is kept lies in another split.
    """

    case_id: str
    kept: str
    split: str
    kept_split: str

    @property
    def across(self) -> bool:
        return self.split != self.kept_split


def without_copies(
    splits: Mapping[str, Sequence[Case]],
) -> tuple[dict[str, tuple[Case, ...]], list[Copy]]:
    """Leave out of the training split what is nearly a picture of another split, and of every split
    what is nearly a picture before it; say what was left out.

    Cases of one group may share a picture. Cases without an image on disk are kept.
    """
    order = [split for split in splits if split != "train"] + ["train"] * ("train" in splits)
    cases = [(split, case) for split in order for case in splits[split]]
    hashes = hash_images([case for _, case in cases])
    kept: list[tuple[str, Case]] = []
    rows = np.full((len(cases), HASH_SIDE**2), NO_HASH, dtype=np.uint8)  # of those that are kept
    copies: list[Copy] = []
    for (split, case), own in zip(cases, hashes):
        place = _nearest(own, rows[: len(kept)])
        if place is not None and not _share_group(kept[place][1], case):
            copies.append(Copy(case.id, kept[place][1].id, split, kept[place][0]))
            continue
        rows[len(kept)] = NO_HASH if own is None else own
        kept.append((split, case))
    left = {split: tuple(case for one, case in kept if one == split) for split in splits}
    return left, copies


def hash_images(cases: Sequence[Case]) -> list[np.ndarray | None]:
    """Hash the first image of each case (256 zeros and ones); None where there is none on disk."""
    paths = [case.images[0] if case.images else None for case in cases]
    return list(map_in_workers(_hash, paths))


def _hash(path: Path | None) -> np.ndarray | None:
    import imagehash  # late: it takes a while

    if path is None or not os.path.isfile(path):
        return None
    return imagehash.phash(open_image(path), hash_size=HASH_SIDE).hash.ravel().astype(np.uint8)


def _nearest(own: np.ndarray | None, rows: np.ndarray) -> int | None:
    """Return the place of the nearest hash, if one is near enough."""
    if own is None or not len(rows):
        return None
    distances = np.count_nonzero(rows != own, axis=1)
    place = int(distances.argmin())
    return place if distances[place] <= NEAR else None


def _share_group(one: Case, other: Case) -> bool:
    return bool(one.group) and one.group == other.group
