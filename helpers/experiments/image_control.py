"""What a VLM says without the image: with none, or with another case's (controls for looking)."""

import random
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Literal

from PIL import Image

from helpers.cases import Case
from helpers.data.images import find_image_key
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.experiments.vlm_cases import first_image
from helpers.files import LabError, outputs_folder, write_bytes
from helpers.settings.section import setting

SIDE, GREY = 336, 128  # pixels and shade of the image that shows nothing


class ImageControl(VlmAnswers):
    """Ask a VLM as `VlmAnswers` does, but show it nothing, or the image of another case.

    "nothing" is an even grey: most VLMs take no question without an image. The other case has
    another label, where cases have labels, and its image another content, whatever files are
    called.
    """

    version: ClassVar = 1
    said: ClassVar = VlmAnswers.said | {"IMAGE_SHOWN"}
    shown: Literal["nothing", "another"] = setting(
        "nothing", "nothing (an even grey), or another case's image", parameter="IMAGE_SHOWN"
    )
    seed: int = setting(3407, "one seed for the cases whose images are drawn", ge=0)

    def effective(self) -> dict[str, Any]:
        """Where nothing is shown, nothing is drawn."""
        found = super().effective()
        return {k: v for k, v in found.items() if k != "seed"} if self.shown == "nothing" else found

    def images(self, cases: Sequence[Case]) -> dict[str, Path | None]:
        """Return what is shown with each case in its image's place."""
        if self.shown == "nothing":
            grey = _write_grey()
            return {case.id: grey if first_image(case) else None for case in cases}
        keys = {case.id: find_image_key(image) for case in cases if (image := first_image(case))}
        return {case.id: self._another(case, cases, keys) for case in cases}

    def label(self) -> str:
        """Say what is shown."""
        return f"{super().label()}, {'no' if self.shown == 'nothing' else 'another'} image"

    def _another(self, case: Case, cases: Sequence[Case], keys: dict[str, str]) -> Path | None:
        """Draw another case's image for a case that has one."""
        if case.id not in keys:
            return None
        others = [
            other
            for other in cases
            if keys.get(other.id, keys[case.id]) != keys[case.id]
            and (not case.label or other.label != case.label)
        ]
        if not others:
            raise LabError(
                f"Case {case.id!r} was to be shown another case's image, but no other of these "
                "cases has another image and another label: take more cases."
            )
        return first_image(random.Random(f"{self.seed}:{case.id}").choice(others))


def _write_grey() -> Path:
    """Write the image that shows nothing, if it is not there as it should be; return its path."""
    path, content = outputs_folder() / "grey.png", BytesIO()
    Image.new("RGB", (SIDE, SIDE), (GREY, GREY, GREY)).save(content, "PNG")
    if not path.exists() or path.read_bytes() != content.getvalue():
        write_bytes(path, content.getvalue())
    return path
