"""The adapter that a model answers with: one that an experiment trains, or one that is given."""

import os
from pathlib import Path
from typing import Any

from helpers.experiments.runs import Run, adapter_in
from helpers.files import LabError, file_hash, fingerprint
from helpers.models.refs import ModelRef
from helpers.settings.section import Section, setting

# What an adapter's answers depend on, besides its weights.
CONFIGURATION = ("adapter_config.json", "config.json")


class GivenAdapter(Section):
    """An adapter in a folder, or the one that the run in that folder has trained."""

    folder: str = setting(
        "",
        "folder of an adapter, or of a run that trained one; left out, it is trained now",
        parameter="ADAPTER",
        min_length=1,
    )

    @property
    def path(self) -> Path:
        """The folder of the adapter itself."""
        folder = Path(os.path.expanduser(self.folder))
        if not os.path.isdir(folder):
            raise LabError(
                f"`adapter` is {self.folder!r}, but there is no such folder: name an adapter, or a "
                "run that trained one."
            )
        return adapter_in(folder)

    def identity(self) -> str:
        """Identify weights and configuration."""
        files = [*sorted(self.path.glob("*.safetensors")), *(self.path / n for n in CONFIGURATION)]
        return fingerprint({path.name: file_hash(path) for path in files if path.is_file()})

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the adapter for readers."""
        return {"adapter": self.identity()}


def with_adapter(model: ModelRef, adapter: object, run: Run, *, need: str = "adapter") -> ModelRef:
    """Return a model with the adapter that an experiment names; as it is for None.

    Args:
        adapter: what the experiment's field `need` holds.
        run: the experiment's run, whose `needs` hold what was trained.
    Raises:
        LabError: a given adapter was made for another model.
    """
    if adapter is None:
        return model
    if not isinstance(adapter, GivenAdapter):
        return model.but(adapter=run.needs[need].folder / "adapter")
    tuned = model.but(adapter=adapter.path)
    tuned.read_card()
    return tuned
