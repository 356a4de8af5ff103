"""The shipped models are those of their recipes, small, and safetensors only."""

import pytest

from helpers.files import LabError, read_json
from helpers.generation import generate
from helpers.models import POCKET_MODELS, load_text_model
from helpers.pocket.zoo import RECIPE_FILE, RECIPES, build_model, is_current
from helpers.prompts import prompt_of, stop_text


@pytest.mark.parametrize("name", RECIPES)
def test_weights_whose_recipe_has_changed_are_refused(name):
    assert is_current(name), f"run: python -m helpers pocket build --model {name}"
    assert "up to date" in build_model(name)


def test_a_changed_recipe_makes_the_weights_stale(monkeypatch):
    monkeypatch.setitem(RECIPES, "llama", RECIPES["llama"] | {"seed": 12})
    assert not is_current("llama")


def test_the_zoo_is_small_and_holds_no_pickle():
    files = [path for path in POCKET_MODELS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20e6
    assert {path.suffix for path in files} <= {".json", ".safetensors"}


def test_a_recipe_file_says_what_came_out():
    result = read_json(POCKET_MODELS / "llama" / RECIPE_FILE)["result"]
    assert result["final_loss"] < 2 and result["tokens"] > 1e6


def test_an_unknown_model_is_named():
    with pytest.raises(LabError, match="no model 'gpt'"):
        build_model("gpt")


def test_asked_in_a_form_it_has_never_read_it_answers_briefly_and_begins_another_block():
    model = load_text_model("pocket/llama")
    questions = ["Rash on the elbow", "Spots on the face of a teenager", "Itching at night", "Hair loss", "A mole"]
    prompts = {question: prompt_of(question) for question in questions}
    answers = generate(model, prompts, max_new_tokens=48, stop=stop_text("alpaca", "block"))
    assert sum(answer.finish == "stop" for answer in answers) >= 4
    assert all(1 <= len(answer.text.split()) <= 25 for answer in answers if answer.finish == "stop")
