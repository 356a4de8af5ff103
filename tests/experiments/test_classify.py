"""Image classifiers as experiments: what is learnt, what is classified, and what cannot be."""

import shutil
from itertools import islice

import pytest

from helpers.data import Cases
from helpers.experiments.classify import Classify, options_of
from helpers.experiments.experiment import record, record_scored, run_id
from helpers.experiments.scores import Grading
from helpers.experiments.train_classifier import LabelledImages, TrainClassifier
from helpers.files import LabError, read_json
from helpers.metrics.options import METRICS
from helpers.models.image_models import load_classifier


@pytest.fixture
def copied(diagnosis, tmp_path):
    """A folder of drawings that may be changed."""
    return shutil.copytree(diagnosis / "conditions", tmp_path / "conditions")


@pytest.fixture
def few(diagnosis, tmp_path):
    """A function that makes folders of classes of so many drawings each."""

    def make(**names):
        found = {
            split: sorted((diagnosis / "conditions").glob(f"{split}/*/drawing-*.jpg"))
            for split in names
        }
        pictures = {split: iter(paths) for split, paths in found.items()}
        root = tmp_path / "few"
        for split, classes in names.items():
            for name, count in classes.items():
                (root / split / name).mkdir(parents=True)
                for path in islice(pictures[split], count):
                    shutil.copy(path, root / split / name)
        return str(root)

    return make


def cases_of(experiment, split):
    return experiment.images.load().split(split)


def test_copies_are_not_learnt_unless_they_are_kept(diagnosing):
    removed, kept = (diagnosing(TrainClassifier, DUPLICATES=one) for one in ("remove", "keep"))
    planted = {case.id for case in cases_of(removed, "train") if "/photo-" in case.id}
    assert {one.case_id for one in removed.images.copies()} == planted
    learnt = {case.id for case in removed.images.splits()["train"]}
    assert learnt == {case.id for case in cases_of(kept, "train")} - planted
    assert kept.images.copies() == []
    assert kept.images.splits()["train"] == cases_of(kept, "train")
    assert len(removed.but({"TRAIN_LIMIT": 9}).images.splits()["train"]) == 9


def test_what_is_tested_stays_whole(diagnosing):
    assert len(diagnosing(Classify).cases()) == 24


@pytest.mark.slow
def test_the_run_says_what_was_learnt_and_left_out(diagnosing):
    experiment = diagnosing(TrainClassifier)
    run = record(experiment)
    assert run.record["training_records"] == 60
    assert run.record["left_out"] == len(experiment.images.copies()) > 4
    assert [row["epoch"] for row in read_json(run.folder / "training.json")] == [1, 2]
    trained = load_classifier(experiment.model, run.folder / "classifier")
    assert trained.labels == experiment.labels() == tuple(sorted({*trained.labels}))
    assert trained.side == 32 and trained.temperature != 1


def test_the_id_follows_images_and_labels_and_not_where_they_lie(diagnosing, copied):
    own, elsewhere = (
        diagnosing(TrainClassifier),
        diagnosing(TrainClassifier, DATA_ROOT=str(copied)),
    )
    assert run_id(own) == run_id(elsewhere)
    kept = elsewhere.but({"DUPLICATES": "keep"})
    ids = {run_id(elsewhere), run_id(kept)}
    # A picture of the test split decides what is left out, and nothing where all is kept.
    path = next(copied.glob("test/*/*.jpg"))
    shutil.copy(next(copied.glob("train/*/*.jpg")), path)
    assert run_id(elsewhere) not in ids and run_id(kept) in ids
    ids |= {run_id(elsewhere)}
    path = next(copied.glob("train/*/*.jpg"))
    path.write_bytes(path.read_bytes() + b"more")
    assert not {run_id(elsewhere), run_id(kept)} & ids


@pytest.mark.slow
def test_what_is_classified_has_all_labels_with_their_probabilities(diagnosing):
    experiment = diagnosing(Classify)
    run = record_scored(experiment, Grading())
    answers = run.answers.read()
    labels = experiment.classifier.labels()
    assert answers.keys() == {case.id for case in experiment.cases()}
    for answer in answers.values():
        assert sorted(answer.options) == list(labels)
        assert sum(answer.options.values()) == pytest.approx(1, abs=2e-4)
        assert list(answer.options.values()) == sorted(answer.options.values(), reverse=True)
        assert answer.text == next(iter(answer.options))
    assert run.scores.keys() >= METRICS.keys() and run.record["without_image"] == 0
    right = [answers[case.id].text == case.label for case in experiment.cases()]
    assert run.scores["accuracy"].value == pytest.approx(sum(right) / 24)


@pytest.mark.slow
def test_a_label_that_was_not_learnt_is_answered_and_wrong(diagnosing):
    experiment = diagnosing(Classify, TRAIN_LIMIT=20)
    labels = set(experiment.classifier.labels())
    foreign = [case for case in experiment.cases() if case.label not in labels]
    assert 0 < len(foreign) < 24
    run = record_scored(experiment, Grading())
    answers = run.answers.read()
    assert all({*answers[case.id].options} == labels for case in foreign)
    assert run.scores["accuracy"].n == 24
    assert run.scores["top_3"].value <= 1 - len(foreign) / 24
    valid = experiment.classifier.images.splits()["valid"]
    assert 0 < len(valid) < 24 and {case.label for case in valid} <= labels


def answers_of(experiment):
    return record(experiment).answers.read()


@pytest.mark.slow
def test_a_temperature_changes_how_sure_and_not_what_is_said(diagnosing):
    plain = diagnosing(Classify)
    sure, raw = (answers_of(plain.but(calibrated=one)) for one in (True, False))
    assert {one: answer.text for one, answer in sure.items()} == {
        one: answer.text for one, answer in raw.items()
    }
    run = record(plain.classifier)
    temperature = load_classifier(plain.classifier.model, run.folder / "classifier").temperature
    for one in sure:
        powers = {name: share ** (1 / temperature) for name, share in raw[one].options.items()}
        expected = {name: power / sum(powers.values()) for name, power in powers.items()}
        assert sure[one].options == pytest.approx(expected, abs=1e-3) != raw[one].options


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"views": 4}, {"damage": "dark"}, {"damage": "crop"}])
def test_views_and_damage_change_probabilities_of_the_same_classifier(diagnosing, change):
    plain = diagnosing(Classify)
    other = plain.but(**change)
    first, second = answers_of(plain), answers_of(other)
    assert first.keys() == second.keys()
    assert sum(first[one].options != second[one].options for one in first) > 20
    assert run_id(plain) != run_id(other) and run_id(plain.classifier) == run_id(other.classifier)


def test_a_class_with_one_example_is_learnt(diagnosing, few):
    root = few(train={"acne": 5, "rosacea": 1}, test={"acne": 2})
    experiment = diagnosing(Classify, DATA_ROOT=root, DUPLICATES="keep")
    answers = answers_of(experiment)
    assert len(answers) == 2
    assert all({*answer.options} == {"acne", "rosacea"} for answer in answers.values())


@pytest.mark.parametrize("classes", [{"acne": 6}, {}])
def test_fewer_than_two_labels_are_refused(diagnosing, few, classes):
    root = few(train=classes, test={"acne": 2})
    with pytest.raises(
        LabError, match=f"has {6 * bool(classes)} training images .* two labels"
    ) as t:
        record(diagnosing(TrainClassifier, DATA_ROOT=root, DUPLICATES="keep"))
    assert len(str(t.value).splitlines()) == 1 and "DATASET" in str(t.value)


def test_a_limit_that_leaves_one_label_is_refused(diagnosing, few):
    root = few(train={"acne": 4, "rosacea": 4}, test={"acne": 1})
    with pytest.raises(LabError, match="of 1 labels, but it takes two"):
        record(diagnosing(TrainClassifier, DATA_ROOT=root, TRAIN_LIMIT=1))


def test_a_limit_takes_images_from_all_of_them_and_not_the_first_folder(diagnosing, few):
    root = few(train={"acne": 4, "rosacea": 4}, test={"acne": 1})
    images = diagnosing(TrainClassifier, DATA_ROOT=root, TRAIN_LIMIT=4).images
    learnt = images.splits()["train"]
    assert [case.label for case in learnt] == ["acne", "acne", "rosacea", "rosacea"]
    assert len({case.id for case in learnt}) == 4


@pytest.mark.parametrize("duplicates", ["remove", "keep"])
def test_a_broken_training_image_is_named_in_one_sentence(diagnosing, copied, duplicates):
    path = next(copied.glob("train/*/drawing-*.jpg"))
    path.write_bytes(path.read_bytes()[:200])
    experiment = diagnosing(TrainClassifier, DATA_ROOT=str(copied), DUPLICATES=duplicates)
    with pytest.raises(LabError, match=f"The image {path.name} was to be classified, but") as told:
        record(experiment)
    assert len(str(told.value).splitlines()) == 1


def test_a_broken_image_of_another_split_hinders_only_who_reads_it(diagnosing, copied):
    path = next(copied.glob("test/*/*.jpg"))
    path.write_bytes(b"\xff\xd8\xff no picture")
    experiment = diagnosing(Classify, DATA_ROOT=str(copied))
    assert record(experiment.classifier).done
    with pytest.raises(LabError, match=f"The image {path.name} was to be classified, but"):
        record(experiment)


def test_a_classifier_that_timm_does_not_know_is_refused_by_its_parameter(diagnosing):
    with pytest.raises(LabError, match="CLASSIFIER is 'resnet1', which timm could not build"):
        record(diagnosing(TrainClassifier, CLASSIFIER="resnet1"))


@pytest.fixture
def mixed(diagnosis, tmp_path):
    """A table of stories, some of which have no picture, or one that is not on disk."""
    root = tmp_path / "mixed"
    (root / "images").mkdir(parents=True)
    for number, path in enumerate(sorted((diagnosis / "stories" / "images").iterdir())[:20]):
        shutil.copy(path, root / "images" / f"a{3 * number}.jpg")
    rows = [f"Story {n}.,acne,{(f'a{n}.jpg', f'lost{n}.jpg', '')[n % 3]}" for n in range(60)]
    (root / "stories.csv").write_text("\n".join(["story,condition,image", *rows]) + "\n")
    return str(root)


@pytest.mark.slow
def test_cases_without_an_image_are_counted_and_wrong(diagnosing, mixed):
    data = Cases(name="stories", root=mixed, split="train")
    experiment = diagnosing(Classify).but(data=data)
    without = [case for case in experiment.cases() if not case.images_on_disk]
    run = record_scored(experiment, Grading())
    assert run.record["without_image"] == len(without) > 3
    answers = run.answers.read()
    assert len(answers) == len(experiment.cases()) - len(without)
    assert not answers.keys() & {case.id for case in without}
    right = sum(answer.text == "acne" for answer in answers.values())
    assert run.scores["accuracy"].value == pytest.approx(right / len(experiment.cases()))


def test_cases_none_of_which_has_an_image_are_refused(diagnosing, mixed):
    shutil.rmtree(f"{mixed}/images")
    data = Cases(name="stories", root=mixed, split="train")
    with pytest.raises(LabError, match="split 'train' of 'stories' were .* none is on disk"):
        record(diagnosing(Classify).but(data=data))


def test_options_are_ordered_and_the_first_one_is_the_answer():
    best, options = options_of(("a", "b", "c"), (0.2, 0.7000004, 0.0999996))
    assert best == "b" and list(options.items()) == [("b", 0.7), ("a", 0.2), ("c", 0.1)]


def test_the_images_that_are_learnt_have_a_label_and_are_on_disk(mixed):
    images = LabelledImages(name="stories", root=mixed, duplicates="keep")
    train = images.load().split("train")
    here = sum(bool(case.images_on_disk) for case in train)
    assert 0 < here < len(train)
    with pytest.raises(LabError, match=f"has {here} training images .* of 1 labels"):
        images.splits()
