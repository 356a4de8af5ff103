"""Few-shot answers of a VLM: a question is asked after worked examples, each with an image of its
own (what Med-Idefics left to future work).
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from helpers.cases import Case
from helpers.data.images import find_image_key
from helpers.experiments.question_answers import QuestionAnswers
from helpers.experiments.runs import Run
from helpers.experiments.vlm_cases import cases_to_learn, images_fingerprint, questions_of
from helpers.files import LabError, write_json
from helpers.models.base import Model
from helpers.models.prompts import vlm_question
from helpers.models.refs import ModelRef
from helpers.models.shots import Shots, choose_shots, shot_pool

DRAWN = ("random", "fixed")  # of the others, the most similar example stands last


class FewShotAnswers(QuestionAnswers):
    """Ask a VLM as `QuestionAnswers` does, after worked examples from the same data set's training
    split, as turns of one conversation.

    No example shows the image that is asked about, whatever files are called: a split that leaks
    images tells no answers here. A conversation that the model's context has no room for is
    refused, because with fewer examples it would be another experiment.
    """

    version: ClassVar = 1
    said: ClassVar = QuestionAnswers.said | {"SHOTS", "SHOT_CHOICE"}
    shots: Shots = Shots()

    def inputs(self) -> dict[str, Any]:
        """Also the training cases that examples are chosen from, and their images."""
        found = super().inputs()
        if not self.shots.count:
            return found
        check_several_images(self.model)
        pool = self.pool()
        return found | {
            "shots_from": self.data.load().fingerprint("train"),
            "shot_images": images_fingerprint([_shown(shot) for shot in pool]),
        }

    def check(self) -> None:
        """Also refuse a model that sees one image at a time, and too few training cases."""
        super().check()
        if self.shots.count:
            check_several_images(self.model)
            self.pool()

    def label(self) -> str:
        """Also say how many examples, and how they are chosen."""
        count, choice = self.shots.count, f" ({self.shots.choice})" if self.shots.count else ""
        return f"{super().label()}, {count} shot{'' if count == 1 else 's'}{choice}"

    def pool(self) -> list[Case]:
        """Load the training cases with an image on disk, a question and an answer.

        Raises:
            LabError: they are too few.
        """
        cases, pool = self.cases(), shot_pool(cases_to_learn(self.data.load().training))
        # A case of the training split is never its own example.
        itself = not {case.id for case in cases}.isdisjoint(one.id for one in pool)
        room = max(0, len(pool) - _most_alike(cases, pool) - itself)
        if self.shots.count > room:
            raise LabError(
                f"`shots` is {self.shots.count}, but of the data set {self.data.name!r} there are "
                f"{room} training cases with an image on disk, a question and an answer that show "
                f"another image than the one asked about: set `shots` to 0 to {room}."
            )
        return pool

    def chosen(self) -> dict[str, list[Case]]:
        """Choose the worked examples of every case, in the order of the conversation."""
        cases, count = self.cases(), self.shots.count
        if not count:
            return {case.id: [] for case in cases}
        pool, choice = self.pool(), self.shots.choice
        # As many more as may show the image that is asked about, which are then left out.
        more = count + _most_alike(cases, pool)
        found = choose_shots(cases, pool, count=more, choice=choice, seed=self.shots.seed)
        for case in cases:
            own = _image_keys(case)
            others = [one for one in found[case.id] if find_image_key(_shown(one)) not in own]
            found[case.id] = others[:count] if choice in DRAWN else others[-count:]
        return found

    def ask(self, model: Model, cases: Sequence[Case], run: Run) -> None:
        """Ask a model about cases, the longest conversation first; `shots.json` says which worked
        examples each holds.
        """
        # Late: it opens images.
        from helpers.models.answering import answer_images, longest_first

        chosen = self.chosen()
        trace = {case_id: {"shots": [one.id for one in some]} for case_id, some in chosen.items()}
        write_json(run.folder / "shots.json", trace)
        shots = {case_id: [self._shot(one) for one in some] for case_id, some in chosen.items()}
        questions = questions_of(cases, self.images(cases), self.prompt.name)
        lengths = {
            case_id: len(text) + sum(len(asked) + len(said) for _, asked, said in shots[case_id])
            for case_id, (_, text) in questions.items()
        }
        answer_images(
            model,
            {case_id: questions[case_id] for case_id in longest_first(lengths)},
            run.answers,
            batch=self.decoding.batch,
            max_new_tokens=self.decoding.max_new_tokens,
            shots=shots,
        )

    def _shot(self, case: Case) -> tuple[Path, str, str]:
        """Return image, question and first answer of a worked example, asked as the case is."""
        answer = next(one.text for one in case.references if one.text)
        return _shown(case), vlm_question(case, self.prompt.name), answer


def check_several_images(ref: ModelRef) -> None:
    """Refuse a model that sees one image at a time."""
    # Late: it loads transformers.
    from helpers.models.processors import ONE_IMAGE, vlm_type

    if (kind := vlm_type(ref)) in ONE_IMAGE:
        raise LabError(
            f"`model` is {ref.name!r}, but a model of type {kind!r} sees one image at a time, and "
            "each worked example has its own: set `shots` to 0, or name a model that sees several, "
            "such as pocket/idefics2."
        )


def _shown(shot: Case) -> Path:
    """Return the image of a worked example, which has one on disk."""
    return shot.images_on_disk[0]


def _image_keys(case: Case) -> set[str]:
    return {find_image_key(image) for image in case.images_on_disk}


def _most_alike(cases: Sequence[Case], pool: Sequence[Case]) -> int:
    """Count the worked examples that show the image of a case; of the case with most of them."""
    times = Counter(find_image_key(_shown(one)) for one in pool)
    return max((sum(times[key] for key in _image_keys(case)) for case in cases), default=0)
