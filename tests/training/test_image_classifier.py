"""The training of image classifiers, setting by setting, on a few drawn images."""

import pytest
import torch

from helpers.models.image_models import build_image_model, load_classifier
from helpers.models.image_refs import ImageModelRef
from helpers.training.image_augmentation import augment_batch, mix
from helpers.training.image_classifier import (
    Labelled,
    Learner,
    as_places,
    fit_temperature,
    train_classifier,
)
from helpers.training.image_recipe import ImageRecipe

LABELS = ("bright", "dark", "striped")
# Nothing but what a test sets has an effect.
PLAIN = {
    "augment": False,
    "balance": False,
    "schedule": "constant",
    "label_smoothing": 0.0,
    "mixup": 0.0,
    "averaging": False,
}


def recipe(**more):
    return ImageRecipe(**{"side": 32, "epochs": 2, "batch": 4, "learning_rate": 1e-3} | more)


@pytest.fixture(scope="module")
def images():
    """Twelve images of three kinds that are easily told apart."""
    draws = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 40, (12, 3, 32, 32), generator=draws)
    targets = as_places([0, 1, 2] * 4)
    noise[targets == 0] += 200
    noise[targets == 2, :, ::4] += 200
    return Labelled(noise.to(torch.uint8), targets)


@pytest.fixture
def train(tmp_path, images):
    """A function that trains; returns the log and what was written."""

    def make(name="small-resnet", labels=LABELS, given=images, valid=images, frozen=False, **more):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        ref = ImageModelRef(name=name, frozen=frozen)
        log = train_classifier(
            ref, labels, given, valid, folder, recipe=recipe(**more), report=lambda row: None
        )
        assert [path.name for path in folder.iterdir()] == ["classifier"]
        return log, load_classifier(ref, folder / "classifier")

    return make


def weights(classifier):
    return classifier.model.state_dict()


def same(one, other):
    return {name for name in one if torch.equal(one[name], other[name])}


def learner(images, name="small-resnet", frozen=False, **more):
    ref = ImageModelRef(name=name, frozen=frozen)
    torch.manual_seed(0)
    return Learner(build_image_model(ref, 3, 32), ref, images, recipe(**more))


@pytest.mark.slow
def test_a_classifier_learns_what_is_easily_told_apart(train, images):
    log, trained = train(epochs=12, **PLAIN)
    assert [row["epoch"] for row in log] == list(range(1, 13))
    assert log[-1]["loss"] < log[0]["loss"] / 3
    assert trained.scores(images.pixels).argmax(1).tolist() == images.targets.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small-vgg", "small-efficientnet", "small-vit"])
def test_every_family_is_trained(train, name):
    log, trained = train(name)
    assert len(log) == 2 and trained.model.num_classes == 3


@pytest.mark.slow
def test_the_same_seed_ends_in_the_same_weights(train):
    first, again, other = (weights(train(seed=seed)[1]) for seed in (5, 5, 6))
    assert same(first, again) == {*first}
    assert not same(first, other) & {name for name in first if name.endswith("weight")}


@pytest.mark.parametrize(
    "change",
    [
        *({"augment": True}, {"balance": True}, {"schedule": "cosine"}, {"label_smoothing": 0.2}),
        *({"mixup": 0.5}, {"averaging": True}, {"weight_decay": 1.0}, {"learning_rate": 0.01}),
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_the_recipe_changes_what_is_learnt(train, change):
    plain, other = (weights(train(**PLAIN | more)[1]) for more in ({}, change))
    assert "fc.weight" not in same(plain, other)


@pytest.mark.parametrize("name", ["small-resnet", "small-vgg", "efficientnet-lite0"])
def test_of_a_frozen_one_the_last_layer_learns_alone(images, name):
    one = learner(images, name, frozen=True, **PLAIN)
    before = {key: value.clone() for key, value in one.model.state_dict().items()}
    for number in range(2):
        one.epoch(number)
    moved = {*before} - same(before, one.model.state_dict())
    head = {key for key in before if key.split(".")[0] in ("fc", "head", "classifier")}
    last = {key for key in head if "fc" in key or "classifier" in key}
    assert moved == last and len(last) == 2


def test_of_one_that_is_not_frozen_every_layer_learns(images):
    one = learner(images, **PLAIN)
    before = {key: value.clone() for key, value in one.model.named_parameters()}
    one.epoch(0)
    assert not same(before, dict(one.model.named_parameters()))


@pytest.fixture
def rare():
    """A hundred images of a frequent label, and four of another one."""
    return Labelled(torch.zeros(104, 3, 32, 32, dtype=torch.uint8), as_places([0] * 100 + [1] * 4))


def test_balance_draws_a_rare_label_about_as_often_as_a_frequent_one(rare):
    one = learner(rare, balance=True)
    torch.manual_seed(0)
    drawn = torch.cat([torch.cat(list(one._batches())) for _ in range(20)])
    assert len(drawn) == 20 * 104
    assert 0.45 < float((rare.targets[drawn] == 1).float().mean()) < 0.55


def test_without_balance_every_image_is_shown_once(rare):
    one = learner(rare, balance=False)
    orders = [torch.cat(list(one._batches())).tolist() for _ in range(2)]
    assert [sorted(order) for order in orders] == [list(range(104))] * 2
    assert orders[0] != orders[1]


def test_a_last_batch_of_one_image_is_left_out(images):
    one = learner(Labelled(images.pixels[:9], images.targets[:9]), balance=False)
    assert [len(rows) for rows in one._batches()] == [4, 4]
    assert one.epoch(0) > 0


def test_the_rate_rises_and_falls_to_nothing_with_cosine_and_stays_without(images):
    cosine, constant = (
        learner(images, epochs=20, schedule=name) for name in ("cosine", "constant")
    )
    rates = [cosine._rate(step) for step in range(60)]
    peak = rates.index(1.0)
    assert 0 < rates[0] < 1 and 4 <= peak <= 7
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:])[::-1]
    assert rates[-1] < 0.01 and cosine._rate(10**6) == 0
    assert {constant._rate(step) for step in range(60)} == {1.0}


def test_a_moving_average_lies_between_first_and_last_weights(images):
    one = learner(images, **PLAIN | {"averaging": True})
    first = one.kept.fc.weight.detach().clone()
    one.epoch(0)
    start = one.kept.fc.weight.detach().clone()
    one.epoch(1)
    last = one.model.fc.weight.detach()
    kept = one.kept.fc.weight.detach()
    assert one.kept is not one.model
    assert 0 < (kept - start).norm() < (last - start).norm() and not torch.equal(first, start)


def test_labels_with_one_image_and_no_validation_images_are_trained(train, images):
    few = Labelled(images.pixels[[0, 1, 2, 3]], as_places([0, 1, 2, 0]))
    none = Labelled(images.pixels[:0], as_places([]))
    _, trained = train(given=few, valid=none)
    assert trained.temperature == 1.0
    assert trained.scores(images.pixels).shape == (12, 3)


def test_scores_that_are_too_sure_get_a_temperature_above_one():
    draws = torch.Generator().manual_seed(2)
    scores = torch.randn(400, 5, generator=draws)
    targets = torch.multinomial(scores.softmax(1), 1, generator=draws)[:, 0]
    assert fit_temperature(scores, targets) == pytest.approx(1, abs=0.2)
    for factor in (4.0, 0.25):
        found = fit_temperature(factor * scores, targets)
        assert found == pytest.approx(factor, rel=0.2)
        assert torch.equal((factor * scores / found).argmax(1), scores.argmax(1))
    assert fit_temperature(scores[:0], targets[:0]) == 1.0


@pytest.mark.slow
def test_the_temperature_is_fitted_on_the_validation_images(train, images):
    """Of wrong labels nothing is sure; of right ones it is."""
    wrong = Labelled(images.pixels, (images.targets + 1) % 3)
    found = {
        name: train(epochs=8, valid=valid, **PLAIN)[1].temperature
        for name, valid in (("right", images), ("wrong", wrong))
    }
    assert found["wrong"] > 5 > 1 > found["right"]


def test_mixed_labels_are_shares_that_add_up_to_one_as_their_images_are_mixed():
    torch.manual_seed(4)
    targets = torch.eye(6)
    numbers = torch.arange(6.0)[:, None, None, None].expand(6, 3, 2, 2)
    shares = set()
    for _ in range(8):
        mixed, said = mix(numbers, targets, 0.4)
        assert torch.allclose(said.sum(1), torch.ones(6)) and said.min() >= 0
        # An image that is the number of its label shows which labels are in it.
        assert torch.allclose(mixed[:, 0, 0, 0], said @ torch.arange(6.0), atol=1e-5)
        shares.add(round(float(said.max()), 4))
    assert len(shares) > 4


def test_images_are_made_a_little_different_each_in_its_own_way():
    torch.manual_seed(4)
    ramp = torch.linspace(-0.8, 0.8, 32).expand(16, 3, 32, 32).clone()
    made = augment_batch(ramp)
    assert made.shape == ramp.shape and made.isfinite().all()
    assert not [1 for k in range(16) for j in range(k) if torch.equal(made[k], made[j])]
    slopes = made[:, 0, 16].diff(dim=1).mean(1)
    assert {bool(slope > 0) for slope in slopes} == {True, False}  # some are mirrored
    assert made.min() > -1.2 and made.max() < 1.2
    # An even image only becomes a little brighter or darker, without an edge anywhere.
    even = augment_batch(torch.full((16, 3, 32, 32), 0.5))
    assert even.amax((1, 2, 3)).sub(even.amin((1, 2, 3))).max() < 1e-5
    assert 0.05 < (even - 0.5).abs().amax() < 0.23
