"""What an LLM makes of a story and of the options that an image model recommends."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal

from helpers.cases import Answer, Case
from helpers.data import Cases
from helpers.experiments.case_answers import OptionAnswers
from helpers.experiments.classify import options_by, options_of, read_options
from helpers.experiments.experiment import Experiment, run_id
from helpers.experiments.runs import Run
from helpers.experiments.train_diagnosis import TrainDiagnosis
from helpers.settings.section import setting
from helpers.training.chain import Options, most_probable, read_with

Shown = Literal["own", "shuffled", "another", "without_truth"]


class StoryCases(Cases):
    """The stories that are diagnosed."""

    name: str = setting(
        "pocket_stories", "data set of stories with conditions", parameter="STORIES_DATASET"
    )
    root: str = setting(
        "", "its folder, if you have it on disk", parameter="STORIES_ROOT", effect=False
    )

    split: str = setting("test", "which split is answered: train, valid or test", min_length=1)
    profiles: ClassVar = {
        name: {"name": "pocket_stories", "limit": 0} for name in ("pocket", "laptop", "t4")
    }
    instead: ClassVar = {}


class Diagnose(OptionAnswers):
    """Choose a diagnosis for each story; the answer is the most probable one of all labels.

    The options are made without the label; "without_truth" alone looks at it, to take it away.
    """

    said: ClassVar = frozenset({"OPTIONS_SHOWN"})
    data: StoryCases | Cases = StoryCases()
    training: TrainDiagnosis = TrainDiagnosis()
    shown: Shown = setting(
        "own",
        "options of a story: own, shuffled, those of another image, or without_truth",
        parameter="OPTIONS_SHOWN",
    )

    def effective(self) -> dict[str, Any]:
        """Without options nothing of them is shown."""
        found = super().effective()
        if self.training.classifier is None:
            del found["shown"]
        return found

    def needs(self) -> dict[str, Experiment]:
        """Also what the classifier says of the images."""
        return super().needs() | options_by(self.training.classifier, self.data, self.profile)

    def inputs(self) -> dict[str, Any]:
        """Also the options."""
        return super().inputs() | {name: run_id(need) for name, need in self.needs().items()}

    def about(self) -> dict[str, Any]:
        """The model is the one that reads the stories."""
        return super().about() | self.data.about() | self.training.model.about() | {"tuned": True}

    def label(self) -> str:
        """Say what was trained, and which options it is given, if not its own."""
        shown = {
            "own": "",
            "shuffled": ", options shuffled",
            "another": ", options of another image",
            "without_truth": ", options without the truth",
        }
        return f"{self.training.label()}{shown[self.shown]}"

    def work(self, run: Run) -> None:
        """Answer all stories."""
        # Late: they load torch.
        from helpers.models.text_classifiers import load_text_classifier

        cases = self.cases()
        options = read_options(run.needs.get("options"))
        texts = self.texts(cases, options)
        classifier, facts = load_text_classifier(
            self.training.model, run.needs["training"].folder / "diagnoser", self.training.recipe
        )
        labels = facts["labels"]
        scores = classifier.score_all(texts)[:, : len(labels)].softmax(-1)
        chosen = (options_of(labels, row) for row in scores.tolist())
        run.answers.add(
            Answer(case.id, text=best, options=found) for case, (best, found) in zip(cases, chosen)
        )
        without = sum(case.id not in options for case in cases)
        run.save(device=asdict(classifier.device), without_options=without)

    def texts(self, cases: tuple[Case, ...], options: Mapping[str, Options]) -> list[str]:
        """Write what the model reads of each case."""
        others = next_of_other_groups(cases)
        count = self.training.recipe.count
        found = []
        for case in cases:
            source = others[case.id] if self.shown == "another" else case.id
            given = dict(options.get(source, {}))
            if self.shown == "without_truth":
                given.pop(case.label, None)
            listed = most_probable(given, count)
            if self.shown == "shuffled":
                random.Random(case.id).shuffle(listed)
            found.append(read_with(case.context, listed))
        return found


def next_of_other_groups(cases: Sequence[Case]) -> dict[str, str]:
    """Return of each case the id of the next one, from the last on to the first, that is not of its
    group: another image of the same patient would be no other one; "" where there is none.
    """
    found = {}
    for place, case in enumerate(cases):
        behind = (*cases[place + 1 :], *cases[:place])
        others = (one.id for one in behind if not case.group or one.group != case.group)
        found[case.id] = next(others, "")
    return found
