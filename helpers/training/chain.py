"""What a Chain of Options is made of: training examples, step by step, from stories and options.

A story is read with a list of options, in the order in which the image model finds them probable.
In the chain's first steps the list is short and holds the right label, put in the place that its
probability gives it; the distractors are what the image model confuses. In its last step, and in
every answer, the list is the image model's alone, with the right label or without.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.cases import Case
from helpers.training.options_recipe import GROWING, OptionsRecipe

Options = Mapping[str, float]  # label -> probability


@dataclass(frozen=True)
class Places:
    """The outputs of one model that answers three questions: which label, which class, yes or no.

    Attributes:
        labels: the first outputs.
        groups: label -> its class; the next outputs, one for each class, then "no" and "yes".
    """

    labels: tuple[str, ...]
    groups: Mapping[str, str]

    @property
    def classes(self) -> list[str]:
        return sorted({*self.groups.values()})

    @property
    def count(self) -> int:
        return len(self.labels) + len(self.classes) + 2

    @property
    def for_labels(self) -> range:
        return range(len(self.labels))

    @property
    def for_classes(self) -> range:
        return range(len(self.labels), len(self.labels) + len(self.classes))

    @property
    def for_yes_no(self) -> range:
        return range(self.count - 2, self.count)


@dataclass(frozen=True)
class Example:
    """A text, which outputs are compared, and which of them is right (by its place in all)."""

    text: str
    outputs: range
    right: int


def read_with(story: str, options: Sequence[str]) -> str:
    """Write what the model reads: the story, and the options if there are any."""
    listed = f"Options: {', '.join(options)}." if options else ""
    return " ".join(part for part in (story, listed) if part)


def most_probable(options: Options, count: int) -> list[str]:
    """Return the most probable labels, in their order."""
    return sorted(options, key=lambda label: -options[label])[:count]


def with_truth(options: Options, label: str, count: int) -> list[str]:
    """Return the most probable labels with the right one among them, in its own place: the
    last one, if the others are more probable.
    """
    chosen = most_probable(options, count)
    if options and label not in chosen:
        return [*chosen[: count - 1], label]
    return chosen


def chain_steps(
    cases: Sequence[Case], options: Mapping[str, Options], places: Places, recipe: OptionsRecipe
) -> list[list[Example]]:
    """Return the examples of each step of a training, in the order in which they are learnt.

    Args:
        options: by case id; a case without any is read alone.
    """
    last = [_asked(case, options.get(case.id, {}), places, recipe.count) for case in cases]
    if recipe.variant == "options" or not options:
        return [last]
    if recipe.variant == "yes_no":
        draws = random.Random(recipe.seed)
        every = [
            example
            for case in cases
            for example in _one_by_one(case, options.get(case.id, {}), places, recipe, draws)
        ]
        return [every, last]
    growing = [
        [
            Example(
                read_with(case.context, with_truth(options.get(case.id, {}), case.label, count)),
                places.for_labels,
                places.labels.index(case.label),
            )
            for case in cases
        ]
        for count in GROWING
    ]
    return [*growing, last]


def _asked(case: Case, options: Options, places: Places, count: int) -> Example:
    """Return the real task, as it is asked of a new case: its label has no part in the text."""
    text = read_with(case.context, most_probable(options, count))
    return Example(text, places.for_labels, places.labels.index(case.label))


def _one_by_one(
    case: Case, options: Options, places: Places, recipe: OptionsRecipe, draws: random.Random
) -> list[Example]:
    """Return yes for the right label, no for one that the image model confuses with it, and the
    class of the right one.
    """
    others = [one for one in most_probable(options, recipe.count) if one != case.label]
    no, yes = places.for_yes_no
    group = places.for_classes[places.classes.index(places.groups[case.label])]
    found = [Example(read_with(case.context, [case.label]), places.for_yes_no, yes)]
    if others:
        found.append(
            Example(read_with(case.context, [draws.choice(others)]), places.for_yes_no, no)
        )
    asked = read_with(case.context, most_probable(options, recipe.count))
    return [*found, Example(asked, places.for_classes, group)]
