"""Training in stages: what goes on from what, killed and taken up, and what cannot be."""

import pytest
import torch

from helpers.data import load_dataset
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.experiment import layers, record, record_scored, run_id
from helpers.experiments.image_control import ImageControl
from helpers.experiments.nonsense_answers import NonsenseAnswers
from helpers.experiments.scores import Grading
from helpers.experiments.stage import Stage
from helpers.experiments.stage_data import CaptionStage, QuestionStage
from helpers.experiments.studies import make_experiment
from helpers.experiments.trainings import in_stages
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.files import LabError
from helpers.models.refs import Vlm
from helpers.models.vlm import load_vlm
from helpers.pocket.scans import build_scans
from helpers.pocket.skin_sets import build_skin_sets

SIZES = {"train": 12, "validation": 3, "test": 3, "scans": 20, "slides": 4}
QUICK = {
    "MODEL": "pocket/idefics2",
    "STEPS": 2,
    "EPOCHS": 0.0,
    "BATCH": 2,
    "TRAIN_LIMIT": 6,
    "WARMUP_STEPS": 0,
}
LORA = {"RECIPE": "lora", "RANK": 2, "LEARNING_RATE": 0.01}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans") / "made"
    build_scans(folder, sizes=SIZES)
    return folder


@pytest.fixture
def stages(scans):
    """A function that gives both stages at miniature size."""

    def make(**parameters):
        plain = Stage.of_profile("pocket", QUICK | parameters)
        first = {"DATASET": "roco", "DATA_ROOT": str(scans / "roco"), "PROMPT": "caption"}
        second = {"DATASET": "vqa_rad", "DATA_ROOT": str(scans / "vqa_rad"), "PROMPT": "brief"}
        return [plain.but(first), plain.but(second)]

    return make


def asked(scans, **parameters):
    given = {"DATASET": "vqa_rad", "DATA_ROOT": str(scans / "vqa_rad"), "SPLIT": "test", "LIMIT": 4}
    given |= {"PROMPT": "brief", "MODEL": "pocket/idefics2", "MAX_NEW_TOKENS": 6}
    return VlmAnswers.of_profile("pocket", given | parameters)


def test_each_stage_is_a_run_that_names_the_one_before_it(stages, scans):
    first, second = stages()
    both = in_stages([first, second])
    assert run_id(both) != run_id(second) and run_id(both.start) == run_id(first)
    whole = asked(scans).but(adapter=both)
    assert [[one.kind() for one in row] for row in layers([whole])] == [
        *(["stage"], ["stage"], ["vlm_answers"]),
    ]
    assert both.label() == (
        "pocket/idefics2 + whole text tower, caption (roco), 2 steps of 6 cases, then brief "
        "(vqa_rad), 2 steps of 6 cases"
    )


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [{}, LORA], ids=["whole", "lora"])
def test_a_later_stage_goes_on_from_the_weights_of_the_one_before(stages, scans, recipe):
    both = in_stages(stages(**recipe))
    run = record(both)
    assert run.record["parents"] == {"start": f"stage/{run_id(both.start)}"}
    answered = record_scored(asked(scans).but(adapter=both), Grading())
    assert {"exact_match", "token_f1", "published_containment"} <= set(answered.scores)
    # A second stage that hardly moves ends where the first one did.
    still = in_stages([both.start, both.but(start=None)]).but({"recipe.learning_rate": 1e-12})
    ref = Vlm(name="pocket/idefics2")
    weights = [
        load_vlm(ref.but(adapter=record(one).folder / "adapter")).model.state_dict()
        for one in (both.start, still, both)
    ]
    names = [name for name in weights[0] if "text_model" in name]
    first, unmoved, moved = ([one[name] for name in names] for one in weights)
    assert max((a - b).abs().max() for a, b in zip(first, unmoved)) < 1e-6
    assert max((a - b).abs().max() for a, b in zip(first, moved)) > 1e-4


@pytest.mark.slow
def test_a_stage_may_go_on_from_an_adapter_that_is_there(stages):
    first, second = stages(**LORA)
    given = GivenAdapter(folder=str(record(first).folder))
    assert record(in_stages([given, second])).done


@pytest.mark.slow
def test_stages_of_two_recipes_are_refused(stages):
    (whole, _), (_, lora) = stages(), stages(**LORA)
    with pytest.raises(LabError, match="give all stages one `recipe`|one RECIPE"):
        record(in_stages([whole, lora]))
    (first, _), (_, other) = stages(**LORA), stages(**LORA | {"RANK": 4})
    with pytest.raises(LabError, match="'rank': 4.*made one of .*'rank': 2"):
        record(in_stages([first, other]))


def test_stages_that_cannot_be_are_refused(stages, tmp_path):
    first, second = stages()
    given = GivenAdapter(folder=str(tmp_path))
    with pytest.raises(LabError, match="goes on from no stage before it"):
        in_stages([first, given])
    with pytest.raises(LabError, match="none of them trains"):
        in_stages([given])
    with pytest.raises(LabError, match="all stages train one model"):
        run_id(in_stages([first.but({"MODEL": "pocket/llava"}), second]))
    with pytest.raises(LabError, match="`backend` is 'unsloth'"):
        in_stages([first, second]).but(backend="unsloth").trained_by()


def test_a_study_makes_stages_of_a_list_each_with_its_own_changes(scans):
    data = {"DATASET": "vqa_rad", "DATA_ROOT": str(scans / "vqa_rad"), "SPLIT": "test"}
    captions = {
        "kind": "stage",
        "DATASET": "roco",
        "DATA_ROOT": str(scans / "roco"),
        "PROMPT": "caption",
    }
    questions = {"kind": "stage", "PROMPT": "brief", "TRAIN_LIMIT": 5}
    changes = data | {"MODEL": "pocket/idefics2", "PROMPT": "expert", "RANK": 3}
    made = make_experiment("vlm_answers", changes | {"adapter": [captions, questions]}, 4)
    second, first = made.adapter, made.adapter.start
    assert (first.data.name, second.data.name, made.data.name) == ("roco", "vqa_rad", "vqa_rad")
    assert [one.prompt.name for one in (first, second, made)] == ["caption", "brief", "expert"]
    assert (second.data.limit, second.recipe.rank, first.recipe.seed) == (5, 3, 4)


def test_the_stages_of_a_profile_are_the_papers():
    """Med-Idefics, section 5.1."""
    captions, questions = (kind.of_profile("t4") for kind in (CaptionStage, QuestionStage))
    assert (captions.epochs, captions.learning_rate) == (3.0, 1e-5)
    assert (questions.epochs, questions.learning_rate) == (2.0, 1e-4)
    recipe = Stage.of_profile("t4").recipe
    assert (recipe.recipe, recipe.rank, recipe.alpha, recipe.dropout) == ("lora", 8, 8, 0.1)
    assert (recipe.vision, recipe.batch, recipe.accumulation) == ("connector", 2, 8)
    assert (recipe.warmup_steps, recipe.weight_decay) == (50, 0.01)
    stage = questions.of(Stage.of_profile("pocket"))
    assert (stage.data.name, stage.prompt.name) == ("vqa_rad_by_image", "brief")


def test_nonsense_is_asked_about_images_of_another_set(scans):
    found = NonsenseAnswers.of_profile(
        "pocket",
        {
            "DATASET": "med_halt_fake",
            "DATA_ROOT": str(scans / "nonsense"),
            "SPLIT": "test",
            "IMAGES_OF": "vqa_rad",
            "IMAGES_ROOT": str(scans / "vqa_rad"),
            "PROMPT": "brief",
            "LIMIT": 5,
        },
    )
    shown = found.images(found.cases())
    pictures = {case.images[0] for case in load_dataset("vqa_rad", scans / "vqa_rad").training}
    assert len(shown) == 5 and set(shown.values()) <= pictures
    assert shown == found.images(found.cases())
    assert shown != found.but(seed=2).images(found.cases())


def test_another_kind_asks_the_same_of_the_same_model(stages, scans):
    answers = asked(scans).but(adapter=stages()[1])
    control = answers.as_kind(ImageControl, shown="another", seed=5)
    assert isinstance(control, ImageControl) and (control.shown, control.seed) == ("another", 5)
    for name in ("data", "model", "prompt", "decoding", "adapter"):
        assert getattr(control, name) == getattr(answers, name)
    shown, own = (one.images(answers.cases()) for one in (control, answers))
    assert shown.keys() == own.keys() and not any(shown[one] == own[one] for one in own)


@pytest.mark.slow
def test_both_steps_of_skingpt4_train_the_projection_alone(tmp_path):
    build_skin_sets(tmp_path / "skin", sizes={"concepts": 30, "train": 12, "test": 6})
    name = "pocket/skingpt4"
    plain = Stage.of_profile(
        "pocket", QUICK | {"MODEL": name, "RECIPE": "projection", "LEARNING_RATE": 0.01}
    )
    concepts = {
        "DATASET": "skincon_held_out",
        "DATA_ROOT": str(tmp_path / "skin" / "skincon"),
        "PROMPT": "concepts",
    }
    diseases = {
        "DATASET": "dermnet",
        "DATA_ROOT": str(tmp_path / "skin" / "dermnet"),
        "PROMPT": "disease",
    }
    both = in_stages([plain.but(concepts), plain.but(diseases)])
    trained = record(both)
    assert trained.record["features"] == "precomputed"
    weights = [
        load_vlm(ref).model.state_dict()
        for ref in (Vlm(name=name), Vlm(name=name, adapter=trained.folder / "adapter"))
    ]
    moved = [one for one in weights[0] if not torch.equal(weights[0][one], weights[1][one])]
    assert moved == ["language_projection.weight", "language_projection.bias"]
    for part, keys in (
        (concepts, {"concept_f1"}),
        (diseases, {"class_accuracy", "class_macro_f1"}),
        (diseases | {"PROMPT": "demo"}, {"class_accuracy"}),
    ):
        given = part | {"SPLIT": "test", "LIMIT": 0, "MODEL": name, "MAX_NEW_TOKENS": 6}
        answers = VlmAnswers.of_profile("pocket", given).but(adapter=both)
        done = record_scored(answers, Grading())
        assert keys <= set(done.scores) and done.record["largest_groups"] == []


def test_skingpt4s_steps_are_stages_with_its_data_and_prompts():
    stage = Stage.of_profile("pocket", {"MODEL": "pocket/skingpt4", "RECIPE": "projection"})
    steps = [
        kind.of_profile("pocket", {f"STAGE_{place}_DATASET": name, f"STAGE_{place}_PROMPT": prompt})
        for place, kind, name, prompt in (
            (1, CaptionStage, "pocket_skincon_held_out", "concepts"),
            (2, QuestionStage, "pocket_dermnet", "disease"),
        )
    ]
    both = in_stages([step.of(stage) for step in steps])
    assert (both.start.data.name, both.data.name) == ("pocket_skincon_held_out", "pocket_dermnet")
    assert (both.start.prompt.name, both.prompt.name) == ("concepts", "disease")
    assert both.recipe.trains_connector and not both.recipe.trains_text_tower
