"""Profiles: what a person runs on. Their values stand beside the fields of the sections.

A profile departs from the one that it builds on, and at last from the fields' own values, in values
only: no code asks which one it is.
"""

from helpers.files import LabError

# Profile -> the one that it builds on.
PROFILES = {
    "pocket": "",  # a laptop without network or GPU: the simulated clinic, shipped models; minutes
    "laptop": "pocket",  # the same machine, a real language model on real text; an hour
    "t4": "",  # a free Colab T4 (16 GB): real models from the hub, the real DermaVQA data
    "a100": "t4",  # one A100 (40 or 80 GB): larger batches, the same effective batch
}


def profile_chain(profile: str) -> list[str]:
    """Return a profile and those that it builds on, the ground first.

    Raises:
        LabError: there is no such profile.
    """
    if profile not in PROFILES:
        raise LabError(
            f"`profile` is {profile!r}, but the profiles are {', '.join(PROFILES)}: choose one of "
            "them."
        )
    below = PROFILES[profile]
    return [*(profile_chain(below) if below else ()), profile]


def is_unset(value: object) -> bool:
    """Tell whether a parameter is left to the profile: it is "" or -1."""
    return not isinstance(value, bool) and value in ("", -1)
