"""Tables of VLMs, from their runs: VisionQAries' Table 2, curves over epochs, what answers repeat,
costs, small devices.
"""

from collections.abc import Iterable, Sequence

from pandas import DataFrame, isna

from helpers.experiments.runs import Run
from helpers.metrics.scores import Score
from helpers.report.frame import CHANGE, best_first, frame, mean_score_of, summarize

CELL = ("model", "prompt", "epochs", "augmentation")
OF_REPETITION = ("distinct", "repeated", "repeated_exactly", "from_training", "copies")
# VisionQAries' Table 2 as (run, model, prompt, epochs, augmentation): deltaBLEU, BERTScore F1.
# Whether a run was augmented stands in their published code only
# (submissions/test-6-fact-check.json says that run 6 was not).
PAPER_TABLE_2 = {
    (6, "moondream2", "P1", 10, "none"): (8.629, 0.848),
    (2, "moondream2", "P1", 5, "training"): (4.600, 0.843),
    (3, "moondream2", "P2", 5, "training"): (3.420, 0.846),
    (4, "moondream2", "P1", 2, "training"): (2.231, 0.834),
    (8, "moondream2", "P2", 0, ""): (1.614, 0.843),
    (1, "moondream2", "P1", 0, ""): (1.502, 0.839),
    (7, "tiny-llava", "P2", 0, ""): (1.487, 0.844),
    (5, "tiny-llava", "P1", 0, ""): (1.404, 0.839),
}


def compare_with_table_2(runs: Iterable[Run], *, tuned: str) -> DataFrame:
    """Return the form of Table 2: a row for each model, prompt, epochs and augmentation, its seeds
    together, the best deltaBLEU first.

    "their run" is the paper's with the same prompt, epochs and augmentation: of moondream2 for the
    model `tuned`, which is or could be fine-tuned, and of TinyLLaVA for others.
    """
    metrics = ("deltableu", "bertscore_f1", "named")
    found = best_first(summarize(frame(runs), metrics, by=CELL))
    cells = found[list(CELL)].itertuples(index=False, name=None)
    found["their run"] = [_their_run(model == tuned, *cell) for model, *cell in cells]
    return found.drop(columns="n").dropna(axis="columns", how="all")


def describe_repetition(runs: Iterable[Run]) -> DataFrame:
    """Return what answers repeat, by model, prompt, epochs and augmentation."""
    found = summarize(frame(runs), OF_REPETITION, by=CELL)
    return found.sort_values(list(CELL), ignore_index=True).drop(columns=["runs", "n"])


def list_costs(runs: Sequence[Run], trainings: Iterable[Run]) -> DataFrame:
    """Return what a system costs, by model, epochs and augmentation: seconds an answer (its share
    of a batch), size of the weights, and of those trainings that made it the mean minutes and the
    peak memory: of the GPU, or else of the process, with what it had held before.
    """
    by = ["model", "epochs", "augmentation"]
    found = summarize(frame(runs), ("seconds", "weights_mb"), by=by).drop(columns=["runs", "n"])
    found = found.sort_values(by, ignore_index=True)
    parents = {parent for run in runs for parent in run.record["parents"].values()}
    made = frame(run for run in trainings if f"{run.record['kind']}/{run.id}" in parents)
    if made.empty:
        return found
    minutes = made[made["metric"] == "train_minutes"].groupby(by)["value"].mean()
    memory = made[made["metric"] == "peak_memory_gb"].groupby(by)["value"].max()
    costs = DataFrame({"train_minutes": minutes, "peak_memory_gb": memory}).reset_index()
    return found.merge(costs, on=by, how="left")


def list_forms(run: Run) -> DataFrame:
    """Return one row for each form of a run on a small device: size, memory, speed, deltaBLEU, and
    how scores differ from the first form's.
    """
    data = frame([run])
    costs = ("weights_mb", "load_mb", "answer_mb", "seconds", "tokens_per_second", "same_answers")
    metrics = (
        *costs,
        "deltableu",
        *(CHANGE + key for key in ("deltableu", "bertscore_f1", "named")),
    )
    found = summarize(data, metrics, by=["form"]).drop(columns=["runs", "n"])
    forms = [row["form"] for row in run.record["forms"]]
    found = found.set_index("form").loc[forms].reset_index()
    return found.dropna(axis="columns", how="all")


def epoch_curves(runs: Iterable[Run], metric: str) -> dict[str, list[tuple[float, Score]]]:
    """Return a metric over epochs as `figures.curves` draws it: prompt and augmentation -> points
    of epochs and mean score.

    The answers without fine-tuning are the beginning of every curve of their prompt.
    """
    data = frame(runs)
    if data.empty:
        return {}
    found: dict[str, list[tuple[float, Score]]] = {}
    tuned = data[(data["metric"] == metric) & data["epochs"].gt(0)]
    for (model, prompt, augmentation), group in tuned.groupby(["model", "prompt", "augmentation"]):
        start = data[(data["model"] == model) & (data["prompt"] == prompt) & (data["epochs"] == 0)]
        points = [(0.0, mean_score_of(start, metric))]
        points += [(epochs, mean_score_of(one, metric)) for epochs, one in group.groupby("epochs")]
        name = f"{prompt}, {'augmented' if augmentation == 'training' else 'not augmented'}"
        found.setdefault(name, []).extend(
            (epochs, score) for epochs, score in points if isinstance(score, Score)
        )
    return found


def _their_run(is_tuned: bool, prompt: str, epochs: float, augmentation: str) -> str:
    """The paper's run of the same settings, its deltaBLEU and its BERTScore."""
    cell = (prompt, epochs, "" if isna(augmentation) else augmentation)
    for (run, model, *settings), (deltableu, bertscore) in PAPER_TABLE_2.items():
        if (model == "moondream2", *settings) == (is_tuned, *cell):
            return f"{run}: {deltableu:.3f} / {bertscore:.3f}"
    return "not run"
