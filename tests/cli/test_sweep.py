"""The experiments that a sweep makes of a notebook, and what it says of how they went."""

import pytest

from helpers.cli.commands import main
from helpers.cli.sweep import notebook_experiments
from helpers.experiments import sweep
from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.finetune import Finetune
from helpers.experiments.parameters import read
from helpers.files import write_json


@pytest.fixture
def made(clinic):
    """A function that makes the experiments of kinds with parameters, on the small clinic."""

    def make(*kinds: str, **values):
        data = {"PROFILE": "pocket", "DATASET": "pocket", "DATA_ROOT": str(clinic / "iiyi")}
        return notebook_experiments(read(data | values, kinds))

    return make


def test_lists_are_combined_with_and_without_what_the_notebook_trains(made):
    found = made("answers", "finetune", SHOTS=[0, 1], RANK=[4, 8])
    cells = [(one.shots.count, one.adapter and one.adapter.recipe.rank) for one in found]
    assert cells == [(0, None), (0, 4), (0, 8), (1, None), (1, 4), (1, 8)]


def test_without_a_training_in_the_notebook_models_are_asked_as_they_are(made):
    assert [one.adapter for one in made("answers", SHOTS=[0, 1])] == [None, None]


def test_where_nothing_is_random_seeds_make_one_point(made):
    counts = [one.shots.count for one in made("answers", SHOTS=[0, 1], SEED=[1, 2, 3])]
    assert counts == [0, 1, 1, 1]


def test_a_training_that_comes_first_is_itself_swept(made):
    found = made("finetune", "answers", RANK=[4, 8])
    assert [type(one) for one in found] == [Finetune, Finetune]


def test_an_adapter_that_is_named_stands_in_for_the_training(made, tmp_path):
    write_json(tmp_path / "adapter_config.json", {})
    bare, tuned = made("answers", "finetune", ADAPTER=str(tmp_path))
    assert bare.adapter is None and tuned.adapter == GivenAdapter(folder=str(tmp_path))


def test_a_model_behind_an_api_is_asked_as_it_is(made):
    found = made("answers", "finetune", MODEL=["openai:gpt", "pocket/llama"], ALLOW_UPLOAD=True)
    assert [(one.model.name, one.adapter is not None) for one in found] == [
        ("openai:gpt", False),
        ("pocket/llama", False),
        ("pocket/llama", True),
    ]


def test_captioners_are_compared_with_the_captions_that_came_with_the_data(made):
    names = [one.captioner.name for one in made("captions", CAPTIONERS="pocket/blip, pocket/llava")]
    assert names == ["pocket/blip", "pocket/llava", "given"]


def test_all_constants_are_the_experiments_of_constants(made):
    found = made("constant", LIMIT=2)
    assert len(found) > 1 and len({one.name for one in found}) == len(found)
    assert all(one.data.limit == 2 for one in found)


@pytest.mark.slow  # a VLM's configuration is read by transformers
def test_a_vlm_is_asked_as_it_is_and_after_each_number_of_epochs(made):
    found = made("vlm_answers", "finetune_vlm", "small_device", EPOCHS=[1, 2])
    assert [one.adapter and one.adapter.recipe.epochs for one in found] == [None, 1, 2]


@pytest.fixture
def quick(monkeypatch):
    """A process that works with no model need not be prepared for one."""
    monkeypatch.setattr("helpers.models.process.prepare_process", lambda: None)


def test_a_sweep_says_how_many_points_are_done(clinic, quick, capsys, monkeypatch):
    given = []
    monkeypatch.setattr(sweep, "sweep", lambda points, grading: given.append(points) or [])
    data = ["-p", "DATA_ROOT", str(clinic / "iiyi"), "-p", "SHOTS", "0,1"]
    assert main(["sweep", "03", "--grid", "SEED=1,2", *data]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"{len(given[0])} points done.", "Leaderboard: outputs/leaderboard.html"]
    # Without shots and training no seed is drawn with, so that point stands once.
    assert len(given[0]) == 7


def test_what_failed_is_one_sentence_with_status_1(clinic, quick, capsys, monkeypatch):
    monkeypatch.setattr(sweep, "sweep", lambda points, grading: ["The GPU is gone."])
    data = ["-p", "DATA_ROOT", str(clinic / "iiyi"), "-p", "SHOTS", "0"]
    assert main(["sweep", "03", *data]) == 1
    assert capsys.readouterr().err == (
        "1 failures in 2 points; the same command does them again. The GPU is gone.\n"
    )


def test_studies_are_swept_by_name_or_by_profile(quick, capsys, monkeypatch):
    given: list[list[str]] = []
    monkeypatch.setattr(sweep, "sweep_studies", lambda names: given.append(names) or names)
    assert main(["sweep", "studies", "table_2"]) == 0
    assert capsys.readouterr().out.startswith("1 studies recorded.\n")
    for options in ([], ["--profile", "pocket"], ["--profile", "laptop"]):
        assert main(["sweep", "studies", *options]) == 0
    by_name, plain, pocket, laptop = given
    assert by_name == ["table_2"] and plain == pocket and "table_2" in pocket
    assert "real_lora" in laptop and not set(laptop) & set(pocket)
    capsys.readouterr()
    assert main(["sweep", "studies", "--profile", "a100"]) == 2
    assert capsys.readouterr().err == (
        "There are no studies of the profile 'a100', only of pocket, laptop.\n"
    )
