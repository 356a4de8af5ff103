"""Which cases are answered and which are learnt from, and how that is said."""

import shutil

import pytest

from helpers.data.sources import CURVE, Cases, TrainingCases, name_or_instead
from helpers.files import read_json, write_json


@pytest.fixture
def root(clinic) -> str:
    return str(clinic / "iiyi")


@pytest.mark.parametrize(
    ("limit", "said"),
    [(0, "all 8 cases"), (8, "all 8 cases"), (9, "all 8 cases"), (3, "the first 3 of 8 cases")],
)
def test_it_says_how_many_of_the_cases_are_answered(root, limit, said):
    assert Cases(root=root, limit=limit).in_words() == f"pocket, valid: {said}"


def test_a_lesson_of_the_pocket_answers_few_cases_and_another_profile_all():
    assert Cases.of_profile("pocket").limit == 60
    assert Cases.of_profile("t4").limit == 0
    assert Cases.of_profile("pocket", {"LIMIT": 0}).limit == 0


def test_it_learns_from_the_first_training_cases(root):
    every = TrainingCases(root=root).cases()
    assert len(every) == 24 and {case.split for case in every} == {"train"}
    assert TrainingCases(root=root, limit=5).cases() == every[:5]


def test_the_same_training_cases_can_be_captioned(root):
    few = TrainingCases(root=root, limit=5)
    assert few.as_cases().cases() == few.cases()


def test_a_part_of_the_validation_cases_draws_the_second_curve(clinic, tmp_path):
    folder = shutil.copytree(clinic / "iiyi", tmp_path / "iiyi")
    rows = read_json(folder / "valid_ht.json")
    many = [
        row | {"encounter_id": f"{row['encounter_id']}{time:02}"}
        for time in range(9)
        for row in rows
    ]
    write_json(folder / "valid_ht.json", many)
    source = TrainingCases(root=str(folder), limit=2)
    assert len(many) > CURVE == len(source.validation())
    assert source.as_cases("valid").cases() == source.validation()


def test_without_validation_cases_there_is_no_second_curve(clinic, tmp_path):
    folder = shutil.copytree(clinic / "iiyi", tmp_path / "iiyi")
    (folder / "valid_ht.json").unlink()
    assert TrainingCases(root=str(folder)).validation() == ()


def test_a_profiles_data_without_images_is_not_taken_where_they_are_needed(clinic, outputs, capsys):
    folder = shutil.copytree(clinic / "iiyi", outputs / "data" / "iiyi")  # as if it were fetched
    assert name_or_instead("laptop", with_images=True) == "iiyi"
    for images in [path for path in folder.iterdir() if path.is_dir()]:
        shutil.rmtree(images)
    assert name_or_instead("laptop", with_images=True) == "pocket"
    said = "The data set 'iiyi' has no images here: 'pocket' is taken instead.\n"
    assert capsys.readouterr().out == said
    assert name_or_instead("laptop") == "iiyi"


def test_where_a_profiles_data_cannot_be_had_it_names_what_is_taken_instead(monkeypatch, capsys):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there: no network
    assert name_or_instead("laptop") == "pocket"
    assert capsys.readouterr().out == (
        "The data set 'iiyi' is not on this machine and could not be fetched: 'pocket' is taken "
        "instead.\n"
    )
    # Of all other profiles nothing is fetched before it is asked for.
    assert (name_or_instead("pocket"), name_or_instead("t4")) == ("pocket", "iiyi")
    assert capsys.readouterr().out == ""
