"""From questions to answers on disk: the loops that LLMs, VLMs and models behind an API share."""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from helpers.cases import Answer
from helpers.data.images import MAX_SIDE, BadImage, Unreadable, open_images
from helpers.files import LabError
from helpers.models.answer_file import AnswerFile
from helpers.models.api.model import ApiModel, upload_notice
from helpers.models.base import ImagePrompt, ImageShot, Model, Question

# Worked examples before a question, by its id: image file, what is asked, and the answer.
FileShots = Mapping[str, Sequence[tuple[Path, str, str]]]


def answer_all(
    model: Model,
    questions: Mapping[str, Question],
    file: AnswerFile,
    *,
    batch: int,
    max_new_tokens: int,
    stop: str = "",
) -> dict[str, Answer]:
    """Answer every question that `file` does not answer yet, the longest ones first.

    Args:
        batch: questions at a time; of an API, requests at a time.
        max_new_tokens: where an answer is cut, in tokens.
        stop: a text that ends an answer of an LLM here, too; "" for none.
    Returns:
        one answer for each question, in their order.
    Raises:
        LabError: a question leaves no room for the answer in the model's context.
        WorkFailed: the GPU has no room for the batch, or the API does not answer.
    """
    lengths = {case_id: model.count_tokens(question) for case_id, question in questions.items()}
    _check_lengths(lengths, model.context_length - max_new_tokens)
    ordered = {case_id: questions[case_id] for case_id in longest_first(lengths)}
    missing = file.missing(ordered, batch, whole=not model.is_remote)
    if missing:
        tell_upload(
            model, {key: one for part in missing for key, one in part.items()}, max_new_tokens
        )
        prepared = model.prepare(questions, stop=stop)
        for part in tqdm(missing, desc="answering", unit="batch", leave=False):
            file.add(prepared.answer_batch(part, max_new_tokens=max_new_tokens))
    answers = file.read()
    return {case_id: answers[case_id] for case_id in questions}


def answer_images(
    model: Model,
    questions: Mapping[str, tuple[Path | None, str]],
    file: AnswerFile,
    *,
    batch: int,
    max_new_tokens: int,
    what: str = "answering",
    shots: FileShots | None = None,
) -> dict[str, Answer]:
    """Answer a text about an image for every id, in their order; images are decoded ahead.

    Args:
        questions: id -> (image file, or None where there is none; text).
        shots: worked examples before a question, by its id.
    Returns:
        one answer for each id. Where an image cannot be shown it is empty, and its `error` says
        why; that is kept, unless the reason may pass (a full memory, a failing disk).
    """
    before = shots or {}
    missing = file.missing(questions, batch, whole=not model.is_remote)
    unread: dict[str, Answer] = {}
    tell_upload(model, _largest(missing, before), max_new_tokens)
    with closing(_opened(missing, before)) as opened:
        for part in tqdm(opened, total=len(missing), desc=what, unit="batch", leave=False):
            good = {case_id: one for case_id, one in part.items() if isinstance(one, ImagePrompt)}
            bad = {case_id: why for case_id, why in part.items() if isinstance(why, BadImage)}
            empty = {case_id: Answer(case_id, "", error=str(why)) for case_id, why in bad.items()}
            kept = [case_id for case_id, why in bad.items() if not isinstance(why, Unreadable)]
            if good:
                file.add(model.answer_batch(good, max_new_tokens=max_new_tokens))
            file.add(empty[case_id] for case_id in kept)
            unread |= empty
    answers = unread | file.read()
    return {case_id: answers[case_id] for case_id in questions}


def longest_first(lengths: Mapping[str, int]) -> list[str]:
    """Order ids by length, so that a batch has little padding and a full memory shows at once."""
    return sorted(lengths, key=lambda case_id: (-lengths[case_id], case_id))


def tell_upload(model: Model, questions: Mapping[str, Question], max_new_tokens: int) -> None:
    """Print what is about to leave this machine, to where, and for how much."""
    if isinstance(model, ApiModel) and questions:
        print(upload_notice(model, questions, max_new_tokens))


def _largest(
    batches: Sequence[Mapping[str, tuple[Path | None, str]]], shots: FileShots
) -> dict[str, Question]:
    """Return questions as if each image had the largest size that is sent, for the notice."""
    largest = Image.new("RGB", (MAX_SIDE, MAX_SIDE))
    return {
        key: _prompt(text, shots.get(key, ()), [largest] * (1 + len(shots.get(key, ()))))
        for part in batches
        for key, (_, text) in part.items()
    }


def _prompt(
    text: str, shots: Sequence[tuple[Path, str, str]], images: Sequence[Image.Image]
) -> ImagePrompt:
    """Put a question together with opened images: those of its worked examples, then its own."""
    *before, own = images
    asked = [ImageShot(image, text, said) for image, (_, text, said) in zip(before, shots)]
    return ImagePrompt(own, text, tuple(asked))


def tell_failures(answers: Sequence[Answer], what: str) -> None:
    """Print how many answers failed, and the commonest reason."""
    reasons = Counter(answer.error for answer in answers if answer.error)
    if reasons:
        reason, count = reasons.most_common(1)[0]
        print(f"{reasons.total()} of {len(answers)} {what}; most often ({count}): {reason}.")


def _opened(
    batches: Sequence[Mapping[str, tuple[Path | None, str]]], shots: FileShots
) -> Generator[dict[str, ImagePrompt | BadImage]]:
    """Make the prompts of batches, or say why one cannot be shown; images are opened in the
    background, a few ahead of the model.
    """
    paths = {
        case_id: [*(image for image, *_ in shots.get(case_id, ())), path]
        for part in batches
        for case_id, (path, _) in part.items()
        if path
    }
    every = [path for some in paths.values() for path in some]
    ahead = 2 * max(map(len, batches), default=1) * max(map(len, paths.values()), default=1)
    with closing(open_images(every, max_side=MAX_SIDE, ahead=ahead)) as images:
        for part in batches:
            yield {
                case_id: _prompt_or_fault(
                    text,
                    shots.get(case_id, ()),
                    [image for _, image in islice(images, len(paths.get(case_id, ())))],
                )
                for case_id, (_, text) in part.items()
            }


def _prompt_or_fault(
    text: str,
    shots: Sequence[tuple[Path, str, str]],
    images: Sequence[Image.Image | BadImage],
) -> ImagePrompt | BadImage:
    if not images:
        return BadImage("no image of it is on disk")
    shown = [image for image in images if not isinstance(image, BadImage)]
    if len(shown) == len(images):
        return _prompt(text, shots, shown)
    if isinstance(own := images[-1], BadImage):
        return own
    why = next(image for image in images if isinstance(image, BadImage))
    return type(why)(f"the image of a worked example: {why}")


def _check_lengths(lengths: Mapping[str, int], room: int) -> None:
    too_long = [case_id for case_id, length in lengths.items() if length > room]
    if too_long:
        raise LabError(
            f"The prompt of case {too_long[0]!r} has {lengths[too_long[0]]} tokens, but the "
            f"model's context leaves {room} ({len(too_long)} such cases): lower `max_new_tokens` "
            "or choose a `model` with a longer context."
        )
