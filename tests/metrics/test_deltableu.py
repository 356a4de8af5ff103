"""deltaBLEU against worked tables, the challenge's own numbers and sacrebleu; the bootstrap against
a plain loop.
"""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from helpers.cases import Reference, read_answers
from helpers.data.dermavqa import load_references
from helpers.files import LabError
from helpers.metrics import scores
from helpers.metrics.deltableu import deltableu_from_sums, deltableu_signature, deltableu_statistics
from helpers.metrics.scores import bootstrap_interval, mean_score, score_of
from helpers.metrics.scoring import score_predictions

GOLDEN_FILES = [
    ("reddit_valid", "direct.json"),
    ("reddit_valid", "model_1.json"),
    ("reddit_valid", "model_2.json"),
    ("iiyi_valid", "constant_fungal.json"),
    ("iiyi_valid", "constant_eczema.json"),
    ("iiyi_valid", "train_round_robin.json"),
    ("iiyi_valid", "first_reference.json"),
]


def deltableu(answers, references, **settings) -> float:
    """The score of answers against one list of (text, weight) per answer."""
    references = [[Reference(text, weight) for text, weight in texts] for texts in references]
    return float(
        deltableu_from_sums(deltableu_statistics(answers, references, **settings).sum(axis=0))
    )


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        (
            "it is eczema",
            [("It is eczema", 1)],
            100,
        ),  # only three tokens: the fourth order does not count
        ("eczema", [("it is eczema", 1)], 100 * math.exp(1 - 3)),  # brevity alone
        (
            "a b c d",
            [("a b x y", 1)],
            100 * (2 / 4 * 1 / 3 * 1 / (2 * 2) * 1 / (4 * 1)) ** (1 / 4),
        ),  # two orders smoothed
        ("rosacea", [("eczema", 1)], 50),  # no match at all is smoothed too
        (
            "a b",
            [("a", 1), ("a b c", 1)],
            100,
        ),  # references equally close in length: the shorter, so no penalty
        ("a b", [("a b c", 1), ("a", 1)], 100),
        ("a b", [("a b c d", 1), ("a b c", 1)], 100 * math.exp(1 - 3 / 2)),
        (
            "a a a",
            [("a a", 1)],
            100 * (2 / 3 * 1 / 2 * 1 / (2 * 1)) ** (1 / 3),
        ),  # matches clipped at the reference's count
        ("a", [("a a", 1)], 100 * math.exp(1 - 2)),  # ... and at the answer's
        ("a a", [("a b", 1), ("a a", 1)], 100),  # ... at the highest of all references
        (
            "eczema",
            [("eczema", 0.6)],
            100,
        ),  # a low weight costs nothing where there is no better reference
        ("eczema", [("eczema", 0.6), ("rosacea", 1.0)], 60),
        (
            "eczema",
            [("eczema", 0.6), ("eczema", 0.9), ("rosacea", 1.0)],
            90,
        ),  # the highest weight that holds it
        ("", [("eczema", 1)], 0),
        ("   ", [("eczema", 1)], 0),
    ],
)
def test_worked_cases(answer, references, expected):
    assert deltableu([answer], [references]) == pytest.approx(expected, abs=1e-9)


def test_corpus_score_is_a_ratio_of_sums_not_a_mean():
    # 1 of 4 tokens and 0 of 1 pair match, two pairs are counted; lengths 4 and 4.
    answers, references = ["a b", "c d"], [[("a x", 1)], [("y z", 1)]]
    assert deltableu(answers, references) == pytest.approx(100 * (1 / 4 * 1 / (2 * 2)) ** (1 / 2))
    assert deltableu(answers[:1], references[:1]) == pytest.approx(50)


def test_published_toy_example_of_deltableu():
    """The four values of the toy corpus in mgalley/sacreBLEU, with every word exchanged for one of
    ours.
    """
    references = [
        ["the rash looks mild .", "we looks harmless ."],
        ["we looks dry .", "i treated the scar ."],
        ["we looks better .", "i saw the scar ."],
        ["we looks fine .", "we felt fine ."],
        ["we won't hurt that bad", "we isn't that bad ."],
        ["we turned septic .", "we looks infected ."],
    ]
    weights = [[1, 1], [0.7, 0.6], [0.3, 0.3], [0, 0], [-0.1, -0.1], [-1, -1]]
    good = ["the rash looks rather better .", "the scar looks harmless ."]
    bad = ["the rash turned septic .", "the scar looks infected ."]
    weighted = [
        [(texts[case], weight[case]) for texts, weight in zip(references, weights)]
        for case in (0, 1)
    ]
    assert deltableu(good, weighted, weighted=False) == pytest.approx(36.28, abs=0.005)
    assert deltableu(bad, weighted, weighted=False) == pytest.approx(42.04, abs=0.005)
    assert deltableu(good, weighted) == pytest.approx(33.11, abs=0.005)
    assert deltableu(bad, weighted) == pytest.approx(7.14, abs=0.005)


def test_unit_values_of_the_challenge_scorer(shared):
    units = json.loads((shared / "golden" / "expected.json").read_text(encoding="utf-8"))["unit"]
    assert len(units) == 8
    for unit in units:
        references = [
            list(zip(texts, weights)) for texts, weights in zip(unit["refs"], unit["weights"])
        ]
        found = deltableu(unit["hyps"], references, lower_references=False)
        assert found == pytest.approx(unit["official"], abs=1e-9), unit


@pytest.mark.parametrize(("folder", "file"), GOLDEN_FILES)
def test_scores_of_the_challenge_scorer(shared, folder, file):
    golden = json.loads((shared / "golden" / "expected.json").read_text(encoding="utf-8"))[folder]
    expected = golden["files"][file]
    references = shared / "golden" / golden["references"]
    authors = shared / "golden" / golden["authors"] if "authors" in golden else None
    predictions = read_answers(shared / "golden" / folder / file)
    tolerance = 1e-6 if folder == "reddit_valid" else 1e-5
    runs = [("official", "official", None), ("aligned", "aligned", None)]
    if authors:
        # The official program forgets the weights in English, so they must make no difference
        # there.
        runs += [("aligned_weighted", "aligned", authors), ("official", "official", authors)]
    for name, mode, table in runs:
        cases = load_references(references, table)
        found = score_predictions(cases, predictions, metrics=["deltableu"], mode=mode).scores[
            "deltableu"
        ]
        assert found.value == pytest.approx(expected[name], abs=tolerance), name
        assert found.low <= found.value <= found.high


def test_equals_sacrebleu_where_weights_are_equal():
    from sacrebleu.metrics.bleu import BLEU

    generator = np.random.default_rng(3)
    words = "a b c d e, f. (g) eczema's 1.5% &amp; <b> l'eczéma 湿".split()

    def text(max_side):
        return " ".join(generator.choice(words, size=generator.integers(1, max_side)))

    for _ in range(50):
        answers = [text(12) for _ in range(5)]
        references = [[text(12) for _ in range(3)] for _ in answers]
        expected = BLEU(effective_order=True).corpus_score(answers, list(zip(*references))).score
        assert expected > 0
        assert deltableu(
            answers, [[(one, 1) for one in texts] for texts in references]
        ) == pytest.approx(expected)


def test_chinese_is_split_into_characters():
    assert deltableu(["湿疹"], [[("湿 疹", 1)]], language="zh") == pytest.approx(100)
    assert deltableu(["湿疹"], [[("湿 疹", 1)]], language="en") < 50


def test_sums_keep_their_leading_shape():
    statistics = deltableu_statistics(["a b", "c"], [[Reference("a x")], [Reference("c d")]])
    stacked = np.stack(
        [np.stack([statistics[0], statistics[1]]), np.stack([statistics.sum(axis=0)] * 2)]
    )
    found = deltableu_from_sums(stacked)
    assert found.shape == (2, 2)
    assert found[0, 0] == pytest.approx(float(deltableu_from_sums(statistics[0])))
    assert found[1, 1] == pytest.approx(float(deltableu_from_sums(statistics.sum(axis=0))))


@pytest.mark.parametrize(
    "references", [[], [Reference("eczema", weight=0)], [Reference("eczema", weight=-0.5)]]
)
def test_a_case_without_a_positive_weight_is_refused(references):
    with pytest.raises(LabError, match="weight above 0 .* case 2"):
        deltableu_statistics(["a", "b"], [[Reference("a")], references])


def test_signature_states_the_settings():
    plain, weighted = [[Reference("a")]], [[Reference("a", 0.7)]]
    aligned = deltableu_signature(weighted, mode="aligned", language="en")
    assert aligned.startswith(
        "deltaBLEU|mode:aligned|weights:yes|case:lc|tok:13a|smooth:exp|eff:yes|sacrebleu:"
    )
    assert "|weights:no|" in deltableu_signature(plain, mode="aligned", language="en")
    official = deltableu_signature(weighted, mode="official", language="en")
    assert "|mode:official|weights:no|case:lc-answers-only|" in official
    assert "|weights:yes|" in (
        chinese := deltableu_signature(weighted, mode="official", language="zh")
    )
    assert "|tok:zh" in chinese


def test_bootstrap_equals_a_plain_loop_over_repeated_texts():
    generator = np.random.default_rng(1)
    words = list("abcdefg")
    answers = [" ".join(generator.choice(words, size=6)) for _ in range(12)]
    texts = [[" ".join(generator.choice(words, size=7)) for _ in range(2)] for _ in answers]
    references = [[Reference(first, 0.7), Reference(second)] for first, second in texts]
    plain = []
    for counts in np.random.default_rng(5).multinomial(12, [1 / 12] * 12, size=40):
        drawn = np.repeat(np.arange(12), counts)
        statistics = deltableu_statistics(
            [answers[case] for case in drawn], [references[case] for case in drawn]
        )
        plain.append(float(deltableu_from_sums(statistics.sum(axis=0))))
    found = bootstrap_interval(
        deltableu_statistics(answers, references), deltableu_from_sums, seed=5, resamples=40
    )
    assert found == pytest.approx(tuple(np.percentile(plain, [2.5, 97.5])))
    assert found[0] < found[1]


def test_bootstrap_of_a_mean_has_the_textbook_width():
    values = np.random.default_rng(2).normal(0.8, 0.1, size=400)
    score = mean_score(values, signature="x")
    assert score.value == pytest.approx(values.mean())
    half_width = 1.96 * values.std() / math.sqrt(400)
    assert score.low == pytest.approx(values.mean() - half_width, abs=0.2 * half_width)
    assert score.high == pytest.approx(values.mean() + half_width, abs=0.2 * half_width)


def test_bootstrap_is_the_same_for_the_same_seed_and_any_block_size(monkeypatch):
    values = np.random.default_rng(4).random(30)
    whole = mean_score(values, signature="x", seed=1)
    assert mean_score(values, signature="x", seed=2).low != whole.low
    monkeypatch.setattr(scores, "BLOCK", 70)  # two resamples at a time
    assert mean_score(values, signature="x", seed=1) == whole


def test_bootstrap_of_constant_data_has_no_width():
    statistics = deltableu_statistics(["a b c"] * 9, [[Reference("a b d")]] * 9)
    score = score_of(statistics, deltableu_from_sums, signature="x")
    assert score.low == pytest.approx(score.value) and score.high == pytest.approx(score.value)
    assert 0 < score.value < 100 and score.n == 9
    assert score.as_dict() == {
        "value": score.value,
        "interval": [score.low, score.high],
        "n": 9,
        "signature": "x",
    }


def test_no_model_library_is_imported():
    """A command that only needs deltaBLEU must start at once."""
    program = """
import sys
from helpers.cases import Answer, Case, Reference
from helpers.metrics.scoring import score_predictions
cases = [Case("1", references=(Reference("a"),))]
score_predictions(cases, [Answer("1", "a")], metrics=["deltableu"])
print([name for name in ("torch", "transformers", "bert_score", "pandas") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
