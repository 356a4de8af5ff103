"""Tables of runs: one per data set, split and encoder, so that only comparable numbers stand
together.
"""

import html
from pathlib import Path

from helpers.experiments.runs import Run, find_runs
from helpers.files import outputs_folder, write_text

FOLDER = Path(__file__).parent
# Columns of the table of answers -> scores of a run (shares, 0 to 1).
ANSWER_COLUMNS = {
    "diagnosis named %": "named",
    "distinct %": "distinct",
    "copies of training answers %": "copies",
    "unfinished %": "unfinished",
}
# Columns of the table of captioners -> scores of a run, and their digits.
CAPTION_COLUMNS = {
    "failed": ("failed", 2),
    "words": ("words", 1),
    "cut": ("unfinished", 2),
    "distinct": ("distinct", 2),
    "seconds": ("seconds", 3),
    "concept precision": ("concept_precision", 2),
    "concept recall": ("concept_recall", 2),
}


def boards(runs: list[Run]) -> dict[str, list[Run]]:
    """Scored runs grouped by what makes their numbers comparable: title -> runs, best deltaBLEU
    first.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.record["kind"] != "comparison" and score(run, "deltableu"):
            groups.setdefault(_title(run), []).append(run)
    return {title: rank_runs(group) for title, group in sorted(groups.items())}


def rank_runs(runs: list[Run]) -> list[Run]:
    """Runs with the best deltaBLEU first; those without references to score against stay at the
    end.
    """
    return sorted(runs, key=lambda run: -score(run, "deltableu").get("value", float("-inf")))


def rows(runs: list[Run]) -> list[dict]:
    """One row per run: name, seed, deltaBLEU (0-100) and BERTScore (0-1) with 95 % intervals, n,
    run id.

    A run over cases without references has no scores, and its row says so.
    """
    return [
        {"system": run.record["name"], "seed": run.record["seed"], **_columns(run), "run": run.id}
        for run in runs
    ]


def seed_rows(runs: list[Run]) -> list[dict]:
    """One row per system, its seeds together, best mean deltaBLEU first.

    Brackets hold the 95 % interval over cases (the mean of the seeds' intervals), "seeds" the
    lowest and the highest deltaBLEU that a seed gave: two different kinds of uncertainty.
    """
    return [_seed_row(group) for group in _systems(runs)]


def seed_bars(runs: list[Run]) -> list[dict]:
    """Name, mean deltaBLEU and mean interval of each system, its seeds together, as
    `figures.score_bars` draws them.
    """
    return [
        {"name": group[0].record["name"]} | mean_of(group, "deltableu") for group in _systems(runs)
    ]


def answer_rows(runs: list[Run]) -> list[dict]:
    """One row per system, its seeds together: what its answers are like, in per cent of the cases,
    and their length.
    """
    found = []
    for group in _systems(runs):
        means = {title: mean_of(group, key) for title, key in ANSWER_COLUMNS.items()}
        shares = {
            title: f"{100 * mean['value']:.0f}" if mean else "" for title, mean in means.items()
        }
        found.append(
            {
                "system": group[0].record["name"],
                **shares,
                "words": round(mean_of(group, "words")["value"], 1),
            }
        )
    return found


def captioner_rows(runs: list[Run]) -> list[dict]:
    """The form of YuanAI's Table 3: one row per captioner, per number of shots deltaBLEU [95 %] /
    BERTScore F1.

    `runs`: answers that differ in captioner, shots, tuning and seed alone; seeds are together.
    """
    cells: dict[tuple, list[Run]] = {}
    for run in runs:
        system = (
            run.record["parameters"].get("CAPTIONER", "none"),
            "yes" if run.record["tuned"] else "no",
        )
        cells.setdefault((system, run.record["shots"]), []).append(run)
    found: dict[tuple, dict] = {}
    for (system, shots), group in sorted(cells.items(), key=lambda cell: cell[0][1]):
        row = found.setdefault(
            system, {"words for images by": system[0], "fine-tuned": system[1], "seeds": 0}
        )
        row["seeds"] = max(row["seeds"], len(group))
        row[f"{shots} shot{'' if shots == 1 else 's'}"] = _short(group)
    return list(found.values())


def _short(group: list[Run]) -> str:
    if not mean_of(group, "deltableu"):
        return "not scored"
    return f"{with_interval(mean_of(group, 'deltableu'), 2)} / {mean_of(group, 'BERTScore')['value']:.3f}"


def caption_rows(runs: list[Run]) -> list[dict]:
    """One row per captioner: how often it fails, how long and quick it is, which true concepts its
    words name.
    """
    return [
        {
            "captioner": run.record["name"],
            **{
                title: with_interval(run.metrics[name], digits)
                for title, (name, digits) in CAPTION_COLUMNS.items()
                if name in run.metrics
            },
            "images": score(run, "failed")["n"],
        }
        for run in runs
    ]


def tone_table(runs: list[Run]) -> list[dict]:
    """Rows of captioner and skin tone: precision and recall of the findings that captions name, as
    runs recorded them.
    """
    return [
        {"captioner": run.record["name"], **row}
        for run in runs
        for row in run.record.get("skin_tones", ())
    ]


def claim_table(runs: list[Run]) -> list[dict]:
    """Two rows per comparison, one per metric: the claim, the paper's value, ours with its
    interval, the verdict.
    """
    found = []
    for run in runs:
        claim = {"claim": run.record["name"], "data": run.record["dataset"]}
        if not run.metrics:
            found.append(claim | {"verdict": "not measured: no references"})
        for metric, difference in run.metrics.items():
            found.append(
                claim
                | {
                    "metric": metric,
                    "paper": run.record["paper"].get(metric, ""),
                    "ours": with_interval(difference, 3, "+"),
                    "seeds": run.record["seeds"],
                    "n": difference["n"],
                    "verdict": difference["verdict"],
                }
            )
    return found


def score(run: Run, name: str) -> dict:
    """A score of a run by its name, without the language ("deltableu", "BERTScore", "named", ...).

    Returns value, interval, n, signature; {} where the run has no such score.
    """
    found = (score for key, score in run.metrics.items() if name in (key, key.rpartition("_")[0]))
    return next(found, {})


def published() -> list[dict]:
    """What papers reported for these tasks, for reading beside our tables; none is comparable with
    them.
    """
    import yaml

    return yaml.safe_load((FOLDER / "published.yaml").read_text(encoding="utf-8"))


def write_page() -> Path:
    """Write `outputs/leaderboard.html` from all runs found; returns its path."""
    import pandas

    runs, left_out = find_runs()
    parts = [
        "<h1>Leaderboard of the Medical VQA Lab</h1>",
        "<p>For research and teaching, not for diagnosis. Brackets hold 95 % bootstrap intervals "
        "over cases, the column of seeds the lowest and highest deltaBLEU of several. Numbers of "
        "different tables must not be compared.</p>",
    ]
    for title, group in boards(runs).items():
        parts += [
            f"<h2>{html.escape(title)}</h2>",
            pandas.DataFrame(seed_rows(group)).to_html(index=False),
        ]
    claims = claim_table([run for run in runs if run.record["kind"] == "comparison"])
    parts += ["<h2>Claims</h2>", pandas.DataFrame(claims).to_html(index=False, na_rep="")]
    parts += [
        "<h2>Published figures: other data, other encoder, not comparable with ours</h2>",
        pandas.DataFrame(published()).to_html(index=False, na_rep=""),
    ]
    parts += [f"<p>Left out: {html.escape(reason)}</p>" for reason in left_out]
    return write_text(outputs_folder() / "leaderboard.html", _PAGE.format(body="\n".join(parts)))


def _systems(runs: list[Run]) -> list[list[Run]]:
    """Runs of one name and profile together (what is not in the name is as the profile says), best
    mean first.
    """
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.record["name"], run.record.get("profile", "")), []).append(run)
    return sorted(
        groups.values(), key=lambda group: -mean_of(group, "deltableu").get("value", float("-inf"))
    )


def _columns(run: Run) -> dict:
    if not score(run, "deltableu"):
        return {"deltaBLEU": "not scored: no references"}
    return {
        "deltaBLEU": with_interval(score(run, "deltableu"), 2),
        "BERTScore F1": with_interval(score(run, "BERTScore"), 3),
        "precision": round(score(run, "BERTScore_precision")["value"], 3),
        "recall": round(score(run, "BERTScore_recall")["value"], 3),
        "n": score(run, "deltableu")["n"],
    }


def _seed_row(group: list[Run]) -> dict:
    if not mean_of(group, "deltableu"):
        return {
            "system": group[0].record["name"],
            "deltaBLEU": "not scored: no references",
            "runs": len(group),
        }
    values = [score(run, "deltableu")["value"] for run in group]
    several = f"{min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
    return {
        "system": group[0].record["name"],
        "deltaBLEU": with_interval(mean_of(group, "deltableu"), 2),
        "runs": len(group),
        "seeds": several,
        "BERTScore F1": with_interval(mean_of(group, "BERTScore"), 3),
        "precision": round(mean_of(group, "BERTScore_precision")["value"], 3),
        "recall": round(mean_of(group, "BERTScore_recall")["value"], 3),
        "n": score(group[0], "deltableu")["n"],
    }


def mean_of(group: list[Run], name: str) -> dict:
    """Mean value and mean interval of a score over the runs that have it; {} where none has."""
    scores = [score(run, name) for run in group if score(run, name)]
    if not scores:
        return {}
    count = len(scores)
    return {
        "value": sum(entry["value"] for entry in scores) / count,
        "interval": [sum(entry["interval"][end] for entry in scores) / count for end in (0, 1)],
    }


def _title(run: Run) -> str:
    record = run.record
    return (
        f"{record['dataset']} ({record['language']}), {record['split']} split, "
        f"{score(run, 'deltableu')['n']} cases (data {record['data_fingerprint']}, BERTScore by "
        f"{record['parameters']['ENCODER']})"
    )


def with_interval(score: dict, digits: int, sign: str = "") -> str:
    """A score as tables show it; `sign` "+" for a difference."""
    low, high = score["interval"]
    return f"{score['value']:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Leaderboard</title>
<style>body {{ font-family: sans-serif; margin: 2em; }} table {{ border-collapse: collapse; margin-bottom: 2em; }}
th, td {{ border: 1px solid #ccc; padding: 0.3em 0.7em; text-align: left; }} th {{ background: #f3f3f3; }}</style>
</head><body>
{body}
</body></html>
"""
