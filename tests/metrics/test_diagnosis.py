"""The condition named first is the answer's diagnosis; longer names hide shorter ones; labels may
be a user's own.
"""

import random

import pytest

from helpers.cases import Answer, Case
from helpers.files import LabError
from helpers.metrics.diagnosis import JUDGEMENTS, judge, measure, named
from helpers.metrics.measure import Graded
from helpers.metrics.scores import share_score, wilson_interval
from helpers.pocket import doctors
from helpers.pocket.conditions import by_id, load_conditions


@pytest.mark.parametrize(
    "text, names",
    [
        ("", []),
        ("Please go to a hospital.", []),
        ("It is ECZEMA!", ["eczema"]),
        ("Atopic dermatitis or plaque psoriasis; eczema again", ["eczema", "psoriasis"]),
        ("psoriasis, not eczema", ["psoriasis", "eczema"]),
        ("seborrheic eczema", ["seborrheic dermatitis"]),
        ("papular urticaria, less likely urticaria", ["insect bite reaction", "urticaria"]),
        ("herpes zoster", ["herpes zoster"]),
        ("herpes on the lip, no zoster", ["herpes simplex", "herpes zoster"]),
        ("moles", ["melanocytic nevus"]),
        ("benign naevi", ["melanocytic nevus"]),
        ("seborrhoeic keratoses", ["seborrheic keratosis"]),
        ("basal-cell  carcinomas\nand basal_cell_carcinoma", ["basal cell carcinoma"]),
        ("insect bites", ["insect bite reaction"]),
        ("ringworm's edge", ["tinea corporis"]),
        ("guacamole, eczematous, dermatitis", []),
    ],
)
def test_conditions_named_in_a_text(text, names):
    assert named(text) == names


@pytest.mark.parametrize("condition", load_conditions(), ids=lambda condition: condition.id)
def test_every_name_stands_for_its_own_condition_only(condition):
    for name in (*condition.names, condition.id):
        for text in (name, f"({name.upper()})", f"Looks like {name}."):
            assert named(text) == [condition.name]
            assert judge(text, condition.name) == judge(text, name) == "correct"


@pytest.mark.parametrize(
    "text, label, judgement",
    [
        ("It is ringworm.", "tinea corporis", "correct"),
        ("It is ringworm.", "Body ringworm", "correct"),
        ("tinea corporis, rule out psoriasis", "tinea corporis", "correct"),
        ("psoriasis, rule out tinea corporis", "tinea corporis", "similar disease"),
        ("acne or tinea corporis", "tinea corporis", "wrong"),
        ("A biopsy would settle it.", "tinea corporis", "none named"),
        ("", "tinea corporis", "none named"),
        # A user's label, by its own words.
        ("Granuloma annulare, I think", "granuloma annulare", "correct"),
        ("granuloma-annulare or eczema", "Granuloma annulare", "correct"),
        ("eczema or granuloma annulare", "granuloma annulare", "wrong"),
        ("a granuloma", "granuloma annulare", "none named"),
        ("discoid lupus", "lupus", "correct"),
        ("cysts everywhere", "cyst", "correct"),
        ("Nevus (benign)!", "nevus (benign)", "correct"),
    ],
)
def test_the_first_named_condition_is_held_against_the_label(text, label, judgement):
    assert judge(text, label) == judgement
    assert judgement in JUDGEMENTS


def test_a_blank_label_is_refused():
    with pytest.raises(LabError, match="no label"):
        judge("eczema", " ")


def test_the_rule_finds_the_opinion_in_every_style_of_the_pocket_doctors():
    rng, staff = random.Random(1), doctors.staff(7)
    for condition in load_conditions():
        for _ in range(40):
            reply = doctors.reply(rng.choice(staff), condition, rng)
            opinion = [by_id()[reply["opinion"]].name] if reply["opinion"] else []
            assert named(reply["content_en"])[:1] == opinion


def test_the_share_counts_labelled_cases_and_missing_answers():
    cases = [
        Case("1", label="acne"),
        Case("2", label="scabies"),
        Case("3"),
        Case("4", label="hives"),
    ]
    answers = {
        "1": Answer("1", "acne vulgaris"),
        "2": Answer("2", "eczema"),
        "3": Answer("3", "acne"),
    }
    score = measure(Graded(cases, answers, ()))["named"].score
    assert (score.value, score.n) == (1 / 3, 3) and score.low < 1 / 3 < score.high
    assert score.signature.startswith("named|rule:first|names:")
    assert measure(Graded([Case("3")], answers, ())) == {}


@pytest.mark.parametrize(
    "count, n, low, high",
    [
        # Worked by hand: (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n).
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 3, 0.0615, 0.7923),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_intervals(count, n, low, high):
    assert wilson_interval(count, n) == pytest.approx((low, high), abs=5e-5)
    score = share_score([True] * count + [False] * (n - count), signature="x")
    assert score.low <= score.value <= score.high and score.n == n
