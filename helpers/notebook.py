"""What the first and the last cell of every notebook call: check the parameters, say where we are,
record the notebook; and what the cells between them ask for experiments.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, TypeVar

from helpers.data import Dataset, is_simulated
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.environment import environment, package_versions
from helpers.experiments.experiment import Experiment, record_scored
from helpers.experiments.parameters import Parameters, check_type, read
from helpers.experiments.runs import FORMAT, Run
from helpers.experiments.scores import Grading
from helpers.files import display_path, fingerprint, outputs_folder
from helpers.models.devices import Device, choose_device, peak_memory_gb
from helpers.models.process import prepare_process
from helpers.settings.profiles import is_unset
from helpers.settings.section import Section, sections_in, without_folders

# The metadata of the last cell's output hold, under this name, what the command line reads.
RUN_RECORD = "run_record"
AnySection = TypeVar("AnySection", bound=Section)
AnyExperiment = TypeVar("AnyExperiment", bound=Experiment)


@dataclass
class Lab:
    """What a notebook works with: its parameters after the profile, its data, its record."""

    notebook: str
    parameters: Parameters
    data: Dataset | None
    run: Run
    started: float = field(default_factory=time.monotonic)

    def settings(self, section: type[AnySection], **given: Any) -> AnySection:
        """Make a section or an experiment as the parameters and the profile have it."""
        return self.parameters.settings(section, **given)

    def variants(self, kind: type[AnyExperiment], **given: Any) -> list[AnyExperiment]:
        """Make the experiments of a kind that the notebook compares: all captioners, constants."""
        return list(self.settings(kind, **given).variants(self.settings))

    def record(self, experiment: Experiment) -> Run:
        """Do an experiment, or find it done; answers are scored."""
        return record_scored(experiment, self.settings(Grading))

    def adapter(self, experiment: Experiment) -> Any:
        """Return the adapter for a kind of answers: ADAPTER's, or the one that is trained with the
        same settings; None for a model behind an API, which cannot be fine-tuned here.
        """
        if self.parameters.given.get("ADAPTER"):
            return self.settings(GivenAdapter)
        kinds = sections_in(type(experiment).model_fields["adapter"].annotation)
        training = next(kind for kind in kinds if issubclass(kind, Experiment))
        model = experiment.effective()["model"]
        return None if model.is_remote else self.settings(training)

    def grid(
        self, experiment: AnyExperiment, vary: Mapping[str, Sequence[Any]]
    ) -> list[tuple[AnyExperiment, Run]]:
        """Do every combination of changes to an experiment (see `Section.but`), in their order."""
        found = []
        for values in product(*vary.values()):
            one = experiment.but(dict(zip(vary, values)))
            found.append((one, self.record(one)))
        return found

    def shows(self, image):
        """Return an image for an output, or None: patients' images are shown only where SHOW_IMAGES
        says so.
        """
        drawn = self.data is not None and is_simulated(self.data.name)
        return image if drawn or self.parameters.given.get("SHOW_IMAGES") else None

    def finish(self, runs: Sequence[Run] = ()) -> None:
        """Record that the notebook came to its end, and the runs that it shows. The last cell calls
        this.
        """
        minutes = round((time.monotonic() - self.started) / 60, 2)
        results = list(dict.fromkeys(f"{run.record['kind']}/{run.id}" for run in runs))
        self.run.save(
            status="done", minutes=minutes, peak_memory_gb=peak_memory_gb(), results=results
        )
        shown = f" and the {len(results)} results that it shows" if results else ""
        place = display_path(self.run.folder)
        _display_with_record(
            f"Done in {minutes} minutes. {place} records this notebook's settings{shown}.",
            {"notebook": self.notebook, "run_id": self.run.id},
        )


def start(notebook: str, namespace: dict, *, kinds: Sequence[str] = ()) -> Lab:
    """Check the parameters, choose the device, load the data, open the notebook's record, and say
    all that.

    Args:
        notebook: the notebook's file name without its ending.
        namespace: `globals()` of the notebook; its annotated upper-case names are the parameters.
        kinds: the kinds of experiment that they set, by name.
    Raises:
        LabError: a parameter of the wrong type or value, or data or a model that is not there.
    """
    prepare_process()
    types = {
        name: kind.__name__ for name, kind in namespace["__annotations__"].items() if name.isupper()
    }
    values = {name: namespace[name] for name in types}
    for name, value in values.items():
        check_type(name, value, types[name])
    parameters = read(values, kinds)
    data = parameters.cases().load() if "DATASET" in values else None
    device = choose_device()
    run = _open_record(notebook, parameters, values, device)
    _note_failures(run)
    _print_start(parameters, values, device, run)
    return Lab(notebook, parameters, data, run)


def notebook_folder(notebook: str, run_id: str):
    """Return where a notebook's record lies, and the executed notebook."""
    return outputs_folder() / "notebooks" / notebook / run_id


def _open_record(
    notebook: str, parameters: Parameters, values: Mapping[str, Any], device: Device
) -> Run:
    """Begin the record of a notebook: its parameters after the profile, and where it runs."""
    chosen = {
        name: without_folders(parameters.after_profile().get(name, values[name])) for name in values
    }
    run_id = fingerprint({"notebook": notebook, "parameters": chosen})
    record = {
        "run_id": run_id,
        "kind": "notebook",
        "format": FORMAT,
        "name": notebook,
        "profile": parameters.profile,
        "parameters": chosen,
        "device": asdict(device),
    }
    run = Run(notebook_folder(notebook, run_id), record)
    run.save(status="running", **environment())
    return run


def _display_with_record(sentence: str, record: dict) -> None:
    """Show a sentence, with a record for programs in the output's metadata.

    A record in the output's data would be shown instead of the sentence: JupyterLab prefers JSON.
    """
    from IPython.display import display

    display({"text/plain": sentence}, metadata={RUN_RECORD: record}, raw=True)


def _print_start(
    parameters: Parameters, values: Mapping[str, Any], device: Device, run: Run
) -> None:
    """Print what this notebook runs on, with which versions and settings, and where it records."""
    after = parameters.after_profile()
    left = [name for name, value in values.items() if is_unset(value) and name in after]
    print(f"Device    {device.name}, {device.dtype}: {device.reason}")
    for kind in parameters.kinds:
        if trained_by := getattr(kind, "trained_by", None):
            backend = trained_by(parameters.settings(kind))
            print(f"Training  {backend.name}: {backend.reason}")
    if "DATASET" in values:
        print(f"Data      {parameters.cases().in_words()}")
    print("Versions ", ", ".join(f"{name} {number}" for name, number in package_versions().items()))
    by_profile = ", ".join(f"{name}={after[name]!r}" for name in left)
    print(f"Profile   {parameters.profile}:", by_profile or "nothing is left to it")
    print(f"Record    {display_path(run.folder)}")
    print("For research and teaching, not for diagnosis.")


def _note_failures(run: Run) -> None:
    """Let the notebook's record say so when a cell fails."""
    from IPython import get_ipython

    def note(result) -> None:
        if not result.success:
            run.save(status="failed")

    shell = get_ipython()
    if shell:  # a test may call `start` outside a notebook
        shell.events.register("post_run_cell", note)
