"""Sections: checked when they are made, changed by name, and identified by what has an effect."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from helpers.files import LabError, outputs_folder
from helpers.settings.profiles import is_unset, profile_chain
from helpers.settings.section import (
    Section,
    all_parameters,
    all_values,
    is_optional,
    sections_in,
    setting,
    without_folders,
)


class Recipe(Section):
    rank: int = setting(16, "rank", ge=1)
    rate: float = setting(2e-4, "rate", gt=0, allow_inf_nan=False)
    share: float = setting(0.0, "share", ge=0, lt=1)
    loss: Literal["answers", "whole"] = setting("answers", "loss")
    batch: int = setting(2, "batch", ge=1, effect=False)
    drawn: bool = setting(False, "drawn")
    profiles: ClassVar = {
        "pocket": {"rank": 4},
        "t4": {"rank": 8, "batch": 4},
        "a100": {"batch": 32},
    }


class LargeRecipe(Recipe):
    depth: int = setting(1, "depth", parameter="LAYERS")
    profiles: ClassVar = {"pocket": {"depth": 2}, "t4": {"rank": 9}}


class Stage(Section):
    """What holds a section, and another one or none."""

    name: str = setting("first", "name", parameter="STAGE", min_length=1)
    recipe: Recipe = Recipe()
    before: LargeRecipe | None = None
    folder: Path | None = None


class Shots(Section):
    count: int = setting(0, "shots", parameter="SHOTS", ge=0)
    choice: str = setting("random", "which shots")

    def effective(self) -> dict[str, Any]:
        """Without shots nothing is chosen."""
        return super().effective() if self.count else {"count": 0}


def test_a_section_has_its_fields_own_values_and_is_frozen_and_hashable():
    recipe = Recipe()
    assert (recipe.rank, recipe.loss, recipe.batch) == (16, "answers", 2)
    assert len({recipe, Recipe(), Recipe(rank=2)}) == 2
    with pytest.raises(Exception, match="frozen"):
        recipe.rank = 3


def test_a_profile_builds_on_another_and_a_section_on_its_parent():
    assert profile_chain("a100") == ["t4", "a100"]
    made = {profile: Recipe.of_profile(profile) for profile in ("pocket", "t4", "a100")}
    assert [(one.rank, one.batch) for one in made.values()] == [(4, 2), (8, 4), (8, 32)]
    large = {profile: LargeRecipe.of_profile(profile) for profile in ("pocket", "t4", "a100")}
    assert [(one.rank, one.batch, one.depth) for one in large.values()] == [
        (4, 2, 2),
        (9, 4, 1),
        (9, 32, 1),
    ]


def test_what_a_person_gives_beats_the_profile_wherever_it_stands():
    made = Stage.of_profile("t4", {"RANK": 2, "STAGE": "last", "SHOTS": 4})
    assert (made.name, made.recipe.rank, made.recipe.batch, made.before) == ("last", 2, 4, None)


def test_an_unknown_profile_is_told_by_name():
    with pytest.raises(LabError, match="'cloud', but the profiles are pocket, laptop, t4, a100"):
        Recipe.of_profile("cloud")


@pytest.mark.parametrize(
    ("value", "unset"),
    [("", True), (-1, True), (-1.0, True), (0, False), (False, False), ([], False)],
)
def test_what_counts_as_left_to_the_profile(value, unset):
    assert is_unset(value) is unset


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 0}, "`rank` is 0, but it must be 1 or more."),
        ({"rank": 1.5}, "`rank` is 1.5, but it must be a whole number."),
        ({"rank": True}, "`rank` is True, but it must be a whole number."),
        ({"rank": "4"}, "`rank` is '4', but it must be a whole number."),
        ({"rate": 0.0}, "`rate` is 0.0, but it must be above 0."),
        ({"rate": float("inf")}, "`rate` is inf, but it must be a finite number."),
        ({"rate": float("nan")}, "`rate` is nan, but it must be a finite number."),
        ({"rate": "much"}, "`rate` is 'much', but it must be a number."),
        ({"share": 1.0}, "`share` is 1.0, but it must be below 1."),
        ({"loss": "none"}, "`loss` is 'none', but it must be one of answers, whole."),
        ({"drawn": 1}, "`drawn` is 1, but it must be True or False."),
        ({"depth": 3}, "Recipe has no setting `depth`: correct its name."),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(values, sentence):
    with pytest.raises(LabError) as refused:
        Recipe(**values)
    assert str(refused.value) == sentence


def test_a_whole_number_may_be_a_number():
    assert Recipe(rate=1).rate == 1


def test_an_empty_name_is_refused():
    with pytest.raises(LabError, match="`name` is '', but it must be a name"):
        Stage(name="")


@pytest.mark.parametrize(
    ("changes", "ranks"),
    [
        ({"recipe.rank": 5}, (5, 16)),
        ({"before.rank": 5}, (16, 5)),
        ({"RANK": 5}, (5, 5)),
        ({"recipe": Recipe(rank=7)}, (7, 16)),
    ],
)
def test_a_change_names_a_field_one_further_down_or_a_parameter(changes, ranks):
    stage = Stage(before=LargeRecipe())
    changed = stage.but(changes)
    assert (changed.recipe.rank, changed.before.rank) == ranks
    assert (stage.recipe.rank, stage.before.rank) == (16, 16)


def test_a_field_is_changed_by_keyword_and_may_be_emptied():
    assert Recipe().but(rank=3, batch=1) == Recipe(rank=3, batch=1)
    assert Stage(before=LargeRecipe()).but(before=None) == Stage()


@pytest.mark.parametrize("name", ["rang", "recipe.rang", "RANG", "before.rank", "nothing.rank"])
def test_a_change_of_what_is_not_there_is_refused_by_name(name):
    with pytest.raises(LabError, match=f"'{name}' was to be changed in Stage"):
        Stage().but({name: 3})


def test_a_changed_value_is_checked_anew():
    with pytest.raises(LabError, match="`rank` is 0, but it must be 1 or more"):
        Stage().but({"recipe.rank": 0})


def test_what_has_no_effect_identifies_nothing():
    assert "batch" not in Recipe().effective()
    assert Recipe(batch=1).identity() == Recipe(batch=64).identity() != Recipe(rank=1).identity()
    assert "BATCH" not in Recipe().parameters() and all_values(Recipe())["BATCH"] == 2


def test_a_section_may_know_better_what_has_an_effect():
    none, some = Shots(choice="fixed"), Shots(count=1, choice="fixed")
    assert none.identity() == {"count": 0} and none.parameters() == {"SHOTS": 0}
    assert some.parameters() == {"SHOTS": 1, "CHOICE": "fixed"}
    assert all_values(none) == {"SHOTS": 0, "CHOICE": "fixed"}


def test_parameters_of_inner_sections_are_found_those_of_none_are_not():
    assert Stage().parameters().keys() == {"STAGE", "RANK", "RATE", "SHARE", "LOSS", "DRAWN"}
    assert Stage(before=LargeRecipe()).parameters()["LAYERS"] == 1
    assert {name for name, *_ in all_parameters(Stage)} >= {"STAGE", "RANK", "LAYERS", "BATCH"}
    assert "FOLDER" not in {name for name, *_ in all_parameters(Stage)}


def test_which_sections_a_field_may_hold():
    annotation = Stage.model_fields["before"].annotation
    assert sections_in(annotation) == [LargeRecipe] and is_optional(annotation)
    assert sections_in(Recipe.model_fields["loss"].annotation) == []
    assert not is_optional(Stage.model_fields["recipe"].annotation)


def test_a_record_names_no_folder_of_this_machine(tmp_path):
    inside = outputs_folder() / "runs" / "finetune"
    found = without_folders((tmp_path / "mine", str(tmp_path), inside, "pocket/llama", "", 3))
    assert found == ["mine", tmp_path.name, "outputs/runs/finetune", "pocket/llama", "", 3]


@pytest.mark.parametrize("text", ["Describe this image. " * 40, "~nobody-of-this-name says"])
def test_a_text_that_can_name_no_folder_is_recorded_as_it_is(text):
    assert without_folders(text) == text
