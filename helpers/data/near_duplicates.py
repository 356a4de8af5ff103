"""Find pictures that are nearly the same: saved anew, in another size, a little brighter.

Sets that were put together from several sources hold many pictures twice, and some in training and
in test. A perceptual hash (pHash: the signs of the lowest frequencies of a small grey copy) changes
little where a picture hardly does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.cases import Case
from helpers.data.images import BadImage, open_image
from helpers.files.workers import map_in_workers

if TYPE_CHECKING:
    import numpy as np

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
    import numpy as np  # late: who only loads data needs no arrays

    order = [split for split in splits if split != "train"] + ["train"] * ("train" in splits)
    cases = [(split, case) for split in order for case in splits[split]]
    hashes = hash_images([case for _, case in cases])
    nothing = np.full(HASH_SIDE**2, NO_HASH, dtype=np.uint8)
    rows = np.array([nothing if one is None else one for one in hashes])
    stands: list[int] = []  # of each case, the place of the one that is kept in its place
    for place, ((_, case), own) in enumerate(zip(cases, hashes)):
        near = (one for one in _near(own, rows[:place]) if not _share_group(cases[one][1], case))
        stands.append(next((stands[one] for one in near), place))
    copies = [
        Copy(cases[place][1].id, cases[kept][1].id, cases[place][0], cases[kept][0])
        for place, kept in enumerate(stands)
        if place != kept
    ]
    kept_cases = [cases[place] for place in sorted({*stands})]
    left = {split: tuple(case for one, case in kept_cases if one == split) for split in splits}
    return left, copies


def hash_images(cases: Sequence[Case]) -> "list[np.ndarray | None]":
    """Hash the first image on disk of each case (256 zeros and ones); None where there is none, or
    the file is no image: whoever learns from it says so.
    """
    paths = [next(iter(case.images_on_disk), None) for case in cases]
    return list(map_in_workers(_hash, paths))


def _hash(path: Path | None) -> "np.ndarray | None":
    import imagehash  # late: it takes a while

    if path is None:
        return None
    try:
        image = open_image(path)
    except BadImage:
        return None
    return imagehash.phash(image, hash_size=HASH_SIDE).hash.ravel().astype("uint8")


def _near(own: "np.ndarray | None", rows: "np.ndarray") -> list[int]:
    """Return the places of hashes that are near enough, the nearest one first."""
    if own is None or not len(rows):
        return []
    distances = (rows != own).sum(axis=1)
    places = distances.argsort(kind="stable")
    return places[distances[places] <= NEAR].tolist()


def _share_group(one: Case, other: Case) -> bool:
    return bool(one.group) and one.group == other.group
