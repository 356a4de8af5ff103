"""An LLM that is asked and trained at miniature size: what it reads, what is recorded, and what is
refused.
"""

import shutil
from pathlib import Path

import pytest

from helpers.experiments.answers import Answers
from helpers.experiments.constant import Constant
from helpers.experiments.experiment import record, record_scored, run_id
from helpers.experiments.finetune import Finetune
from helpers.experiments.scores import Grading
from helpers.experiments.trace import trace
from helpers.files import LabError, WorkFailed, append_jsonl, read_json, write_text
from helpers.models import answer_file, prompts
from helpers.models.shipped import POCKET_MODELS
from helpers.training.recipe import PROJECTIONS
from tests.experiments.conftest import texts
from tests.models.api_server import api_server

LEARNS = {"STEPS": 16, "BATCH": 4, "RANK": 4, "TRAIN_LIMIT": 8, "LEARNING_RATE": 8e-3}


# What a record shows


def test_a_record_shows_answers_to_simulated_patients_and_none_to_real_ones(small):
    experiment = small(Answers)
    run = record(experiment)
    answers, shown = run.answers.read(), run.record["examples"]
    asked = [case for case in experiment.cases() if case.question and case.references][:3]
    assert shown == [
        {
            "patient": case.question,
            "answer": answers[case.id].text,
            "doctor": case.references[0].text,
        }
        for case in asked
    ]
    assert shown and experiment.but(DATASET="iiyi").examples(run) == []


# Trainings


@pytest.mark.slow
def test_training_lowers_the_loss_and_changes_the_answers(small, clinic):
    training = small(Finetune, **LEARNS)
    plain, tuned = small(Answers), small(Answers).but(adapter=training)
    run = record(training)
    losses = [entry["loss"] for entry in read_json(run.folder / "training.json") if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]
    card = read_json(run.folder / "adapter" / "lab.json")
    assert card["model"] == "pocket/llama" and card["recipe"]["rank"] == 4
    assert card["data"] == training.data.load().fingerprint("train")
    config = read_json(run.folder / "adapter" / "adapter_config.json")
    assert config["base_model_name_or_path"] == "pocket/llama"
    assert config["target_modules"] == sorted(PROJECTIONS)  # the same file each time
    asked = [record_scored(one, Grading()) for one in (plain, tuned)]
    assert texts(asked[0]) != texts(asked[1])
    assert [one.record["parents"] for one in asked] == [{}, {"adapter": f"finetune/{run.id}"}]
    assert asked[1].scores["deltableu"].n == 5
    assert "weights:yes" in asked[1].scores["deltableu"].signature


@pytest.mark.slow
def test_a_four_bit_base_is_trained_by_the_same_code(small):
    run = record(small(Finetune, QUANTIZATION="nf4", STEPS=2))
    assert run.done and (run.folder / "adapter" / "adapter_model.safetensors").exists()
    assert run.record["parameters"]["QUANTIZATION"] == "nf4"


@pytest.mark.slow
def test_training_needs_no_validation_answers(small, altered):
    root = altered("valid", lambda entry, place: entry.update(responses=[]))
    run = record(small(Finetune, STEPS=2, DATA_ROOT=root))
    log = read_json(run.folder / "training.json")
    assert run.done and not any("eval_loss" in entry for entry in log)


def test_data_without_questions_cannot_be_trained_on(small, altered):
    def silence(entry: dict, place: int) -> None:
        entry.update(query_title_en="", query_content_en="")

    with pytest.raises(LabError, match="nothing to learn: choose another one as DATASET"):
        record(small(Finetune, DATA_ROOT=altered("train", silence)))


def test_another_backend_makes_another_training(small):
    ids = {run_id(small(Finetune, BACKEND=name)) for name in ("peft", "unsloth")}
    assert len(ids) == 2


def test_a_model_behind_an_api_cannot_be_trained(small):
    with pytest.raises(LabError, match="^MODEL is 'openai:x', but no model behind an API can be"):
        record(small(Finetune, MODEL="openai:x"))


# Questions and shots


def test_a_test_split_alone_can_be_answered_without_shots_and_not_with(small, altered):
    root = altered("valid", lambda entry, place: None)
    (Path(root) / "train.json").unlink()
    assert record(small(Answers, DATA_ROOT=root, LIMIT=2)).done
    asked = small(Answers, DATA_ROOT=root, SHOTS=1)
    with pytest.raises(LabError, match="`count` asks for 1 worked examples, but there are 0"):
        asked.check()
    assert record(small(Constant, DATA_ROOT=root)).done


def test_more_shots_than_training_cases_name_the_parameter(small):
    with pytest.raises(LabError, match="^SHOTS asks for 25 worked examples, but there are 24"):
        record(small(Answers, SHOTS=25, TRAIN_LIMIT=0))


def test_an_empty_title_is_asked_by_its_content_and_nothing_at_all_is_refused(small, altered):
    def untitled(entry: dict, place: int) -> None:
        entry.update({} if place else {"query_title_en": " "})

    def silent(entry: dict, place: int) -> None:
        entry.update({} if place else {"query_title_en": "", "query_content_en": " "})

    experiment = small(Answers, DATA_ROOT=altered("valid", untitled), LIMIT=2)
    assert experiment.cases()[0].context and record(experiment).done
    silent_root = altered("valid", silent)
    with pytest.raises(LabError, match="neither title nor content") as told:
        record(small(Answers, DATA_ROOT=silent_root, LIMIT=2))
    assert "'ENC9" in str(told.value)
    # Where images are in words, there is something to ask about.
    assert record(small(Answers, DATA_ROOT=silent_root, LIMIT=2, CAPTIONER="given")).done


def test_cases_without_references_are_answered_and_described_but_not_scored(small, altered):
    root = altered("valid", lambda entry, place: entry.update(responses=[]))
    run = record_scored(small(Answers, DATA_ROOT=root), Grading())
    assert len(texts(run)) == 5 and (run.folder / "prediction.json").exists()
    assert "deltableu" not in run.scores and run.scores["unfinished"].n == 5


def test_the_run_says_which_shots_were_drawn_and_dropped(small):
    # Of a context of 2048.
    tight = small(Answers, MAX_NEW_TOKENS=1860, LIMIT=2, SHOTS=12, TRAIN_LIMIT=0)
    run = record(tight)
    rows = read_json(run.folder / "shots.json")
    for row in rows.values():
        assert len(row["shots"]) + len(row["dropped"]) == 12 and row["dropped"]
        assert row["tokens"] <= 2048 - 1860
    assert run.record["shots_dropped"] == sum(len(row["dropped"]) for row in rows.values())
    training = {case.id for case in tight.data.load().training}
    assert all(set(row["shots"] + row["dropped"]) <= training for row in rows.values())


def test_shots_are_drawn_from_the_cases_that_may_be_learnt_from(small):
    asked = small(Answers, LIMIT=4, SHOTS=2, TRAIN_LIMIT=3)
    rows = read_json(record(asked).folder / "shots.json")
    first = {case.id for case in asked.data.load().training[:3]}
    assert {shot for row in rows.values() for shot in row["shots"]} == first


def test_an_answer_ends_where_the_next_block_would_begin_unless_the_model_ends_it(
    small, monkeypatch
):
    to_the_end = texts(record(small(Answers, ANSWER_ENDS="eos")))
    word = next(iter(to_the_end.values())).split()[1]
    monkeypatch.setattr(prompts, "NEXT_BLOCK", word)
    cut = texts(record(small(Answers, ANSWER_ENDS="block")))
    assert cut == {key: text.partition(word)[0].strip() for key, text in to_the_end.items()}
    assert cut != to_the_end


def test_a_trace_shows_one_case_from_title_to_answer(small):
    experiment = small(Answers, SHOTS=1)
    run, case = record(experiment), experiment.cases()[0]
    shown = trace(experiment, run, case)
    assert shown["title"] == case.question and case.question in shown["prompt"]
    training = {case.id: case for case in experiment.data.load().training}
    shot = training[shown["shots (training cases)"]]
    assert shot.references[0].text in shown["prompt"] and shown["shots dropped"] == "none"
    assert texts(run)[case.id] in shown["answer"]
    assert shown["image in words"] == "none (CAPTIONER none)"


def test_a_trace_shows_the_captions_that_were_read(small):
    experiment = small(Answers, SHOTS=1, CAPTIONER="given", IMAGE_TEXT="shots")
    run, case = record(experiment), experiment.cases()[0]
    shown = trace(experiment, run, case)
    assert shown["image in words"] in shown["prompt"] and len(shown["image in words"]) > 10
    assert run.record["parents"].keys() == {"captions", "shot_captions"}


# Chat templates, APIs and a full disk


@pytest.mark.slow
def test_a_chat_model_is_asked_through_its_own_template(small, tmp_path):
    with pytest.raises(LabError, match="no chat template"):
        record(small(Answers, PROMPT="chat"))
    chat = shutil.copytree(POCKET_MODELS / "llama", tmp_path / "chat")
    write_text(
        chat / "chat_template.jinja",
        "{{ bos_token }}{% for message in messages %}[{{ message.role }}] {{ message.content "
        "}}</s>\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}",
    )
    training = small(Finetune, PROMPT="chat", MODEL=str(chat), STEPS=2)
    asked = small(Answers, PROMPT="chat", MODEL=str(chat), LIMIT=2, SHOTS=1).but(adapter=training)
    run = record(asked)
    assert run.done and run.record["prompt"].startswith("chat-title-")
    assert run.record["model"] == "chat"
    assert str(tmp_path) not in (run.folder / "run.json").read_text()


def test_a_model_behind_an_api_answers_in_the_same_run(small, monkeypatch):
    with api_server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        asked = small(Answers, MODEL="openai:pocket-chat", PROMPT="chat", LIMIT=3, SHOTS=1)
        run = record_scored(asked, Grading())
        assert run.scores["deltableu"].n == 3 and run.record["model"] == "openai:pocket-chat"
        assert len(server.requests) == 3
        case = asked.cases()[0]
        assert case.question in trace(asked, run, case)["prompt"]
        before = run_id(asked)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    assert run_id(asked) != before
    with pytest.raises(LabError, match="^MODEL is 'openai:pocket-chat', so texts .*ALLOW_UPLOAD"):
        record(asked)


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_same_call_goes_on(small, monkeypatch, tmp_path):
    expected = texts(record(small(Answers)))
    monkeypatch.setenv("LAB_OUTPUTS", str(tmp_path / "small disk"))
    calls = []

    def fill(path: Path, rows: list) -> None:
        calls.append(path)
        append_jsonl("/dev/full" if len(calls) == 3 else path, rows)

    with monkeypatch.context() as patch:
        patch.setattr(answer_file, "append_jsonl", fill)
        with pytest.raises(WorkFailed, match="The disk of .* is full: free some space"):
            record(small(Answers))
    assert texts(record(small(Answers))) == expected and len(calls) == 3
