"""Every module that measures answers keeps to one form, and a new one is found by being there."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from helpers import metrics
from helpers.cases import Answer, Case, Reference
from helpers.data.skincon import concept_sentence
from helpers.metrics import bertscore
from helpers.metrics.answers import answer_statistics
from helpers.metrics.claims import compare_answers
from helpers.metrics.deltableu import deltableu_from_sums
from helpers.metrics.duplicates import duplicate_scores
from helpers.metrics.measure import (
    Graded,
    difference_signature,
    find_measures,
    list_modules,
    score_all,
    statistic_of,
)
from helpers.metrics.scores import Score, mean_from_sums, mean_score
from helpers.metrics.scoring import score_predictions
from helpers.metrics.table import METRICS, collect_metrics

CASES = [
    Case("a", references=(Reference("It is eczema.", 0.6), Reference("Eczema")), label="eczema"),
    Case("b", references=(Reference("Ringworm on the left arm"),)),
    Case("c", references=(Reference("  "),), label="psoriasis"),
    Case("d"),
    Case("e", references=(Reference("Psoriasis of both elbows"),), label="psoriasis"),
]
ANSWERS = {
    "a": Answer("a", "It is eczema.", seconds=0.5, tokens=4, finish="stop"),
    "b": Answer("b", "it is eczema", seconds=1.5, tokens=3, finish="length"),
    "c": Answer("c", "Psoriasis"),
    "d": Answer("d", "It is eczema.", seconds=1.0, tokens=4, finish="stop"),
    "other": Answer("other", "none of these", seconds=9.0, tokens=9),
}
# What some modules measure alone: questions of a type, pictures with concepts or of classes.
CONCEPTS = ("Papule",)
ALONE = {
    "nonsense": [replace(case, question_type="NONSENSE") for case in CASES],
    "short_answers": [replace(case, question_type="ORGAN") for case in CASES],
    "concept_answers": [
        replace(case, concepts=CONCEPTS, references=(Reference(concept_sentence(CONCEPTS)),))
        for case in CASES
    ],
    "skin_classes": [
        replace(case, label=label)
        for case, label in zip(CASES, ["Dermatitis", "Fungal infections"] * 3)
    ],
}
# Options are scored where cases have labels and answers have options.
ALONE["options"] = [replace(case, label=case.label or "acne") for case in CASES]
OPTIONS = {
    key: replace(answer, options={"eczema": 0.7, "acne": 0.2, "psoriasis": 0.1})
    for key, answer in ANSWERS.items()
}
TRAINING = [("t1", "It is eczema."), ("t1", ""), ("t2", "A wart")]
GRADED = Graded(CASES, ANSWERS, TRAINING)
NEW = """
from helpers.metrics.measure import Measured
from helpers.metrics.metric import Metric
from helpers.metrics.scores import mean_columns, mean_from_sums, mean_score

VERSION = 1
METRICS = {"signs": Metric("signs", "mean", 1, "lower")}
STATISTICS = {"signs": mean_from_sums}


def depends_on(graded):
    return []


def measure(graded):
    values = [len(text) for text in graded.texts(graded.cases)]
    columns = mean_columns(values)
    score = mean_score(columns[:, 0], signature="signs")
    return {"signs": Measured(score, graded.ids, columns)}
"""


@pytest.fixture
def add_module(tmp_path, monkeypatch):
    """Put a file beside the modules of the package, as long as the test runs."""
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    added = []

    def add(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        added.append(name)

    yield add
    for name in added:
        sys.modules.pop(f"helpers.metrics.{name}", None)
        vars(metrics).pop(name, None)


def test_modules_that_measure_are_found_by_name():
    names = [module.__name__.rpartition(".")[2] for module in find_measures()]
    assert names == [
        "answers",
        "bertscore",
        "concept_answers",
        "costs",
        "deltableu",
        "diagnosis",
        "duplicates",
        "nonsense",
        "options",
        "refusals",
        "short_answers",
        "skin_classes",
    ]


@pytest.mark.parametrize("module", find_measures(), ids=lambda module: module.__name__)
def test_every_module_that_measures_keeps_to_one_form(module):
    assert isinstance(module.VERSION, int)
    needs = module.depends_on(GRADED)
    assert isinstance(needs, list) and json.loads(json.dumps(needs)) == needs
    name = module.__name__.rpartition(".")[2]
    answers = OPTIONS if name == "options" else ANSWERS
    measured = module.measure(replace(GRADED, cases=ALONE.get(name, CASES), answers=answers))
    statistics = getattr(module, "STATISTICS", {})
    assert measured and measured.keys() <= module.METRICS.keys() >= statistics.keys()
    for key, found in measured.items():
        assert found.score.low <= found.score.value <= found.score.high and found.score.signature
        assert (found.columns is not None) == (key in statistics)
        if found.columns is not None:
            assert len(found.columns) == len(found.cases) == found.score.n
            assert statistics[key](found.columns.sum(axis=0)) == pytest.approx(found.score.value)


def test_against_references_measures_are_the_scores_of_the_command_line():
    scorable = [CASES[0], CASES[1], CASES[4]]
    predictions = [ANSWERS["a"], ANSWERS["b"]]
    expected = score_predictions(scorable, predictions).scores
    measured = score_all(GRADED)
    assert {key: measured[key].score for key in expected} == expected
    assert measured["deltableu"].cases == measured["bertscore_f1"].cases == ("a", "b", "e")
    assert measured["deltableu"].columns.shape == (3, 10)
    assert "|mode:aligned|" in measured["bertscore_f1"].score.signature


def test_without_references_measures_are_those_of_the_plain_functions():
    measured = score_all(GRADED)
    texts = {case.id: ANSWERS[case.id].text if case.id in ANSWERS else "" for case in CASES}
    expected = answer_statistics(CASES, ANSWERS, [text for _, text in TRAINING])
    expected |= duplicate_scores(texts, TRAINING)
    expected["seconds"] = mean_score(
        np.array([0.5, 1.5, 1.0]), signature="seconds|share of its batch"
    )
    found = {key: measured[key].score for key in expected}
    assert found == expected
    assert measured.keys() - expected.keys() == {
        "deltableu",
        "bertscore_f1",
        "bertscore_precision",
        "bertscore_recall",
        "named",
        "refusals",
    }


def test_columns_hold_each_case_and_a_one():
    measured = score_all(GRADED)
    assert measured["named"].cases == ("a", "c", "e")
    assert measured["named"].columns.tolist() == [[1, 1], [1, 1], [0, 1]]
    assert measured["repeated"].cases == ("a", "b", "c", "d", "e")
    assert measured["repeated"].columns[:, 0].tolist() == [1, 1, 0, 1, 0]
    assert measured["from_training"].columns.tolist() == measured["repeated"].columns.tolist()


def test_groups_of_cases_are_noted_and_widen_intervals_of_every_metric():
    """Answers twice, as if each case were asked two times of one patient."""
    twins = [
        replace(case, id=f"{case.id}{turn}", group=case.id) for case in CASES for turn in (1, 2)
    ]
    answers = {
        f"{key}{turn}": replace(one, case_id=f"{key}{turn}")
        for key, one in ANSWERS.items()
        for turn in (1, 2)
    }
    grouped = score_all(Graded(twins, answers, TRAINING))
    alone = score_all(Graded([replace(case, group="") for case in twins], answers, TRAINING))
    assert grouped.keys() == alone.keys()
    for key, one in grouped.items():
        score, other = one.score, alone[key].score
        assert (score.value, score.n) == (other.value, other.n)
        assert "|groups:" in score.signature and "|groups:" not in other.signature
        # The highest share there is, and a value that all have, cannot be wider.
        assert score.low <= other.low and score.high >= other.high, key
        assert one.groups == tuple(case_id[:-1] for case_id in one.cases)
        assert alone[key].groups == ()
    assert grouped["named"].score.low < alone["named"].score.low


def test_what_does_not_apply_is_left_out():
    plain = Graded([Case("a"), Case("b")], {"a": Answer("a", "acne")}, [])
    found = score_all(plain)
    always = {"copies", "empty", "distinct", "words", "refusals"}
    assert found.keys() == always | {"repeated", "repeated_exactly"}


def test_scores_depend_on_references_labels_language_encoder_and_training(tmp_path):
    def needs(cases=CASES, training=TRAINING, **more):
        graded = Graded(cases, ANSWERS, training, **more)
        return {
            module.__name__.rpartition(".")[2]: module.depends_on(graded)
            for module in find_measures()
        }

    def changed(**values):
        return {name for name, found in needs(**values).items() if found != needs()[name]}

    weighted = [Case("a", references=(Reference("It is eczema."), Reference("Eczema")))]
    assert changed(cases=[*CASES[:4], Case("e", label="psoriasis")]) == {
        *("deltableu", "bertscore", "short_answers", "concept_answers")
    }
    assert changed(cases=[*weighted, *CASES[1:]]) == {
        *("deltableu", "bertscore", "diagnosis", "short_answers", "skin_classes", "options")
    }
    assert changed(training=[]) == {"answers", "duplicates"}
    assert changed(language="zh") == {
        *("deltableu", "refusals", "nonsense", "concept_answers", "skin_classes")
    }
    (tmp_path / "config.json").write_text("{}")
    assert changed(encoder=str(tmp_path)) == {"bertscore"}
    assert needs()["bertscore"][0] == "minilm"


def test_only_what_is_asked_for_is_measured(monkeypatch):
    monkeypatch.setattr(bertscore, "measure", lambda graded: pytest.fail("not asked for"))
    assert list(score_all(GRADED, ["deltableu", "words", "unknown"])) == ["words", "deltableu"]


def test_the_signature_of_a_difference_follows_from_that_of_a_score():
    score = Score(0, 0, 0, 1, "named|rule:first|names:1a|interval:wilson|v:1")
    assert difference_signature("named", score) == "difference of named|rule:first|v:1"
    assert difference_signature("words", score) == f"difference of {score.signature}"


def test_statistics_are_found_by_key():
    assert statistic_of("deltableu") is deltableu_from_sums
    for key in ("bertscore_f1", "named", "repeated", "from_training"):
        assert statistic_of(key) is mean_from_sums
    assert statistic_of("words") is None


def test_the_table_has_the_metrics_of_all_modules():
    declared = [key for module in list_modules() for key in getattr(module, "METRICS", {})]
    assert METRICS.keys() == set(declared)
    assert list(METRICS)[:5] == [
        "deltableu",
        "bertscore_f1",
        "bertscore_precision",
        "bertscore_recall",
        "named",
    ]


def test_a_new_metric_is_one_new_file(add_module):
    add_module("typed_signs", NEW)
    assert [module.__name__ for module in find_measures()][-1] == "helpers.metrics.typed_signs"
    assert list(collect_metrics()) == [*METRICS, "signs"]
    score = score_all(GRADED)["signs"].score
    assert (score.value, score.n) == ((13 + 12 + 9 + 13) / 5, 5)
    less = compare_answers(GRADED, Graded(CASES, {}, TRAINING), ["signs"])["signs"]
    assert less.value == -score.value and less.signature == "difference of signs|seeds:1"


def test_two_modules_cannot_declare_one_key(add_module):
    add_module("signs", NEW.replace('"signs": M', '"words": M'))
    with pytest.raises(ValueError, match="words"):
        collect_metrics()
