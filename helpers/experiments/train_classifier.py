"""The training of an image classifier on the labelled images of a data set (Yang & Yang 2024)."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from helpers.cases import Case
from helpers.data import Dataset, TrainingCases
from helpers.data.near_duplicates import Copy, without_copies
from helpers.experiments.experiment import Experiment
from helpers.experiments.runs import Run
from helpers.experiments.vlm_cases import images_fingerprint
from helpers.files import LabError, write_json
from helpers.models.image_refs import ImageModelRef
from helpers.settings.section import setting
from helpers.training.image_recipe import ImageRecipe

if TYPE_CHECKING:
    from helpers.training.image_classifier import Labelled


class LabelledImages(TrainingCases):
    """The images that a classifier learns from; each case is its first image on disk."""

    duplicates: Literal["remove", "keep"] = setting(
        "remove",
        "remove: what is nearly an image of another split, or one before it, is not learnt; keep",
        parameter="DUPLICATES",
    )
    profiles: ClassVar = {
        name: {"name": "pocket_conditions"} for name in ("pocket", "laptop", "t4")
    }
    instead: ClassVar = {}

    def splits(self) -> dict[str, tuple[Case, ...]]:
        """Load the labelled images on disk that are learnt from ("train") and by which the
        temperature is set ("valid").

        Raises:
            LabError: there is nothing to learn.
        """
        found, _ = self._found()
        train = self._checked(found.get("train", ()))
        labels = {case.label for case in train}
        # What is in no training label cannot be said: such images do not set the temperature.
        valid = tuple(case for case in found.get("valid", ()) if case.label in labels)
        return {"train": train, "valid": valid}

    def _checked(self, train: tuple[Case, ...]) -> tuple[Case, ...]:
        """Return at most as many images as are to be learnt, of two labels at least."""
        if 0 < self.limit < len(train):  # from all of them: they may be sorted by their labels
            train = tuple(train[place * len(train) // self.limit] for place in range(self.limit))
        labels = {case.label for case in train}
        if len(labels) < 2:
            raise LabError(
                f"The data set {self.name!r} has {len(train)} training images with a label and on "
                f"disk, of {len(labels)} labels, but it takes two labels to tell apart: choose "
                "another one as `dataset`, or name its folder as `root`."
            )
        return train

    def copies(self) -> list[Copy]:
        """List the images that are left out because they are nearly others."""
        return self._found()[1]

    def identity(self) -> dict[str, Any]:
        """Identify labels and images by their content, of all splits that have a part in it; no
        image is opened for it.

        Raises:
            LabError: there is nothing to learn.
        """
        found = with_image_and_label(self.load())
        self._checked(found.get("train", ()))
        splits = found if self.duplicates == "remove" else {"train", "valid"} & found.keys()
        images = [case.images_on_disk[0] for split in sorted(splits) for case in found[split]]
        data = {split: self.load().fingerprint(split) for split in sorted(splits)}
        return {
            "data": data,
            "images": images_fingerprint(images),
            "limit": self.limit,
            "duplicates": self.duplicates,
        }

    def _found(self) -> tuple[dict[str, tuple[Case, ...]], list[Copy]]:
        data = self.load()
        if self.duplicates == "keep":
            return with_image_and_label(data), []
        return _without_copies(self.but(limit=0), tuple(map(data.fingerprint, data.splits)))


@lru_cache(maxsize=4)
def _without_copies(
    images: LabelledImages, content: tuple[str, ...]
) -> tuple[dict[str, tuple[Case, ...]], list[Copy]]:
    """Leave copies out, once for the same content."""
    return without_copies(with_image_and_label(images.load()))


def with_image_and_label(data: Dataset) -> dict[str, tuple[Case, ...]]:
    """Return of each split the cases that have a label and an image on disk."""
    return {
        split: tuple(case for case in cases if case.label and case.images_on_disk)
        for split, cases in data.splits.items()
    }


class TrainClassifier(Experiment):
    """Train an image classifier; the run holds `classifier/`."""

    needs_images: ClassVar = True
    said: ClassVar = frozenset({"CLASSIFIER", "PRETRAINED", "FROZEN"})
    images: LabelledImages = LabelledImages()
    model: ImageModelRef = ImageModelRef()
    recipe: ImageRecipe = ImageRecipe()

    def label(self) -> str:
        """Say the model."""
        first = ", ImageNet's weights" if self.model.pretrained else ""
        return f"{self.model.name.partition('@')[0]}{first}{', frozen' * self.model.frozen}"

    def labels(self) -> tuple[str, ...]:
        """Return what the classifier can say, in the order of its scores."""
        return tuple(sorted({case.label for case in self.images.splits()["train"]}))

    def work(self, run: Run) -> None:
        """Train, or go on."""
        # Late: they load torch.
        from helpers.models.image_models import image_device
        from helpers.training.image_classifier import train_classifier
        from helpers.training.progress import TrainingBar

        splits, labels = self.images.splits(), self.labels()
        started = time.monotonic()
        with TrainingBar() as bar:
            log = train_classifier(
                self.model,
                labels,
                self.labelled(splits["train"], labels),
                self.labelled(splits["valid"], labels),
                run.folder,
                recipe=self.recipe,
                report=bar,
            )
        write_json(run.folder / "training.json", log)
        run.save(
            device=asdict(image_device()),
            training_records=len(splits["train"]),
            train_minutes=round((time.monotonic() - started) / 60, 3),
            left_out=len(self.images.copies()),
        )

    def labelled(self, cases: Sequence[Case], labels: Sequence[str]) -> "Labelled":
        """Decode the image of each case, and find the place of its label among all."""
        from helpers.models.pixels import load_pixels
        from helpers.training.image_classifier import Labelled, as_places

        paths = [case.images_on_disk[0] for case in cases]
        targets = [labels.index(case.label) for case in cases]
        return Labelled(load_pixels(paths, self.recipe.side), as_places(targets))
