"""Splits that cut no group: a patient's, an author's or a picture's cases are on one side only."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from helpers.cases import Case
from helpers.files import fingerprint

DIGITS = 12  # of a fingerprint, in base 16


def split_by_group(
    cases: Iterable[Case], shares: Mapping[str, float]
) -> dict[str, tuple[Case, ...]]:
    """Give each group of cases to one of some splits.

    Where a group goes follows from its name alone, so that it stays there whatever else is added; a
    share is therefore one of groups, and met about. A case without a group is one by itself.

    Args:
        shares: split -> its share of the groups; they add up to 1.
    """
    found: dict[str, list[Case]] = {split: [] for split in shares}
    for case in cases:
        split = split_of(case.group or case.id, shares)
        found[split].append(replace(case, split=split))
    return {split: tuple(chosen) for split, chosen in found.items()}


def split_of(group: str, shares: Mapping[str, float]) -> str:
    """Return the split to which a group belongs; see `split_by_group`."""
    place, end = int(fingerprint(group)[:DIGITS], 16) / 16**DIGITS, 0.0
    for split, share in shares.items():
        end += share
        if place < end:
            return split
    return split  # shares may add up to a little less than 1
