"""What the first and the last cell of every notebook call: check the parameters, say where we are,
record the run.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace

from helpers.data import POCKET, Dataset
from helpers.experiments.advice import LLM_ANSWERS, VLM_ANSWERS, parameters_named
from helpers.experiments.model_refs import llm_ref, vlm_ref
from helpers.experiments.parameters import prepare, recordable
from helpers.experiments.runs import Run, environment, open_run, package_versions
from helpers.files import display_path
from helpers.models.devices import Device, choose_device, peak_memory_gb
from helpers.models.process import prepare_process
from helpers.settings.profiles import is_unset
from helpers.training.backends import Backend, choose_backend

# The metadata of the last cell's output hold, under this name, what the command line reads.
RUN_RECORD = "run_record"


@dataclass
class Lab:
    """What a notebook works with: its settings after the profile, its data, its run."""

    notebook: str
    settings: SimpleNamespace
    data: Dataset | None
    run: Run
    started: float = field(default_factory=time.monotonic)

    def shows(self, image):
        """An image for an output, or None: patients' images are shown only where SHOW_PICTURES
        says so.
        """
        drawn = self.data is not None and self.data.name in POCKET
        return image if drawn or getattr(self.settings, "SHOW_PICTURES", False) else None

    def finish(self, runs: Sequence[Run] = ()) -> None:
        """Record that the notebook came to its end, and the runs that it shows. The last cell calls
        this.
        """
        minutes = round((time.monotonic() - self.started) / 60, 2)
        self.run.save(
            status="done",
            minutes=minutes,
            peak_memory_gb=peak_memory_gb(),
            results=[run.id for run in runs],
        )
        shown = f" and the {len(runs)} results that it shows" if runs else ""
        place = display_path(self.run.folder)
        _display_with_record(
            f"Done in {minutes} minutes. {place} records this notebook's settings{shown}.",
            {"notebook": self.notebook, "run_id": self.run.id},
        )


def _display_with_record(sentence: str, record: dict) -> None:
    """Show a sentence, with a record for programs in the output's metadata.

    A record in the output's data would be shown instead of the sentence: JupyterLab prefers JSON.
    """
    from IPython.display import display

    display({"text/plain": sentence}, metadata={RUN_RECORD: record}, raw=True)


def start(notebook: str, namespace: dict) -> Lab:
    """Check the parameters, choose the device, load the data, open the notebook's run, and say all
    that.

    Args:
        notebook: the notebook's file name without its ending.
        namespace: `globals()` of the notebook; its annotated upper-case names are the parameters.
    Raises:
        LabError: a parameter of the wrong type or value, or data or a model that is not there.
    """
    prepare_process()
    kinds = {
        name: kind.__name__ for name, kind in namespace["__annotations__"].items() if name.isupper()
    }
    parameters = {name: namespace[name] for name in kinds}
    settings, data = prepare(parameters, kinds)
    device = choose_device()
    run = open_run(
        notebook,
        determines=_determines(settings, data, kinds),
        about={
            "kind": "notebook",
            "name": notebook,
            "profile": settings.PROFILE,
            "dataset": data.name if data else "",
            "seed": settings.SEED,
            "parameters": recordable(settings),
            "device": asdict(device),
        },
    )
    run.save(status="running", **environment())
    _note_failures(run)
    _print_start(settings, parameters, device, run)
    return Lab(notebook, settings, data, run)


def _determines(settings: SimpleNamespace, data: Dataset | None, kinds: dict[str, str]) -> dict:
    """What the notebook's results depend on: its parameters, the data, the weights of its model."""
    determines = {name: value for name, value in recordable(settings).items() if name in kinds}
    determines["data"] = {split: data.fingerprint(split) for split in data.splits} if data else {}
    determines["weights"] = ""
    if "VLM" in kinds:
        with parameters_named(VLM_ANSWERS):
            determines["weights"] = vlm_ref(settings).fingerprint_weights()
    elif "MODEL" in kinds:
        with parameters_named(LLM_ANSWERS):
            determines["weights"] = llm_ref(settings).fingerprint_weights()
    return determines


def _print_start(settings: SimpleNamespace, parameters: dict, device: Device, run: Run) -> None:
    """Print what this notebook runs on, with which versions and settings, and where it records."""
    left = [
        f"{name}={getattr(settings, name)!r}"
        for name, value in parameters.items()
        if is_unset(value)
    ]
    print(f"Device    {device.name}, {device.dtype}: {device.reason}")
    if "BACKEND" in parameters:
        backend = _training_backend(settings, sees="VLM" in parameters)
        print(f"Training  {backend.name}: {backend.reason}")
    print("Versions ", ", ".join(f"{name} {number}" for name, number in package_versions().items()))
    print(f"Profile   {settings.PROFILE}:", ", ".join(left) or "nothing is left to it")
    print(f"Run       {display_path(run.folder)}")
    print("For research and teaching, not for diagnosis.")


def _training_backend(settings: SimpleNamespace, *, sees: bool) -> Backend:
    """Say what will train the model of a notebook, and why."""
    if sees:
        # Late: it loads torch, which must find the process prepared.
        from helpers.experiments.vlm_finetune import training_backend

        return training_backend(settings)
    with parameters_named({"backend": "BACKEND"}):
        return choose_backend(settings.BACKEND)


def _note_failures(run: Run) -> None:
    """Let the run's record say so when a cell of the notebook fails."""
    from IPython import get_ipython

    def note(result) -> None:
        if not result.success:
            run.save(status="failed")

    shell = get_ipython()
    if shell:  # a test may call `start` outside a notebook
        shell.events.register("post_run_cell", note)
