"""The small models that come with the lab, and where a model's files lie."""

from helpers.files import REPOSITORY, LabError
from helpers.models.foreign import shown
from helpers.models.packaged import is_packaged_llm, packaged_folder

POCKET_MODELS = REPOSITORY / "helpers" / "pocket" / "models"


def shipped_models() -> list[str]:
    """List the names of the models that come with the lab."""
    return sorted(f"pocket/{path.parent.name}" for path in POCKET_MODELS.glob("*/config.json"))


def model_path(model_id: str) -> str:
    """Return the folder of a shipped or packaged model (unpacked if need be), or a folder or hub id
    as it is given.

    Raises:
        LabError: the lab ships no such model, or its package is not installed.
    """
    if is_packaged_llm(model_id):
        return str(packaged_folder(model_id))
    if not model_id.startswith("pocket/"):
        return model_id
    if model_id not in shipped_models():
        there = ", ".join(shipped_models())
        raise LabError(
            f"`model` is {shown(model_id)}, but the models shipped with the lab are: "
            f"{there or 'none'}; name one of them."
        )
    return str(POCKET_MODELS / model_id.removeprefix("pocket/"))
