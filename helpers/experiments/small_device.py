"""The small device, VisionQAries' motive: a tuned model merged, packed into fewer bits, timed, and
its quality held against the unpacked one's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from helpers.cases import Answer, Case
from helpers.data import Cases
from helpers.experiments.adapters import GivenAdapter, with_adapter
from helpers.experiments.experiment import Experiment
from helpers.experiments.finetune_vlm import FinetuneVlm
from helpers.experiments.runs import Run
from helpers.experiments.scores import Grading
from helpers.experiments.vlm_cases import first_image, images_fingerprint
from helpers.files import LabError, read_json, set_aside, split_names, write_json
from helpers.metrics.bertscore import VERSION as BERTSCORE_VERSION
from helpers.metrics.claims import compare_answers
from helpers.metrics.deltableu import VERSION as DELTABLEU_VERSION
from helpers.metrics.measure import Graded, score_all
from helpers.models.adapter_card import is_whole_folder
from helpers.models.decoding import VlmDecoding
from helpers.models.prompts import VlmPrompt, vlm_question
from helpers.models.refs import FORMS, Vlm
from helpers.settings.section import Section, setting

ANSWERS = "answers.json"  # of a run: form -> the texts it answered, in the cases' order
COMPARED = ("deltableu", "bertscore_f1", "named")


class SmallMachine(Section):
    """How the model is packed, and how much of a CPU it gets."""

    forms: str = setting(
        "bfloat16, int8",
        f"how the tuned model is packed for a small device, with commas: {', '.join(FORMS)}",
        parameter="EDGE_FORMS",
    )
    threads: int = setting(
        2, "of the CPU that plays the small device", parameter="EDGE_THREADS", ge=1, le=1024
    )
    profiles: ClassVar = {"pocket": {"forms": "float32, int8"}}

    def model_post_init(self, context: Any) -> None:
        """Refuse an unknown form."""
        if not self.names or set(self.names) - set(FORMS):
            raise LabError(
                f"`edge_forms` is {self.forms!r}, but it lists some of: {', '.join(FORMS)}."
            )

    @property
    def names(self) -> list[str]:
        """The forms, one by one."""
        return split_names(self.forms)


class SmallDevice(Experiment):
    """Merge what a training made, and measure it in each form on a few threads of a CPU.

    The run's `forms` has a row per form, see `small_device.measure`; its metrics hold what each
    form loses against the first of them ("int8: deltableu", ...), with paired intervals over the
    cases. `merged/` is the model, `answers.json` what each form answered.
    """

    version: ClassVar = 3
    needs_images: ClassVar = True
    data: Cases = Cases()
    model: Vlm = Vlm()
    prompt: VlmPrompt = VlmPrompt()
    decoding: VlmDecoding = VlmDecoding()
    machine: SmallMachine = SmallMachine()
    adapter: FinetuneVlm | GivenAdapter = FinetuneVlm()
    encoder: str = setting(
        "minilm", "BERTScore's encoder: minilm, roberta-large, a folder or an id", effect=False
    )
    profiles: ClassVar = {"t4": {"encoder": "roberta-large"}}

    def cases(self) -> list[Case]:
        """Load the cases with an image to show and an answer to score against."""
        found = [case for case in self.data.cases() if case.images_on_disk and case.references]
        if not found:
            raise LabError(
                f"No case of the split {self.data.split!r} of {self.data.name!r} has an image on "
                "disk and an answer to score against: choose another `split` or `dataset`."
            )
        return found

    def inputs(self) -> dict[str, Any]:
        """Also the images, and the scorer: the forms are compared in the run itself."""
        shown = images_fingerprint([first_image(case) for case in self.cases()])
        scoring = [self.encoder, DELTABLEU_VERSION, BERTSCORE_VERSION]
        return super().inputs() | {"images": shown, "scoring": scoring}

    def label(self) -> str:
        """Say the training and the threads."""
        tuned = self.adapter.label() if isinstance(self.adapter, FinetuneVlm) else "given adapter"
        return f"{tuned}, on {self.machine.threads} threads"

    def work(self, run: Run) -> None:
        """Merge, pack and measure: one form after another, each in a process of its own."""
        tuned = with_adapter(self.model, self.adapter, run).adapter
        assert tuned is not None
        folder, cases = _merged(tuned, run.folder / "merged", self.model.id), self.cases()
        measured = [self._measure(folder, form, cases) for form in self.machine.names]
        said = {found["form"]: found.pop("answers") for found in measured}
        write_json(run.folder / ANSWERS, said)
        graded = self._graded(run)
        first = graded[self.machine.names[0]].answers
        rows = [
            found
            | {"same_answers": _same(first, graded[found["form"]].answers)}
            | _quality(graded[found["form"]])
            for found in measured
        ]
        run.save(forms=rows)

    def score(self, run: Run, grading: Grading) -> None:
        """Compare the forms, unless that is done. They have an encoder of their own."""
        if run.has_scores() or len(self.machine.names) == 1:
            return
        first, *others = self._graded(run).items()
        run.save_scores(
            {
                f"{form}: {key}": score
                for form, graded in others
                for key, score in compare_answers(first[1], graded, keys=COMPARED).items()
            }
        )

    def _measure(self, folder: Path, form: str, cases: Sequence[Case]) -> dict:
        # Late: it loads torch.
        from helpers.models import small_device as device

        asked = [(case.images_on_disk[0], vlm_question(case, self.prompt.name)) for case in cases]
        return device.measure(
            folder,
            asked,
            form=form,
            threads=self.machine.threads,
            max_new_tokens=self.decoding.max_new_tokens,
            max_side=self.model.max_side,
        )

    def _graded(self, run: Run) -> dict[str, Graded]:
        """Read what each form answered, ready to be scored."""
        cases, said = self.cases(), read_json(run.folder / ANSWERS)
        return {
            form: Graded(cases, _answers(cases, said[form]), (), self.data.language, self.encoder)
            for form in self.machine.names
        }


def _merged(tuned: Path, to: Path, base: str) -> Path:
    """Return the folder of an ordinary model: adapter and base in one, or one trained whole."""
    # Late: it loads torch.
    from helpers.models.export import export

    if not (tuned / "adapter_config.json").exists():
        return tuned
    if to.exists() and not is_whole_folder(to):
        set_aside(to)
    if not to.exists():
        export(tuned, to, base=base)
    return to


def _answers(cases: Sequence[Case], texts: Sequence[str]) -> dict[str, Answer]:
    return {case.id: Answer(case.id, text) for case, text in zip(cases, texts)}


def _quality(graded: Graded) -> dict[str, float]:
    return {key: found.score.value for key, found in score_all(graded, COMPARED).items()}


def _same(first: Mapping[str, Answer], second: Mapping[str, Answer]) -> float:
    """Return the share of answers that are the same to the letter."""
    same = sum(first[case_id].text == answer.text for case_id, answer in second.items())
    return same / len(first)
