"""Closed questions to a VLM: which of these is it? Of four conditions, of all, or the class first
and then the condition; its choice is what it holds most probable, or what its answer names.

Where questions list their own options (MAGIC 2025), these are asked about.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from helpers.cases import Answer, Case
from helpers.data.closed_questions import closed_records
from helpers.data.option_lists import BETWEEN, listed_options, named_options, with_options
from helpers.experiments.case_answers import score_options
from helpers.experiments.runs import Run
from helpers.experiments.scores import Grading
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.files import LabError, write_json
from helpers.metrics.options import groups_of_labels
from helpers.models.answer_file import AnswerFile
from helpers.models.base import Model
from helpers.models.prompts import vlm_question
from helpers.pocket.conditions import load_conditions
from helpers.settings.section import setting

FEW = 4
DIGITS = 5  # of a probability
SUBMISSION = "data_cvqa_sys.json"  # as MAGIC 2025's challenge calls it
AMONG = {"four": "one of four", "all": "one of all", "class_first": "class first"}
Names = dict[str, tuple[str, ...]]  # option -> all that it may be called


@dataclass(frozen=True)
class Closed:
    """A closed question.

    Attributes:
        text: with the options in it where the question lists its own.
        lists: the options are to be added to it.
        several: more than one of them may be right.
    """

    image: Path | None
    text: str
    names: Names
    lists: bool
    several: bool

    @property
    def asked(self) -> str:
        """What the model reads."""
        return with_options(self.text, [*self.names]) if self.lists else self.text


class ClosedAnswers(VlmAnswers):
    """Choose one of some options for each case."""

    version: ClassVar = 1
    said: ClassVar = VlmAnswers.said | {"CHOICES", "CHOSEN_BY", "OPTIONS_LISTED"}
    choices: Literal["four", "all", "class_first"] = setting(
        "all",
        "what a diagnosis is chosen from: four (the right one and three by lot), all conditions, "
        "or class_first (one of 15 classes, then its conditions)",
    )
    chosen_by: Literal["likelihood", "reading"] = setting(
        "likelihood",
        "likelihood: the option that is most probable as an answer; reading: what the answer names",
    )
    listed: bool = setting(
        True, "the options stand in the question, too", parameter="OPTIONS_LISTED"
    )
    seed: int = setting(3407, "one seed for the conditions that are drawn", ge=0)
    # Models that have never met a list of options may be confused by it: pocket/idefics2 was, in a
    # trial on training cases.
    profiles: ClassVar = {"pocket": {"listed": False}}

    def label(self) -> str:
        """Also say what is chosen from, and how."""
        listed = ", options listed" if self.listed else ""
        return f"{super().label()}, {AMONG[self.choices]}, by {self.chosen_by}{listed}"

    def score(self, run: Run, grading: Grading) -> None:
        """Score diagnoses against labels, other options against the right ones in words."""
        cases = self.cases()
        if all(case.label for case in cases):
            score_options(self, run, grading)
            return
        super().score(run, grading)
        if records := closed_records(cases, run.answers.read()):
            write_json(run.folder / SUBMISSION, records)

    def ask(self, model: Model, cases: Sequence[Case], run: Run) -> None:
        """Ask for an option, or for the class and then for an option of it."""
        asked = self.closed_questions(cases)
        shares = dict.fromkeys(asked, 1.0)
        if self.choices == "class_first":
            classes = {key: replace(one, names=_classes(one.names)) for key, one in asked.items()}
            first = self._choose(model, classes, AnswerFile(run.folder / "classes.jsonl"))
            asked = {key: _within(one, first[key].text) for key, one in asked.items()}
            shares = {key: one.options.get(one.text, 1.0) for key, one in first.items()}
        found = self._choose(model, asked, AnswerFile(run.folder / "said.jsonl"))
        run.answers.add(_shared_by(answer, shares[key]) for key, answer in found.items())
        run.save(nothing_chosen=sum(not answer.text for answer in found.values()))

    def closed_questions(self, cases: Sequence[Case]) -> dict[str, Closed]:
        """Make the question of each case, by case id.

        Raises:
            LabError: a case lists no options and has no label.
        """
        labels = sorted({case.label for case in (*self.data.load().training, *cases)} - {""})
        images = self.images(cases)
        found = {}
        for case in cases:
            text, own = vlm_question(case, self.prompt.name), listed_options(case.question)
            names: Names = {option: (option,) for option in own}
            if not own:
                names = self._conditions(case, labels)
            lists = self.listed and not own
            found[case.id] = Closed(images[case.id], text, names, lists, several=bool(own))
        return found

    def _conditions(self, case: Case, labels: Sequence[str]) -> Names:
        """Return the conditions that a case's diagnosis is chosen from, in the order in which they
        are listed.
        """
        if not case.label:
            raise LabError(
                f"Options were to be made for {case.id!r} of the data set {self.data.name!r}, but "
                "it has no label and lists none: name a data set whose cases have labels."
            )
        drawn = list(labels)
        if self.choices == "four":
            lot = random.Random(f"{self.seed}:{case.id}")
            others = [label for label in labels if label != case.label]
            drawn = [case.label, *lot.sample(others, min(FEW - 1, len(others)))]
            lot.shuffle(drawn)
        synonyms = {one.name: one.names for one in load_conditions()}
        return {label: tuple(synonyms.get(label, (label,))) for label in drawn}

    def _choose(
        self, model: Model, asked: Mapping[str, Closed], file: AnswerFile
    ) -> dict[str, Answer]:
        """Choose an option for each question; `file` keeps what is done.

        Returns:
            answers by case id, whose texts are options; "" where an answer names none.
        """
        # Late: they load torch.
        from helpers.models.answering import answer_images
        from helpers.models.choosing import choose_probable

        questions = {key: (one.image, one.asked) for key, one in asked.items()}
        if self.chosen_by == "likelihood":
            options = {key: list(one.names) for key, one in asked.items()}
            return choose_probable(model, questions, options, file)
        said = answer_images(
            model,
            questions,
            file,
            batch=self.decoding.batch,
            max_new_tokens=self.decoding.max_new_tokens,
        )
        return {key: read_choice(answer, asked[key]) for key, answer in said.items()}

    def _largest_groups(self, run: Run, cases: Sequence[Case]) -> list[dict]:
        """None: options repeat each other by right."""
        return []


def read_choice(answer: Answer, asked: Closed) -> Answer:
    """Return the option that an answer names first; where several may be right, all it names."""
    named = named_options(answer.text, asked.names)
    chosen = named if asked.several else named[:1]
    options = {option: round(1 / len(chosen), DIGITS) for option in chosen}
    return replace(answer, text=BETWEEN.join(chosen), options=options)


def _classes(names: Names) -> Names:
    """Return the classes of conditions, in order."""
    return {one: (one,) for one in sorted(set(groups_of_labels(names).values()))}


def _within(asked: Closed, group: str) -> Closed:
    """Ask for the conditions of a class alone; for all of them where it is none."""
    groups = groups_of_labels(asked.names)
    kept = {label: called for label, called in asked.names.items() if groups[label] == group}
    return replace(asked, names=kept or asked.names)


def _shared_by(answer: Answer, share: float) -> Answer:
    """Multiply the probabilities of options by that of their class."""
    options = {name: round(share * own, DIGITS) for name, own in answer.options.items()}
    return replace(answer, options=options)
