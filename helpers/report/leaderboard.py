"""What tables say of runs: systems against references, answers, captioners, claims; and the page.

Only numbers of one data set, split and encoder stand together. Each function selects from the frame
of the runs (`helpers.report.frame`) and returns a DataFrame, which `tables.table` shows.
"""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas
from pandas import DataFrame

from helpers.experiments.recorded import all_recorded, read_study, recorded_studies
from helpers.experiments.runs import Run, find_runs
from helpers.experiments.verdicts import Verdict
from helpers.files import outputs_folder, write_text
from helpers.metrics.table import METRICS
from helpers.report.frame import best_first, distinct_runs, frame, frame_by_tone, summarize
from helpers.report.tables import table

PUBLISHED = Path(__file__).with_name("published.yaml")
AGAINST_REFERENCES = ("deltableu", "bertscore_f1", "bertscore_precision", "bertscore_recall")
# By what else answers are scored against references, where all of a board's are: questions with one
# short right answer, skin diseases by class, concepts. The first of each is what systems are sorted
# by.
OF_THEIR_OWN = (
    ("exact_match", "token_f1", "closed_accuracy", "published_token_f1"),
    ("class_accuracy", "class_macro_f1"),
    ("concept_f1", "named_concepts_right", "true_concepts_named"),
)
OF_ANSWERS = ("named", "distinct", "copies", "unfinished", "refusals", "words")
OF_CAPTIONS = (
    "failed",
    "words",
    "unfinished",
    "distinct",
    "seconds",
    "concept_precision",
    "concept_recall",
)


def boards(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group scored runs by what makes their numbers comparable: title -> runs, the best first.

    A recorded run that was done again on this machine counts once.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if "deltableu" in run.scores:
            groups.setdefault(_title(run), []).append(run)
    return {title: rank_runs(distinct_runs(group)) for title, group in sorted(groups.items())}


def rank_runs(runs: Iterable[Run]) -> list[Run]:
    """Sort runs by deltaBLEU, the best first; those that are not scored stay at the end."""

    def place(run: Run) -> float:
        score = run.scores.get("deltableu")
        return -score.value if score else float("inf")

    return sorted(runs, key=place)


def list_runs(runs: Iterable[Run]) -> DataFrame:
    """Return one row for each run, the best first: its seed and its scores against references."""
    listed = list(runs)
    metrics = _against_references(listed)
    found = summarize(frame(listed), metrics, by=["run", "seed"])
    return best_first(found, metrics[0]).drop(columns="runs")


def list_systems(runs: Iterable[Run]) -> DataFrame:
    """Return one row for each system, its seeds together, the best mean first: of deltaBLEU, or of
    the first metric that its kind of question has (`OF_THEIR_OWN`).

    Scores hold the mean of the seeds' intervals over cases; "by seed" the lowest and the highest
    value that a seed gave, which is another kind of uncertainty; it is left out where no system has
    several.
    """
    listed = list(runs)
    data, metrics = frame(listed), _against_references(listed)
    first = METRICS[metrics[0]]
    found = summarize(data, metrics)
    values = data[data["metric"] == metrics[0]].groupby("system", sort=False)["value"]
    ranges = {system: _range((group * first.scale).tolist()) for system, group in values}
    if any(ranges.values()):
        systems = data["system"].drop_duplicates()
        found.insert(2, f"{first.label} by seed", [ranges.get(one, "") for one in systems])
    return best_first(found, metrics[0])


def ranked_by(runs: Sequence[Run]) -> str:
    """Return the metric by which systems are sorted."""
    return _against_references(runs)[0]


def _against_references(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what runs are scored by against references."""
    for metrics in OF_THEIR_OWN:
        if runs and all(metrics[0] in run.scores for run in runs):
            return metrics
    return AGAINST_REFERENCES


def describe_answers(runs: Iterable[Run]) -> DataFrame:
    """Return one row for each system, its seeds together: what its answers are like."""
    found = best_first(summarize(frame(runs), ("deltableu", *OF_ANSWERS)))
    return found[["system", *OF_ANSWERS]]


def describe_captioners(runs: Iterable[Run]) -> DataFrame:
    """Return one row for each captioner: how often it fails, how long and quick it is, and which
    true findings its captions name.
    """
    found = summarize(frame(runs), OF_CAPTIONS, by=["captioner"])
    return found.drop(columns="runs").rename(columns={"n": "images"})


def describe_tones(runs: Iterable[Run]) -> DataFrame:
    """Return one row for each captioner and skin tone: how well captions name the findings."""
    data = frame_by_tone(runs)
    if data.empty:
        return data
    metrics = ("concept_precision", "concept_recall")
    found = summarize(data, metrics, by=["captioner", "skin tone", "cases"])
    return found.drop(columns=["runs", "n"])


def compare_by_shots(runs: Iterable[Run]) -> DataFrame:
    """Return YuanAI's Table 3: two rows for each captioner, one for each metric, and a column for
    each number of shots.

    `runs`: answers that differ in captioner, shots, fine-tuning and seed alone.
    """
    metrics = ("deltableu", "bertscore_f1")
    found = summarize(frame(runs), metrics, by=["captioner", "tuned", "shots"])
    rows: dict[tuple, dict[str, Any]] = {}
    for cell in found.sort_values("shots", kind="stable").to_dict("records"):
        for metric in metrics:
            about = {"captions by": cell["captioner"], "fine-tuned": cell["tuned"]}
            about |= {"metric": METRICS[metric].header, "seeds": 0}
            row = rows.setdefault((cell["captioner"], cell["tuned"], metric), about)
            row["seeds"] = max(row["seeds"], cell["runs"])
            shots = f"{cell['shots']:g} shot{'' if cell['shots'] == 1 else 's'}"
            row[shots] = METRICS[metric].format(cell[metric]) if cell[metric] else None
    return DataFrame(list(rows.values()), dtype=object)


def list_claims(verdicts: Iterable[Verdict], *, metrics: Sequence[str] = ()) -> DataFrame:
    """Return what became of claims, for reading: the paper's value, ours with its interval, the
    verdict.

    `metrics`: only these. Columns that say nothing, or the same in every row ("data"), are left
    out.
    """
    rows = [
        {
            "claim": found.says,
            "data": found.dataset,
            "metric": METRICS[found.metric].difference_header,
            "paper": found.paper,
            "ours": METRICS[found.metric].format_difference(found.score),
            "seeds": found.seeds,
            "n": found.score.n,
            "verdict": found.verdict,
        }
        for found in verdicts
        if not metrics or found.metric in metrics
    ]
    table = DataFrame(rows, dtype=object)
    if not rows:
        return table
    silent = {"paper": not any(table["paper"]), "seeds": set(table["seeds"]) == {1}}
    silent["data"] = table["data"].nunique() == 1
    return table.drop(columns=[name for name, says_nothing in silent.items() if says_nothing])


def published() -> list[dict[str, Any]]:
    """Return what papers reported for these tasks; none of it is comparable with our tables."""
    import yaml

    return yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))


def list_published() -> DataFrame:
    """Return the published figures for reading, with the digits that papers give."""
    found = DataFrame(published())
    for name in ("deltableu", "bertscore"):
        found[name] = [None if pandas.isna(value) else f"{value:.3f}" for value in found[name]]
    headers = {"deltableu": "deltableu", "bertscore": "bertscore_f1"}
    return found.rename(columns={name: METRICS[key].header for name, key in headers.items()})


def write_page() -> Path:
    """Write `outputs/leaderboard.html` from the runs of this machine and the recorded ones; return
    its path.
    """
    runs, left_out = find_runs()
    every = {run.id: run for run in [*all_recorded(), *runs]}.values()
    parts = [
        "<h1>Leaderboard of the Medical VQA Lab</h1>",
        "<p>For research and teaching, not for diagnosis. Brackets hold 95 % bootstrap intervals "
        "over cases; where a system has several seeds, their mean, and the lowest and the highest "
        "deltaBLEU of a seed beside it. Numbers of different tables must not be compared.</p>",
    ]
    parts += [
        table(list_systems(group), caption=title).html for title, group in boards(every).items()
    ]
    for study in map(read_study, recorded_studies()):
        if study.verdicts:
            parts.append(table(list_claims(study.verdicts), caption=f"Claims: {study.asks}").html)
    apart = "Published figures: other data, other encoder, not comparable with ours"
    parts.append(table(list_published(), caption=apart).html)
    parts += [f"<p>Left out: {html.escape(reason)}</p>" for reason in left_out]
    return write_text(outputs_folder() / "leaderboard.html", _PAGE.format(body="\n".join(parts)))


def _title(run: Run) -> str:
    record, scores = run.record, run.scores
    encoder = _encoder(scores["bertscore_f1"].signature) if "bertscore_f1" in scores else "none"
    return (
        f"{record['dataset']} ({record['language']}), {record['split']} split, "
        f"{scores['deltableu'].n} cases (data {record['data_fingerprint']}, BERTScore by {encoder})"
    )


def _encoder(signature: str) -> str:
    """Read the encoder in the signature of a BERTScore."""
    parts = dict(part.split(":", 1) for part in signature.split("|") if ":" in part)
    return parts.get("encoder", "an unnamed encoder")


def _range(values: Sequence[float]) -> str:
    """The lowest and the highest of several deltaBLEUs, nothing where there is one."""
    return f"{min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Leaderboard</title>
<style>body {{ font-family: sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
caption {{ font-size: 1.2em; padding: 0.5em 0; }}
th, td {{ border: 1px solid #ccc; padding: 0.3em 0.7em; }} th {{ background: #f3f3f3; }}</style>
</head><body>
{body}
</body></html>
"""
