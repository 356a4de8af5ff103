"""From images to words: which captioner, asked in which words, batch by batch into its store.

A captioner is named like a model: `pocket/blip`, a folder or a hub id (with @revision),
`gemini:NAME` or `openai:NAME`, `recorded` (captions that came from elsewhere), or `none`. What it
is asked is data: a text that BLIP and BLIP-2 go on with, or a request that a chat model answers.

Images are decoded in the background while the model works, a few at a time. Batches are formed
once, from all images in their order, and one that was not written whole is done again as a whole:
an interrupted captioning ends with the very captions of an undisturbed one.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from helpers.cases import Answer
from helpers.data.images import BadImage, Unreadable, image_key, open_images
from helpers.files import fingerprint, outputs_folder
from helpers.models.api.address import api_host, is_api_model
from helpers.models.api.model import ApiModel, open_api_model, upload_notice
from helpers.models.captions import Caption, CaptionStore, failed
from helpers.models.loading import generation_fingerprint, split_revision, weights_fingerprint
from helpers.models.prompts import CAPTION_PREFIX, CLINICAL_PROMPT
from helpers.models.vlm import PREFIX_MODELS, VLM, load_vlm, vlm_type
from helpers.models.vlm_inputs import LONGEST

# Ways to ask by name; any other text is itself what is asked.
CAPTION_PROMPTS = {"prefix": CAPTION_PREFIX, "clinical": CLINICAL_PROMPT}


@dataclass(frozen=True)
class Captioner:
    """A model with what it is asked; opened late, because captions that are kept need no model."""

    name: str
    weights: str  # what identifies the model
    text: str  # what it is asked, or goes on with
    max_new_tokens: int
    open: Callable[[], VLM | ApiModel]

    @property
    def prompt_id(self) -> str:
        """What identifies the question: its words, the limits, and how large an image may be."""
        return fingerprint([self.text, self.max_new_tokens, LONGEST])

    def store(self, data_name: str) -> CaptionStore:
        """Where its captions for a data set are kept."""
        slug = re.sub(
            r"[^\w.-]+", "-", Path(self.name).name if Path(self.name).is_absolute() else self.name
        )
        weights = fingerprint(self.weights)[:6]
        return CaptionStore(outputs_folder() / "captions" / data_name / f"{slug}-{weights}.jsonl")


def open_captioner(
    name: str,
    *,
    prompt: str,
    max_new_tokens: int,
    quantization: str,
    allow_upload: bool,
    keep: Callable = lambda key, load: load(),
) -> Captioner:
    """The captioner of a name; its model is loaded when it is first needed.

    Args:
        prompt: "auto" (what the model understands), a name of `CAPTION_PROMPTS`, or the very words.
        keep: (key, load) -> model, for whoever keeps one model in memory.
    Raises:
        LabError: a model that is not there or does not see. An API without consent or key is
            refused when it is
            opened: captions that are kept need neither.
    """
    if is_api_model(name):
        weights = f"{name} {api_host(name)}"  # nobody outside can tell more
        return Captioner(
            name,
            weights,
            asked_text(prompt, "clinical"),
            max_new_tokens,
            lambda: open_api_model(
                name,
                allow_upload=allow_upload,
                setting="CAPTIONER",
                what="images",
                limit="CAPTION_TOKENS",
            ),
        )
    kind = "prefix" if vlm_type(name, "CAPTIONER") in PREFIX_MODELS else "clinical"
    base, revision = split_revision(name)
    weights = f"{weights_fingerprint(base, revision)} {generation_fingerprint(base)} {quantization}"

    def load() -> VLM:
        return load_vlm(name, quantization=quantization, setting="CAPTIONER")

    return Captioner(
        name, weights, asked_text(prompt, kind), max_new_tokens, lambda: keep((name, weights), load)
    )


def asked_text(prompt: str, kind: str) -> str:
    """The words of a CAPTION_PROMPT; `kind` is what "auto" stands for."""
    name = kind if prompt == "auto" else prompt
    return CAPTION_PROMPTS.get(name, name)


def caption_images(
    captioner: Captioner, paths: Sequence[Path], store: CaptionStore, *, batch_size: int
) -> dict[Path, Caption]:
    """Caption images that have no caption yet; returns the caption of every path.

    A file that is no good image is kept as failed with its reason, and so is an image that an
    API refuses; a file that is not there, or may not be read, fails without being kept.

    Args:
        batch_size: images at a time; of an API, requests at a time.
    Raises:
        WorkFailed: no room on the GPU, or an API that does not answer; what was captioned is kept.
    """
    keys = {path: key for path in dict.fromkeys(paths) if (key := image_key_or_none(path))}
    files = {key: path for path, key in keys.items()}  # of equal images, one is captioned
    done = store.read(captioner.prompt_id)
    worked = bool(set(files) - set(done))
    if worked:
        with store.writing():  # another process may have done it by then
            done = store.read(captioner.prompt_id)
            _caption_missing(captioner, files, store, done, batch_size)
    unread = failed("", captioner.prompt_id, "the file is not there, or may not be read")
    found = {path: done[keys[path]] if path in keys else unread for path in paths}
    if worked:
        _tell_failures(list(found.values()))
    return found


def image_key_or_none(path: Path) -> str:
    """What identifies the content of a file; "" where there is none to be read."""
    try:
        return image_key(path) if path.is_file() else ""
    except OSError:
        return ""


def _tell_failures(captions: Sequence[Caption]) -> None:
    reasons = Counter(caption.error for caption in captions if caption.error)
    if reasons:
        reason, count = reasons.most_common(1)[0]
        print(
            f"{reasons.total()} of {len(captions)} images got no caption; most often ({count}): "
            f"{reason}."
        )


def _caption_missing(
    captioner: Captioner,
    files: dict[str, Path],
    store: CaptionStore,
    done: dict[str, Caption],
    batch_size: int,
) -> None:
    """Do the batches that are not whole; `done` grows as captions are written."""
    from tqdm.auto import tqdm

    keys = list(files)
    batches = [keys[start : start + batch_size] for start in range(0, len(keys), batch_size)]
    missing = [batch for batch in batches if set(batch) - set(done)]
    if not missing:
        return
    model = captioner.open()
    if isinstance(model, ApiModel):  # nobody pays twice: what is done of a batch is not asked again
        missing = [[key for key in batch if key not in done] for batch in missing]
        print(_notice(model, captioner, sum(map(len, missing))))

    def keep(captions: dict[str, Caption]) -> None:
        new = {key: caption for key, caption in captions.items() if key not in done}
        store.add(list(new.values()))
        done.update(new)

    paths = [files[key] for batch in missing for key in batch]
    with closing(open_images(paths, max_side=LONGEST, ahead=2 * batch_size)) as upcoming:
        for batch in tqdm(missing, desc="captioning", unit="batch", leave=False):
            images = dict(zip(batch, (image for _, image in islice(upcoming, len(batch)))))
            bad = {key: image for key, image in images.items() if isinstance(image, BadImage)}
            for key, reason in bad.items():
                caption = failed(key, captioner.prompt_id, str(reason))
                if isinstance(
                    reason, Unreadable
                ):  # a full memory says nothing about the image: not to be kept
                    done[key] = caption
                else:
                    keep({key: caption})
            good = {key: image for key, image in images.items() if key not in bad}
            if good:
                _ask(model, captioner, good, {key: files[key].name for key in good}, keep)


def _ask(
    model: VLM | ApiModel, captioner: Captioner, images: dict, names: dict, keep: Callable
) -> None:
    """Caption one batch, images by key, and keep the captions: of an API each as it comes."""
    if isinstance(model, VLM):
        asked = {key: (image, captioner.text) for key, image in images.items()}
        answers = model.answer(asked, max_new_tokens=captioner.max_new_tokens)
        keep(
            {
                answer.case_id: _caption(answer.case_id, answer, captioner.prompt_id)
                for answer in answers
            }
        )
        return
    # An error of a server should name a file that a person can find; two in a batch may have the
    # same name.
    keys = {f"{names[key]} ({key[:6]})": key for key in images}
    model.answer(
        {name: _messages(captioner.text, images[key]) for name, key in keys.items()},
        max_new_tokens=captioner.max_new_tokens,
        keep=lambda answer: keep(
            {keys[answer.case_id]: _caption(keys[answer.case_id], answer, captioner.prompt_id)}
        ),
    )


def _messages(text: str, image) -> list[dict]:
    return [
        {
            "role": "user",
            "content": [{"type": "image", "image": image}, {"type": "text", "text": text}],
        }
    ]


def _caption(key: str, answer: Answer, prompt: str) -> Caption:
    """An answer as a caption; one without text is a failed one."""
    if not answer.text:
        return failed(key, prompt, answer.error or "the captioner said nothing")
    return Caption(key, prompt, answer.text, answer.seconds, answer.tokens, answer.finish)


def _notice(model: ApiModel, captioner: Captioner, count: int) -> str:
    """What is about to be sent, for images of the largest size that is sent."""
    from PIL import Image

    largest = _messages(captioner.text, Image.new("RGB", (LONGEST, LONGEST)))
    return upload_notice(
        model,
        dict.fromkeys(map(str, range(count)), largest),
        max_new_tokens=captioner.max_new_tokens,
    )
