"""What an LLM reads: the prompts of cases with their worked examples, and training examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from helpers.cases import Case
from helpers.files import LabError
from helpers.models.base import Model
from helpers.models.prompts import (
    LlmPrompt,
    Prompt,
    build_prompt,
    question_text,
    render_example,
)
from helpers.models.refs import ModelRef
from helpers.models.shots import Shots, as_pairs, choose_shots, drop_until_fits


@dataclass(frozen=True)
class Captions:
    """Captions by case id: of the cases that are asked, and of those that serve as shots."""

    asked: dict[str, str] = field(default_factory=dict)
    shots: dict[str, str] = field(default_factory=dict)


def check_questions(cases: Sequence[Case], split: str) -> None:
    """Refuse to ask a model about a case that asks nothing at all and has no caption."""
    if silent := [case.id for case in cases if not question_text(case)]:
        raise LabError(
            f"Case {silent[0]!r} of the split {split!r} has neither title nor content "
            f"({len(silent)} such cases), so there is nothing to ask: give it a question, or take "
            "it out of the split."
        )


def shots_of_cases(
    cases: Sequence[Case], pool: Sequence[Case], shots: Shots, prompt: LlmPrompt
) -> dict[str, list[Case]]:
    """Choose the worked examples of every case, by case id."""
    return choose_shots(
        cases,
        pool,
        count=shots.count,
        choice=shots.choice,
        seed=shots.seed,
        question=prompt.question,
    )


def prompts_with_shots(
    model: Model,
    cases: Sequence[Case],
    chosen: dict[str, list[Case]],
    prompt: LlmPrompt,
    captions: Captions,
    *,
    room: int,
) -> tuple[dict[str, Prompt], dict[str, dict]]:
    """Build the prompt of every case, with as many of its shots as there is room for.

    Args:
        room: tokens that a prompt may have.
    Returns:
        prompts by case id; and for each which shots it holds, which were dropped for want of room,
        and how many tokens it has.
    """
    prompts, trace = {}, {}
    for case in cases:
        asked = partial(prompt_of_case, case, prompt, captions)
        kept = drop_until_fits(chosen[case.id], partial(_fits, model, asked, room))
        prompts[case.id] = asked(kept)
        dropped = chosen[case.id][: len(chosen[case.id]) - len(kept)]
        trace[case.id] = {
            "shots": [shot.id for shot in kept],
            "dropped": [shot.id for shot in dropped],
            "tokens": model.count_tokens(prompts[case.id]),
        }
    return prompts, trace


def prompt_of_case(
    case: Case, prompt: LlmPrompt, captions: Captions, shots: Sequence[Case] = ()
) -> Prompt:
    """Build the prompt of one case after worked examples."""
    question = question_text(case, prompt.question, captions.asked.get(case.id, ""))
    pairs = as_pairs(shots, prompt.question, captions.shots)
    return build_prompt(question, pairs, layout=prompt.layout)


def training_examples(
    model: ModelRef, cases: Sequence[Case], prompt: LlmPrompt, captions: dict[str, str]
) -> list[dict]:
    """Build one prompt and completion per case: its question, its first reference answer.

    Args:
        captions: of the cases' images, by case id.
    """
    # Late: it loads torch.
    from helpers.models.llm import load_tokenizer

    tokenizer = load_tokenizer(model)
    pairs = as_pairs(cases, prompt.question, captions)
    return [
        render_example(build_prompt(question, layout=prompt.layout), answer, tokenizer)
        for question, answer in pairs
    ]


def _fits(
    model: Model, asked: Callable[[Sequence[Case]], Prompt], room: int, shots: Sequence[Case]
) -> bool:
    return model.count_tokens(asked(shots)) <= room
