"""Runs as one tidy table: a row for each run and metric, from which all tables and figures select.

Systems are told apart by what they were made with ("system"); "name" is only printed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pandas import DataFrame

from helpers.experiments.runs import Run
from helpers.files import fingerprint
from helpers.metrics.scores import Score, mean_over_runs
from helpers.metrics.table import METRICS

COLUMNS = ("run", "system", "kind", "name", "dataset", "split", "seed")
VALUES = ("metric", "value", "low", "high", "n", "signature")
# What a record says of an experiment that is none of its parameters, and tells systems apart.
BESIDES = ("tuned", "epochs", "constant", "adapter", "stages")
OF_TONES = ("concept_precision", "concept_recall")
CHANGE = "change in "  # how the name of a difference begins


def frame(runs: Iterable[Run]) -> DataFrame:
    """Return the runs as a tidy DataFrame, one row for each run and metric.

    Columns: "run" (its id), "system" (the same for runs that differ in nothing but their seed),
    "kind", "name", "dataset", "split", "seed", the parameters on which the run depends in small
    letters ("model", "shots", "captioner", ...) with "tuned", "epochs" (0 for a VLM that is not
    fine-tuned), "constant" and "adapter" (the hash of one that was given), all missing where they
    mean nothing to it; "metric" (a key of `METRICS`), "value", "low", "high" (the 95 % interval),
    "n", "signature". What was measured without an interval has none. A run without any score has
    one row, without a metric. On a small device "form" says how the model was packed; a difference
    from the first form is named "change in " and its metric.
    """
    found = DataFrame([row for run in runs for row in _rows(run)])
    return found.reindex(columns=list(dict.fromkeys([*COLUMNS, *found.columns, *VALUES])))


def summarize(
    data: DataFrame, metrics: Sequence[str], *, by: Sequence[str] = ("system",)
) -> DataFrame:
    """Return one row for each group of runs that agree in `by`, and one column for each metric.

    A cell is the `Score` of the group, the mean over its runs; a bare number where there is no
    interval; None where no run has that metric. "runs" counts them, and "n" the cases of the first
    of `metrics`. The groups by "system" or "run" are shown under the runs' name, not the key.
    """
    data = data.reindex(columns=list(dict.fromkeys([*data.columns, *by])))
    rows = []
    for key, group in data.groupby(list(by), sort=False, dropna=False):
        row = dict(zip(by, key))
        for hidden in {"system", "run"} & set(by):
            row[hidden] = group["name"].iloc[0]
        row["runs"] = group["run"].nunique()
        cells = {metric: mean_score_of(group, metric) for metric in metrics}
        rows.append(row | cells | {"n": _cases(cells[metrics[0]])})
    found = DataFrame(rows, columns=[*by, "runs", *metrics, "n"], dtype=object)
    return found.rename(columns={"run": "system"})


def mean_score_of(data: DataFrame, metric: str) -> Score | float | None:
    """Return the mean of a metric over the runs of a frame, None where none has it."""
    found = data[data["metric"] == metric]
    if found.empty:
        return None
    if found["low"].isna().any():
        return float(found["value"].mean())
    cells = found[["value", "low", "high", "n", "signature"]].itertuples(index=False, name=None)
    return mean_over_runs(
        [Score(value, low, high, int(n), signature) for value, low, high, n, signature in cells]
    )


def best_first(table: DataFrame, metric: str = "deltableu") -> DataFrame:
    """Sort a summary by a metric, the best first; what has no such score stays at the end."""
    values = table[metric].map(_value).astype(float)
    order = values.sort_values(
        ascending=METRICS[metric].better_when == "lower", kind="stable", na_position="last"
    )
    return table.loc[order.index].reset_index(drop=True)


def frame_by_tone(runs: Iterable[Run]) -> DataFrame:
    """Return what captions name on each skin tone: a frame with columns "skin tone", "cases"."""
    rows = []
    for run in runs:
        for tone in run.record.get("skin_tones", ()):
            about = _about(run) | {"skin tone": tone["skin tone"], "cases": tone["cases"]}
            rows += [
                about | _cell(key, Score.from_dict(tone[key])) for key in OF_TONES if key in tone
            ]
    return DataFrame(rows)


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    about, cells = _about(run), [*_score_cells(run), *_measured_cells(run)]
    if not cells:
        yield about | dict.fromkeys(VALUES)
    for cell in cells:
        yield about | cell


def _score_cells(run: Run) -> Iterator[dict[str, Any]]:
    """Metric, value and interval of each score; of a packed model they are differences."""
    for key, score in run.scores.items():
        form, _, metric = key.rpartition(": ")
        yield {"form": form} | _cell(CHANGE + metric, score) if form else _cell(metric, score)


def _measured_cells(run: Run) -> Iterator[dict[str, Any]]:
    """What was measured once, without an interval: of a training, of a VLM, of each packed form."""
    facts = {key: run.record[key] for key in ("weights_mb", "train_minutes") if key in run.record}
    if "train_minutes" in facts:
        memory = run.record["peak_memory_gb"]
        facts["peak_memory_gb"] = memory.get("gpu") or memory.get("ram", 0)
    for row in [facts, *run.record.get("forms", ())]:
        of_form = {"form": row["form"]} if "form" in row else {}
        for name, value in row.items():
            if name in METRICS:
                yield of_form | {"metric": name, "value": value}


def distinct_runs(runs: Iterable[Run]) -> list[Run]:
    """Leave out what was done twice: of runs of one system with one seed, the last one stays.

    A recorded run may have been done again on this machine, under an id of its own.
    """
    found = {(_about(run)["system"], run.record["parameters"].get("SEED")): run for run in runs}
    return list(found.values())


def _about(run: Run) -> dict[str, Any]:
    record = run.record
    settings = {name.lower(): value for name, value in record.get("parameters", {}).items()}
    settings |= {name: record[name] for name in BESIDES if name in record}
    about = {name: record.get(name) for name in ("kind", "name", "dataset", "split", "seed")}
    made_with = {name: value for name, value in settings.items() if name != "seed"}
    system = fingerprint([record["kind"], record.get("profile", ""), made_with])
    return {"run": run.id, "system": system} | settings | about


def _cell(metric: str, score: Score) -> dict[str, Any]:
    return {
        "metric": metric,
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "n": score.n,
        "signature": score.signature,
    }


def _value(cell: Score | float | None) -> float | None:
    return cell.value if isinstance(cell, Score) else cell


def _cases(cell: Score | float | None) -> int | None:
    return cell.n if isinstance(cell, Score) else None
