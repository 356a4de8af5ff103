"""LoRA SFT at miniature size: what is trained on, that it learns, what the adapter says of itself, what is recorded."""

import shutil
from types import SimpleNamespace

import pytest

from helpers import datasets, experiments
from helpers.cases import Case, Reference
from helpers.files import LabError, WorkFailed, outputs_folder, read_json
from helpers.finetuning.lora_sft import PROJECTIONS, LoraRecipe, last_whole_checkpoint, training_records
from helpers.leaderboard import boards
from helpers.metrics.encoders import packaged_minilm
from helpers.profiles import resolve
from helpers.runs import find_runs

SMALL = {
    "SEED": 5,
    "DATASET": "pocket",
    "STEPS": 30,
    "BATCH": 4,
    "RANK": 4,
    "MAX_NEW_TOKENS": 16,
    "ANSWER_BATCH": 4,
    "LEARNING_RATE": 5e-3,
}


@pytest.fixture
def lab(clinic):
    settings = SimpleNamespace(**resolve("pocket", SMALL | {"DATA_ROOT": str(clinic / "iiyi")}))
    return datasets.load("pocket", clinic / "iiyi"), settings


def test_the_defaults_are_those_of_yuanai_and_of_unsloth():
    recipe = LoraRecipe()
    assert (recipe.rank, recipe.alpha, recipe.dropout, recipe.learning_rate) == (16, 16, 0.0, 2e-4)
    assert (recipe.steps, recipe.batch, recipe.accumulation, recipe.warmup_steps) == (60, 2, 4, 5)
    assert (recipe.weight_decay, recipe.seed, len(PROJECTIONS)) == (0.01, 3407, 7)


def test_a_record_is_title_and_first_answer_closed_by_eos():
    case = Case("A", "Itchy rash", "long content", references=(Reference("Eczema."), Reference("Scabies.")))
    record = training_records([case], "</s>")[0]
    assert record["completion"] == "Eczema.</s>" and record["prompt"].endswith("Itchy rash\n\n### Response:\n")
    assert "long content" not in record["prompt"]


def test_impossible_numbers_are_refused():
    with pytest.raises(LabError, match="RANK is 0"):
        LoraRecipe(rank=0)


def test_a_checkpoint_without_its_last_file_does_not_count(tmp_path):
    for step, state in ((2, "{}"), (4, '{"torn'), (10, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-2")
    assert last_whole_checkpoint(tmp_path / "nowhere") is None


def test_training_lowers_the_loss_and_changes_the_answers(lab):
    data, settings = lab
    run = experiments.finetune(data, settings)
    losses = [entry["loss"] for entry in read_json(run.folder / "training.json") if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]
    card = read_json(run.folder / "adapter" / "lab.json")
    assert card["model"] == "pocket/llama" and card["data"] == data.fingerprint("train") and card["recipe"]["rank"] == 4
    config = read_json(run.folder / "adapter" / "adapter_config.json")
    assert config["base_model_name_or_path"] == "pocket/llama" and set(config["target_modules"]) == set(PROJECTIONS)
    plain, tuned = (
        experiments.answer(data, settings, shots=0, adapter=adapter) for adapter in ("", run.folder / "adapter")
    )
    assert {key: answer.text for key, answer in experiments.answers_of(plain).items()} != {
        key: answer.text for key, answer in experiments.answers_of(tuned).items()
    }
    assert tuned.record["parent"] == run.id and plain.record["parent"] == ""
    assert tuned.metrics["deltableu_en"]["n"] == 8 and "weights:yes" in tuned.metrics["deltableu_en"]["signature"]
    again = experiments.finetune(data, settings)
    assert again.record["time"] == run.record["time"], "a finished run was done again"


def test_a_four_bit_base_is_trained_by_the_same_code(lab):
    data, settings = lab
    run = experiments.finetune(data, SimpleNamespace(**vars(settings) | {"QUANTIZATION": "nf4", "STEPS": 2}))
    assert run.done and (run.folder / "adapter" / "adapter_model.safetensors").exists()
    assert run.record["determines"]["quantization"] == "nf4"


def test_training_needs_no_validation_answers(lab):
    data, settings = lab
    bare = tuple(Case(case.id, case.question) for case in data.split("valid"))
    inputs_only = datasets.Dataset("inputs", {"train": data.split("train"), "valid": bare})
    run = experiments.finetune(inputs_only, SimpleNamespace(**vars(settings) | {"STEPS": 2}))
    assert run.done and not any("eval_loss" in entry for entry in read_json(run.folder / "training.json"))


def test_a_training_that_diverges_is_no_result(lab):
    data, settings = lab
    with pytest.raises(WorkFailed, match="diverged.*lower LEARNING_RATE"):
        experiments.finetune(data, SimpleNamespace(**vars(settings) | {"LEARNING_RATE": 1e30, "STEPS": 4}))
    runs, _ = find_runs()
    assert [
        run.record["status"]
        for run in runs
        if run.record["kind"] == "finetuning" and run.folder.is_relative_to(outputs_folder())
    ] == ["failed"]


def test_another_encoder_is_another_run_and_no_table_loses_a_row(lab, tmp_path):
    data, settings = lab
    copied = shutil.copytree(packaged_minilm(), tmp_path / "minilm-copy")
    other = SimpleNamespace(**vars(settings) | {"ENCODER": str(copied)})
    runs = [*experiments.baselines(data, settings), *experiments.baselines(data, other)]
    tables = boards(runs)
    assert [len(table) for table in tables.values()] == [3, 3]
    assert not any(str(tmp_path) in (run.folder / "run.json").read_text() + title for run in runs for title in tables)


def test_an_encoder_that_is_not_there_is_found_out_before_any_answer(lab):
    data, settings = lab
    with pytest.raises(LabError, match="'nobody/no-such-encoder'"):
        experiments.answer(data, SimpleNamespace(**vars(settings) | {"ENCODER": "nobody/no-such-encoder"}), shots=0)
    assert not list(outputs_folder().glob("runs/03*"))


def test_a_kill_between_answers_and_scores_is_made_good(lab):
    data, settings = lab
    run = experiments.baselines(data, settings)[0]
    before = read_json(run.folder / "metrics.json")
    (run.folder / "metrics.json").unlink()
    assert experiments.baselines(data, settings)[0].metrics == before


def test_a_folder_without_an_adapter_is_named(lab, tmp_path):
    data, settings = lab
    with pytest.raises(LabError, match="there is no lab.json in it"):
        experiments.adapter_folder(data, SimpleNamespace(**vars(settings) | {"ADAPTER": str(tmp_path)}))


def test_baselines_are_runs_of_their_own(lab):
    data, settings = lab
    runs = experiments.baselines(data, settings)
    assert [run.record["name"] for run in runs] == [
        "constant: most frequent training answer",
        "constant: It is eczema.",
        "constant: Fungal infection",
    ]
    folder = experiments.baselines(data, SimpleNamespace(**vars(settings) | {"LIMIT": 3}))[1]
    assert folder.id != runs[1].id and folder.metrics["deltableu_en"]["n"] == 3


def test_data_without_questions_cannot_be_trained_on(lab):
    data, settings = lab
    bare = datasets.Dataset(
        "bare",
        {
            split: tuple(Case(case.id, "", references=case.references) for case in cases)
            for split, cases in data.splits.items()
        },
    )
    with pytest.raises(LabError, match="nothing to learn"):
        experiments.finetune(bare, settings)
    assert not list(outputs_folder().glob("runs/*")), "a refused training left a run behind"


def test_cases_without_references_are_answered_and_not_scored(lab):
    data, settings = lab
    bare = tuple(Case(case.id, case.question) for case in data.split("test"))
    run = experiments.answer(datasets.Dataset("bare", dict(data.splits) | {"valid": bare}), settings, shots=0)
    assert (
        len(experiments.answers_of(run)) == len(bare)
        and run.metrics == {}
        and (run.folder / "prediction.json").exists()
    )


def test_an_adapter_that_is_not_there_is_named(lab):
    data, settings = lab
    with pytest.raises(LabError, match="no such folder"):
        experiments.adapter_folder(data, SimpleNamespace(**vars(settings) | {"ADAPTER": "/nowhere/adapter"}))
