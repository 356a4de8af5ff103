"""Profiles: what a parameter means when a person has left it at "" or -1.

One YAML file per profile, `pocket`, `t4` and `a100`, with the same names in each. Profiles differ
in values
only: no code asks which one it is.
"""

from functools import lru_cache
from pathlib import Path

from helpers.files import LabError

FOLDER = Path(__file__).parent


def profile_names() -> list[str]:
    """The profiles there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@lru_cache
def _load(name: str) -> dict:
    import yaml

    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def load_profile(name: str) -> dict:
    """The values of a profile; an unknown name is a `LabError`."""
    if name not in profile_names():
        raise LabError(
            f"PROFILE is {name!r}, but the profiles are {', '.join(profile_names())}: choose one "
            "of them."
        )
    return dict(_load(name))


def is_unset(value) -> bool:
    """Whether a parameter is left to the profile."""
    return value == "" or (
        isinstance(value, (int, float)) and not isinstance(value, bool) and value == -1
    )


def resolve(profile: str, explicit: dict) -> dict:
    """All settings of a run: the profile's values, overlaid with every explicit parameter that is
    set.

    Raises:
        LabError: the profile is unknown, or has no value for a parameter that is left to it.
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
    return settings | {"PROFILE": profile}
