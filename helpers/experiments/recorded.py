"""The tracked results of studies: one file of lines for each, small enough to be read as a diff.

`outputs/recorded/<study>.jsonl` has a first line with what its runs have in common; a line for
each run, with its scores and with what each case contributes to those that claims compare; and a
line for each verdict.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.experiments.record_lines import (
    as_array,
    as_columns,
    check_columns,
    same,
    short,
    unlike,
    usual,
    with_seed,
    without_seed,
)
from helpers.experiments.runs import FORMAT, Run
from helpers.experiments.verdicts import Verdict, verdicts_again
from helpers.files import REPOSITORY, LabError, read_jsonl, write_text
from helpers.metrics.differences import Difference
from helpers.metrics.measure import Measured
from helpers.metrics.scores import Score
from helpers.models.answer_file import AnswerFile

RECORDED = REPOSITORY / "outputs" / "recorded"
# The first line, besides the study's name.
HEAD = ("asks", "common", "parameters", "settings", "signatures", "cases")
UNKNOWN = float("nan")  # what records did not say before verdicts were corrected for their number
# What a run's line holds of its record: what the first line may say for all of them; what it was
# made of; what was measured besides scores.
SHARED = (
    *("profile", "version", "dataset", "language", "split", "data_fingerprint"),
    *("commit", "dirty", "versions", "device"),
)
MADE_OF = (
    *("model", "revision", "prompt", "adapter", "tuned", "epochs", "stages", "constant", "seed"),
)
FACTS = (
    *("minutes", "peak_memory_gb", "weights_mb", "backend", "training_records", "optimiser_steps"),
    *("tokens_per_second", "train_minutes", "shots_dropped", "forms", "concepts", "skin_tones"),
    *("examples", "largest_groups"),
)


@dataclass
class RecordedRun(Run):
    """A finished run as its line tells of it: there is no folder, and no answers."""

    entries: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    signatures: Sequence[str] = ()
    cases: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    case_ids: Sequence[Sequence[str]] = ()
    groups: Sequence[Sequence[str]] = ()

    @property
    def scores(self) -> dict[str, Score]:
        """The scores by the keys of `METRICS`."""
        return {
            key: Score(value, low, high, n, self.signatures[place])
            for key, (value, low, high, n, place) in self.entries.items()
        }

    @property
    def answers(self) -> AnswerFile:
        """There are none."""
        raise LabError(f"The answers of {self.record['name']} are not recorded: run it again.")

    def measured(self, keys: Sequence[str] = ()) -> dict[str, Measured]:
        """Return scores with what each case contributes where that is recorded, all or some."""
        found = {}
        for key, score in self.scores.items():
            if not keys or key in keys:
                found[key] = Measured(score)
                if key in self.cases:
                    place, *columns = self.cases[key]
                    ids, groups = tuple(self.case_ids[place]), tuple(self.groups[place])
                    found[key] = Measured(score, ids, as_array(columns, len(ids)), groups)
        return found


@dataclass(frozen=True)
class Recorded:
    """A study as it is recorded: its question, its runs, and what became of its claims."""

    asks: str
    runs: list[RecordedRun]
    verdicts: list[Verdict]

    def answers(self, dataset: str) -> list[RecordedRun]:
        """Return the runs on a data set, but for the trainings that others start from."""
        made = {parent for run in self.runs for parent in run.record["parents"].values()}
        here = [run for run in self.runs if run.record["dataset"] == dataset]
        return [run for run in here if f"{run.record['kind']}/{run.id}" not in made]

    def verdicts_again(self) -> list[Verdict]:
        """Give the verdicts anew, from what each case contributes to the scores of the runs.

        Raises:
            LabError: runs of a side are missing, or what their cases contribute.
        """
        return verdicts_again(self.verdicts, self.runs)


def write_study(study: str, asks: str, runs: Iterable[Run], verdicts: Iterable[Verdict]) -> Path:
    """Write the record of a study, whole; return its path.

    Args:
        study: its name.
        asks: its question.
        runs: its finished runs, with those that they start from.
        verdicts: they tell which runs claims compare, and by which metrics: of these, what each
            case contributes is recorded, too.
    """
    found = sorted({run.id: run for run in runs}.values(), key=_order)
    said = list(verdicts)
    compared: dict[str, dict[str, None]] = {}  # run id -> its compared metrics, in order
    for one in said:
        for run_id in (*one.than, *one.better):
            compared.setdefault(run_id, {})[one.metric] = None
    settings: list[dict[str, Any]] = []  # parameters that some runs share, such as those of a point
    signatures: list[str] = []
    cases: list[tuple[list[str], list[str]]] = []  # ids, and their groups
    common = usual([_part(run.record, SHARED) for run in found])
    parameters = same([run.record["parameters"] for run in found])
    lines = []
    for run in found:
        own = without_seed(unlike(run.record["parameters"], parameters))
        line = _run_line(run, common, list(compared.get(run.id, ())), signatures, cases)
        lines.append(line | {"settings": _place(own, settings)})
    lines += [_verdict_line(verdict, signatures) for verdict in said]
    ids = [ids for ids, _ in cases]
    head = dict(zip(HEAD, (asks, common, parameters, settings, signatures, ids)))
    if any(groups for _, groups in cases):
        head["groups"] = [groups for _, groups in cases]
    texts = [
        json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        for line in [{"study": study, **head}, *lines]
    ]
    return write_text(RECORDED / f"{study}.jsonl", "\n".join(texts) + "\n")


def read_study(name: str) -> Recorded:
    """Read the record of a study.

    Raises:
        LabError: there is none, or a line of it is damaged; the sentence names file and line.
    """
    path = RECORDED / f"{name}.jsonl"
    if not path.exists():
        known = ", ".join(recorded_studies()) or "none"
        raise LabError(f"The study {name!r} is not recorded; these are: {known}.")
    head: dict[str, Any] = {}
    runs: list[RecordedRun] = []
    verdicts: list[Verdict] = []
    for number, line in enumerate(read_jsonl(path), start=1):
        try:
            if number == 1:
                head = {name: line[name] for name in HEAD}
                head["groups"] = line.get("groups") or [[] for _ in head["cases"]]
            elif "run_id" in line:
                runs.append(_read_run(line, head, path))
            else:
                verdicts.append(_read_verdict(line, head))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise LabError(
                f"{path} is damaged at line {number} ({type(error).__name__}: {error}): take the "
                "file from the repository, or run the sweep of this study again."
            ) from None
    return Recorded(head.get("asks", ""), runs, verdicts)


def recorded_studies() -> list[str]:
    """Return the names of all studies that are recorded."""
    return sorted(path.stem for path in RECORDED.glob("*.jsonl"))


def all_recorded(*studies: str) -> list[RecordedRun]:
    """Return the recorded runs of all studies, or of some, each once, by name and seed."""
    names = studies or recorded_studies()
    found = {run.id: run for name in names for run in read_study(name).runs}
    return sorted(found.values(), key=_order)


def recorded_runs(kind: str, dataset: str, *studies: str) -> list[RecordedRun]:
    """Return those of one kind of experiment on one data set.

    Raises:
        LabError: there is none.
    """
    runs = [run for run in all_recorded(*studies) if run.record["kind"] == kind]
    found = [run for run in runs if run.record["dataset"] == dataset]
    if not found:
        raise LabError(
            f"No run of the kind {kind!r} on {dataset!r} is recorded: take outputs/recorded from "
            "the repository, or run `make sweep`."
        )
    return found


def recorded_verdicts(dataset: str, *studies: str) -> list[Verdict]:
    """Return what became of the claims of all studies, or of some, on one data set."""
    return [
        verdict
        for name in studies or recorded_studies()
        for verdict in read_study(name).verdicts
        if verdict.dataset == dataset
    ]


def _order(run: Run) -> tuple:
    record = run.record
    return record["dataset"], record["kind"], record["name"], record["seed"], run.id


def _part(record: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}


def _run_line(
    run: Run,
    common: Mapping[str, Any],
    keys: Sequence[str],
    signatures: list[str],
    cases: list[tuple[list[str], list[str]]],
) -> dict[str, Any]:
    """Make the line of a run; signatures and cases that are new are added to the lists."""
    record = run.record
    line = {"run_id": run.id, "kind": record["kind"], "name": record["name"]}
    line |= unlike(_part(record, SHARED), common) | _part(record, MADE_OF)
    line |= {"parents": record["parents"]} if record.get("parents") else {}
    line |= {name: short(value) for name, value in _part(record, FACTS).items()}
    line["scores"] = {key: _score(score, signatures) for key, score in run.scores.items()}
    rows = {
        key: [_place((list(found.cases), _groups(found)), cases), *as_columns(found.columns)]
        for key, found in (run.measured(keys) if keys else {}).items()
        if found.columns is not None
    }
    return line | ({"cases": rows} if rows else {})


def _groups(found: Measured) -> list[str]:
    """Return the groups of cases, [] where they say nothing because each case is alone."""
    return list(found.groups) if len(set(found.groups)) < len(found.groups) else []


def _verdict_line(verdict: Verdict, signatures: list[str]) -> dict[str, Any]:
    """Make the line of a verdict; what is empty or unknown is left out."""
    score = verdict.score
    entries = {name: short(value) for name, value in vars(verdict).items() if value != ""}
    line = {name: value for name, value in entries.items() if value == value}  # no nan
    errors = [short(score.cases_error), short(score.seeds_error), score.groups]
    return line | {"score": _score(score, signatures), "errors": errors}


def _read_run(line: Mapping[str, Any], head: Mapping[str, Any], path: Path) -> RecordedRun:
    record = {"format": FORMAT, "status": "done", "parents": {}, **head["common"], **line}
    own = head["settings"][record.pop("settings")]
    record["parameters"] = with_seed(head["parameters"] | own, record["seed"])
    scores, cases = record.pop("scores"), record.pop("cases", {})
    rows = (cases, head["cases"], head["groups"])
    run = RecordedRun(path, record, {}, scores, head["signatures"], *rows)
    _ = _order(run), run.scores  # what all readers count on is there
    for place, *columns in cases.values():
        check_columns(columns, len(head["cases"][place]))
    return run


def _read_verdict(line: Mapping[str, Any], head: Mapping[str, Any]) -> Verdict:
    value, low, high, n, place = line["score"]
    cases_error, seeds_error, groups = line.get("errors", (UNKNOWN, 0.0, n))
    signature, seeds = head["signatures"][place], line["seeds"]
    score = Difference(value, low, high, n, signature, cases_error, seeds_error, groups, seeds)
    sides = {name: tuple(line.get(name, ())) for name in ("than", "better")}
    known = {name: entry for name, entry in line.items() if name != "errors"}
    return Verdict(**{**known, **sides, "score": score})


def _score(score: Score, signatures: list[str]) -> list[Any]:
    numbers = [short(number) for number in (score.value, score.low, score.high)]
    return [*numbers, score.n, _place(score.signature, signatures)]


def _place(item: Any, known: list) -> int:
    """Return the place of an item in a list, at whose end it is put if it is not there."""
    if item not in known:
        known.append(item)
    return known.index(item)
