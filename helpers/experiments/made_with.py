"""What a recorded run was made with: the settings on which its result depends, its seed aside.

Tables and studies tell systems apart by these settings, never by a run's name. Records of earlier
versions lack some of them; what stands in their place is said here and nowhere else.
"""

from typing import Any

from helpers.settings.profiles import load_profile

NONE = "none"  # CAPTIONER where no images are put into words
# The parameters on which answers and trainings depend: a run's name says which of them are not as
# the profile has them.
ANSWERS_VARY = ("QUANTIZATION", "MAX_NEW_TOKENS", "ANSWER_ENDS", "LIMIT", "QUESTION", "PROMPT")
TRAINING_VARIES = (
    "RANK",
    "ALPHA",
    "LEARNING_RATE",
    "STEPS",
    "EPOCHS",
    "BATCH",
    "ACCUMULATION",
    "LOSS",
    "MAX_LENGTH",
    "BACKEND",
    "QUANTIZATION",
    "QUESTION",
    "PROMPT",
)
# What else it says where images are put into words.
CAPTIONS_VARY = (
    "CAPTIONER",
    "CAPTION_PROMPT",
    "CAPTION_TOKENS",
    "CAPTION_QUANTIZATION",
    "IMAGE_TEXT",
)
VLM_ANSWERS_VARY = ("VLM_QUANTIZATION", "VLM_TOKENS", "PICTURE_SIDE", "LIMIT")
VLM_TRAINING_VARIES = (
    "VLM_RECIPE",
    "VLM_LEARNING_RATE",
    "RANK",
    "ALPHA",
    "VLM_BATCH",
    "VLM_ACCUMULATION",
    "VLM_MAX_LENGTH",
    "TRAIN_LIMIT",
    "AUGMENTATION",
    "REFERENCES",
    "SLIPS",
    "VISION",
    "BACKEND",
    *VLM_ANSWERS_VARY[:-1],
)
CONSTANT = "constant: "  # how the name of a constant answer begins
ANSWERS = ("answers", "picture_answers")
TRAININGS = ("finetuning", "picture_finetuning", "edge")  # "edge" measures what one has made


def constant_of(record: dict) -> str:
    """Return the name of the constant answer whose run this is."""
    return record.get("constant") or record["name"].removeprefix(CONSTANT)


def parameters_of(record: dict) -> dict[str, Any]:
    """Return the notebook parameters on which a run depends, besides model and seed.

    A parameter that is younger than the record has its profile's value. A run that several points
    of a study found has the parameters of the first, which may vary what it does not depend on.
    """
    if "parameters" not in record:  # a comparison
        return {}
    given, profile = record["parameters"], load_profile(record["profile"])
    return {name: given.get(name, profile.get(name)) for name in _names(record)}


def settings_of(record: dict) -> dict[str, Any]:
    """Return what a run was made with, as the columns that tables group by.

    These are the parameters on which it depends, by their small names and without the "VLM_" of
    some; and, where they mean something, "tuned", "shots", "epochs" (of a VLM's training),
    "adapter" (the hash of one that was given), "captioner", "constant". Prompts are named: "P1",
    "alpaca".
    """
    found = {
        name.removeprefix("VLM_").lower(): value for name, value in parameters_of(record).items()
    }
    if record["kind"] == "baseline":
        return found | {"constant": constant_of(record)}
    if record["kind"] == "captions":
        return found | {"captioner": record["model"]}
    if record["kind"] not in (*ANSWERS, *TRAININGS):
        return found
    found |= {name: record[name] for name in ("shots", "epochs") if name in record}
    if _adapter_was_given(record):
        found["adapter"] = _adapter_hash(record)
    return found | {
        "model": record["model"],
        "revision": record["revision"],
        "tuned": is_tuned(record),
        "captioner": record["parameters"].get("CAPTIONER", NONE),
    }


def is_tuned(record: dict) -> bool:
    """True of a training, and of what a fine-tuned model did."""
    return record["kind"] in TRAININGS or record.get("tuned", False)


def _names(record: dict) -> tuple[str, ...]:
    """The parameters on which runs of this kind depend."""
    if record["kind"] in ("picture_answers", "picture_finetuning", "edge"):
        return _names_of_vlms(record)
    if record["kind"] in ("answers", "finetuning"):
        return _names_of_llms(record)
    if record["kind"] == "captions":
        return ("CAPTION_PROMPT", "CAPTION_TOKENS", "CAPTION_QUANTIZATION", "LIMIT")
    return ("LIMIT",) if record["kind"] == "baseline" else ()


def _names_of_llms(record: dict) -> tuple[str, ...]:
    names = ["MODEL", *ANSWERS_VARY]
    if is_tuned(record):
        names += ["ADAPTER"] if _adapter_was_given(record) else TRAINING_VARIES
    if record.get("shots"):
        names.append("SHOT_CHOICE")
    if record["parameters"].get("CAPTIONER", NONE) != NONE:
        names += CAPTIONS_VARY
    return tuple(dict.fromkeys(names))


def _names_of_vlms(record: dict) -> tuple[str, ...]:
    names = ["VLM", "VLM_PROMPT", *VLM_ANSWERS_VARY]
    if is_tuned(record):
        names += ["VLM_ADAPTER"] if _adapter_was_given(record) else VLM_TRAINING_VARIES
    if record["kind"] == "edge":
        names.append("EDGE_THREADS")
    return tuple(dict.fromkeys(names))


def _adapter_was_given(record: dict) -> bool:
    name = "ADAPTER" if record["kind"] == "answers" else "VLM_ADAPTER"
    return is_tuned(record) and bool(record["parameters"].get(name))


def _adapter_hash(record: dict) -> str:
    return record["determines"].get("adapter") or record["determines"].get("tuned", "")
