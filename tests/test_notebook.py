"""What a notebook's first cell gives it: settings, experiments, and images that may be shown."""

import json

import pytest

from helpers.experiments.adapters import GivenAdapter
from helpers.experiments.answers import Answers
from helpers.experiments.captions import Captions
from helpers.experiments.constant import Constant
from helpers.experiments.finetune import Finetune
from helpers.experiments.vlm_answers import VlmAnswers
from helpers.files import LabError
from helpers.notebook import start


@pytest.fixture
def begin(clinic):
    """Start a notebook with these parameters on a small clinic, as its cells would."""

    def begin(kinds=("answers", "finetune"), **values):
        root = {} if "DATASET" in values else {"DATA_ROOT": str(clinic / "iiyi")}
        return begin_notebook(kinds, **root | values)

    return begin


def begin_notebook(kinds, **values):
    names = {"PROFILE": "pocket", "DATASET": "", "SEED": 3407, "LIMIT": 4} | values
    return start(
        "test", {"__annotations__": {n: type(v) for n, v in names.items()}} | names, kinds=kinds
    )


@pytest.fixture
def patients(tmp_path):
    """A data set in the published format that is nobody's simulation."""
    case = {
        "encounter_id": "ENC1",
        "query_title_en": "Rash",
        "image_ids": ["a.jpg"],
        "responses": [{"content_en": "Eczema."}],
    }
    for split in ("train", "valid"):
        (tmp_path / f"{split}.json").write_text(json.dumps([case]))
    return {"DATASET": "iiyi", "DATA_ROOT": str(tmp_path)}


def test_drawn_images_are_shown_and_patients_images_only_where_somebody_says_so(begin, patients):
    assert begin().shows("image") == "image"
    assert begin(**patients).shows("image") is None
    assert begin(**patients, SHOW_IMAGES=True).shows("image") == "image"


@pytest.mark.parametrize(
    ("limit", "said"), [(4, "the first 4 of 8 cases"), (-1, "all 8 cases"), (0, "all 8 cases")]
)
def test_the_start_says_which_cases_are_answered(begin, capsys, limit, said):
    begin(LIMIT=limit)
    assert f"\nData      pocket, valid: {said}\n" in capsys.readouterr().out


def test_settings_are_those_of_the_parameters_and_else_of_the_profile(begin):
    lab = begin(STEPS=7, SHOTS=[2, 4], RANK=-1)
    assert lab.settings(Finetune).recipe.steps == 7
    assert lab.settings(Finetune).recipe.rank == 16
    assert lab.settings(Answers).shots.count == 2  # of a list, the first
    assert lab.settings(Answers, SHOTS=4).shots.count == 4
    assert lab.settings(Answers).data.limit == 4


def test_the_adapter_is_trained_with_the_same_settings_or_the_one_that_is_named(begin, tmp_path):
    lab = begin(STEPS=7)
    assert lab.adapter(lab.settings(Answers)) == lab.settings(Finetune)
    named = begin(ADAPTER=str(tmp_path))
    assert named.adapter(named.settings(Answers)) == GivenAdapter(folder=str(tmp_path))
    remote = begin(MODEL="openai:some-model", ALLOW_UPLOAD=True)
    assert remote.adapter(remote.settings(Answers)) is None
    seeing = begin(kinds=["vlm_answers"])
    assert seeing.adapter(seeing.settings(VlmAnswers)).kind() == "finetune_vlm"


def test_what_is_compared_is_made_by_its_kind(begin):
    lab = begin(kinds=["captions"], CAPTIONERS="pocket/blip")
    assert [one.captioner.name for one in lab.variants(Captions)] == ["pocket/blip", "given"]
    assert len(lab.variants(Constant)) == 3


def test_a_grid_does_every_combination_and_scores_it(begin):
    lab = begin()
    made = lab.grid(
        Constant(data=lab.settings(Answers).data),
        {
            "name": ["It is eczema.", "Fungal infection"],
            "LIMIT": [2, 3],
        },
    )
    assert [(one.name, one.data.limit) for one, _ in made] == [
        ("It is eczema.", 2),
        ("It is eczema.", 3),
        ("Fungal infection", 2),
        ("Fungal infection", 3),
    ]
    assert all("deltableu" in run.scores for _, run in made)


def test_the_end_records_what_the_notebook_showed(begin, capsys):
    lab = begin()
    run = lab.record(lab.variants(Constant)[0])
    lab.finish([run, run])
    assert lab.run.record["results"] == [f"constant/{run.id}"]
    assert lab.run.record["status"] == "done" and lab.run.folder.parts[-3:-1] == (
        "notebooks",
        "test",
    )
    assert lab.run.record["parameters"]["DATASET"] == "pocket"


def test_a_wrong_value_is_refused_in_the_notebooks_words(begin):
    with pytest.raises(LabError, match="^RANK is 0, but it must be 1 or more.$"):
        begin(RANK=0)
    with pytest.raises(LabError, match="RANK is 'four', but it must be of type int"):
        start("test", {"__annotations__": {"RANK": int}, "RANK": "four"}, kinds=["finetune"])
