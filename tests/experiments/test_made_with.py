"""What a run was made with: only the settings on which its result depends, read from any record."""

import pytest

from helpers.experiments.made_with import constant_of, parameters_of, settings_of

RECORD = {"profile": "pocket", "model": "pocket/llama", "revision": "", "name": "x"}


def record(kind: str, parameters: dict, **about) -> dict:
    return RECORD | {"kind": kind, "parameters": parameters} | about


def test_a_training_counts_only_where_one_was_done():
    given = {"RANK": 4, "CAPTIONER": "none", "CAPTION_TOKENS": 5}
    tuned = settings_of(record("answers", given, tuned=True, shots=0))
    plain = settings_of(record("answers", given, tuned=False, shots=0))
    assert tuned["rank"] == 4 and "rank" not in plain and plain["shots"] == 0
    assert not {"caption_tokens", "shot_choice"} & set(tuned)
    assert tuned["alpha"] == 16  # the profile's, where a record does not say


def test_captions_and_shots_count_where_there_are_any():
    given = {"CAPTIONER": "pocket/blip", "SHOT_CHOICE": "fixed"}
    found = settings_of(record("answers", given, tuned=False, shots=2))
    assert (found["captioner"], found["shot_choice"]) == ("pocket/blip", "fixed")
    assert found["image_text"] == "question"


def test_a_given_adapter_was_not_made_with_these_settings():
    given = {"ADAPTER": "somewhere", "RANK": 4}
    found = settings_of(
        record("answers", given, tuned=True, shots=0, determines={"adapter": "abc"})
    )
    assert found["adapter"] == "abc" and "rank" not in found
    about = {"tuned": True, "epochs": 2, "determines": {"tuned": "d"}}
    vlm = record("picture_answers", {"VLM_ADAPTER": "x"}, **about)
    assert settings_of(vlm)["adapter"] == "d"


def test_a_vlm_has_its_prompt_and_epochs():
    given = {"VLM_PROMPT": "P2", "AUGMENTATION": "training", "RANK": 2}
    found = settings_of(record("picture_answers", given, tuned=True, epochs=5))
    assert (found["prompt"], found["epochs"], found["augmentation"]) == ("P2", 5, "training")
    plain = settings_of(record("picture_answers", given, tuned=False, epochs=0))
    assert "augmentation" not in plain and plain["prompt"] == "P2"


@pytest.mark.parametrize(
    "about", [{"name": "constant: It is eczema."}, {"name": "other", "constant": "It is eczema."}]
)
def test_a_constant_is_found_in_old_and_new_records(about):
    baseline = record("baseline", {}, **about)
    assert constant_of(baseline) == "It is eczema."
    assert settings_of(baseline) == {"limit": 0, "constant": "It is eczema."}


def test_comparisons_and_notebooks_have_no_settings():
    assert parameters_of({"kind": "comparison"}) == {} == settings_of({"kind": "comparison"})
    assert settings_of(record("notebook", {"RANK": 1})) == {}
