"""What a VLM says when it is asked what cannot be, about an image of something else.

Med-Idefics asked five such questions of Med-HALT about random images, and read the answers; here
all are asked, and answers that say that there is no answer are counted.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from helpers.cases import Case
from helpers.data import Source
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.experiments.vlm_cases import first_image
from helpers.files import LabError
from helpers.settings.section import Section, setting


class OtherImages(Section):
    """The data set whose images are shown."""

    name: str = setting(
        "pocket_vqa_rad",
        "the data set whose images are shown with questions that have none",
        parameter="IMAGES_OF",
        min_length=1,
    )
    root: str = setting(
        "", "folder of that data set, if you have it on disk", parameter="IMAGES_ROOT", effect=False
    )

    def all(self) -> list[Path]:
        """List the first images of all cases that are on disk, each once."""
        splits = Source(name=self.name, root=self.root).load().splits.values()
        found = (first_image(case) for split in splits for case in split)
        return list(dict.fromkeys(image for image in found if image))


class NonsenseAnswers(VlmAnswers):
    """Ask a VLM as `VlmAnswers` does, with an image drawn for each question."""

    version: ClassVar = 1
    others: OtherImages = OtherImages()
    seed: int = setting(3407, "one seed for the images that are drawn", ge=0)

    def images(self, cases: Sequence[Case]) -> dict[str, Path | None]:
        """Draw an image for each case."""
        images = self.others.all()
        if not images:
            raise LabError(
                f"Images of the data set {self.others.name!r} were to be shown, but none is on "
                "disk: put them where the README says, or name another set."
            )
        return {case.id: random.Random(f"{self.seed}:{case.id}").choice(images) for case in cases}
