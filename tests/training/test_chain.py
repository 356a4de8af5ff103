"""What a Chain of Options reads and is asked: lists of options with and without the right one."""

import re
from dataclasses import replace

import pytest

from helpers.cases import Case
from helpers.metrics.options import groups_of_labels
from helpers.pocket.conditions import load_conditions
from helpers.training.chain import (
    Places,
    chain_steps,
    most_probable,
    read_with,
    with_truth,
)
from helpers.training.options_recipe import GROWING, OptionsRecipe
from helpers.training.options_training import _batch

NAMES = tuple(sorted(condition.name for condition in load_conditions()))
PLACES = Places(NAMES, groups_of_labels(NAMES))
COUNT = 5


def options_from(start):
    """Probabilities of all labels, the one at `start` highest, then those behind it."""
    turned = NAMES[start:] + NAMES[:start]
    total = sum(range(1, 27))
    return {label: (26 - place) / total for place, label in enumerate(turned)}


CASES = [
    Case(f"c{number}", context=f"Story {number}.", label=NAMES[number * 3 % 26])
    for number in range(13)
]
OPTIONS = {case.id: options_from(number) for number, case in enumerate(CASES)}


def steps(variant, cases=CASES, options=OPTIONS, **more):
    recipe = OptionsRecipe(variant=variant, count=COUNT, **more)
    return chain_steps(cases, options, PLACES, recipe)


def listed(text):
    found = re.fullmatch(r"(?:Story \d+\. ?)?(?:Options: (.*)\.)?", text)
    assert found, text
    return found[1].split(", ") if found[1] else []


def test_a_story_is_read_with_its_options_or_alone():
    assert read_with("It itches.", ["acne", "eczema"]) == "It itches. Options: acne, eczema."
    assert read_with("It itches.", []) == "It itches."
    assert read_with("", ["acne"]) == "Options: acne."


def test_places_do_not_overlap_and_cover_every_output():
    ranges = (PLACES.for_labels, PLACES.for_classes, PLACES.for_yes_no)
    assert [place for one in ranges for place in one] == list(range(PLACES.count))
    assert [len(one) for one in ranges] == [26, 15, 2]


def test_the_most_probable_come_in_their_order():
    given = {"a": 0.1, "b": 0.5, "c": 0.15, "d": 0.25}
    assert most_probable(given, 3) == ["b", "d", "c"]
    assert most_probable(given, 9) == ["b", "d", "c", "a"] and most_probable({}, 3) == []


@pytest.mark.parametrize(
    ("label", "count", "expected"),
    [
        ("b", 2, ["b", "d"]),
        ("d", 2, ["b", "d"]),
        ("a", 2, ["b", "a"]),
        ("c", 3, ["b", "d", "c"]),
        ("a", 1, ["a"]),
        ("unknown to the image model", 2, ["b", "unknown to the image model"]),
    ],
)
def test_the_truth_is_put_where_its_probability_puts_it(label, count, expected):
    given = {"a": 0.1, "b": 0.5, "c": 0.15, "d": 0.25}
    assert with_truth(given, label, count) == expected


def test_without_options_no_truth_is_told():
    assert with_truth({}, "acne", 5) == []


def test_the_lists_of_a_chain_grow_and_hold_the_truth_and_the_last_one_is_the_image_models():
    *growing, last = steps("chain")
    assert [len(one) for one in (*growing, last)] == [13] * 4
    for count, examples in zip(GROWING, growing):
        for case, example in zip(CASES, examples):
            names = listed(example.text)
            assert len({*names}) == count and case.label in names
            order = [OPTIONS[case.id][name] for name in names]
            assert order == sorted(order, reverse=True)
            others = [one for one in names if one != case.label]
            assert (
                others
                == [one for one in most_probable(OPTIONS[case.id], 26) if one != case.label][
                    : count - 1
                ]
            )
    assert GROWING == (2, 5, 10)
    with_it = 0
    for case, example in zip(CASES, last):
        names = listed(example.text)
        assert names == most_probable(OPTIONS[case.id], COUNT)
        with_it += case.label in names
    assert 0 < with_it < 13  # as the image model has it


@pytest.mark.parametrize("variant", ["chain", "yes_no", "options"])
def test_the_right_output_is_the_label_whatever_is_listed(variant):
    for examples in steps(variant):
        for example in examples:
            assert example.right in example.outputs
    for case, example in zip(CASES, steps(variant)[-1]):
        assert (example.outputs, NAMES[example.right]) == (PLACES.for_labels, case.label)


@pytest.mark.parametrize("variant", ["chain", "yes_no", "options"])
def test_the_last_step_reads_the_same_whatever_the_labels_are(variant):
    other = [replace(case, label=NAMES[-1 - number]) for number, case in enumerate(CASES)]
    own = steps(variant)
    changed = steps(variant, cases=other)
    assert [one.text for one in own[-1]] == [one.text for one in changed[-1]]
    assert [one.right for one in own[-1]] != [one.right for one in changed[-1]]
    if len(own) > 1:  # what comes before is of the label
        assert [one.text for one in own[0]] != [one.text for one in changed[0]]


def test_one_option_at_a_time_is_asked_about_then_the_class():
    every, last = steps("yes_no")
    no, yes = PLACES.for_yes_no
    assert len(every) == 39 and len(last) == 13
    for case, rows in zip(CASES, zip(*(every[start::3] for start in range(3)))):
        first, second, third = rows
        assert listed(first.text) == [case.label]
        assert (first.outputs, first.right) == (PLACES.for_yes_no, yes)
        (distractor,) = listed(second.text)
        assert distractor in most_probable(OPTIONS[case.id], COUNT) and distractor != case.label
        assert (second.outputs, second.right) == (PLACES.for_yes_no, no)
        assert listed(third.text) == most_probable(OPTIONS[case.id], COUNT)
        assert third.outputs == PLACES.for_classes
        classes = PLACES.classes[third.right - PLACES.for_classes.start]
        assert classes == next(c.skin_class for c in load_conditions() if c.name == case.label)


def test_distractors_are_drawn_by_the_seed():
    texts = [[one.text for one in steps("yes_no", seed=seed)[0]] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_where_the_only_option_is_the_truth_nothing_is_denied():
    (case, *_) = CASES
    every, _ = steps("yes_no", cases=[case], options={case.id: {case.label: 1.0}})
    assert [one.right for one in every[:1]] == [PLACES.for_yes_no[1]] and len(every) == 2


@pytest.mark.parametrize("variant", ["chain", "yes_no", "options"])
def test_stories_alone_have_one_step_and_no_options(variant):
    (only,) = steps(variant, options={})
    assert [one.text for one in only] == [case.context for case in CASES]


@pytest.mark.parametrize("variant", ["chain", "options"])
def test_a_case_without_an_image_is_read_alone_in_every_step(variant):
    some = {case_id: row for case_id, row in OPTIONS.items() if case_id != "c4"}
    for examples in steps(variant, options=some):
        assert examples[4].text == CASES[4].context
        assert all(listed(one.text) for one in examples[:4] + examples[5:])


def test_a_step_learns_each_example_once_before_any_twice():
    (examples,) = steps("options")
    recipe = OptionsRecipe(batch=4, steps=100)
    rounds = [
        [
            one
            for number in range(3 * turn, 3 * turn + 3)
            for one in _batch(examples, number, recipe)
        ]
        for turn in range(4)
    ]
    for one in rounds:
        assert len({example.text for example in one}) == len(one) == 12
    assert rounds[0] != rounds[1]
    again = _batch(examples, 5, recipe)
    assert again == _batch(examples, 5, recipe)
    assert again != _batch(examples, 5, OptionsRecipe(batch=4, seed=1))


def test_fewer_examples_than_a_batch_are_all_learnt_at_once():
    (examples,) = steps("options", cases=CASES[:3])
    batch = _batch(examples, 7, OptionsRecipe(batch=16))
    assert sorted(one.text for one in batch) == sorted(one.text for one in examples)
