"""From images to words: which captioner, asked in which words, and the file that keeps its words.

A captioner is named like a model. What it is asked is data: a text that BLIP and BLIP-2 go on with,
or a request that a chat model answers. Captions are kept in one file for a data set, a captioner
and what it is asked, `outputs/captions/<data set>/<captioner>-<weights>-<prompt>.jsonl`, under the
image's content: an image of the data set is captioned once, whatever it is called, and every
notebook reads the same captions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.cases import Answer
from helpers.data.images import MAX_SIDE, image_key
from helpers.files import LabError, WorkFailed, fingerprint, outputs_folder
from helpers.models.answer_file import AnswerFile
from helpers.models.answering import answer_images, tell_failures
from helpers.models.api.address import api_host
from helpers.models.captions import as_caption, failed_caption
from helpers.models.memory import load_once
from helpers.models.processors import PREFIX_MODELS, vlm_type
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.refs import ModelRef

# Ways to ask by name; any other text is itself what is asked.
CAPTION_PROMPTS = {"prefix": CAPTION_PREFIX, "clinical": CLINICAL_PROMPT}


@dataclass(frozen=True)
class Captioner:
    """A model with what it is asked; it is loaded late: captions that are kept need none."""

    ref: ModelRef
    text: str  # what it is asked, or goes on with
    max_new_tokens: int
    allow_upload: bool = False

    def fingerprint_model(self) -> str:
        """Identify the model: its weights, how its answers end, and its quantization."""
        if self.ref.is_remote:
            return f"{self.ref.id} {api_host(self.ref.id)}"  # nobody outside can tell more
        weights = self.ref.fingerprint_weights()
        return f"{weights} {self.ref.fingerprint_generation()} {self.ref.quantization}"

    @property
    def prompt_id(self) -> str:
        """What identifies the question: its words, the limits, and how large an image may be."""
        return fingerprint([self.text, self.max_new_tokens, MAX_SIDE])

    def file(self, data_name: str) -> AnswerFile:
        """Return where its captions for a data set are kept."""
        path, name = Path(self.ref.id), str(self.ref)
        slug = re.sub(r"[^\w.-]+", "-", path.name if path.is_absolute() else name)
        ids = f"{fingerprint(self.fingerprint_model())[:6]}-{self.prompt_id}"
        return AnswerFile(outputs_folder() / "captions" / data_name / f"{slug}-{ids}.jsonl")


def find_captioner(
    ref: ModelRef, *, prompt: str, max_new_tokens: int, allow_upload: bool = False
) -> Captioner:
    """Find out what a model is asked for captions; its weights are loaded when first needed.

    Args:
        prompt: "auto" (what the model understands), a name of `CAPTION_PROMPTS`, or the very words.
    Raises:
        LabError: a model that is not there or does not see. An API without consent or key is
            refused when it is opened: captions that are kept need neither.
    """
    goes_on = not ref.is_remote and vlm_type(ref) in PREFIX_MODELS
    name = ("prefix" if goes_on else "clinical") if prompt == "auto" else prompt
    return Captioner(ref, CAPTION_PROMPTS.get(name, name), max_new_tokens, allow_upload)


def caption_images(
    captioner: Captioner, paths: Sequence[Path], file: AnswerFile, *, batch: int
) -> dict[Path, Answer]:
    """Caption images that have no caption yet; returns the caption of every path.

    A file that is no good image is kept as failed with its reason, and so is an image that an API
    refuses; a file that is not there, or may not be read, fails without being kept.

    Args:
        batch: images at a time; of an API, requests at a time.
    Raises:
        WorkFailed: no room on the GPU, or an API that does not answer; what was captioned is kept.
    """
    keys = {path: key for path in dict.fromkeys(paths) if (key := find_image_key(path))}
    files = {key: path for path, key in keys.items()}  # of equal images, one is captioned
    done = file.read()
    worked = not done.keys() >= files.keys()
    if worked:
        with file.locked():  # another process may have done it by then
            done |= _caption_missing(captioner, files, file, batch)
    unread = failed_caption("", "the file is not there, or may not be read")
    found = {path: as_caption(done[keys[path]]) if path in keys else unread for path in paths}
    if worked:
        tell_failures(list(found.values()), "images got no caption")
    return found


def find_image_key(path: Path) -> str:
    """Identify the content of an image file; "" where there is none to be read."""
    try:
        return image_key(path) if path.is_file() else ""
    except OSError:
        return ""


def _caption_missing(
    captioner: Captioner, files: dict[str, Path], file: AnswerFile, batch: int
) -> dict[str, Answer]:
    questions = {key: (path, captioner.text) for key, path in files.items()}
    if not file.missing(questions, batch):
        return file.read()
    model = load_once(captioner.ref, allow_upload=captioner.allow_upload)
    limit = captioner.max_new_tokens
    try:
        return answer_images(
            model, questions, file, batch=batch, max_new_tokens=limit, what="captioning"
        )
    except (LabError, WorkFailed) as error:
        error.args = (_name_files(str(error), files),)
        raise


def _name_files(sentence: str, files: dict[str, Path]) -> str:
    """Let a sentence about an image name the file that a person can find."""
    for key, path in files.items():
        sentence = sentence.replace(f"case {key!r}", f"image {path.name!r}")
    return sentence
