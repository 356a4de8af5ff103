"""What a run's record says for readers, the same for every kind of experiment."""

from pathlib import Path
from types import SimpleNamespace

from helpers.data import Dataset
from helpers.experiments.inputs import prompt_identity
from helpers.experiments.parameters import recordable
from helpers.experiments.runs import load_run
from helpers.files import fingerprint
from helpers.models.prompts import IMAGE_LINE


def about_run(
    kind: str,
    name: str,
    data: Dataset,
    split: str,
    settings: SimpleNamespace,
    *,
    model: str = "",
    prompt: str = "",
) -> dict:
    """Return the entries of `run.json` that are not hashed.

    Args:
        model, prompt: where they are not those of the LLM.
    """
    parameters = recordable(settings)
    return {
        "kind": kind,
        "name": name,
        "profile": settings.PROFILE,
        "dataset": data.name,
        "language": data.language,
        "split": split,
        "data_fingerprint": data.fingerprint(split),
        "model": model or parameters["MODEL"],
        "revision": settings.REVISION,
        "prompt": prompt or prompt_identity(settings),
        "seed": settings.SEED,
        "parameters": parameters,
    }


def captions_identity(*captions: dict[str, str]) -> dict:
    """Fingerprint the captions in the prompts, for what determines a run; {} for none."""
    return {"image_text": fingerprint([IMAGE_LINE, *captions])} if any(captions) else {}


def parent_of(adapter: Path | None) -> str:
    """Return the id of the run that made an adapter, "" if no run made it."""
    if adapter is None or not (adapter.parent / "run.json").exists():
        return ""
    return load_run(adapter.parent).id
