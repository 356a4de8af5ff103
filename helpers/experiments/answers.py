"""Answers of an LLM to the cases of a split, with worked examples or none."""

from dataclasses import asdict
from typing import Any, ClassVar

from helpers.cases import Case
from helpers.data import TrainingCases
from helpers.experiments.adapters import GivenAdapter, with_adapter
from helpers.experiments.captions import captions_of, read_case_texts
from helpers.experiments.case_answers import CaseAnswers
from helpers.experiments.experiment import Experiment, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.llm_prompts import (
    Captions,
    check_questions,
    prompts_with_shots,
    shots_of_cases,
)
from helpers.experiments.runs import Run
from helpers.files import write_json
from helpers.models.captions import NONE, PromptCaptions
from helpers.models.decoding import LlmDecoding
from helpers.models.prompts import LlmPrompt, stop_text
from helpers.models.refs import Llm
from helpers.models.shots import Shots, check_shots, shot_pool
from helpers.settings.section import setting


class Answers(CaseAnswers):
    """Answers of an LLM, as it is or with an adapter, to the cases of a split."""

    version: ClassVar = 4
    said: ClassVar = frozenset({"SHOTS", "SHOT_CHOICE", "ADAPTER"})
    model: Llm = Llm()
    prompt: LlmPrompt = LlmPrompt()
    shots: Shots = Shots()
    training: TrainingCases = TrainingCases()
    decoding: LlmDecoding = LlmDecoding()
    captions: PromptCaptions = PromptCaptions()
    adapter: Finetune | GivenAdapter | None = None
    allow_upload: bool = setting(
        False, "whether questions and images may be sent to models behind an API", effect=False
    )

    def effective(self) -> dict[str, Any]:
        """Training cases have an effect where worked examples are chosen from them."""
        found = super().effective()
        if not self.shots.count:
            del found["training"]
        return found

    def needs(self) -> dict[str, Experiment]:
        """Also the captions of the cases, and of those that serve as shots if they are shown."""
        found = super().needs() | captions_of(self.captions, self.data, self.profile)
        if self.shots.count and self.captions.where != "question":
            shown = captions_of(self.captions, self.training.as_cases(), self.profile)
            found |= {f"shot_{name}": captions for name, captions in shown.items()}
        return found

    def inputs(self) -> dict[str, Any]:
        """Also the captions in the prompt."""
        needs = {name: run_id(need) for name, need in self.needs().items()}
        return super().inputs() | {"captions": needs.get("captions")} | needs

    def check(self) -> None:
        """Refuse a model that is not there, and more shots than there are training cases."""
        self.model.identity()
        check_shots(self.shots.count, self.shots.choice, self._pool())

    def about(self) -> dict[str, Any]:
        """Also whether it is a fine-tuned model that answers."""
        return super().about() | {"tuned": self.adapter is not None}

    def label(self) -> str:
        """Say model, adapter and shots."""
        tuned = " + LoRA" if self.adapter else ""
        if isinstance(self.adapter, GivenAdapter):
            tuned += f" {self.adapter.identity()[:6]}"
        count, choice = self.shots.count, f" ({self.shots.choice})" if self.shots.count else ""
        model = self.model.parameters()["MODEL"]
        return f"{model}{tuned}, {count} shot{'' if count == 1 else 's'}{choice}"

    def work(self, run: Run) -> None:
        """Answer what is not answered yet; `shots.json` says which shots each prompt holds."""
        # Late: they load torch.
        from helpers.models.answering import answer_all
        from helpers.models.memory import load_once

        cases = self.cases()
        if self.captions.name == NONE:
            check_questions(cases, self.data.split)
        chosen = shots_of_cases(cases, self._pool(), self.shots, self.prompt)
        captions = Captions(
            read_case_texts(run.needs.get("captions"), cases),
            read_case_texts(run.needs.get("shot_captions"), self._pool()),
        )
        ref = with_adapter(self.model, self.adapter, run)
        model = load_once(ref, allow_upload=self.allow_upload)
        room = model.context_length - self.decoding.max_new_tokens
        prompts, trace = prompts_with_shots(model, cases, chosen, self.prompt, captions, room=room)
        write_json(run.folder / "shots.json", trace)
        dropped = sum(len(row["dropped"]) for row in trace.values())
        run.save(device=asdict(model.device), shots_dropped=dropped)
        answer_all(
            model,
            prompts,
            run.answers,
            batch=self.decoding.batch,
            max_new_tokens=self.decoding.max_new_tokens,
            stop=stop_text(self.prompt.layout, self.decoding.ends),
        )
        run.save(examples=self.examples(run))

    def _pool(self) -> list[Case]:
        return shot_pool(self.training.cases())
