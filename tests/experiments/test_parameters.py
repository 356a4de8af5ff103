"""A notebook's parameters: their types and bounds, what is left to the profile, lists, and the data
that they name; all of it checked before anything is loaded.
"""

import shutil

import pytest

from helpers.data import Cases
from helpers.experiments.answers import Answers
from helpers.experiments.experiment import list_kinds
from helpers.experiments.finetune import Finetune
from helpers.experiments.parameters import Parameters, check_type, known_parameters, parse, read
from helpers.experiments.scores import Grading
from helpers.files import LabError
from helpers.models.captions import Captioners


@pytest.fixture
def data(clinic) -> dict:
    """Return the parameters that name the small clinic."""
    return {"PROFILE": "pocket", "DATASET": "pocket", "DATA_ROOT": str(clinic / "iiyi")}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("7", "str", "7"),
        ("7", "int", 7),
        ("2e-4", "float", 2e-4),
        ("3", "float", 3),
        ("true", "bool", True),
        ("false", "bool", False),
        ("0,1,4", "list", [0, 1, 4]),
        ("2", "list", [2]),
        ("", "list", []),
        ("", "str", ""),
        ("", "int", -1),
        ("", "float", -1),
    ],
)
def test_typed_text_becomes_a_value_of_the_declared_type(text, kind, value):
    assert parse("NAME", text, kind) == value and type(parse("NAME", text, kind)) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("seven", "int"),
        ("1.5", "int"),
        ("true", "int"),
        ("maybe", "bool"),
        ("1", "bool"),
        ("", "bool"),
        ("x", "float"),
        ("[", "list"),
        ("9" * 5000, "int"),
    ],
)
def test_text_of_another_type_is_refused(text, kind):
    with pytest.raises(LabError, match=f"NAME .*must be of type {kind}"):
        parse("NAME", text, kind)


def test_a_bool_is_no_number():
    with pytest.raises(LabError, match="LIMIT is True, but it must be of type int"):
        check_type("LIMIT", True, "int")
    check_type("FLAG", True, "bool")


def test_what_is_left_to_the_profile_is_as_the_profile_has_it():
    given = {"PROFILE": "t4", "RANK": -1, "LOSS": "", "MODEL": "mine/model", "LIMIT": 5}
    parameters = read(given, ["finetune"])
    recipe = parameters.settings(Finetune).recipe
    assert (recipe.rank, recipe.loss, recipe.steps) == (16, "completion", 60)
    assert parameters.settings(Finetune).model.name == "mine/model"
    assert parameters.settings(Cases).limit == 5 and parameters.settings(Cases).name == "iiyi"
    after = parameters.after_profile()
    assert (after["STEPS"], after["PROFILE"]) == (60, "t4")
    assert parameters.settings(Grading).encoder == "roberta-large"


def test_without_a_profile_it_is_the_pocket():
    assert read({}, []).profile == "pocket"


def test_the_t4_profile_is_the_papers_recipe():
    recipe = read({"PROFILE": "t4"}, ["finetune"]).settings(Finetune).recipe
    numbers = (recipe.rank, recipe.alpha, recipe.learning_rate, recipe.steps)
    assert numbers == (16, 16, 2e-4, 60)
    assert (recipe.batch, recipe.accumulation) == (2, 4)


def test_each_value_of_a_list_is_an_experiment_of_its_own(data):
    parameters = read(data | {"SHOTS": [0, 2], "SEED": [1, 2], "RANK": 8}, ["answers"])
    chosen = list(parameters.combinations())
    assert chosen == [{"SHOTS": n, "SEED": seed} for n in (0, 2) for seed in (1, 2)]
    last = parameters.settings(Answers, **chosen[-1])
    assert (last.shots.count, last.shots.seed) == (2, 2)
    assert parameters.settings(Answers).shots.count == 0
    assert parameters.after_profile()["SHOTS"] == [0, 2]


def test_a_parameter_that_nothing_knows_is_refused_by_name():
    with pytest.raises(LabError, match=r"^RANK is no parameter; there are .*CAPTIONERS"):
        read({"RANK": 4}, [])
    with pytest.raises(LabError, match=r"^TEMPERATURE is no parameter"):
        read({"TEMPERATURE": 1.0}, ["answers", "finetune"])


def test_what_belongs_to_the_notebook_alone_is_known_everywhere():
    assert read({"PROFILE": "pocket", "SEED": 3, "SHOW_IMAGES": True}, []).given["SEED"] == 3


def test_unset_parameters_are_passed_over_even_if_nothing_knows_them():
    assert "ADAPTER" not in read({"ADAPTER": "", "RANK": -1}, []).given


def test_kinds_know_their_own_parameters_and_the_shared_ones():
    assert {"RANK", "MODEL", "DATASET", "ENCODER", "CAPTIONERS"} <= known_parameters((Finetune,))
    assert "RANK" not in known_parameters(())


def test_the_laptop_profile_takes_real_texts_where_they_are(clinic, outputs):
    shutil.copytree(clinic / "iiyi", outputs / "data" / "iiyi")  # as if they had been fetched
    found = read({"PROFILE": "laptop", "DATASET": ""}, ["answers"])
    asked = found.settings(Answers)
    assert (asked.data.name, asked.model.name, asked.prompt.layout) == (
        "iiyi",
        "smollm2-135m",
        "chat",
    )
    assert asked.training.name == "iiyi"


def test_unknown_profiles_and_kinds_are_told_by_name():
    with pytest.raises(
        LabError, match="PROFILE is 'cloud', but the profiles are pocket, laptop, t4, a100"
    ):
        read({"PROFILE": "cloud"}, [])
    with pytest.raises(LabError, match="no kind of experiment 'answer'"):
        read({}, ["answer"])


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("RANK", 0, "RANK is 0, but it must be 1 or more."),
        ("BATCH", 10**18, f"BATCH is {10**18}, but it must be at most 4096."),
        ("STEPS", 10**40, f"STEPS is {10**40}, but it must be at most 1000000."),
        ("STEPS", 10**400, f"STEPS is {str(10**400)[:160]}...(401 letters)...0000000000, but"),
        ("ANSWER_BATCH", 10**9, "ANSWER_BATCH is 1000000000, but it must be at most 4096."),
        ("STEPS", 0, "STEPS is 0, but it must be above 0, or EPOCHS must be."),
        ("LEARNING_RATE", 0.0, "LEARNING_RATE is 0.0, but it must be above 0."),
        ("LEARNING_RATE", float("inf"), "LEARNING_RATE is inf, but it must be a finite number."),
        ("LEARNING_RATE", float("nan"), "LEARNING_RATE is nan, but it must be a finite number."),
        ("LIMIT", -3, "LIMIT is -3, but it must be 0 or more."),
        ("SEED", 2**32, "SEED is 4294967296, but it must be at most 4294967295."),
        ("LOSS", "all", "LOSS is 'all', but it must be one of completion, whole."),
        ("SHOTS", [-3], "SHOTS is -3, but it must be 0 or more."),
        ("SHOTS", [0, 0.5], "SHOTS is 0.5, but it must be a whole number."),
        ("SHOTS", [0, "2"], "SHOTS is '2', but it must be a whole number."),
        ("SHOTS", [True], "SHOTS is True, but it must be a whole number."),
        ("SHOTS", [], "SHOTS is an empty list, but it takes at least one value."),
        ("SHOT_CHOICE", "best", "SHOT_CHOICE is 'best', but it must be one of "),
        ("ANSWER_BATCH", 0, "ANSWER_BATCH is 0, but it must be 1 or more."),
        ("ALLOW_UPLOAD", 1, "ALLOW_UPLOAD is 1, but it must be True or False."),
    ],
)
def test_a_value_that_cannot_be_names_its_parameter(data, name, value, wanted):
    with pytest.raises(LabError) as refused:
        read(data | {name: value}, ["answers", "finetune"])
    assert str(refused.value).startswith(wanted)


@pytest.mark.parametrize(
    ("kind", "name", "value", "wanted"),
    [
        ("vlm_answers", "MAX_SIDE", 16, "MAX_SIDE is 16, but it takes 0"),
        ("vlm_answers", "PROMPT", "P3", "PROMPT is 'P3', but it must be one of P1, P2, "),
        ("answers", "CAPTION_BATCH", 0, "CAPTION_BATCH is 0, but it must be 1 or more."),
        ("finetune_vlm", "LEARNING_RATE", -0.5, "LEARNING_RATE is -0.5, but it must be 0"),
        ("finetune_vlm", "FEATURES", "precomputed", ""),
        ("small_device", "EDGE_FORMS", "int3", "EDGE_FORMS is 'int3', but it lists some of: "),
        ("captions", "CAPTIONERS", "pocket/blip, none", "CAPTIONERS lists 'none'"),
        ("captions", "CAPTIONERS", " , ", "CAPTIONERS names nothing"),
        ("vlm_answers", "MODELS", ",", "MODELS names nothing"),
    ],
)
def test_each_kind_has_its_own_bounds(kind, name, value, wanted):
    if not wanted:
        assert read({name: value}, [kind]).given == {name: value}
        return
    with pytest.raises(LabError) as refused:
        read({name: value}, [kind])
    assert str(refused.value).startswith(wanted)


def test_captioners_are_listed_with_commas(data):
    parameters = read(data | {"CAPTIONERS": "pocket/blip, given"}, ["captions"])
    listed = parameters.settings(Captioners).listed
    assert listed == ["pocket/blip", "given"]


def test_data_that_is_not_there_is_told_with_the_parameters_name(data, tmp_path):
    nowhere = data | {"DATASET": "iiyi", "DATA_ROOT": str(tmp_path / "nowhere")}
    with pytest.raises(LabError, match="does not exist"):
        read(nowhere, [])
    with pytest.raises(LabError, match="has no split 'dev'"):
        read(data | {"SPLIT": "dev"}, [])
    with pytest.raises(LabError, match="'ham1000' is unknown"):
        read(data | {"DATASET": "ham1000"}, [])
    with pytest.raises(LabError, match="set DATA_ROOT to a folder"):
        read({"DATASET": "photos"}, [])


def test_where_the_data_lie_is_no_parameter_that_a_record_has(data, clinic):
    kinds = tuple(list_kinds())
    parameters = Parameters("pocket", data, kinds)
    for kind in kinds:
        recorded = parameters.settings(kind).parameters()
        named = [recorded[name] for name in ("DATASET", "STORIES_DATASET") if name in recorded]
        assert named and {*named} <= {"pocket", "pocket_stories"}
        assert not recorded.keys() & {"DATA_ROOT", "STORIES_ROOT"}
        assert str(clinic) not in str(recorded)


def test_more_shots_than_training_cases_are_refused(data):
    read(data | {"SHOTS": [0, 4]}, ["answers"])
    with pytest.raises(LabError, match=r"^SHOTS asks for 500 worked examples, but there are \d+ "):
        read(data | {"SHOTS": [0, 500]}, ["answers"])
