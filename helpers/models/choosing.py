"""How a VLM chooses among options without saying a word: the one that it holds most probable."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm

from helpers.cases import Answer
from helpers.data.images import MAX_SIDE, BadImage, open_image
from helpers.files import LabError
from helpers.models.answer_file import AnswerFile
from helpers.models.base import Model
from helpers.models.processors import completion, read, turn_text
from helpers.models.vlm import LocalVLM

DIGITS = 5  # of a probability
SENTENCE = "{}."  # an option as an answer: models have learnt to end with a full stop


def choose_probable(
    model: Model,
    questions: Mapping[str, tuple[Path | None, str]],
    options: Mapping[str, Sequence[str]],
    file: AnswerFile,
) -> dict[str, Answer]:
    """Choose for every id the option that is most probable as the whole answer, as one sentence.

    Args:
        questions: id -> (image file, or None where there is none; text).
        options: id -> what may be answered.
        file: what is chosen is kept there, and not computed again.
    Returns:
        an answer for each id, in their order, with the probabilities of its options; without text
        where the image cannot be shown.
    Raises:
        LabError: the model is not one that sees, on this machine.
    """
    if not isinstance(model, LocalVLM):
        raise LabError(
            "Likelihoods were asked of a model behind an API or of one that sees no images, which "
            "do not tell them: let its answers be read instead."
        )
    missing = file.missing(questions, 1)
    for part in tqdm(missing, desc="choosing", unit="question", leave=False):
        file.add(
            _choose(model, key, image, question, options[key])
            for key, (image, question) in part.items()
        )
    answers = file.read()
    return {key: answers[key] for key in questions}


def _choose(
    vlm: LocalVLM, key: str, image: Path | None, question: str, options: Sequence[str]
) -> Answer:
    started = time.perf_counter()
    try:
        if image is None:
            raise BadImage("no image on disk")
        opened = open_image(image, max_side=MAX_SIDE)
    except BadImage as error:
        return Answer(key, "", error=str(error))
    said = [SENTENCE.format(option) for option in options]
    shares = log_likelihoods(vlm, opened, question, said).softmax(-1).tolist()
    found = sorted(zip(options, shares), key=lambda one: -one[1])
    return Answer(
        key,
        found[0][0],
        seconds=round(time.perf_counter() - started, 4),
        options={option: round(share, DIGITS) for option, share in found},
    )


@torch.inference_mode()
def log_likelihoods(
    vlm: LocalVLM, image: Image.Image, question: str, answers: Sequence[str]
) -> torch.Tensor:
    """Compute the log of the probability of each text as the whole answer: the sum over its tokens,
    those that end the turn included. Image and question are read once, for all of them.

    Returns:
        (answers,) in nats.
    Raises:
        LabError: the model does not give what it has kept of a question (BLIP-2), or the question
            is longer than its context.
    """
    ids, mask = _encode(vlm, question, answers)
    asked = read(vlm.processor, [turn_text(vlm.processor, question)], [image], padding_side="left")
    asked = asked.to(vlm.model.device, vlm.model.dtype)
    vlm.check_length(asked["input_ids"].shape[1], ids.shape[1], shots=False)
    seen = vlm.model(**asked, use_cache=True)
    kept = getattr(seen, "past_key_values", None)
    if kept is None:
        raise LabError(
            f"Likelihoods were asked of a model of type {vlm.model.config.model_type!r}, which "
            "does not hand on what it has read: let its answers be read instead."
        )
    kept.batch_repeat_interleave(len(answers))
    before = asked["attention_mask"].expand(len(answers), -1)
    more = vlm.model(
        input_ids=ids[:, :-1],
        attention_mask=torch.cat([before, mask[:, :-1]], dim=1),
        past_key_values=kept,
        use_cache=True,
    )
    first = seen.logits[:, -1:].expand(len(answers), -1, -1)
    logits = torch.cat([first, more.logits], dim=1).float()
    found = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return (found * mask).sum(dim=1).cpu()


def _encode(
    vlm: LocalVLM, question: str, answers: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens and mask of answers, padded on the right; (answers, tokens) each."""
    texts = [completion(vlm.processor, question, answer) for answer in answers]
    tokens = vlm.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
    rows = [torch.tensor(row, device=vlm.model.device) for row in tokens]
    ones = [torch.ones_like(row) for row in rows]
    return pad_sequence(rows, batch_first=True), pad_sequence(ones, batch_first=True)
