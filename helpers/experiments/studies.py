"""Studies: a grid of experiments over one question, its seeds, and the claims that are held against
its cells.

The plan of all recorded studies is `studies.yaml`. Notebooks and sweeps build their grids and their
verdicts with the functions here.
"""

import os
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import SimpleNamespace

from helpers.cases import Case
from helpers.data import Dataset
from helpers.experiments.answers import EVALUATION, FEW_SHOT, answer
from helpers.experiments.caption_texts import captioners_to_compare, with_captioner
from helpers.experiments.finetune import find_or_train_adapter
from helpers.experiments.inputs import cases_to_answer, image_words, training_texts
from helpers.experiments.made_with import NONE, parameters_of
from helpers.experiments.model_refs import llm_ref
from helpers.experiments.runs import Run, open_run, recorded_runs
from helpers.experiments.scoring import answers_of
from helpers.experiments.vlm_answers import vlm_grid
from helpers.experiments.vlm_finetune import VLM_FINETUNE
from helpers.files import REPOSITORY, LabError, read_json
from helpers.metrics import claims
from helpers.metrics.claims import (
    duplicate_differences,
    score_differences,
    verdict,
    verdict_on_repetition,
)
from helpers.models.api.address import is_api_model
from helpers.models.llm import load_tokenizer
from helpers.models.prompts import as_messages, build_prompt, question_text, render_prompt
from helpers.models.shots import as_pairs
from helpers.settings.profiles import load_profile

PLAN = Path(__file__).with_name("studies.yaml")


@dataclass(frozen=True)
class Study:
    """One question: its data sets, what is varied, and what is claimed about the cells.

    `grid`: parameter -> values; several that are varied together stand in one name with commas,
    their values in lists. `notebook`: the one whose parameters these are, and whose experiments a
    point calls.
    """

    name: str
    title: str
    data: list[str]
    grid: dict[str, list]
    claims: list[dict]
    notebook: str = FEW_SHOT

    def points(self, seeds: Sequence[int]) -> list[dict]:
        """Every combination of the grid's values and the seeds, as parameters by name."""
        axes = [
            [_together(names, value) for value in values] for names, values in self.grid.items()
        ]
        return [
            dict(ChainMap(*parts)) for parts in product([{"SEED": seed} for seed in seeds], *axes)
        ]


@dataclass(frozen=True)
class Cell:
    """One cell of a study: the settings that it was made with, and its run.

    Among them TUNED; of a text model SHOTS, of a model that sees EPOCHS (0 where it is asked as it
    is). A constant answer has CONSTANT alone, its name.
    """

    settings: dict
    run: Run

    def matches(self, selector: dict) -> bool:
        """Whether all settings that `selector` names are as it says."""
        return all(self.settings.get(name) == value for name, value in selector.items())


def few_shot_grid(data: Dataset, settings: SimpleNamespace) -> dict[tuple[bool, int], Run]:
    """The form of YuanAI's Table 2: (fine-tuned or not, number of shots) -> run, for every number
    in SHOTS.
    """
    runs = {}
    # A model behind an API is asked as it is: it cannot be fine-tuned here.
    for tuned in (False,) if is_api_model(settings.MODEL) else (False, True):
        adapter = find_or_train_adapter(data, settings) if tuned else None
        for shots in settings.SHOTS:
            runs[tuned, shots] = answer(data, settings, shots=shots, adapter=adapter)
    return runs


def cells(notebook: str, data: Dataset, settings: SimpleNamespace) -> list[Cell]:
    """The grid that a point of a notebook's study calls, as cells."""
    if notebook == VLM_FINETUNE:
        return [
            Cell(vars(settings) | {"TUNED": bool(epochs), "EPOCHS": epochs}, run)
            for epochs, run in vlm_grid(data, settings).items()
        ]
    return [
        Cell(vars(settings) | {"TUNED": tuned, "SHOTS": shots}, run)
        for (tuned, shots), run in few_shot_grid(data, settings).items()
    ]


def captioner_grid(data: Dataset, settings: SimpleNamespace) -> list[Run]:
    """The form of YuanAI's Table 3, fine-tuned: no words for images, then each captioner's, at
    each of SHOTS.
    """
    runs = []
    for captioner in (NONE, *captioners_to_compare(data, settings)):
        chosen = with_captioner(settings, captioner)
        adapter = None if is_api_model(settings.MODEL) else find_or_train_adapter(data, chosen)
        runs += [answer(data, chosen, shots=shots, adapter=adapter) for shots in settings.SHOTS]
    return runs


def recorded_grid(dataset: str, study: str = "table_3") -> list[Run]:
    """The recorded answers that differ in nothing but what a study varies, its seeds together."""
    found = next(one for one in load_plan().studies if one.name == study)
    varied = {name for names in found.grid for name in names.split(", ")}
    kind = "picture_answers" if found.notebook == VLM_FINETUNE else "answers"
    return [run for run in recorded_runs(kind, dataset) if _varied_in(run) <= varied]


def _varied_in(run: Run) -> set[str]:
    """The parameters on which these answers depend and in which they differ from the profile."""
    profile = load_profile(run.record["profile"])
    return {
        name for name, value in parameters_of(run.record).items() if value != profile.get(name, "")
    }


def trace(data: Dataset, settings: SimpleNamespace, run: Run, case: Case) -> dict[str, str]:
    """One case on its way, in the form of YuanAI's Table 5: from title to prompt, tokens and
    answer.
    """
    row = read_json(run.folder / "shots.json")[case.id]
    training = {shot.id: shot for shot in data.splits.get("train", ())}
    words = image_words(data, settings, [case], len(row["shots"]))
    shots = as_pairs([training[shot] for shot in row["shots"]], settings.QUESTION, words.shots)
    told = words.asked.get(case.id, "")
    prompt = build_prompt(
        question_text(case, settings.QUESTION, told), shots, layout=settings.PROMPT
    )
    answer = answers_of(run)[case.id]
    if is_api_model(
        settings.MODEL
    ):  # how its server cuts the messages into tokens, nobody here knows
        prompt, tokens = (
            "\n".join(f"[{turn['role']}] {turn['content']}" for turn in as_messages(prompt)),
            ["?"],
        )
    else:
        tokenizer = load_tokenizer(llm_ref(settings))
        prompt = render_prompt(prompt, tokenizer)
        tokens = tokenizer.tokenize(prompt)
    return {
        "title": case.question,
        "content (asked only if QUESTION says so)": case.context,
        "image in words": told or f"none (CAPTIONER {settings.CAPTIONER})",
        "shots (training cases)": ", ".join(row["shots"]) or "none",
        "shots dropped": ", ".join(row["dropped"]) or "none",
        "prompt": prompt,
        "prompt in tokens": f"{row['tokens']}: " + " ".join([*tokens[:12], "...", *tokens[-12:]]),
        "answer": f"{answer.text} ({answer.tokens} tokens, finish: {answer.finish})",
        "doctors": " | ".join(reference.text for reference in case.references),
    }


def compare(
    data: Dataset,
    settings: SimpleNamespace,
    claim: str,
    first: Sequence[Run],
    second: Sequence[Run],
    *,
    paper: dict[str, str] | None = None,
    study: str = "",
) -> Run:
    """Hold a claimed gain of `second` over `first` (one run per seed each) against their answers.

    The run holds, by metric, the difference with its interval over cases and seeds and the
    verdict. `paper` is what the paper reports, by metric. Where no case has references there is
    nothing to measure, and no metrics.
    """
    sides = {"first": _distinct(first), "second": _distinct(second)}
    ids = {side: [run.id for run in runs] for side, runs in sides.items()}
    scoring = sides["first"][0].record["determines"]["scoring"]
    determines = {"kind": "comparison", "version": claims.VERSION, "scoring": scoring, **ids}
    said = {"name": claim, "study": study, "paper": paper or {}}
    about = {
        "kind": "comparison",
        "profile": settings.PROFILE,
        "dataset": data.name,
        "language": data.language,
        "split": settings.SPLIT,
        "seed": settings.SEED,
        "seeds": max(map(len, ids.values())),
    }
    run = open_run(EVALUATION, determines=determines, about=about | said)
    run.save(**said)  # words may change, the comparison is the same
    with run.working() as needed:
        if needed:
            answers = [[answers_of(side) for side in runs] for runs in sides.values()]
            cases = cases_to_answer(data, settings)
            found = score_differences(
                cases, *answers, encoder=settings.ENCODER, language=data.language
            )
            verdicts = {key: verdict(score) for key, score in found.items()}
            if scoring.get("duplicates"):
                repeated = duplicate_differences(cases, *answers, training=training_texts(data))
                found |= repeated
                verdicts |= {key: verdict_on_repetition(score) for key, score in repeated.items()}
            run.save_scores(found, verdicts)
    return run


def check_claims(
    study: Study, data: Dataset, settings: SimpleNamespace, made: Sequence[Cell]
) -> list[Run]:
    """A comparison for each claim of a study; both sides hold one run per seed, or one where
    nothing is random.
    """
    return [
        compare(
            data,
            settings,
            claim["claim"],
            *[_side(study, made, claim[side]) for side in ("first", "second")],
            paper=claim.get("paper"),
            study=study.name,
        )
        for claim in study.claims
    ]


@dataclass(frozen=True)
class Plan:
    """All recorded studies: their seeds, the data sets (name -> parameters), the captioners of
    each, the parameters of the model that is measured on a small device, the studies."""

    seeds: list[int]
    data: dict[str, dict]
    captioners: dict[str, list[str]]
    edge: dict[str, dict]
    studies: list[Study]


def load_plan() -> Plan:
    """Read `studies.yaml`; real data is taken from the shared folder where that is there."""
    import yaml

    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    studies = [
        Study(name, claims=entry.pop("claims", []), **entry)
        for name, entry in plan["studies"].items()
    ]
    data = {name: _where(values) for name, values in plan["data"].items()}
    return Plan(plan["seeds"], data, plan["captioners"], plan["edge"], studies)


def _where(parameters: dict) -> dict:
    """The parameters of a data set with its folder under LAB_SHARED, if it is there; it is fetched
    or built if not.
    """
    shared = Path(os.environ.get("LAB_SHARED") or REPOSITORY.parent / "shared")
    folder = shared / "data" / "dermavqa" / parameters["DATASET"]
    return parameters | {"DATA_ROOT": str(folder)} if folder.is_dir() else parameters


def _together(names: str, value) -> dict:
    """Return one step along an axis of a grid: a value for one parameter, or for several."""
    return dict(zip(names.split(", "), value)) if ", " in names else {names: value}


def _side(study: Study, made: Sequence[Cell], selector: dict) -> list[Run]:
    runs = [cell.run for cell in made if cell.matches(selector)]
    if not runs:
        raise LabError(f"Study {study.name!r} has no cell with {selector}: correct studies.yaml.")
    return runs


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """Runs without repetition: where nothing is random, every seed finds the same one."""
    return list({run.id: run for run in runs}.values())
