"""Profiles and parameters: one meaning of "" and -1, types and sizes checked before anything is
loaded.
"""

import pytest

from helpers.data import data_folder
from helpers.experiments.parameters import check_size, parse, prepare
from helpers.files import LabError
from helpers.settings.profiles import is_unset, load_profile, profile_names, resolve


def test_all_profiles_know_the_same_names():
    names = {name: set(load_profile(name)) for name in profile_names()}
    assert set(names) == {"pocket", "t4", "a100"}
    assert names["pocket"] == names["t4"] == names["a100"]


def test_the_t4_profile_is_the_papers_recipe():
    profile = load_profile("t4")
    assert (profile["RANK"], profile["ALPHA"], profile["LEARNING_RATE"], profile["STEPS"]) == (
        16,
        16,
        2e-4,
        60,
    )
    assert (profile["BATCH"], profile["ACCUMULATION"]) == (2, 4)


def test_an_explicit_value_beats_the_profile_and_unset_ones_are_filled_in():
    settings = resolve("pocket", {"MODEL": "", "STEPS": -1, "LIMIT": 5, "EXTRA": "x"})
    assert (
        settings["MODEL"] == "pocket/llama" and settings["LIMIT"] == 5 and settings["EXTRA"] == "x"
    )
    assert settings["STEPS"] == load_profile("pocket")["STEPS"] and settings["PROFILE"] == "pocket"


@pytest.mark.parametrize(
    ("value", "unset"),
    [("", True), (-1, True), (-1.0, True), (0, False), (False, False), ([], False)],
)
def test_what_counts_as_left_to_the_profile(value, unset):
    assert is_unset(value) is unset


def test_unknown_profiles_and_unset_parameters_without_a_value_are_named():
    with pytest.raises(LabError, match="'cloud'"):
        resolve("cloud", {})
    with pytest.raises(LabError, match="NOWHERE"):
        resolve("pocket", {"NOWHERE": ""})


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
        ("x", "float"),
        ("[", "list"),
    ],
)
def test_text_of_another_type_is_refused(text, kind):
    with pytest.raises(LabError, match="NAME .*must be of type"):
        parse("NAME", text, kind)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOTS", [-3]),
        ("SHOTS", [1, "2"]),
        ("SHOTS", [0.5]),
        ("LIMIT", -3),
        ("STEPS", 0),
        ("SHOTS", [True]),
        ("SHOTS", []),
        ("LEARNING_RATE", 0.0),
        ("LEARNING_RATE", float("inf")),
        ("LEARNING_RATE", float("nan")),
    ],
)
def test_numbers_that_no_run_can_have_are_refused(name, value):
    with pytest.raises(LabError, match=name):
        check_size(name, value)


@pytest.mark.slow
def test_data_and_split_are_checked_with_the_parameters(tmp_path, outputs):
    kinds = {"PROFILE": "str", "DATASET": "str", "DATA_ROOT": "str", "SPLIT": "str"}
    wrong = {
        "PROFILE": "pocket",
        "DATASET": "iiyi",
        "DATA_ROOT": str(tmp_path / "nowhere"),
        "SPLIT": "",
    }
    with pytest.raises(LabError, match="does not exist"):
        prepare(wrong, kinds)
    with pytest.raises(LabError, match="has no split 'dev'"):
        prepare({"PROFILE": "pocket", "DATASET": "pocket", "DATA_ROOT": "", "SPLIT": "dev"}, kinds)
    settings, data = prepare(
        {"PROFILE": "pocket", "DATASET": "pocket", "DATA_ROOT": "", "SPLIT": ""}, kinds
    )
    assert settings.SPLIT == "valid" and len(data.split("valid")) == 60
    assert list(data.splits) == ["train", "valid", "test"]
    assert data_folder("pocket") == outputs.resolve() / "pocket/iiyi"
