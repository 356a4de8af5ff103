"""What a model is given under some settings: which cases, with which worked examples, in which
words.

Settings are the notebooks' parameters after the profile, by their names (`settings.MODEL`, ...).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

from helpers.cases import Case
from helpers.data import Dataset
from helpers.experiments.caption_texts import caption_texts
from helpers.experiments.made_with import NONE
from helpers.experiments.model_refs import llm_ref
from helpers.files import LabError
from helpers.models.api.address import is_api_model
from helpers.models.base import Model
from helpers.models.llm import load_tokenizer
from helpers.models.prompts import (
    IMAGE_TEXTS,
    Prompt,
    build_prompt,
    prompt_id,
    question_text,
    render_example,
)
from helpers.models.shots import as_pairs, choose_shots, drop_until_fits, shot_pool


def cases_to_answer(data: Dataset, settings: SimpleNamespace) -> tuple[Case, ...]:
    """The cases of `settings.SPLIT`, at most `settings.LIMIT` of them (0 for all)."""
    cases = data.split(settings.SPLIT)
    return cases[: settings.LIMIT] if settings.LIMIT else cases


def check_questions(cases: Sequence[Case], settings: SimpleNamespace) -> None:
    """Refuse to ask a model about a case that asks nothing at all (a constant answer needs no
    question).
    """
    silent = (
        [] if settings.CAPTIONER != NONE else [case.id for case in cases if not question_text(case)]
    )
    if silent:
        raise LabError(
            f"Case {silent[0]!r} of the split {settings.SPLIT!r} has neither title nor content "
            f"({len(silent)} such cases), so there is nothing to ask: give it a question, or take "
            "it out of the split."
        )


def training_cases(data: Dataset) -> tuple[Case, ...]:
    """The training cases; none where a folder holds the split to be answered alone."""
    return data.split("train") if "train" in data.splits else ()


def training_texts(data: Dataset) -> list[tuple[str, str]]:
    """Every answer of the training cases, with its case's id."""
    return [
        (case.id, reference.text) for case in training_cases(data) for reference in case.references
    ]


def data_read(data: Dataset, settings: SimpleNamespace) -> list[str]:
    """Fingerprints of the split that is answered, and of the training split: shots and copied
    answers come from it.
    """
    return [
        data.fingerprint(settings.SPLIT),
        data.fingerprint("train") if "train" in data.splits else "",
    ]


@dataclass(frozen=True)
class ImageWords:
    """Words for the images of the cases that are asked, and of those that serve as shots, by case
    id.
    """

    asked: dict[str, str] = field(default_factory=dict)
    shots: dict[str, str] = field(default_factory=dict)


NO_WORDS = ImageWords()


def image_words(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case], shots: int
) -> ImageWords:
    """The words that prompts with so many shots hold; none where CAPTIONER is "none"."""
    chosen = _chosen(data, cases, settings, shots) if shots and _told("shots", settings) else {}
    used = {shot.id: shot for row in chosen.values() for shot in row}
    return ImageWords(
        caption_texts(data, settings, cases), caption_texts(data, settings, list(used.values()))
    )


def training_words(
    data: Dataset, settings: SimpleNamespace, cases: Sequence[Case]
) -> dict[str, str]:
    """Words for the images of cases that the model is trained on, by case id, if IMAGE_TEXT puts
    them there.
    """
    return caption_texts(data, settings, cases) if _told("training", settings) else {}


def _told(part: str, settings: SimpleNamespace) -> bool:
    """Whether IMAGE_TEXT puts words for images into this part of what the model reads."""
    return IMAGE_TEXTS.index(part) <= IMAGE_TEXTS.index(settings.IMAGE_TEXT)


def _chosen(
    data: Dataset, cases: Sequence[Case], settings: SimpleNamespace, shots: int
) -> dict[str, list[Case]]:
    return choose_shots(
        cases,
        shot_pool(training_cases(data)),
        count=shots,
        choice=settings.SHOT_CHOICE,
        seed=settings.SEED,
        question=settings.QUESTION,
    )


def prompt_identity(settings: SimpleNamespace) -> str:
    """What identifies the wording, a local chat model's own template included."""
    local_chat = settings.PROMPT == "chat" and not is_api_model(settings.MODEL)
    template = str(load_tokenizer(llm_ref(settings)).chat_template) if local_chat else ""
    return prompt_id(settings.PROMPT, settings.QUESTION, template)


def llm_examples(
    cases: list[Case], settings: SimpleNamespace, words: dict[str, str]
) -> list[dict[str, str]]:
    """One prompt and completion per case: its question without worked examples, its first reference
    answer.

    `words` are those for the cases' images, by case id.
    """
    tokenizer = load_tokenizer(llm_ref(settings))
    pairs = as_pairs(cases, settings.QUESTION, words)
    return [
        render_example(build_prompt(question, layout=settings.PROMPT), answer, tokenizer)
        for question, answer in pairs
    ]


def prompts_with_shots(
    model: Model,
    data: Dataset,
    cases: Sequence[Case],
    settings: SimpleNamespace,
    shots: int,
    words: ImageWords = NO_WORDS,
) -> tuple[dict[str, Prompt], dict[str, dict]]:
    """Build the prompt of every case, with as many of its shots as the context has room for.

    Returns:
        prompts by case id; and for each which shots it holds, which were dropped for want of room,
        and how many tokens it has.
    """
    room = model.context_length - settings.MAX_NEW_TOKENS
    chosen = _chosen(data, cases, settings, shots)
    prompts, trace = {}, {}
    for case in cases:
        asked = partial(_prompt, case, settings, words)
        kept = drop_until_fits(chosen[case.id], partial(_fits, model, asked, room))
        prompts[case.id] = asked(kept)
        dropped = chosen[case.id][: len(chosen[case.id]) - len(kept)]
        trace[case.id] = {
            "shots": [shot.id for shot in kept],
            "dropped": [shot.id for shot in dropped],
            "tokens": model.count_tokens(prompts[case.id]),
        }
    return prompts, trace


def _prompt(
    case: Case, settings: SimpleNamespace, words: ImageWords, shots: Sequence[Case]
) -> Prompt:
    question = question_text(case, settings.QUESTION, words.asked.get(case.id, ""))
    pairs = as_pairs(shots, settings.QUESTION, words.shots)
    return build_prompt(question, pairs, layout=settings.PROMPT)


def _fits(
    model: Model, asked: Callable[[Sequence[Case]], Prompt], room: int, shots: Sequence[Case]
) -> bool:
    return model.count_tokens(asked(shots)) <= room
