"""Every figure in the prose of README.md and of the notebooks comes from somewhere, and says what
stands there: in a record, in a paper, in a test.

The claims are in `figures.yaml`, which tells how one is written. Figures are numbers in digits and
words such as "twice"; what is counted in words ("three seeds") is not looked for.
"""

import ast
import json
import re
from functools import cache
from pathlib import Path
from statistics import mean

import pytest
import yaml

from conftest import ROOT
from helpers.experiments import recorded
from helpers.experiments.recorded import read_study, recorded_studies
from helpers.experiments.studies import load_studies
from helpers.experiments.verdicts import COMPARED
from helpers.files import LabError
from helpers.report.frame import frame, frame_by_tone
from helpers.report.leaderboard import published
from helpers.settings.notebook_file import find_notebooks, number_of

TABLE = yaml.safe_load(Path(__file__).with_name("figures.yaml").read_text(encoding="utf-8"))
CLAIMS = TABLE["claims"]
NO_RESULTS = {pattern: why for why, patterns in TABLE["no_results"].items() for pattern in patterns}
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
FIGURE = re.compile(
    r"(?<![\w./@-])\d+(?:[.,]\d+)*(?!\w|[.,]\d)"
    r"|\b(?:twice|half|double|thirds|quarters?|eighth|sixteenth|times (?:as|larger))\b"
)
TAKEN = {"high": max, "low": min, "mean": mean}


# The prose


@cache
def cells():
    """The cells of all notebooks, by places such as "05/05-26"."""
    return {
        f"{number_of(path)}/{cell['id']}": cell
        for path in find_notebooks(["all"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    }


def places():
    return ["README.md", *(name for name, one in cells().items() if one["cell_type"] == "markdown")]


def prose(place):
    if place == "README.md":
        return (ROOT / place).read_text(encoding="utf-8")
    return "".join(cells()[place]["source"])


# What stands behind a figure


@cache
def plans():
    return {study.name: study for study in load_studies()}


def study_of(name):
    return read_once(name, (recorded.RECORDED / f"{name}.jsonl").resolve())


def rows_of(name, tones=False):
    return make_once(name, (recorded.RECORDED / f"{name}.jsonl").resolve(), tones)


@cache
def read_once(name, path):
    """A recorded study; its file tells copies of records apart."""
    return read_study(name)


@cache
def make_once(name, path, tones):
    return (frame_by_tone if tones else frame)(read_once(name, path).runs)


def several(value):
    return value if isinstance(value, list) else [value]


def studies_of(source):
    named = source.get("study", [])
    return list(plans()) if named == "all" else several(named)


def scores_of(source):
    """The metric of each system that is meant, the mean of its seeds."""
    wanted = {"dataset": source.get("data", "pocket"), "metric": source["metric"]} | source["runs"]
    found = {}
    tables = [rows_of(study, source.get("tones", False)) for study in studies_of(source)]
    for rows in tables:
        rows = rows.reindex(columns=list(dict.fromkeys([*rows.columns, *wanted, "form"])))
        for name, value in wanted.items():
            rows = rows[rows[name].isin(several(value))]
        groups = [name for name in ("system", "form", "skin tone", "metric") if name in rows]
        for system, group in rows.groupby(groups, dropna=False):
            found[system] = float(group[source.get("part", "value")].mean())
    if not found:
        raise LabError(f"no run is recorded that fits {source}")
    return list(found.values())


def verdicts_of(source):
    """The verdicts of a study whose claims begin with the words of `says`."""
    says = tuple(several(source.get("says", "")))
    metrics = source.get("metric", COMPARED)
    found = [
        verdict
        for study in studies_of(source)
        for verdict in study_of(study).verdicts
        if verdict.says.startswith(says) and verdict.metric in metrics
        if verdict.dataset == source.get("data", "pocket")
    ]
    if not found:
        raise LabError(f"no verdict is recorded that fits {source}")
    return found


def reported(source):
    """What a paper reports of one side of a claim, as studies.yaml holds it."""
    claims = plans()[source["plan"]].claims
    (claim,) = (claim for claim in claims if claim.says == source["says"])
    return claim.paper[source["metric"]][source["side"] == "better"]


def numbers(source):
    if "plan" in source:
        return [reported(source)]
    if "published" in source:
        rows = [row for row in published() if row["system"] == source["published"]]
        return [row[source["metric"]] for row in rows]
    if "says" in source:
        part = source.get("part", "value")
        verdicts = verdicts_of(source)
        if part == "could_show":
            return [verdict.could_show for verdict in verdicts]
        return [getattr(verdict.score, part) for verdict in verdicts]
    values = scores_of(source)
    if "over" in source:
        (below,) = numbers(source["over"])
        values = [value / below for value in values]
    return [TAKEN[source["take"]](values)] if "take" in source else values


def between(source):
    low, high = source["between"]
    return all(low <= value <= high for value in numbers(source))


def written(source):
    """A figure as the prose must have it; where it is rounded to words, they must fit."""
    if "is" in source:
        return str(source["is"])
    values = numbers(source)
    if "words" in source:
        found = ", ".join(f"{value:.3g}" for value in values)
        return source["words"] if between(source) else f"[{found} is not {source['words']!r}]"
    (value,) = values
    return f"{value:{source['as']}}".rstrip("%")


def faults(claim):
    """What the records say now, where it is not what the prose says."""
    place, figures = claim["in"], claim.get("figures", ())
    words = claim["prose"].format(*map(written, figures))
    if words not in prose(place):
        yield f"{place} should say: {words}"
    for source in claim.get("also", ()):
        if not between(source):
            yield f"{place}: {numbers(source)} is not between {source['between']}: {source}"
    for source in claim.get("verdicts", ()):
        for verdict in verdicts_of(source):
            if verdict.verdict not in source["are"]:
                yield f"{place}: {words!r}, but {verdict.says!r} is {verdict.verdict} in " + (
                    f"{verdict.metric} on {verdict.dataset}"
                )


def sources(claim):
    found = [*claim.get("figures", ()), *claim.get("also", ()), *claim.get("verdicts", ())]
    return [*found, *(source["over"] for source in found if "over" in source)]


def name_of(claim):
    return f"{claim['in']}: {claim['prose'][:40]}"


# The prose says what its sources say


@pytest.mark.parametrize("claim", CLAIMS, ids=name_of)
def test_prose_says_what_its_sources_say(claim):
    assert claim["prose"].count("{}") == len(claim.get("figures", ())), "a source for each figure"
    assert sources(claim), "a claim has sources"
    assert list(faults(claim)) == []


def test_every_word_that_selects_verdicts_finds_some():
    for source in (one for claim in CLAIMS for one in claim.get("verdicts", ())):
        for says in several(source.get("says", "")):
            for metric in source.get("metric", [list(COMPARED)]):
                assert verdicts_of(source | {"says": says, "metric": several(metric)})


def without_source(place, text):
    """The figures of a text that no claim covers, and that are no results of ours either."""
    text = CODE.sub("", text.split("## Exercises")[0])
    for claim in (claim for claim in CLAIMS if claim["in"] == place):
        figures = [written(source) for source in claim.get("figures", ())]
        words = CODE.sub("", claim["prose"])
        text = text.replace(words.format(*figures), words.format(*["_"] * len(figures)))
    for pattern in NO_RESULTS:
        text = re.sub(pattern, "_", text, flags=re.MULTILINE)
    return [text[max(0, m.start() - 60) : m.end() + 30] for m in FIGURE.finditer(text)]


@pytest.mark.parametrize("place", places())
def test_every_figure_has_a_source(place):
    assert without_source(place, prose(place)) == [], (
        f"{place} has figures without a source. Give each one in tests/figures.yaml: under "
        "`claims` with the record, paper or test that it comes from, or under `no_results` if it "
        "is no result"
    )


@pytest.mark.parametrize("figure", ["12.5", "3", "62", "twice", "0.47", "two thirds", "40 %"])
def test_a_new_figure_needs_a_source(figure):
    (found,) = without_source("README.md", f"{prose('README.md')} LoRA gains {figure} points.")
    assert f"gains {figure} points" in found


@pytest.mark.parametrize("pattern", NO_RESULTS)
def test_what_is_no_result_is_still_there(pattern):
    assert any(re.search(pattern, prose(place), flags=re.MULTILINE) for place in places())


# No record, no claim


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Links to all records, which a test may take away or overwrite."""
    for path in recorded.RECORDED.glob("*.jsonl"):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.setattr(recorded, "RECORDED", tmp_path)
    return tmp_path


@pytest.mark.parametrize("study", recorded_studies())
def test_without_the_record_of_a_study_its_claims_fail(study, records):
    claims = [claim for claim in CLAIMS if any(study in studies_of(one) for one in sources(claim))]
    assert claims, f"no prose rests on {study}"
    (records / f"{study}.jsonl").unlink()
    for claim in claims:
        with pytest.raises(LabError, match=f"^The study '{study}' is not recorded"):
            list(faults(claim))


def other(value):
    """A record's numbers, all of them others."""
    if isinstance(value, dict):
        return {name: other(one) for name, one in value.items()}
    if isinstance(value, list):
        return [other(one) for one in value]
    return 3 * value + 10 if isinstance(value, (int, float)) else value


def other_line(line):
    """A line of a record with other scores, and another verdict."""
    if "verdict" in line:
        could_show = {"could_show": 1 + 2 * line.get("could_show", 0)}
        return line | could_show | {"score": other_score(line["score"]), "verdict": "another"}
    tones = [other(tone) | {"skin tone": tone["skin tone"]} for tone in line.get("skin_tones", ())]
    scores = {key: other_score(score) for key, score in line["scores"].items()}
    return line | {"scores": scores, "forms": other(line.get("forms", [])), "skin_tones": tones}


def other_score(score):
    *values, signature = score
    return [*other(values), signature]


def overwrite(path):
    head, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    texts = [json.dumps(line) for line in (head, *map(other_line, lines))]
    path.unlink()
    path.with_name("other-" + path.name).write_text("\n".join(texts), encoding="utf-8")
    path.symlink_to(path.with_name("other-" + path.name))


def test_with_other_records_every_source_of_a_claim_says_something_else(records):
    claims = [claim for claim in CLAIMS if any(map(studies_of, sources(claim)))]
    before = [list(map(written, claim.get("figures", ()))) for claim in claims]
    for path in list(records.glob("*.jsonl")):
        overwrite(path)
    for claim, figures in zip(claims, before):
        for source, figure in zip(claim.get("figures", ()), figures):
            assert written(source) != figure or not studies_of(source), source
        for source in claim.get("also", ()):
            assert not between(source), source
        for source in claim.get("verdicts", ()):
            assert not any(one.verdict in source["are"] for one in verdicts_of(source)), source


# Figures that come from elsewhere

ELSEWHERE = [one for claim in CLAIMS for one in sources(claim) if "is" in one]


@pytest.mark.parametrize("source", ELSEWHERE, ids=lambda source: str(source["is"]))
def test_a_figure_from_elsewhere_is_found_there(source):
    assert len({"paper", "test", "output", "unchecked"} & source.keys()) == 1
    if "test" in source:
        path, _, name = source["test"].partition("::")
        code = (ROOT / path).read_text(encoding="utf-8")
        (node,) = (one for one in ast.parse(code).body if getattr(one, "name", "") == name)
        text = ast.get_source_segment(code, node)
        assert "golden" in source or re.search(rf"\b{source['is']}\b", text), source
    if "output" in source:
        shown = json.dumps(cells()[source["output"]]["outputs"])
        row = shown.partition(source["row"])[2].partition("</tr>")[0]
        assert re.search(rf">{source['is']}\b", row), f"{source['output']} shows another one"


@pytest.mark.parametrize("source", [one for one in ELSEWHERE if "golden" in one], ids=str)
def test_a_golden_figure_is_the_golden_score(source, shared):
    found = json.loads((shared / "golden" / "expected.json").read_text(encoding="utf-8"))
    for name in source["golden"]:
        found = found[name]
    assert f"{found:.2f}" == str(source["is"])
