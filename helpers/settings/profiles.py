"""Profiles: the value of each parameter that a person has left at "" or -1.

One YAML file per profile, `pocket`, `t4` and `a100`, with the same names in each. Profiles differ
in values only: no code asks which one it is.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from helpers.files import LabError

FOLDER = Path(__file__).parent


def profile_names() -> list[str]:
    """Return the names of all profiles, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@lru_cache
def _load(name: str) -> dict[str, Any]:  # values of many types, checked by who uses them
    import yaml

    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def load_profile(name: str) -> dict[str, Any]:
    """Load the values of a profile; an unknown name is a `LabError`."""
    if name not in profile_names():
        raise LabError(
            f"`profile` is {name!r}, but the profiles are {', '.join(profile_names())}: choose "
            "one of them."
        )
    return dict(_load(name))


def is_unset(value: object) -> bool:
    """Tell whether a parameter is left to the profile: it is "" or -1."""
    if isinstance(value, bool):
        return False
    return value in ("", -1)


def resolve(profile: str, explicit: Mapping[str, object]) -> dict[str, Any]:
    """Return all settings of a run: the profile's values, replaced by the explicit ones.

    Raises:
        LabError: The profile is unknown, or it has no value for a parameter that is left to it.
    """
    settings = load_profile(profile)
    for name, value in explicit.items():
        if not is_unset(value):
            settings[name] = value
        elif name not in settings:
            raise LabError(
                f"{name} is left to the profile, but {profile}.yaml has no value for it: give "
                f"{name} a value."
            )
    return settings
