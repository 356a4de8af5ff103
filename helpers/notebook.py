"""What the first and the last cell of every notebook call: check the parameters, say where we are,
record the run.
"""

import time
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace

from helpers.data import POCKET, Dataset
from helpers.experiments.model_refs import llm_ref, vlm_ref
from helpers.experiments.parameters import prepare, recordable
from helpers.experiments.runs import Run, environment, open_run, package_versions
from helpers.experiments.vlm_finetune import training_backend
from helpers.files import display_path
from helpers.models.devices import choose_device, peak_memory_gb
from helpers.models.process import prepare_process
from helpers.settings.profiles import is_unset
from helpers.training.backends import choose_backend

# The run-record cell's output also carries this, for the command line to read.
RUN_RECORD = "application/json"


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

    def finish(self, runs: list[Run] = ()) -> None:
        """Record that the notebook came to its end, and the runs that it shows. The last cell calls
        this.
        """
        from IPython.display import display

        minutes = round((time.monotonic() - self.started) / 60, 2)
        self.run.save(
            status="done",
            minutes=minutes,
            peak_memory_gb=peak_memory_gb(),
            results=[run.id for run in runs],
        )
        text = f"Recorded in {display_path(self.run.folder)} after {minutes} minutes; {len(runs)} results."
        display(
            {"text/plain": text, RUN_RECORD: {"notebook": self.notebook, "run_id": self.run.id}},
            raw=True,
        )


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
    determines = {name: value for name, value in recordable(settings).items() if name in kinds}
    determines["data"] = {split: data.fingerprint(split) for split in data.splits} if data else {}
    refs = (
        [vlm_ref(settings)] if "VLM" in kinds else [llm_ref(settings)] if "MODEL" in kinds else []
    )
    determines["weights"] = "".join(ref.fingerprint_weights() for ref in refs)
    run = open_run(
        notebook,
        determines=determines,
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
    left = [
        f"{name}={getattr(settings, name)!r}"
        for name, value in parameters.items()
        if is_unset(value)
    ]
    print(f"Device    {device.name}, {device.dtype}: {device.reason}")
    if "BACKEND" in kinds:
        backend = training_backend(settings) if "VLM" in kinds else choose_backend(settings.BACKEND)
        print(f"Training  {backend.name}: {backend.reason}")
    print("Versions ", ", ".join(f"{name} {number}" for name, number in package_versions().items()))
    print(f"Profile   {settings.PROFILE}:", ", ".join(left) or "nothing is left to it")
    print(f"Run       {display_path(run.folder)}")
    print("For research and teaching, not for diagnosis.")
    return Lab(notebook, settings, data, run)


def _note_failures(run: Run) -> None:
    """Let the run's record say so when a cell of the notebook fails."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell:  # a test may call `start` outside a notebook
        shell.events.register(
            "post_run_cell", lambda result: result.success or run.save(status="failed")
        )
