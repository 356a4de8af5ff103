"""SkinGPT-4's Tables 1 and 2 (Zhou et al. 2024) from the data at hand, beside what they say; and
its Figure 3 from records.

The published counts are data, in `skin_tables.yaml`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from helpers.cases import Answer, Case
from helpers.experiments.runs import Run
from helpers.files import LabError, list_some, read_text
from helpers.models.prompts import request_for
from helpers.report.strips import Strips, case_strips

# What stages say of a training (concepts? diagnoses?) -> the header over its answers.
STEPS = {
    (False, False): "as it is",
    (True, False): "step 1 alone",
    (False, True): "step 2 alone",
    (True, True): "both steps",
}


def count_concepts(cases: Iterable[Case]) -> list[dict]:
    """Count the pictures that show each of SKINCON's 48 concepts: Table 1, in its order.

    The published counts are of Fitzpatrick17k's pictures alone, see `remark_on_concepts`. A picture
    may show several concepts, so they do not add up to their number.

    Returns: rows of "concept", "pictures here" and "in the paper".
    """
    here = Counter(concept for case in cases for concept in set(case.concepts))
    return [
        {"concept": concept, "pictures here": here[concept], "in the paper": count}
        for concept, count in _published()["concepts"].items()
    ]


def remark_on_concepts() -> str:
    """Return what is to be said below Table 1, in one sentence."""
    return str(_published()["remark"])


def count_classes(splits: Mapping[str, Iterable[Case]]) -> list[dict]:
    """Count the pictures of each of the 15 classes, and of others: Table 2, in its order.

    Published counts are of Dermnet and of the authors' own pictures together.

    Args:
        splits: of `dermnet` or `pocket_dermnet`, as a data set has them.

    Returns: rows of "class", a count for each split, "in the paper" (pictures of the second step)
    and "rated in the paper" (those shown to dermatologists; none of others).

    Raises:
        LabError: a label is no class.
    """
    here = {split: Counter(case.label for case in cases) for split, cases in splits.items()}
    published = _published()["classes"]
    if odd := sorted({label for counts in here.values() for label in counts} - published.keys()):
        raise LabError(
            f"Classes of SkinGPT-4 were to be counted, but labels are {list_some(odd)}: load "
            "`dermnet` or `pocket_dermnet`."
        )
    return [
        {"class": name}
        | {split: counts[name] for split, counts in here.items()}
        | {"in the paper": learnt, "rated in the paper": rated}
        for name, (learnt, rated) in published.items()
    ]


def show_steps(
    runs: Iterable[Run],
    cases: Iterable[Case],
    shows: Callable[[Path], Path | None],
    *,
    prompt: str,
    caption: str,
) -> Strips:
    """Show what a model says of pictures as it is and after each step, beside the clinician's
    answer, from the answers that records hold: the paper's Figure 3.

    Args:
        runs: of the ablation; of each step the first one is shown.
        cases: those that were answered.
        shows: returns an image's path, or None where it may not be shown (`lab.shows`).
        prompt: how all of them were asked.
        caption: what is to be seen.
    """
    answers: dict[str, dict[str, Answer]] = {}
    for run in runs:
        if run.record.get("examples") and run.record["parameters"]["PROMPT"] == prompt:
            found = {
                one["case"]: Answer(one["case"], one["answer"]) for one in run.record["examples"]
            }
            answers.setdefault(_steps(run), found)
    shown = [
        replace(case, question=request_for(case, prompt))
        for case in cases
        if any(case.id in found for found in answers.values())
    ]
    ordered = {name: answers[name] for name in STEPS.values() if name in answers}
    headers = ("what is asked", "the clinician")
    return case_strips(shown, ordered, shows, caption=caption, headers=headers)


def _steps(run: Run) -> str:
    """Say which of the steps a model has learnt, from the prompts of its stages."""
    stages = run.record.get("stages") or ""
    return STEPS["concepts (" in stages, "disease (" in stages]


@lru_cache
def _published() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(read_text(Path(__file__).with_suffix(".yaml")))
    return found
