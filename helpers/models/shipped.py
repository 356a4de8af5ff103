"""The small models that come with the lab, and where a model's files lie."""

from helpers.files import REPOSITORY, LabError

POCKET_MODELS = REPOSITORY / "helpers" / "pocket" / "models"


def shipped_models() -> list[str]:
    """List the names of the models that come with the lab."""
    return sorted(f"pocket/{path.parent.name}" for path in POCKET_MODELS.glob("*/config.json"))


def model_path(model_id: str) -> str:
    """Return the folder of a shipped model, or a folder or hub id as it is given.

    Raises:
        LabError: the lab ships no such model.
    """
    if not model_id.startswith("pocket/"):
        return model_id
    folder = POCKET_MODELS / model_id.removeprefix("pocket/")
    if not (folder / "config.json").exists():
        there = ", ".join(shipped_models())
        raise LabError(
            f"`model` is {model_id!r}, but the models shipped with the lab are: "
            f"{there or 'none'}; name one of them."
        )
    return str(folder)
