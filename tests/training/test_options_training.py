"""The training of a text classifier on options: steps, what they compare, and interruptions."""

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from helpers.cases import Case
from helpers.files import read_json
from helpers.models.refs import ModelRef
from helpers.models.text_classifiers import load_text_classifier, new_text_classifier
from helpers.training.chain import Example, Places, chain_steps
from helpers.training.options_recipe import OptionsRecipe
from helpers.training.options_training import A_PART, _loss, _rate, train_on_options

LLAMA = ModelRef("pocket/llama")
PLACES = Places(("acne", "eczema", "rosacea"), {"acne": "a", "eczema": "b", "rosacea": "a"})
CASES = [
    Case(f"c{number}", context=f"{text} It is case {number}.", label=label)
    for number, (label, text) in enumerate(
        [("acne", "Pimples."), ("eczema", "Itching."), ("rosacea", "Flushing.")] * 3
    )
]
OPTIONS = {case.id: {"acne": 0.5, "eczema": 0.3, "rosacea": 0.2} for case in CASES}
SMALL = {"rank": 2, "batch": 2, "max_length": 64, "learning_rate": 0.01}


class Stopped(Exception):
    pass


@pytest.fixture
def train(tmp_path):
    """A function that trains; returns the log and the classifier."""

    def make(name, *, report=lambda row: None, options=OPTIONS, **more):
        recipe = OptionsRecipe(**SMALL | {"steps": 4} | more)
        classifier = new_text_classifier(LLAMA, PLACES.count, recipe)
        steps = chain_steps(CASES, options, PLACES, recipe)
        facts = {"labels": list(PLACES.labels), "outputs": PLACES.count}
        folder = tmp_path / name
        log = train_on_options(classifier, steps, facts, folder, recipe=recipe, report=report)
        assert [path.name for path in folder.iterdir()] == ["diagnoser"]
        return log, load_text_classifier(LLAMA, folder / "diagnoser", recipe)[0]

    return make


@pytest.mark.slow
@pytest.mark.parametrize("options", [OPTIONS, {}], ids=["options", "stories alone"])
def test_every_variant_takes_as_many_steps(train, options):
    taken = []
    handle = register_optimizer_step_post_hook(lambda *given: taken.append(1))
    try:
        counts = []
        for variant in ("chain", "yes_no", "options"):
            log, _ = train(variant, variant=variant, steps=7, options=options)
            counts.append((len(taken), log[-1]["step"]))
            taken.clear()
    finally:
        handle.remove()
    assert counts == [(7, 7)] * 3


@pytest.mark.slow
def test_variants_end_in_other_weights_and_the_same_one_in_the_same(train):
    runs = ("chain", "chain"), ("again", "chain"), ("b", "yes_no"), ("c", "options")
    first, again, *others = (train(name, variant=one)[1].trained() for name, one in runs)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for other in others:
        assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_llm_itself_stays_as_it_is_under_an_adapter(train):
    recipe = OptionsRecipe(**SMALL)
    before = new_text_classifier(LLAMA, PLACES.count, recipe).model.state_dict()
    _, after = train("lora")
    moved = [name for name, one in after.model.state_dict().items() if not one.equal(before[name])]
    assert moved and all("lora_" in name or "score" in name for name in moved)


@pytest.mark.slow
def test_a_training_learns_its_stories(train):
    log, classifier = train("whole", whole=True, steps=100, batch=4, learning_rate=2e-3)
    assert [row["step"] for row in log] == [20, 40, 60, 80, 100]
    assert log[-1]["loss"] < log[0]["loss"] / 3
    texts = [f"{case.context} Options: acne, eczema, rosacea." for case in CASES]
    found = classifier.score_all(texts)[:, :3].argmax(1).tolist()
    assert [PLACES.labels[place] for place in found] == [case.label for case in CASES]


@pytest.mark.slow
def test_an_interrupted_training_ends_as_an_undisturbed_one(train, tmp_path):
    steps = 2 * A_PART + 5
    log, whole = train("whole", steps=steps)

    def stop(row):
        if row["step"] == 2 and "loss" in row:
            raise Stopped

    with pytest.raises(Stopped):
        train("parts", report=stop, steps=steps)
    assert [path.name for path in (tmp_path / "parts").rglob("checkpoint-*")] == ["checkpoint-2"]
    seen = []
    again, parts = train("parts", report=seen.append, steps=steps)
    assert again == log and [row["step"] for row in seen] == [2, 3]
    assert all(torch.equal(one, whole.trained()[name]) for name, one in parts.trained().items())
    facts = [read_json(path) for path in tmp_path.glob("*/diagnoser/diagnoser.json")]
    assert facts[0] == facts[1] and facts[0]["outputs"] == 7


def test_an_answer_is_compared_with_those_of_its_own_question_only():
    """Scores of other questions' outputs have no part in the loss, whatever they are."""
    classifier = new_text_classifier(LLAMA, PLACES.count, OptionsRecipe(**SMALL))
    head = next(one for name, one in classifier.trained().items() if "score" in name)
    for outputs in (PLACES.for_labels, PLACES.for_classes, PLACES.for_yes_no):
        head.grad = None
        loss = _loss(classifier, [Example("It itches.", outputs, outputs[1])])
        loss.backward()
        moved = head.grad.abs().sum(1).nonzero()[:, 0].tolist()
        assert moved == list(outputs)
        scores = classifier.scores(["It itches."])[0, list(outputs)]
        assert loss.item() == pytest.approx(-scores.log_softmax(0)[1].item(), abs=1e-5)


def test_the_rate_rises_in_a_few_steps_and_falls_to_nothing():
    rates = [_rate(step, 200) for step in range(201)]
    peak = rates.index(max(rates))
    assert peak in range(15, 25) and rates[0] < 0.1 and rates[200] == 0
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:])[::-1]
