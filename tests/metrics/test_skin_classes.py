"""Which of SkinGPT-4's classes an answer names first, and scores worked out by hand."""

import random

import pytest
from sklearn.metrics import f1_score

from helpers.cases import Answer, Case
from helpers.data import load_dataset
from helpers.data.dermnet import OTHERS, diagnosis_sentence, major_class, major_classes
from helpers.metrics import skin_classes
from helpers.metrics.claims import compare_answers
from helpers.metrics.measure import Graded
from helpers.metrics.skin_class_words import CLASS_WORDS
from helpers.metrics.skin_classes import class_named, classes, measure
from helpers.pocket.conditions import load_conditions
from helpers.pocket.skin_sets import class_folders

PSORIASIS, MOLES = "Psoriasis and lichen planus", "Melanoma, nevi and moles"
NAMED = {
    "": "",
    "Please go to a hospital.": "",
    "It is ECZEMA!": "Dermatitis",
    "atopic-dermatitis\nof the hand": "Dermatitis",
    # the first one counts
    "psoriasis, eczema, acne, herpes": PSORIASIS,
    "eczema, not psoriasis": "Dermatitis",
    "not psoriasis but eczema": PSORIASIS,
    "a wart or a seborrheic keratosis": OTHERS,
    # a longer name hides a shorter one in it
    "papular urticaria": "Infestations and bites",
    "urticarial vasculitis": OTHERS,
    "urticaria pigmentosa": OTHERS,
    "dermatitis herpetiformis": "Bullous disease",
    "eczema herpeticum": "Herpes",
    "herpes gestationis": "Bullous disease",
    "perioral dermatitis": "Acne and rosacea",
    "lupus vulgaris, not lupus": "Bacterial infections",
    "mycosis fungoides": "Malignant lesions",
    "malignant melanoma": MOLES,
    "melanoma skin cancer": MOLES,
    "non-melanoma skin cancer": "Malignant lesions",
    "a seborrhoeic wart": "Benign tumors",
    "a spider naevus": "Vascular tumors",
    "pityriasis rosea": PSORIASIS,
    "pityriasis versicolor": "Fungal infections",
    # spelling, plurals, apostrophes
    "Benign tumours": "Benign tumors",
    "a vascular tumour": "Vascular tumors",
    "haemangiomas": "Vascular tumors",
    "seborrhoeic keratoses": "Benign tumors",
    "naevi and moles": MOLES,
    "athlete’s foot": "Fungal infections",
    "Bowen's disease": "Malignant lesions",
    # parts of other words
    "guacamole, herpetic, warty, eczematous, acneiform": "",
}
LABELS = ["Dermatitis", "Dermatitis", PSORIASIS, PSORIASIS, "Herpes", OTHERS, "Herpes"]
ANSWERS = ["Eczema", "psoriasis or eczema", "", "plaque psoriasis", "shingles", "lupus", "a wart"]


def graded(labels, answers, language="en"):
    cases = [Case(str(place), label=label) for place, label in enumerate(labels)]
    found = {case.id: Answer(case.id, text) for case, text in zip(cases, answers)}
    return Graded(cases, found, [], language)


def values(labels, answers):
    return {key: one.score.value for key, one in measure(graded(labels, answers)).items()}


@pytest.mark.parametrize(("text", "name"), NAMED.items())
def test_the_class_that_is_named_first(text, name):
    assert class_named(text) == name


def test_every_class_is_named_by_its_sentence_and_by_its_folders():
    assert len(classes()) == 15
    assert {name: class_named(diagnosis_sentence(name)) for name in classes()} == {
        name: name for name in classes()
    }
    assert class_named(diagnosis_sentence(OTHERS)) == ""
    named = {folder: class_named(diagnosis_sentence(folder)) for folder in major_classes()}
    assert named == major_classes()


def test_every_word_stands_for_its_own_class_only():
    assert CLASS_WORDS.keys() == {*classes(), OTHERS}
    words = [(word, name) for name, found in CLASS_WORDS.items() for word in found]
    assert len({word for word, _ in words}) == len(words)
    assert [(word, name) for word, name in words if class_named(word) != name] == []


def test_every_condition_of_the_clinic_stands_for_the_class_of_its_folder():
    for condition in load_conditions():
        own = major_class(class_folders()[condition.skin_class])
        assert {class_named(name) for name in condition.names} == {own}, condition.id


def test_scores_by_hand():
    """Of six (Others is left out) three are right. F1 of dermatitis is 2 * 1 / (2 + 1), of
    psoriasis 2 * 1 / (2 + 2), of herpes 2 * 1 / (2 + 1).
    """
    found = measure(graded(LABELS, ANSWERS))
    share, macro = found["class_accuracy"], found["class_macro_f1"]
    assert (share.score.value, share.score.n) == (0.5, 6)
    assert (macro.score.value, macro.score.n) == (pytest.approx(11 / 18), 6)
    assert share.cases == macro.cases == ("0", "1", "2", "3", "4", "6")
    assert share.columns.tolist() == [[1, 1], [0, 1], [0, 1], [1, 1], [1, 1], [0, 1]]
    true, named, both = (macro.columns.sum(axis=0)[start : start + 15] for start in (0, 15, 30))
    assert dict(zip(classes(), zip(true, named, both)))[PSORIASIS] == (2, 2, 1)
    assert (true.sum(), named.sum(), both.sum()) == (6, 4, 3)


def test_macro_f1_is_that_of_scikit_learn_over_the_classes_that_are_labels():
    rng = random.Random(5)
    labels = [rng.choice(classes()[:9]) for _ in range(200)]
    said = [label if rng.random() < 0.4 else rng.choice([*classes(), ""]) for label in labels]
    expected = f1_score(labels, said, labels=sorted(set(labels)), average="macro", zero_division=0)
    found = measure(graded(labels, said))["class_macro_f1"].score
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high


def test_constants_and_naming_everything_score_low_and_the_sentence_scores_all():
    labels = list(classes())
    one = {"class_accuracy": 1 / 15, "class_macro_f1": 2 / 16 / 15}
    assert values(labels, ["It is eczema."] * 15) == pytest.approx(one)
    assert values(labels, [", ".join(["eczema", *classes()])] * 15) == pytest.approx(one)
    assert values(labels, []) == {"class_accuracy": 0, "class_macro_f1": 0}
    assert values(labels, map(diagnosis_sentence, labels)) == {
        "class_accuracy": 1,
        "class_macro_f1": 1,
    }


def test_a_class_that_is_no_label_takes_nothing_away_but_the_answer():
    assert values(["Herpes", "Urticaria"], ["herpes", "acne"])["class_macro_f1"] == 0.5


@pytest.mark.parametrize(
    "labels",
    [
        ["Dermatitis", "Dermatitis"],
        ["Dermatitis", "Urticaria", "urticaria"],
        ["Dermatitis", "Urticaria", ""],
        [OTHERS, "Urticaria"],
        [condition.name for condition in load_conditions()],
        ["urticaria", "acne"],
        list(major_classes()),
        [],
    ],
)
def test_other_cases_are_left_alone(labels):
    assert measure(graded(labels, ["eczema"] * len(labels))) == {}


def test_the_clinics_cases_and_other_languages_are_left_alone(clinic):
    assert not {one for condition in load_conditions() for one in condition.names} & {*classes()}
    for split in ("train", "valid", "test"):
        cases = load_dataset("pocket", clinic / "iiyi").split(split)
        assert measure(Graded(cases, {}, [])) == {} and any(case.label for case in cases)
    assert measure(graded(LABELS, ANSWERS, "zh")) == {}


def test_answers_are_compared_and_scores_depend_on_labels():
    first, second = graded(LABELS, [""] * 7), graded(LABELS, ANSWERS)
    found = compare_answers(first, second, list(skin_classes.METRICS))
    assert {key: one.value for key, one in found.items()} == pytest.approx(
        {"class_accuracy": 0.5, "class_macro_f1": 11 / 18}
    )
    assert found["class_accuracy"].signature == (
        "difference of class_accuracy|rule:first|v:1|seeds:1"
    )
    other = graded([*LABELS[:-1], "Urticaria"], ANSWERS)
    assert skin_classes.depends_on(first) == skin_classes.depends_on(second)
    assert skin_classes.depends_on(first) != skin_classes.depends_on(other)
