"""The parameters of a notebook: their types, their values after the profile, and the data that they
name.

The start cell and the command line call the same checks, so a mistake is found before any model is
loaded. Nothing here imports torch.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from helpers.data import Dataset, load_dataset
from helpers.experiments.advice import DATA, LLM_ANSWERS, parameters_named
from helpers.files import LabError, display_path
from helpers.models.prompts import ENDS, IMAGE_TEXTS, LAYOUTS, QUESTIONS, VISUAL_PROMPTS
from helpers.models.shots import CHOICES, check_shots, shot_pool
from helpers.settings.profiles import load_profile, resolve
from helpers.training.recipe import VLM_CHOICES, VLM_RECIPES

TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
}

# The smallest value that makes sense, for numbers and for each number of a list.
SMALLEST = {
    "SEED": 0,
    "SHOTS": 0,
    "LIMIT": 0,
    "RANK": 1,
    "ALPHA": 1,
    "STEPS": 1,
    "BATCH": 1,
    "ACCUMULATION": 1,
    "MAX_LENGTH": 1,
    "MAX_NEW_TOKENS": 1,
    "ANSWER_BATCH": 1,
    "CAPTION_TOKENS": 1,
    "CAPTION_BATCH": 1,
    "VLM_BATCH": 1,
    "VLM_ACCUMULATION": 1,
    "VLM_MAX_LENGTH": 1,
    "VLM_TOKENS": 1,
    "VLM_ANSWER_BATCH": 1,
    "TRAIN_LIMIT": 0,
    "PICTURE_SIDE": 0,
    "EDGE_THREADS": 1,
}
SMALLEST_SIDE = 32  # pixels: two patches of the usual size
LARGEST_SEED = 2**32 - 1  # numpy takes no larger one
# Parameters that name one of a few ways.
ONE_OF = {
    "PROMPT": LAYOUTS,
    "QUESTION": QUESTIONS,
    "ANSWER_ENDS": ENDS,
    "SHOT_CHOICE": CHOICES,
    "IMAGE_TEXT": IMAGE_TEXTS,
    "LOSS": ("completion", "whole"),
    "BACKEND": ("auto", "peft", "unsloth"),
    "QUANTIZATION": ("none", "nf4"),
    "CAPTION_QUANTIZATION": ("none", "nf4"),
    "VLM_QUANTIZATION": ("none", "nf4"),
    "VLM_PROMPT": tuple(VISUAL_PROMPTS),
    "VLM_RECIPE": tuple(VLM_RECIPES),
    **{
        name.upper(): values
        for name, values in VLM_CHOICES.items()
        if name not in ("trained", "schedule")
    },
}
LISTS_OF_NAMES = ("CAPTIONERS", "VLMS")


def prepare(parameters: dict, kinds: dict[str, str]) -> tuple[SimpleNamespace, Dataset | None]:
    """Settings of a notebook after the profile, and its data if it names a data set.

    Args:
        parameters: name -> value; "" and -1 are left to the profile.
        kinds: name -> type name ("str", "int", "float", "bool", "list").
    Raises:
        LabError: a value of the wrong type or size, an unknown profile, data or split that is not
            there.
    """
    for name, value in parameters.items():
        check_type(name, value, kinds[name])
    with parameters_named(DATA | LLM_ANSWERS):
        return _prepare(parameters)


def _prepare(parameters: dict) -> tuple[SimpleNamespace, Dataset | None]:
    settings = SimpleNamespace(**resolve(parameters["PROFILE"], parameters))
    for name in parameters:
        check_size(name, getattr(settings, name))
    if "DATASET" not in parameters:
        return settings, None
    data = load_dataset(settings.DATASET, settings.DATA_ROOT, language=settings.LANGUAGE)
    data.split(settings.SPLIT)
    if "SHOTS" in parameters:
        check_shots(
            max(settings.SHOTS), settings.SHOT_CHOICE, shot_pool(data.splits.get("train", ()))
        )
    return settings, data


def check_type(name: str, value, kind: str) -> None:
    """Refuse a parameter whose value is not of its declared type (a bool is no number here)."""
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise LabError(
            f"{name} is {value!r}, but it must be of type {kind}: correct the parameter."
        )


def check_size(name: str, value) -> None:
    """Refuse a value that no run can have: a number out of bounds, or a list of nothing.

    Raises:
        LabError: the sentence names the parameter, and what it takes.
    """
    for problem in (_wrong_choice, _wrong_names, _wrong_number, _wrong_whole_numbers):
        if wanted := problem(name, value):
            raise LabError(f"{name} {wanted}: correct the parameter.")


def _wrong_choice(name: str, value) -> str | None:
    """Say what a parameter takes that names one of a few ways; None where its value is right."""
    if name in ONE_OF and value not in ONE_OF[name]:
        return f"is {value!r}, but it must be one of {', '.join(ONE_OF[name])}"
    return None


def _wrong_names(name: str, value) -> str | None:
    """Say what a parameter takes that names models."""
    if name in ("CAPTIONER", "CAPTIONERS") and not names_in(value):
        return "names nothing, but it takes a captioner, such as pocket/blip"
    if name in ("VLM", "VLMS") and not names_in(value):
        return "names nothing, but it takes a VLM, such as pocket/llava"
    if name == "CAPTIONERS" and "none" in names_in(value):
        return "lists 'none', which is no captioner and is compared anyway: leave it out"
    return None


def _wrong_number(name: str, value) -> str | None:
    """Say what a parameter takes that is a number with bounds of its own."""
    if name == "LEARNING_RATE" and not (math.isfinite(value) and value > 0):
        return f"is {value!r}, but it must be a number above 0"
    if name == "VLM_LEARNING_RATE" and not (math.isfinite(value) and value >= 0):
        return f"is {value!r}, but it takes 0 (the recipe's own) or a larger number"
    if name == "EPOCHS" and not (math.isfinite(value) and value >= 0):
        return f"is {value!r}, but it takes 0 (STEPS counts) or a larger number"
    if name == "VLM_EPOCHS" and not (value and all(map(_is_positive, value))):
        return f"is {value!r}, but it takes at least one number, each above 0"
    if name == "SEED" and value > LARGEST_SEED:
        return f"is {value}, but it must be at most {LARGEST_SEED}"
    if name == "PICTURE_SIDE" and type(value) is int and 0 < value < SMALLEST_SIDE:
        return f"is {value}, but it takes 0 (as the model has it) or {SMALLEST_SIDE} pixels or more"
    return None


def _wrong_whole_numbers(name: str, value) -> str | None:
    """Say what a parameter takes that is a whole number, or a list of such."""
    if name not in SMALLEST:
        return None
    if value == []:
        return "is an empty list, but it takes at least one number"
    numbers = value if isinstance(value, list) else [value]
    if any(type(number) is not int or number < SMALLEST[name] for number in numbers):
        return f"is {value!r}, but it takes whole numbers of {SMALLEST[name]} or more"
    return None


def variant(settings: SimpleNamespace, names: Iterable[str]) -> str:
    """Which of these settings are not as the profile has them, for the name of a run: "; RANK 4,
    LOSS whole".
    """
    profile, values = load_profile(settings.PROFILE), recordable(settings)
    other = [f"{name} {values[name]}" for name in names if values[name] != profile[name]]
    return f"; {', '.join(other)}" if other else ""


def recordable(settings: SimpleNamespace) -> dict:
    """The settings as a run record may hold them: without the folders of this machine.

    Where the data lies is left out, because it determines nothing: the data's fingerprint says what
    was read.
    """
    values = {name: value for name, value in vars(settings).items() if name != "DATA_ROOT"}
    for name in ("MODEL", "ADAPTER", "ENCODER", "CAPTIONER", "VLM", "VLM_ADAPTER"):
        if name in values:
            values[name] = _without_folders(values[name])
    for name in LISTS_OF_NAMES:
        if name in values:
            values[name] = ", ".join(map(_without_folders, names_in(values[name])))
    return values


def _is_positive(number) -> bool:
    return (
        isinstance(number, (int, float))
        and not isinstance(number, bool)
        and math.isfinite(number)
        and number > 0
    )


def names_in(text: str) -> list[str]:
    """The names that a text with commas lists."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _without_folders(name: str) -> str:
    path = Path(name).expanduser()
    return display_path(name) if name and (path.is_absolute() or path.is_dir()) else name


def parse(name: str, text: str, kind: str):
    """The value that a person typed for a parameter on the command line, by the parameter's
    declared type.

    "" leaves a text or a number to the profile. A list is typed with commas: `-p SHOTS 0,1,4`.
    """
    import yaml

    if kind == "str":
        return text
    if kind in ("int", "float") and not text:
        return -1
    try:
        value = yaml.safe_load(f"[{text}]" if kind == "list" else text)
    except yaml.YAMLError:
        value = text
    if kind == "float" and isinstance(value, str):  # YAML reads 2e-4 as text
        value = _as_float(value)
    check_type(name, value, kind)
    return value


def _as_float(text: str):
    try:
        return float(text)
    except ValueError:
        return text
