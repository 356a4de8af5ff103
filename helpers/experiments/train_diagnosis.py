"""The training of an LLM that chooses a diagnosis from a story, and from the options that an image
model recommends (Yang & Yang 2024; what is ours is said in `options_recipe`).
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from helpers.cases import Case
from helpers.data import TrainingCases
from helpers.experiments.classify import options_by, read_options
from helpers.experiments.experiment import Experiment, run_id
from helpers.experiments.runs import Run
from helpers.experiments.train_classifier import TrainClassifier
from helpers.files import LabError, write_json
from helpers.models.refs import Llm
from helpers.settings.section import setting
from helpers.training.chain import Places, chain_steps
from helpers.training.options_recipe import OptionsRecipe

# How each variant is called.
LEARNT = {
    "chain": "Chain of Options",
    "yes_no": "options one by one",
    "options": "options at once",
}


class Stories(TrainingCases):
    """The stories that an LLM learns from."""

    name: str = setting(
        "pocket_stories", "data set of stories with conditions", parameter="STORIES_DATASET"
    )
    root: str = setting(
        "", "its folder, if you have it on disk", parameter="STORIES_ROOT", effect=False
    )
    limit: int = setting(
        0, "learn from at most so many stories; 0 for all", parameter="STORIES_LIMIT", ge=0
    )

    profiles: ClassVar = {
        "pocket": {"name": "pocket_stories"},
        "laptop": {"name": "pocket_stories"},
        "t4": {"name": "pocket_stories"},
    }
    instead: ClassVar = {}

    def labelled(self) -> list[Case]:
        """Load the stories with a label; there must be two labels at least.

        Raises:
            LabError: there are not.
        """
        found = [case for case in self.cases() if case.label and (case.context or case.images)]
        if len({case.label for case in found}) < 2:
            raise LabError(
                f"The data set {self.name!r} has {len(found)} training stories with a condition, "
                "but it takes two conditions to tell apart: choose another one as "
                "`stories_dataset`, or name its folder as `root`."
            )
        return found


class TrainDiagnosis(Experiment):
    """Train a text classifier on stories; the run holds `diagnoser/`.

    `classifier` recommends the options; None trains on stories alone.
    """

    said: ClassVar = frozenset({"CHAIN", "CLASSIFIER"})
    data: Stories = Stories()
    model: Llm = Llm()
    recipe: OptionsRecipe = OptionsRecipe()
    classifier: TrainClassifier | None = None

    def needs(self) -> dict[str, Experiment]:
        """Also what the classifier says of the stories' images; it has learnt from other ones."""
        return super().needs() | self.options("train")

    def options(self, split: str) -> dict[str, Experiment]:
        """Return what recommends options for a split, under "options"; nothing for None."""
        return options_by(self.classifier, self.data.as_cases(split), self.profile)

    def inputs(self) -> dict[str, Any]:
        """Also the options."""
        if self.model.is_remote:
            raise LabError(
                f"`model` is {self.model.name!r}, but no model behind an API can be trained here: "
                "name another."
            )
        self.data.labelled()
        needs = {name: run_id(need) for name, need in self.needs().items()}
        return super().inputs() | needs

    def label(self) -> str:
        """Say the model, and how it learns."""
        model = self.model.parameters()["MODEL"]
        if self.classifier is None:
            return f"{model}, stories alone"
        return f"{model}, {LEARNT[self.recipe.variant]}, by {self.classifier.label()}"

    def places(self, cases: Sequence[Case]) -> Places:
        """Return what the model's outputs stand for."""
        # Late: conditions are read from a file.
        from helpers.metrics.options import groups_of_labels

        labels = tuple(sorted({case.label for case in cases}))
        return Places(labels, groups_of_labels(labels))

    def work(self, run: Run) -> None:
        """Train, or go on."""
        # Late: they load torch.
        from helpers.models.text_classifiers import new_text_classifier
        from helpers.training.options_training import train_on_options
        from helpers.training.progress import TrainingBar

        cases = self.data.labelled()
        options = read_options(run.needs.get("options"))
        places = self.places(cases)
        started = time.monotonic()
        classifier = new_text_classifier(self.model, places.count, self.recipe)
        steps = chain_steps(cases, options, places, self.recipe)
        facts = {"labels": list(places.labels), "outputs": places.count}
        with TrainingBar() as bar:
            log = train_on_options(
                classifier, steps, facts, run.folder, recipe=self.recipe, report=bar
            )
        write_json(run.folder / "training.json", log)
        run.save(
            device=asdict(classifier.device),
            training_records=len(cases),
            optimiser_steps=self.recipe.steps,
            without_options=sum(case.id not in options for case in cases),
            train_minutes=round((time.monotonic() - started) / 60, 3),
        )
