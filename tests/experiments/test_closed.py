"""Closed questions to a VLM: what is asked, how an option is chosen, and what is made of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers.cases import Answer
from helpers.data import load_dataset
from helpers.data.closed_questions import (
    FORMS,
    QUESTION_OF,
    chosen,
    closed_records,
    read_closed_answers,
)
from helpers.data.images import open_image
from helpers.data.magic2025 import DEFINITIONS
from helpers.data.option_lists import listed_options, named_options, with_options
from helpers.experiments.closed_answers import Closed, ClosedAnswers, read_choice
from helpers.experiments.experiment import record_scored
from helpers.experiments.scores import Grading
from helpers.experiments.vlm_cases import first_image
from helpers.files import LabError, read_json, write_json
from helpers.metrics.closed_questions import score_closed
from helpers.metrics.options import groups_of_labels
from helpers.models.choosing import log_likelihoods
from helpers.models.processors import completion, read, turn_text
from helpers.models.refs import ModelRef
from helpers.models.vlm import load_vlm
from tests.data.test_magic2025 import definition, encounter, record

# The words


def test_a_question_is_asked_with_its_options_and_they_are_found_in_it():
    for language in ("en", "zh"):
        asked = with_options("What is it?", ["a wart", "a mole"], language)
        assert asked.startswith("What is it?") and listed_options(asked) == ("a wart", "a mole")
    assert with_options("What is it?", ["a wart"]) == "What is it? Options: a wart."
    assert listed_options("What is it?") == listed_options("Options: a") == ()


def test_an_option_is_named_by_any_of_its_names_as_a_whole_word_the_longest_one_first():
    names = {
        "eczema": ("eczema", "atopic dermatitis"),
        "contact dermatitis": ("contact dermatitis",),
        "dermatitis": ("dermatitis",),
    }
    assert named_options("Atopic Dermatitis, no contact dermatitis.", names) == [
        "eczema",
        "contact dermatitis",
    ]
    assert named_options("eczematous", names) == named_options("eczema", {}) == []


def test_of_an_answer_the_first_option_counts_or_all_where_several_may_be_right():
    asked = Closed(None, "?", {"acne": ("acne",), "scabies": ("scabies", "mites")}, True, False)
    said = Answer("1", "Mites, or acne.")
    assert asked.asked == "? Options: acne; scabies."
    one = read_choice(said, asked)
    assert (one.text, one.options) == ("scabies", {"scabies": 1.0})
    both = read_choice(said, Closed(None, "?", asked.names, False, True))
    assert (both.text, both.options) == ("scabies; acne", {"scabies": 0.5, "acne": 0.5})
    assert read_choice(Answer("1", "Who knows?"), asked).options == {}


# What is chosen from


def test_four_conditions_hold_the_right_one_at_any_place_and_others_by_lot(small):
    asked = small(ClosedAnswers, CHOICES="four", LIMIT=0)
    labels = {case.id: case.label for case in asked.cases()}
    drawn = {key: [*one.names] for key, one in asked.closed_questions(asked.cases()).items()}
    assert all(len({*four}) == 4 and labels[key] in four for key, four in drawn.items())
    assert len({four.index(labels[key]) for key, four in drawn.items()}) == 4
    assert drawn == {k: [*v.names] for k, v in asked.closed_questions(asked.cases()).items()}
    other = asked.but(seed=6)
    assert drawn != {k: [*v.names] for k, v in other.closed_questions(other.cases()).items()}


def test_one_of_all_is_asked_of_each_case_in_the_same_words(small):
    asked = small(ClosedAnswers, CHOICES="all", OPTIONS_LISTED=True)
    questions = [*asked.closed_questions(asked.cases()).values()]
    assert len({one.asked.partition(" Options: ")[2] for one in questions}) == 1
    options = [*questions[0].names]
    assert options == sorted(options) and listed_options(questions[0].asked) == tuple(options)
    unlisted = asked.but(listed=False)
    assert not any(
        listed_options(one.asked) for one in unlisted.closed_questions(unlisted.cases()).values()
    )


def test_cases_without_labels_and_options_cannot_be_asked(small, altered):
    root = Path(altered("valid", lambda entry, place: None))
    (root / "facts.json").unlink()
    asked = small(ClosedAnswers, DATA_ROOT=str(root))
    with pytest.raises(LabError, match="but it has no label and lists none"):
        asked.closed_questions(asked.cases())


# Likelihoods


@pytest.mark.parametrize("name", ["pocket/llava", "pocket/idefics2"])
def test_a_likelihood_is_that_of_the_whole_answer_read_in_one_pass(small, name):
    vlm, question = load_vlm(ModelRef(name)), "What is on the image?"
    case = small(ClosedAnswers).cases()[0]
    image, answers = open_image(first_image(case)), ["eczema.", "polymorphic light eruption."]
    found = log_likelihoods(vlm, image, question, answers)
    for place, answer in enumerate(answers):
        prompt = turn_text(vlm.processor, question)
        whole = prompt + completion(vlm.processor, question, answer)
        asked, inputs = (
            read(vlm.processor, [text], [image], padding_side="left") for text in (prompt, whole)
        )
        first = asked["input_ids"].shape[1]
        with torch.inference_mode():
            logits = vlm.model(**inputs).logits[0, first - 1 : -1]
        said = inputs["input_ids"][0, first:]
        expected = logits.log_softmax(-1).gather(-1, said[:, None]).sum()
        assert float(found[place]) == pytest.approx(float(expected), abs=1e-3)


def test_blip_2_says_that_its_likelihoods_cannot_be_had(small):
    case = small(ClosedAnswers).cases()[0]
    vlm = load_vlm(ModelRef("pocket/skingpt4"))
    with pytest.raises(LabError, match="'skingpt4', which does not hand on .* answers be read"):
        log_likelihoods(vlm, open_image(first_image(case)), "What is it?", ["acne.", "scabies."])


# Whole runs


def test_the_most_probable_option_is_the_answer_and_scored_as_one(small):
    run = record_scored(small(ClosedAnswers, CHOICES="four"), Grading())
    assert run.record["name"].startswith("pocket/llava, P1, one of four, by likelihood; ")
    for answer in run.answers.read().values():
        assert len(answer.options) == 4 and sum(answer.options.values()) == pytest.approx(
            1, abs=1e-4
        )
        assert answer.text == max(answer.options, key=answer.options.get)
    assert {"accuracy", "top_3", "calibration_error"} <= run.scores.keys()
    assert "bertscore_f1" not in run.scores and run.record["nothing_chosen"] == 0


def test_the_class_first_then_its_conditions(small):
    run = record_scored(small(ClosedAnswers, CHOICES="class_first"), Grading())
    for answer in run.answers.read().values():
        assert len(set(groups_of_labels(answer.options).values())) == 1
        assert 0 < sum(answer.options.values()) <= 1
        assert answer.text in answer.options


@pytest.mark.slow
def test_what_is_read_is_an_option_or_nothing(small):
    run = record_scored(small(ClosedAnswers, CHOSEN_BY="reading", MAX_NEW_TOKENS=30), Grading())
    answers = run.answers.read().values()
    assert run.record["nothing_chosen"] == sum(not one.text for one in answers)
    assert all([*one.options] == [one.text] for one in answers if one.text)


# MAGIC 2025


@pytest.mark.slow
def test_magics_questions_are_asked_with_their_own_options_and_give_a_submission(small, tmp_path):
    seen = first_image(small(ClosedAnswers).cases()[0])
    write_json(tmp_path / DEFINITIONS, [definition(qid) for qid in QUESTION_OF])
    write_json(tmp_path / "valid_cvqa.json", [record("V1"), record("V2")])
    write_json(tmp_path / "valid_ht.json", [encounter("V1", seen.name), encounter("V2")])
    images = tmp_path / "images_final" / "images_valid"
    images.mkdir(parents=True)
    shutil.copy(seen, images)
    asked = small(ClosedAnswers, DATASET="magic2025", DATA_ROOT=str(tmp_path), LIMIT=0)
    case = asked.cases()[0]
    question = asked.closed_questions([case])[case.id]
    assert (*question.names,) == listed_options(case.question)
    assert question.asked.count("Options:") == 1 and question.several
    run = record_scored(asked, Grading())
    shown, without = read_json(run.folder / "data_cvqa_sys.json")
    assert score_closed([record("V1"), record("V2")], [shown, without]).encounters == 2
    assert shown["encounter_id"] == "V1" and set(without.values()) - {"V2"} <= {
        form.options - 1 for form in FORMS.values()
    }
    assert run.record["nothing_chosen"] == len(FORMS)


def test_the_truth_of_magics_records_comes_back_from_its_cases(shared):
    root = shared / "data" / "magic2025"
    cases = load_dataset("magic2025", root).split("valid")
    truth = {case.id: Answer(case.id, case.references[0].text) for case in cases}
    expected = read_closed_answers(root / "valid_cvqa.json")
    found = closed_records(cases, truth)
    assert [one["encounter_id"] for one in found] == [one["encounter_id"] for one in expected]
    for mine, theirs in zip(found, expected):
        assert [chosen(mine, name) for name in FORMS] == [chosen(theirs, name) for name in FORMS]


def test_what_is_no_option_or_not_answered_is_not_mentioned(shared):
    cases = load_dataset("magic2025", shared / "data" / "magic2025").split("valid")[: len(FORMS)]
    (none,) = closed_records(cases, {cases[0].id: Answer(cases[0].id, "?; !")})
    assert [chosen(none, name) for name in FORMS] == [(f.options - 1,) for f in FORMS.values()]
    assert closed_records([replace(case, question="What is it?") for case in cases], {}) == []
