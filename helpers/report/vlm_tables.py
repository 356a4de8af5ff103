"""Tables of models that see, from their runs: VisionQAries' Table 2, curves over epochs, what
answers repeat, costs.
"""

from collections.abc import Sequence
from statistics import mean

from helpers.experiments.runs import Run
from helpers.report.leaderboard import mean_of, with_interval

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


def cell_rows(runs: Sequence[Run], *, tuned: str) -> list[dict]:
    """The form of Table 2: a row per model, prompt, epochs and augmentation, its seeds together,
    best deltaBLEU first.

    Brackets hold the mean of the seeds' 95 % intervals over cases. "their run" is the paper's with
    the same prompt, epochs and augmentation: of moondream2 for the model `tuned`, which is or could
    be fine-tuned, and of TinyLLaVA for others.
    """
    groups = _cells(runs)
    paper = {
        (model == "moondream2", *cell): (run, *scores)
        for (run, model, *cell), scores in PAPER_TABLE_2.items()
    }
    found = []
    for (model, *cell), group in sorted(
        groups.items(), key=lambda item: -mean_of(item[1], "deltableu")["value"]
    ):
        theirs = paper.get((model == tuned, *cell))
        prompt, epochs, augmentation = cell
        found.append(
            {
                "model": model,
                "prompt": prompt,
                "epochs": f"{epochs:g}",
                "augmented": _augmented(epochs, augmentation),
                "runs": len(group),
                "deltaBLEU": with_interval(mean_of(group, "deltableu"), 2),
                "BERTScore F1": with_interval(mean_of(group, "BERTScore"), 3),
                **_named(group),
                "their run": f"{theirs[0]}: {theirs[1]:.3f} / {theirs[2]:.3f}"
                if theirs
                else "not run",
            }
        )
    return found


def repetition_rows(runs: Sequence[Run]) -> list[dict]:
    """What answers repeat, by prompt, epochs and augmentation, in per cent of the cases, with mean
    intervals.
    """
    titles = {
        "different answers": "distinct",
        "near another answer": "repeated",
        "equal to another": "repeated exactly",
        "near a training answer": "from training",
        "equal to one": "copies",
    }
    return [
        {
            "model": model,
            "prompt": prompt,
            "epochs": f"{epochs:g}",
            "augmented": _augmented(epochs, augmentation),
        }
        | {f"{title} %": _percent(mean_of(group, name)) for title, name in titles.items()}
        for (model, prompt, epochs, augmentation), group in sorted(
            _cells(runs).items(), key=lambda item: item[0]
        )
    ]


def cost_rows(runs: Sequence[Run], trainings: Sequence[Run]) -> list[dict]:
    """What a system costs, by model and epochs: minutes of training, seconds an answer (its share
    of a batch), size of the weights, and the peak memory of training: of the GPU, or else of the
    process, with what it had held before."""
    trained: dict[tuple, list[Run]] = {}
    parents = {run.record["parent"] for run in runs}
    for run in (run for run in trainings if run.id in parents):
        cell = (run.record["model"], run.record["epochs"], run.record["parameters"]["AUGMENTATION"])
        trained.setdefault(cell, []).append(run)
    found = []
    for key, group in sorted(_cells(runs, prompts=False).items(), key=lambda item: item[0]):
        made = trained.get(key, ())
        found.append(
            {
                "model": key[0],
                "epochs": f"{key[1]:g}",
                "augmented": _augmented(*key[1:]),
                "seconds an answer": with_interval(mean_of(group, "seconds"), 3),
                "weights, MB": group[0].record["weights_mb"],
                "minutes of training": f"{mean(run.record['train_minutes'] for run in made):.1f}"
                if made
                else "",
                "peak memory, GB": max((_peak(run) for run in made), default=""),
            }
        )
    return found


def epoch_curves(runs: Sequence[Run], name: str) -> dict[str, list[tuple]]:
    """A score over epochs as `figures.curves` draws it: prompt and augmentation -> (epochs, mean,
    low, high).

    The answers without fine-tuning are the beginning of every curve of their prompt.
    """
    groups, found = _cells(runs), {}
    for (model, prompt, epochs, augmentation), group in sorted(
        groups.items(), key=lambda item: item[0]
    ):
        if epochs and mean_of(group, name):
            start = groups.get((model, prompt, 0, ""))
            line = found.setdefault(
                f"{prompt}, {'augmented' if augmentation == 'training' else 'not augmented'}",
                [_point(0, start, name)] if start else [],
            )
            line.append(_point(epochs, group, name))
    return found


def edge_rows(run: Run) -> list[dict]:
    """One row per form of a run on a small device: size, memory, speed, and scores with what they
    lost.
    """
    found, first = [], run.record["forms"][0]["form"]
    for row in run.record["forms"]:
        changes = {
            f"{name} against {first}": with_interval(lost, 3, "+") if lost else ""
            for name in ("deltaBLEU", "BERTScore F1", "diagnosis named")
            for lost in [run.metrics.get(f"{row['form']}: {name}")]
        }
        found.append(
            {
                "form": row["form"],
                "weights, MB": f"{row['weights_mb']:.1f}",
                "memory to load, MB": f"{row['load_mb']:.0f}",
                "memory to answer, MB": f"{row['answer_mb']:.0f}",
                "seconds an answer": f"{row['seconds']:.2f}",
                "tokens a second": f"{row['tokens_per_second']:.0f}",
                "same answers %": f"{100 * row['same_answers']:.0f}",
                "deltaBLEU": f"{row['deltaBLEU']:.2f}",
                **changes,
            }
        )
    return found


def _peak(run: Run) -> float:
    found = run.record["peak_memory_gb"]
    return found.get("gpu") or found.get("ram", 0)


def _point(epochs: float, group: list[Run], name: str) -> tuple:
    found = mean_of(group, name)
    return (epochs, found["value"], *found["interval"])


def _cells(runs: Sequence[Run], *, prompts: bool = True) -> dict[tuple, list[Run]]:
    """Runs by model, prompt, epochs and augmentation, which is "" where nothing was trained."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        record, parameters = run.record, run.record["parameters"]
        if run.metrics:
            cell = (record["epochs"], parameters["AUGMENTATION"] if record["tuned"] else "")
            key = (
                (record["model"], parameters["VLM_PROMPT"], *cell)
                if prompts
                else (record["model"], *cell)
            )
            groups.setdefault(key, []).append(run)
    return groups


def _augmented(epochs: float, augmentation: str) -> str:
    return "" if not epochs else "yes" if augmentation == "training" else "no"


def _named(group: list[Run]) -> dict:
    named = mean_of(group, "named")
    return {"diagnosis named %": _percent(named)} if named else {}


def _percent(score: dict) -> str:
    if not score:
        return ""
    low, high = score["interval"]
    return f"{100 * score['value']:.0f} [{100 * low:.0f}, {100 * high:.0f}]"
