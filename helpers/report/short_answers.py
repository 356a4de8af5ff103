"""Tables of short answers: by kind of question, the authors' own rows, a form for review by hand;
and a training example with what of it is learnt.
"""

import csv
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import DataFrame

from helpers.cases import Answer, Case
from helpers.experiments.runs import Run
from helpers.files import read_text, write_text
from helpers.metrics.scores import Score
from helpers.metrics.short_answers import READINGS, is_closed, score_answers, score_pair
from helpers.report.frame import best_first, frame, summarize
from helpers.report.strips import Strips

AUTHORS = Path(__file__).with_name("med_idefics.yaml")
BOTH_READINGS = (
    *("published_containment", "published_token_f1", "published_bleu_1"),
    *("exact_match", "token_f1", "closed_accuracy"),
)
LEARNT = {"completion": "the answer", "whole": "every word"}
REVIEW = ("case", "question", "true_answer", "predicted_answer", "matches", "correct", "why")


def compare_trainings(
    runs: Iterable[Run], metrics: Sequence[str] = BOTH_READINGS, *, best: str = "exact_match"
) -> DataFrame:
    """Return one row for each way to train and ask, its seeds together; of short answers graded as
    published and normalised, the best exact match first.

    Args:
        best: the metric to sort by.
    """
    data = frame(runs)
    wanted = ("stages", "prompt", "image_shown", "shots", "constant", "loss")
    data = data.reindex(columns=list(dict.fromkeys([*data.columns, *wanted])))
    constant = "one answer to all: " + data["constant"].astype("string")
    data["trained on"] = constant.fillna(data["stages"].map(_without_model))
    data["asked with"] = data["prompt"].fillna("")
    data["image"] = data["image_shown"].fillna("its own")
    data["shots"] = data["shots"].fillna(0).astype(int)
    data["loss on"] = data["loss"].map(LEARNT).fillna("")
    is_trained = data["loss on"] != ""
    told = [name for name in ("shots", "image") if data[name].nunique() > 1]
    told += ["loss on"] if data.loc[is_trained, "loss on"].nunique() > 1 else []
    by = ["trained on", "asked with", *told]
    found = best_first(summarize(data, metrics, by=by), best)
    return found.dropna(axis="columns", how="all")


def compare_systems(runs: Mapping[str, Run], metrics: Sequence[str] = BOTH_READINGS) -> DataFrame:
    """Return one row for each run, in their order, under the name that a notebook has for it.

    Args:
        runs: name -> run.
    """
    data = frame(runs.values())
    data["named"] = data["run"].map({run.id: name for name, run in runs.items()})
    found = summarize(data, metrics, by=["named"]).drop(columns="runs")
    return found.rename(columns={"named": "system"}).dropna(axis="columns", how="all")


def _without_model(stages: object) -> str:
    """Say stages without the model that they train; "nothing" where there are none."""
    return stages.partition(", ")[2] if isinstance(stages, str) else "nothing"


def authors_rows() -> list[dict[str, Any]]:
    """Return what the authors' own published rows come to, as published and normalised."""
    import yaml

    found: list[dict[str, Any]] = yaml.safe_load(read_text(AUTHORS))
    return found


def score_by_type(
    cases: Sequence[Case], answers: Mapping[str, Mapping[str, Answer]]
) -> list[dict[str, Any]]:
    """Return exact match (normalised) by type of question and of answer, the most frequent first.

    Args:
        answers: a column's header -> answers by case id.
    """
    kinds: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        if case.references:
            form = "yes or no" if is_closed(case.references[0].text) else "open"
            kinds.setdefault((case.question_type, form), []).append(case)
    ordered = sorted(kinds.items(), key=lambda one: (-len(one[1]), one[0]))
    return [
        {"asks for": kind, "answer": form, "questions": len(asked)}
        | {name: _exact_match(asked, found) for name, found in answers.items()}
        for (kind, form), asked in ordered
    ]


def open_questions(cases: Iterable[Case]) -> list[Case]:
    """Return the cases whose right answer is known, and neither yes nor no."""
    return [one for one in cases if one.references and not is_closed(one.references[0].text)]


def _exact_match(cases: Sequence[Case], answers: Mapping[str, Answer]) -> str:
    truths = [case.references[0].text for case in cases]
    texts = [answers[case.id].text if case.id in answers else "" for case in cases]
    groups = [case.group or case.id for case in cases]
    found: Score = score_answers(truths, texts, READINGS[1], groups)["exact_match"]
    return f"{100 * found.value:.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def write_review(path: Path, cases: Sequence[Case], answers: Mapping[str, Answer]) -> list[dict]:
    """Write a form for grading answers by hand, with empty columns for whether an answer is correct
    and why, as Med-Idefics' authors kept them; return its rows. A form that is there stays.
    """
    rows = [_review_row(case, answers[case.id].text) for case in cases if case.id in answers]
    if not path.exists():
        text = io.StringIO()
        table = csv.DictWriter(text, REVIEW, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_text(path, text.getvalue())
    return rows


def _review_row(case: Case, answer: str) -> dict[str, Any]:
    truth = case.references[0].text if case.references else ""
    match = score_pair(truth, answer, READINGS[1])["exact_match"] if truth else 0.0
    values = (case.id, case.question, truth, answer, "yes" if match else "no", "", "")
    return dict(zip(REVIEW, values, strict=True))


def show_learnt(rows: Mapping[str, Sequence[tuple[str, bool]]]) -> Strips:
    """Show training examples in tokens, those that are learnt marked (and in brackets as text).

    Args:
        rows: what an example is called -> its tokens, each with whether it is learnt.
    """
    mark = '<mark style="background: #cde7dc; color: black">{}</mark>'
    blocks, texts = [], []
    for name, tokens in rows.items():
        parts = [
            mark.format(html.escape(text)) if learnt else html.escape(text)
            for text, learnt in tokens
        ]
        blocks.append(
            f"<p><strong>{html.escape(name)}</strong></p>"
            f'<p style="font-family: monospace">{" ".join(parts)}</p>'
        )
        said = " ".join(f"[{text}]" if learnt else text for text, learnt in tokens)
        texts.append(f"{name}: {said}")
    return Strips("\n".join(blocks), "\n".join(texts))
