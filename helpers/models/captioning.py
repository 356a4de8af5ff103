"""From images to words: which captioner, asked in which words, and the file that keeps its words.

A captioner is named like a model. What it is asked is data: a text that BLIP and BLIP-2 go on with,
or a request that a chat model answers. Captions are kept in one file for a data set, a captioner
and what it is asked, `outputs/captions/<data set>/<captioner>-<weights>-<prompt>.jsonl`, under the
image's content: an image of the data set is captioned once, whatever it is called, and every
notebook reads the same captions.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from helpers.cases import Answer
from helpers.data.images import MAX_SIDE, find_image_key
from helpers.files import LabError, WorkFailed, fingerprint, outputs_folder
from helpers.models.answer_file import AnswerFile
from helpers.models.answering import answer_images, tell_failures
from helpers.models.captions import CAPTION_PROMPTS, Captioner, as_caption, failed_caption
from helpers.models.memory import load_once
from helpers.models.processors import PREFIX_MODELS, vlm_type


def caption_prompt(captioner: Captioner) -> str:
    """Find out what a captioner is asked, or goes on with; one that sees no images is refused."""
    ref, name = captioner.ref, captioner.prompt
    kind = "" if ref.is_remote else vlm_type(ref)
    if name == "auto":
        name = "prefix" if kind in PREFIX_MODELS else "clinical"
    return CAPTION_PROMPTS.get(name, name)


def caption_file(captioner: Captioner, data_name: str) -> AnswerFile:
    """Return where a captioner's captions for a data set are kept."""
    return _file(captioner, caption_prompt(captioner), data_name)


def _file(captioner: Captioner, asked: str, data_name: str) -> AnswerFile:
    path, name = Path(captioner.ref.id), str(captioner.ref)
    slug = re.sub(r"[^\w.-]+", "-", path.name if path.is_absolute() else name)
    prompt_id = fingerprint([asked, captioner.max_new_tokens, MAX_SIDE])
    ids = f"{fingerprint(captioner.fingerprint_model())[:6]}-{prompt_id}"
    return AnswerFile(outputs_folder() / "captions" / data_name / f"{slug}-{ids}.jsonl")


def caption_images(
    captioner: Captioner, paths: Sequence[Path], data_name: str
) -> dict[Path, Answer]:
    """Caption images that have no caption yet; returns the caption of every path.

    Captions are kept under the name of the data set.

    A file that is no good image is kept as failed with its reason, and so is an image that an API
    refuses; a file that is not there, or may not be read, fails without being kept.

    Raises:
        LabError: the captioner cannot be had.
        WorkFailed: no room on the GPU, or an API that does not answer; what was captioned is kept.
    """
    keys = {path: key for path in dict.fromkeys(paths) if (key := find_image_key(path))}
    files = {key: path for path, key in keys.items()}  # of equal images, one is captioned
    asked = caption_prompt(captioner)
    file = _file(captioner, asked, data_name)
    done = file.read()
    worked = not done.keys() >= files.keys()
    if worked:
        with file.locked():  # another process may have done it by then
            done |= _caption_missing(captioner, asked, files, file)
    unread = failed_caption("", "the file is not there, or may not be read")
    found = {path: as_caption(done[keys[path]]) if path in keys else unread for path in paths}
    if worked:
        tell_failures(list(found.values()), "images got no caption")
    return found


def _caption_missing(
    captioner: Captioner, asked: str, files: dict[str, Path], file: AnswerFile
) -> dict[str, Answer]:
    questions = {key: (path, asked) for key, path in files.items()}
    if not file.missing(questions, captioner.batch):
        return file.read()
    model = load_once(captioner.ref, allow_upload=captioner.allow_upload)
    try:
        return answer_images(
            model,
            questions,
            file,
            batch=captioner.batch,
            max_new_tokens=captioner.max_new_tokens,
            what="captioning",
        )
    except (LabError, WorkFailed) as error:
        error.args = (_name_files(str(error), files),)
        raise


def _name_files(sentence: str, files: dict[str, Path]) -> str:
    """Let a sentence about an image name the file that a person can find."""
    for key, path in files.items():
        sentence = sentence.replace(f"case {key!r}", f"image {path.name!r}")
    return sentence
