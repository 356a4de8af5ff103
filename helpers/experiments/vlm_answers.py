"""Answers of a VLM about the first image of each case of a split (VisionQAries)."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from helpers.cases import Case
from helpers.data import is_simulated
from helpers.experiments.adapters import GivenAdapter, with_adapter
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.finetune_vlm import FinetuneVlm
from helpers.experiments.runs import Run
from helpers.experiments.vlm_cases import (
    check_images,
    check_vlm,
    first_image,
    images_fingerprint,
    questions_of,
)
from helpers.metrics.duplicates import duplicate_groups, duplicate_rows
from helpers.models.base import Model
from helpers.models.decoding import VlmDecoding
from helpers.models.prompts import VlmPrompt
from helpers.models.refs import Vlm

AnyAnswers = TypeVar("AnyAnswers", bound="VlmAnswers")


class VlmAnswers(CaseAnswers):
    """Answers of a VLM, as it is or fine-tuned, to the cases of a split."""

    version: ClassVar = 3
    needs_images: ClassVar = True
    said: ClassVar = frozenset({"PROMPT", "EPOCHS", "RECIPE", "ADAPTER"})
    model: Vlm = Vlm()
    prompt: VlmPrompt = VlmPrompt()
    decoding: VlmDecoding = VlmDecoding()
    adapter: FinetuneVlm | GivenAdapter | None = None

    def as_kind(self, kind: type[AnyAnswers], **given: Any) -> AnyAnswers:
        """Ask the same of the same model as another kind of experiment does, such as a control.

        Args:
            given: the other kind's fields, or other values of these.
        """
        return kind(**{name: getattr(self, name) for name in VlmAnswers.model_fields} | given)

    def images(self, cases: Sequence[Case]) -> dict[str, Path | None]:
        """Return the image that is shown with each case, by case id."""
        return {case.id: first_image(case) for case in cases}

    def inputs(self) -> dict[str, Any]:
        """Also the images that are shown."""
        check_vlm(self.model)
        shown = list(self.images(self.cases()).values())
        check_images(shown, self.data.name, self.data.split)
        return super().inputs() | {"images": images_fingerprint(shown)}

    def check(self) -> None:
        """Refuse a model that is not there."""
        self.model.identity()

    def about(self) -> dict[str, Any]:
        """Also whether it is a fine-tuned model that answers, after how many epochs."""
        found = super().about() | {"tuned": self.adapter is not None, "epochs": 0}
        if not isinstance(self.adapter, FinetuneVlm):
            return found
        stages = {k: v for k, v in self.adapter.about().items() if k == "stages"}
        return found | {"epochs": self.adapter.recipe.epochs} | stages

    def label(self) -> str:
        """Say model, training and prompt."""
        if isinstance(self.adapter, FinetuneVlm):
            return self.adapter.label()
        model = self.model.parameters()["MODEL"]
        given = f" + {self.adapter.identity()[:6]}" if self.adapter else ""
        return f"{model}{given}, {self.prompt.name}"

    def work(self, run: Run) -> None:
        """Answer what is not answered yet."""
        # Late: they load torch.
        from helpers.models.export import measure_weights
        from helpers.models.memory import load_once

        cases = self.cases()
        ref = with_adapter(self.model, self.adapter, run)
        model = load_once(ref)
        self.ask(model, cases, run)
        run.save(
            device=asdict(model.device),
            weights_mb=measure_weights(ref),
            largest_groups=self._largest_groups(run, cases),
        )

    def ask(self, model: Model, cases: Sequence[Case], run: Run) -> None:
        """Ask a model about cases."""
        # Late: it opens images.
        from helpers.models.answering import answer_images

        answer_images(
            model,
            questions_of(cases, self.images(cases), self.prompt.name),
            run.answers,
            batch=self.decoding.batch,
            max_new_tokens=self.decoding.max_new_tokens,
        )

    def _largest_groups(self, run: Run, cases: Sequence[Case]) -> list[dict]:
        """Return the largest groups of answers that repeat each other (VisionQAries' Table 3).

        Of simulated data only: an answer that repeats a training answer holds data, and records may
        be shared.
        """
        # Short answers, and classes of pictures about which nothing is asked, are alike by right.
        alike = any(case.question_type or not case.question for case in cases)
        if alike or not is_simulated(self.data.name):
            return []
        answers = run.answers.read()
        texts = {case.id: answers[case.id].text for case in cases}
        groups = duplicate_groups(texts, self.data.load().training_texts)
        return duplicate_rows(groups, self.data.split, largest=3, each=3)
