"""The baseline of a Chain of Options: probabilities by the story alone and by the image alone,
multiplied (late fusion). How much the image counts is chosen on the validation split.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from helpers.cases import Answer, Case
from helpers.data import Cases
from helpers.experiments.case_answers import OptionAnswers
from helpers.experiments.classify import options_by, options_of, read_options
from helpers.experiments.diagnose import Diagnose, StoryCases
from helpers.experiments.experiment import Experiment, run_id
from helpers.experiments.runs import Run
from helpers.experiments.train_classifier import TrainClassifier
from helpers.experiments.train_diagnosis import TrainDiagnosis
from helpers.training.chain import Options

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # of the image beside the story
LEAST = 1e-5  # a probability that was rounded to nothing


class LateFusion(OptionAnswers):
    """Multiply what a model makes of the story with what another makes of the image."""

    data: StoryCases | Cases = StoryCases()
    story: TrainDiagnosis = TrainDiagnosis()
    classifier: TrainClassifier = TrainClassifier()

    def needs(self) -> dict[str, Experiment]:
        """Both sides on the split, and on the validation split."""
        valid = self.data.but(split="valid", limit=0)
        found: dict[str, Experiment] = {}
        for name, data in (("", self.data), ("valid_", valid)):
            found |= {
                f"{name}story": Diagnose(profile=self.profile, data=data, training=self.story),
                f"{name}image": options_by(self.classifier, data, self.profile)["options"],
            }
        return found

    def inputs(self) -> dict[str, Any]:
        """Both sides."""
        return super().inputs() | {name: run_id(need) for name, need in self.needs().items()}

    def about(self) -> dict[str, Any]:
        """The model is the one that reads the stories."""
        return super().about() | self.data.about() | self.story.model.about() | {"tuned": True}

    def label(self) -> str:
        """Say both sides."""
        return f"late fusion: {self.story.label()}, and {self.classifier.label()}"

    def work(self, run: Run) -> None:
        """Choose the weight, and multiply."""
        valid = self.data.but(split="valid", limit=0).cases()
        sides = {name: read_options(need) for name, need in run.needs.items()}
        weight = best_weight(valid, sides["valid_story"], sides["valid_image"])
        for case in self.cases():
            fused = fuse(sides["story"].get(case.id, {}), sides["image"].get(case.id, {}), weight)
            best, options = options_of(list(fused), list(fused.values()))
            run.answers.add([Answer(case.id, text=best, options=options)])
        run.save(image_weight=weight)


def best_weight(
    cases: Sequence[Case], story: Mapping[str, Options], image: Mapping[str, Options]
) -> float:
    """Return the weight under which the labels are most probable."""

    def surprise(weight: float) -> float:
        fused = [fuse(story.get(one.id, {}), image.get(one.id, {}), weight) for one in cases]
        return -sum(np.log(max(row.get(case.label, 0), LEAST)) for row, case in zip(fused, cases))

    return min(WEIGHTS, key=surprise)


def fuse(story: Options, image: Options, weight: float) -> dict[str, float]:
    """Multiply two sides' probabilities, that of the image to the power of its weight; what one
    side does not know counts as next to nothing.
    """
    labels = sorted({*story, *image})
    powers = np.array(
        [
            np.log(max(story.get(label, 0), LEAST))
            + weight * np.log(max(image.get(label, 0), LEAST))
            for label in labels
        ]
    )
    shares = np.exp(powers - powers.max())
    return dict(zip(labels, (shares / shares.sum()).tolist()))
