"""The experiments at miniature size: what is trained on and asked, what is recorded, and how they
refuse.
"""

import shutil
from dataclasses import replace

import pytest

from conftest import changed
from helpers.cases import Case
from helpers.data import Dataset
from helpers.experiments.answers import answer, baselines
from helpers.experiments.finetune import find_or_train_adapter, finetune
from helpers.experiments.model_refs import llm_ref
from helpers.experiments.runs import find_runs
from helpers.experiments.scoring import answers_of
from helpers.experiments.studies import few_shot_grid, trace
from helpers.files import LabError, WorkFailed, outputs_folder, read_json, read_jsonl, write_json
from helpers.models.encoders import packaged_minilm
from helpers.models.memory import load_once
from helpers.models.shipped import POCKET_MODELS
from helpers.report.leaderboard import boards
from helpers.training.recipe import PROJECTIONS
from tests.models.api_server import api_server

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


@pytest.mark.slow
def test_training_lowers_the_loss_and_changes_the_answers(lab):
    data, settings = lab
    run = finetune(data, settings)
    losses = [entry["loss"] for entry in read_json(run.folder / "training.json") if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]
    card = read_json(run.folder / "adapter" / "lab.json")
    assert (
        card["model"] == "pocket/llama"
        and card["data"] == data.fingerprint("train")
        and card["recipe"]["rank"] == 4
    )
    config = read_json(run.folder / "adapter" / "adapter_config.json")
    assert config["base_model_name_or_path"] == "pocket/llama" and set(
        config["target_modules"]
    ) == set(PROJECTIONS)
    plain, tuned = (
        answer(data, settings, shots=0, adapter=adapter)
        for adapter in (None, run.folder / "adapter")
    )
    assert {key: answer.text for key, answer in answers_of(plain).items()} != {
        key: answer.text for key, answer in answers_of(tuned).items()
    }
    assert tuned.record["parent"] == run.id and plain.record["parent"] == ""
    assert tuned.scores["deltableu"].n == 8 and "weights:yes" in tuned.scores["deltableu"].signature
    again = finetune(data, settings)
    assert again.record["time"] == run.record["time"], "a finished run was done again"


@pytest.mark.slow
def test_a_four_bit_base_is_trained_by_the_same_code(lab):
    data, settings = lab
    run = finetune(data, changed(settings, QUANTIZATION="nf4", STEPS=2))
    assert run.done and (run.folder / "adapter" / "adapter_model.safetensors").exists()
    assert run.record["determines"]["quantization"] == "nf4"


@pytest.mark.slow
def test_training_needs_no_validation_answers(lab):
    data, settings = lab
    bare = tuple(Case(case.id, case.question) for case in data.split("valid"))
    inputs_only = Dataset("inputs", {"train": data.split("train"), "valid": bare})
    run = finetune(inputs_only, changed(settings, STEPS=2))
    assert run.done and not any(
        "eval_loss" in entry for entry in read_json(run.folder / "training.json")
    )


@pytest.mark.slow
def test_a_training_that_diverges_is_no_result(lab):
    data, settings = lab
    with pytest.raises(WorkFailed, match="diverged.*lower LEARNING_RATE"):
        finetune(data, changed(settings, LEARNING_RATE=1e30, STEPS=4))
    runs, _ = find_runs()
    assert [
        run.record["status"]
        for run in runs
        if run.record["kind"] == "finetuning" and run.folder.is_relative_to(outputs_folder())
    ] == ["failed"]


@pytest.mark.slow
def test_another_encoder_is_another_run_and_no_table_loses_a_row(lab, tmp_path):
    data, settings = lab
    copied = shutil.copytree(packaged_minilm(), tmp_path / "minilm-copy")
    other = changed(settings, ENCODER=str(copied))
    runs = [*baselines(data, settings), *baselines(data, other)]
    tables = boards(runs)
    assert [len(table) for table in tables.values()] == [3, 3]
    assert not any(
        str(tmp_path) in (run.folder / "run.json").read_text() + title
        for run in runs
        for title in tables
    )


def test_an_encoder_that_is_not_there_is_found_out_before_any_answer(lab):
    data, settings = lab
    with pytest.raises(LabError, match="'nobody/no-such-encoder'"):
        answer(data, changed(settings, ENCODER="nobody/no-such-encoder"), shots=0)
    assert not list(outputs_folder().glob("runs/03*"))


@pytest.mark.slow
def test_a_kill_between_answers_and_scores_is_made_good(lab):
    data, settings = lab
    run = baselines(data, settings)[0]
    before = read_json(run.folder / "metrics.json")
    (run.folder / "metrics.json").unlink()
    again = baselines(data, settings)[0]
    assert read_json(again.folder / "metrics.json") == before


def test_a_folder_without_an_adapter_is_named(lab, tmp_path):
    data, settings = lab
    with pytest.raises(LabError, match="there is no lab.json in it"):
        find_or_train_adapter(data, changed(settings, ADAPTER=str(tmp_path)))


def test_baselines_are_runs_of_their_own(lab):
    data, settings = lab
    runs = baselines(data, settings)
    assert [run.record["name"] for run in runs] == [
        "constant: most frequent training answer",
        "constant: It is eczema.",
        "constant: Fungal infection",
    ]
    folder = baselines(data, changed(settings, LIMIT=3))[1]
    assert folder.id != runs[1].id and folder.scores["deltableu"].n == 3


def test_data_without_questions_cannot_be_trained_on(lab):
    data, settings = lab
    bare = Dataset(
        "bare",
        {
            split: tuple(Case(case.id, "", references=case.references) for case in cases)
            for split, cases in data.splits.items()
        },
    )
    with pytest.raises(LabError, match="nothing to learn"):
        finetune(bare, settings)
    assert not list(outputs_folder().glob("runs/*")), "a refused training left a run behind"


def test_cases_without_references_are_answered_and_described_but_not_scored(lab):
    data, settings = lab
    bare = tuple(Case(case.id, case.question) for case in data.split("test"))
    run = answer(Dataset("bare", dict(data.splits) | {"valid": bare}), settings, shots=0)
    assert len(answers_of(run)) == len(bare) and (run.folder / "prediction.json").exists()
    assert "deltableu" not in run.scores and run.scores["unfinished"].n == len(bare)


def test_a_test_split_alone_can_be_answered_without_shots_and_not_with(lab):
    data, settings = lab
    alone = Dataset("alone", {"valid": data.split("valid")})
    run = answer(alone, settings, shots=0)
    assert run.done and len(baselines(alone, settings)) == 2
    with pytest.raises(LabError, match="SHOTS asks for 1 worked examples, but there are 0"):
        answer(alone, settings, shots=1)


def test_an_empty_title_is_asked_by_its_content_and_nothing_at_all_is_refused(lab):
    data, settings = lab
    case = data.split("valid")[0]
    for odd_case, fits in (
        (replace(case, question=" "), True),
        (replace(case, question="", context=" "), False),
    ):
        odd = Dataset("odd", dict(data.splits) | {"valid": (odd_case, *data.split("valid")[1:])})
        if fits:
            assert case.context and answer(odd, settings, shots=0).done
        else:
            with pytest.raises(LabError, match=f"'{case.id}'.*neither title nor content"):
                answer(odd, settings, shots=0)


def test_the_run_says_which_shots_were_drawn_and_dropped(lab):
    data, settings = lab
    tight = changed(settings, MAX_NEW_TOKENS=1860)  # of a context of 2048
    run = answer(data, changed(tight, LIMIT=2), shots=12)
    trace = read_json(run.folder / "shots.json")
    for row in trace.values():
        assert (
            len(row["shots"]) + len(row["dropped"]) == 12
            and row["dropped"]
            and row["tokens"] <= 2048 - 1860
        )
    assert run.record["shots_dropped"] == sum(len(row["dropped"]) for row in trace.values())
    training = {case.id for case in data.split("train")}
    assert all(set(row["shots"] + row["dropped"]) <= training for row in trace.values())


@pytest.mark.slow
def test_what_is_not_as_the_profile_says_stands_in_the_name(lab):
    data, settings = lab
    few = changed(settings, LIMIT=1, STEPS=2)
    run = answer(data, changed(few, SHOT_CHOICE="lexical"), shots=2)
    assert run.record["name"] == "pocket/llama, 2 shots (lexical); MAX_NEW_TOKENS 16, LIMIT 1"
    whole = finetune(data, changed(few, LOSS="whole"))
    assert "LOSS whole" in whole.record["name"] and whole.id != finetune(data, few).id


@pytest.mark.slow
def test_a_smaller_batch_with_more_accumulation_is_the_same_training(lab):
    data, settings = lab
    run = finetune(data, changed(settings, STEPS=2))
    assert finetune(data, changed(settings, STEPS=2, BATCH=2, ACCUMULATION=2)).id == run.id


@pytest.mark.slow
def test_an_adapter_for_another_base_is_refused(lab, tmp_path):
    data, settings = lab
    run = finetune(data, changed(settings, STEPS=2))
    other = shutil.copytree(POCKET_MODELS / "llama", tmp_path / "other")
    config = read_json(other / "config.json")
    write_json(other / "config.json", config | {"rms_norm_eps": 1e-4})
    with pytest.raises(LabError, match="The adapter was trained on 'pocket/llama'"):
        find_or_train_adapter(data, changed(settings, ADAPTER=str(run.folder), MODEL=str(other)))


@pytest.mark.slow
def test_a_chat_model_is_asked_through_its_own_template(lab, tmp_path):
    data, settings = lab
    with pytest.raises(LabError, match="no chat template"):
        answer(data, changed(settings, PROMPT="chat"), shots=0)
    chat = shutil.copytree(POCKET_MODELS / "llama", tmp_path / "chat")
    (chat / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for message in messages %}[{{ message.role }}] {{ message.content "
        "}}</s>\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    settings = changed(settings, PROMPT="chat", MODEL=str(chat), STEPS=2, LIMIT=2)
    run = finetune(data, settings)
    answers = answer(data, settings, shots=1, adapter=run.folder / "adapter")
    assert answers.done and answers.record["prompt"].startswith("chat-title-")
    assert str(tmp_path) not in (answers.folder / "run.json").read_text()


def test_an_api_model_answers_in_the_same_run_and_cannot_be_trained(lab, monkeypatch):
    data, settings = lab
    with api_server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        api = changed(settings, MODEL="openai:pocket-chat", PROMPT="chat", LIMIT=3)
        run = answer(data, api, shots=1)
        assert run.scores["deltableu"].n == 3 and run.record["model"] == "openai:pocket-chat"
        with pytest.raises(LabError, match="no model behind an API can be fine-tuned"):
            finetune(data, api)
        grid = few_shot_grid(data, changed(api, SHOTS=[0, 1]))
        assert list(grid) == [(False, 0), (False, 1)] and grid[False, 1].id == run.id
        assert (
            data.split("valid")[0].question
            in trace(data, api, run, data.split("valid")[0])["prompt"]
        )


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_same_call_goes_on(lab):
    data, settings = lab
    run = answer(data, settings, shots=0)
    path = run.folder / "predictions.jsonl"
    expected = [row["text"] for row in read_jsonl(path)]
    run.save(status="interrupted")
    path.unlink()

    def fill_the_disk(module, inputs):
        if not path.is_symlink():
            path.symlink_to("/dev/full")  # a device on which every write finds no space

    hook = load_once(llm_ref(settings)).model.register_forward_pre_hook(fill_the_disk)
    try:
        with pytest.raises(WorkFailed, match="The disk of .* is full: free some space"):
            answer(data, settings, shots=0)
    finally:
        hook.remove()
        path.unlink()
    answer(data, settings, shots=0)
    assert [row["text"] for row in read_jsonl(path)] == expected


def test_an_adapter_that_is_not_there_is_named(lab):
    data, settings = lab
    with pytest.raises(LabError, match="no such folder"):
        find_or_train_adapter(data, changed(settings, ADAPTER="/nowhere/adapter"))
