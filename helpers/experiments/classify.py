"""What an image classifier says of each case: options, that is labels with probabilities."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from helpers.cases import Answer, Case
from helpers.data import Cases
from helpers.experiments.case_answers import OptionAnswers
from helpers.experiments.experiment import Experiment
from helpers.experiments.runs import Run
from helpers.experiments.train_classifier import TrainClassifier
from helpers.experiments.vlm_cases import images_fingerprint
from helpers.files import LabError
from helpers.settings.section import setting

DIGITS = 5  # of a probability


class ClassifiedCases(Cases):
    """The labelled images that are classified."""

    split: str = setting("test", "which split is answered: train, valid or test", min_length=1)
    limit: int = setting(0, "answer at most so many cases; 0 for all", ge=0)
    profiles: ClassVar = {
        name: {"name": "pocket_conditions", "limit": 0} for name in ("pocket", "laptop", "t4")
    }
    instead: ClassVar = {}


class Classify(OptionAnswers):
    """Classify the first image of each case; the answer is the most probable label."""

    needs_images: ClassVar = True
    data: ClassifiedCases | Cases = ClassifiedCases()
    classifier: TrainClassifier = TrainClassifier()
    views: int = setting(
        1, "an image is shown in so many ways (mirrored, cropped), and the mean counts", ge=1, le=8
    )
    calibrated: bool = setting(
        True, "whether probabilities are made as sure as they are right on the validation split"
    )
    damage: Literal["none", "blur", "jpeg", "crop", "dark"] = setting(
        "none",
        "what is done to the images before: none, blur, jpeg, crop or dark",
        parameter="IMAGE_DAMAGE",
    )

    def inputs(self) -> dict[str, Any]:
        """Also the images."""
        images = [case.images_on_disk[0] for case in self._with_image()]
        return super().inputs() | {"images": images_fingerprint(images)}

    def about(self) -> dict[str, Any]:
        """The split is the one that is classified."""
        return super().about() | {"model": self.classifier.model.about()["model"], "tuned": True}

    def label(self) -> str:
        """Say the classifier."""
        return self.classifier.label()

    def work(self, run: Run) -> None:
        """Classify what is not classified yet; a case without an image has no answer."""
        # Late: they load torch.
        from helpers.models.image_models import load_classifier
        from helpers.models.pixels import load_pixels
        from helpers.models.views import damaged, views

        cases = self._with_image()
        paths = [case.images_on_disk[0] for case in cases]
        folder = run.needs["classifier"].folder / "classifier"
        classifier = load_classifier(self.classifier.model, folder)
        pixels = damaged(load_pixels(paths, classifier.side), self.damage)
        scores = classifier.scores(pixels, views(self.views))
        if self.calibrated:
            scores = scores / classifier.temperature
        rows = zip(cases, scores.softmax(-1).tolist())
        run.answers.add(
            Answer(case.id, text=best, options=options)
            for case, row in rows
            for best, options in [options_of(classifier.labels, row)]
        )
        run.save(without_image=len(self.cases()) - len(cases))

    def _with_image(self) -> list[Case]:
        """Return the cases with an image on disk."""
        found = [case for case in self.cases() if case.images_on_disk]
        if not found:
            raise LabError(
                f"Images of the split {self.data.split!r} of {self.data.name!r} were to be "
                "classified, but none is on disk: name their folder as `root`."
            )
        return found


def options_of(
    labels: Sequence[str], probabilities: Sequence[float]
) -> tuple[str, dict[str, float]]:
    """Return the most probable label, and all with their probabilities, most probable first."""
    ordered = sorted(zip(labels, probabilities), key=lambda option: -option[1])
    return ordered[0][0], {label: round(value, DIGITS) for label, value in ordered}


def options_by(
    classifier: TrainClassifier | None, data: Cases, profile: str
) -> dict[str, Experiment]:
    """Return the classification of a split as what another experiment starts from, under
    "options"; nothing where nothing classifies.
    """
    if classifier is None:
        return {}
    return {"options": Classify(profile=profile, data=data, classifier=classifier)}


def read_options(run: Run | None) -> dict[str, dict[str, float]]:
    """Read the options of a run's cases, by case id; {} where nothing classified."""
    answers = run.answers.read() if run else {}
    return {case_id: answer.options for case_id, answer in answers.items() if answer.options}
