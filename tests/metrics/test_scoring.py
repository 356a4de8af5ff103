"""Scores of predictions, what is refused, and the constant baselines."""

import json

import pytest

from helpers.cases import Answer, Case, Reference
from helpers.files import LabError
from helpers.metrics.baselines import constant_answers
from helpers.metrics.scoring import score_predictions, scores_json

CASES = [
    Case("a", references=(Reference("It is eczema."), Reference("Use a mild steroid cream."))),
    Case("b", references=(Reference("Ringworm on the left arm"),)),
    Case("c", references=(Reference("Psoriasis of both elbows"),)),
]
RIGHT = [
    Answer("a", "it is Eczema."),
    Answer("b", "ringworm on the left arm"),
    Answer("c", "Psoriasis of both elbows"),
]


def value(cases, predictions, **settings):
    return (
        score_predictions(cases, predictions, metrics=["deltableu"], **settings)
        .scores["deltableu"]
        .value
    )


def test_both_metrics_with_names_and_intervals():
    found = score_predictions(CASES, RIGHT)
    assert list(found.scores) == [
        "deltableu",
        "bertscore_f1",
        "bertscore_precision",
        "bertscore_recall",
    ]
    assert found.scores["deltableu"].value == pytest.approx(100)
    for name in list(found.scores)[1:]:
        assert found.scores[name].value == pytest.approx(1, abs=1e-5)  # MiniLM knows no upper case
    assert found.n == 3 and found.missing == () and found.out_of_place == 0
    assert all(score.n == 3 for score in found.scores.values())


def test_json_forms():
    predictions = [Answer("b", "ringworm"), Answer("a", "It is eczema.")]
    found = score_predictions(CASES, predictions, seed=1)
    shown = json.loads(json.dumps(scores_json(found)))
    score = found.scores["bertscore_f1"]
    assert shown["BERTScore_en"] == score.value
    assert shown["BERTScore_en_interval"] == [score.low, score.high]
    assert (
        shown["deltableu_en_interval"][0]
        <= shown["deltableu_en"]
        <= shown["deltableu_en_interval"][1]
    )
    assert (shown["n"], shown["missing"], shown["missing_ids"]) == (3, 1, ["c"])
    assert (
        shown["signature"].startswith("deltaBLEU|mode:aligned|")
        and " BERTScore|mode:aligned|" in shown["signature"]
    )
    assert "out_of_place" not in shown
    assert {name for name in shown if name.startswith("BERTScore")} == {
        f"BERTScore{what}_en{more}"
        for what in ("", "_precision", "_recall")
        for more in ("", "_interval")
    }


def test_aligned_goes_by_id_and_official_by_position():
    turned = [RIGHT[1], RIGHT[2], RIGHT[0]]
    assert value(CASES, turned) == pytest.approx(100)
    assert value(CASES, turned, mode="official") < 10
    found = score_predictions(CASES, turned, mode="official")
    assert found.out_of_place == 3 and scores_json(found)["out_of_place"] == 3
    assert found.scores["bertscore_f1"].value < 0.95
    assert (
        score_predictions(CASES, turned, metrics=["bertscore"]).scores["bertscore_f1"].value > 0.999
    )


def test_official_lower_cases_only_the_answers():
    cases = [Case("a", references=(Reference("Psoriasis"),))]
    assert value(cases, [Answer("a", "Psoriasis")], mode="official") == pytest.approx(50)
    assert value(cases, [Answer("a", "Psoriasis")]) == pytest.approx(100)


def test_official_uses_weights_for_chinese_only():
    cases = [Case("a", references=(Reference("eczema", 0.6), Reference("rosacea", 1.0)))]
    answer = [Answer("a", "eczema")]
    assert value(cases, answer) == pytest.approx(60)
    assert value(cases, answer, mode="official") == pytest.approx(100)
    found = score_predictions(cases, answer, metrics=["deltableu"], mode="official", language="zh")
    assert found.scores["deltableu"].value == pytest.approx(60)
    assert "|weights:yes|" in found.scores["deltableu"].signature


def test_a_missing_answer_counts_as_an_empty_one():
    found = score_predictions(CASES, RIGHT[:2])
    empty = score_predictions(CASES, [*RIGHT[:2], Answer("c", "")])
    assert found.missing == ("c",) and empty.missing == ()
    assert {name: score.value for name, score in found.scores.items()} == {
        name: score.value for name, score in empty.scores.items()
    }
    assert found.scores["bertscore_f1"].value == pytest.approx(2 / 3, abs=1e-5)
    assert found.scores["deltableu"].value < 100


def test_no_answer_at_all_scores_nothing():
    found = score_predictions(CASES, [])
    assert [score.value for score in found.scores.values()] == [0, 0, 0, 0]
    assert found.missing == ("a", "b", "c")


@pytest.mark.parametrize("mode", ["aligned", "official"])
@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([*RIGHT[:2], Answer("x", "it")], "'x'"),
        ([*RIGHT[:2], RIGHT[0]], "'a' more than once"),
    ],
)
def test_unknown_and_doubled_ids_are_refused(mode, predictions, message):
    with pytest.raises(LabError, match=message):
        score_predictions(CASES, predictions, metrics=["deltableu"], mode=mode)


def test_official_needs_an_answer_for_every_case():
    with pytest.raises(LabError, match="2 answers for 3 cases.*mode aligned"):
        score_predictions(CASES, RIGHT[:2], metrics=["deltableu"], mode="official")


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ([*CASES, Case("d")], "1 of the 4 cases have no reference answer .*'d'"),
        ([Case("d"), Case("e", references=(Reference("  "),))], "2 of the 2 cases"),
        ([], "there are no cases"),
    ],
)
def test_cases_without_references_are_refused(cases, message):
    with pytest.raises(LabError, match=message):
        score_predictions(cases, [], metrics=["deltableu"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "fixed"}, "'fixed', but there are aligned and official"),
        ({"metrics": ["bleu"]}, "'bleu', but there are deltableu and bertscore"),
        ({"metrics": []}, "no metric"),
    ],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(LabError, match=message):
        score_predictions(CASES, RIGHT, **settings)


def test_one_metric_alone():
    assert list(score_predictions(CASES, RIGHT, metrics=["deltableu"]).scores) == ["deltableu"]
    found = scores_json(score_predictions(CASES, RIGHT, metrics=["bertscore"], language="es"))
    assert "BERTScore_es" in found and "deltableu_es" not in found


def test_constant_answers():
    train = [
        Case("1", references=(Reference("Psoriasis"), Reference("Eczema "))),
        Case(
            "2",
            references=(
                Reference(" Eczema"),
                Reference("Psoriasis"),
                Reference("  "),
                Reference(""),
            ),
        ),
        Case("3", references=(Reference("eczema"), Reference(" "), Reference(""))),
    ]
    assert constant_answers(train) == {
        "most frequent training answer": "Psoriasis",  # as frequent as "Eczema", and first
        "It is eczema.": "It is eczema.",
        "Fungal infection": "Fungal infection",
    }
    assert constant_answers(train[1:])["most frequent training answer"] == "Eczema"
    assert list(constant_answers([Case("4")])) == ["It is eczema.", "Fungal infection"]


def test_constant_predictions_are_scored_like_any_other():
    predictions = [Answer(case.id, "It is eczema.") for case in CASES]
    assert 0 < value(CASES, predictions) < 100
