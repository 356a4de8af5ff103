"""Tables of runs: one per data set, split and encoder, so that only comparable numbers stand together."""

import html
from pathlib import Path

from helpers.files import outputs_folder, write_text
from helpers.runs import Run, find_runs

FOLDER = Path(__file__).parent


def boards(runs: list[Run]) -> dict[str, list[Run]]:
    """Scored runs grouped by what makes their numbers comparable: title -> runs, best deltaBLEU first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.metrics:
            groups.setdefault(_title(run), []).append(run)
    return {title: ranked(group) for title, group in sorted(groups.items())}


def ranked(runs: list[Run]) -> list[Run]:
    """Runs with the best deltaBLEU first; those without scores (no references) stay at the end."""
    return sorted(runs, key=lambda run: -score(run, "deltableu")["value"] if run.metrics else float("inf"))


def rows(runs: list[Run]) -> list[dict]:
    """One row per run: name, seed, deltaBLEU (0-100) and BERTScore (0-1) with 95 % intervals, n, run id.

    A run over cases without references has no scores, and its row says so.
    """
    return [{"system": run.record["name"], "seed": run.record["seed"], **_columns(run), "run": run.id} for run in runs]


def score(run: Run, name: str) -> dict:
    """A score of a run by its name without the language ("deltableu", "BERTScore"): value, interval, n, signature."""
    return next(score for key, score in run.metrics.items() if key.rpartition("_")[0] == name)


def published() -> list[dict]:
    """What papers reported for these tasks, for reading beside our tables; none is comparable with them."""
    import yaml

    return yaml.safe_load((FOLDER / "published.yaml").read_text(encoding="utf-8"))


def write_page() -> Path:
    """Write `outputs/leaderboard.html` from all runs found; returns its path."""
    import pandas

    runs, left_out = find_runs()
    parts = [
        "<h1>Leaderboard of the Medical VQA Lab</h1>",
        "<p>For research and teaching, not for diagnosis. Brackets hold 95 % bootstrap intervals over cases. "
        "Numbers of different tables must not be compared.</p>",
    ]
    for title, group in boards(runs).items():
        parts += [f"<h2>{html.escape(title)}</h2>", pandas.DataFrame(rows(group)).to_html(index=False)]
    parts += ["<h2>Published figures: other data, other encoder, not comparable with ours</h2>",
              pandas.DataFrame(published()).to_html(index=False, na_rep="")]
    parts += [f"<p>Left out: {html.escape(reason)}</p>" for reason in left_out]
    return write_text(outputs_folder() / "leaderboard.html", _PAGE.format(body="\n".join(parts)))


def _columns(run: Run) -> dict:
    if not run.metrics:
        return {"deltaBLEU": "not scored: no references"}
    return {
        "deltaBLEU": _with_interval(score(run, "deltableu"), 2),
        "BERTScore F1": _with_interval(score(run, "BERTScore"), 3),
        "precision": round(score(run, "BERTScore_precision")["value"], 3),
        "recall": round(score(run, "BERTScore_recall")["value"], 3),
        "n": score(run, "deltableu")["n"],
    }


def _title(run: Run) -> str:
    record = run.record
    return (
        f"{record['dataset']} ({record['language']}), {record['split']} split, {score(run, 'deltableu')['n']} cases "
        f"(data {record['data_fingerprint']}, BERTScore by {record['parameters']['ENCODER']})"
    )


def _with_interval(score: dict, digits: int) -> str:
    low, high = score["interval"]
    return f"{score['value']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Leaderboard</title>
<style>body {{ font-family: sans-serif; margin: 2em; }} table {{ border-collapse: collapse; margin-bottom: 2em; }}
th, td {{ border: 1px solid #ccc; padding: 0.3em 0.7em; text-align: left; }} th {{ background: #f3f3f3; }}</style>
</head><body>
{body}
</body></html>
"""
