"""LoRA fine-tuning at miniature size: against an independent loop; interruptions; failures."""

import random
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from conftest import ROOT
from helpers.files import LabError, WorkFailed, disk_full, file_hash, read_json
from helpers.models.devices import Device
from helpers.models.llm import load_llm, load_tokenizer
from helpers.models.refs import ModelRef
from helpers.training import backends
from helpers.training.adapters import add_adapter
from helpers.training.backends import Backend, choose_backend
from helpers.training.checkpoints import last_whole_checkpoint, seal_checkpoint
from helpers.training.examples import (
    Example,
    TrainingPlan,
    collate,
    encode,
    pack,
    plan_batches,
    plan_llm_training,
)
from helpers.training.failures import explain_failures, what_to_lower
from helpers.training.lora_sft import train_adapter, train_with_peft
from helpers.training.recipe import PROJECTIONS, LoraRecipe, VlmRecipe
from helpers.training.trainer import SftTrainer, fit
from tests.full_disk import needs_full_disk, on_a_small_disk

LLAMA = ModelRef("pocket/llama")


def small(kind: type[LoraRecipe], **changes) -> LoraRecipe:
    """A recipe of six steps, which learn fast."""
    few = {"rank": 4, "learning_rate": 5e-3, "steps": 6, "batch": 2, "warmup_steps": 1, "seed": 5}
    return kind(**few | changes)


SMALL = small(LoraRecipe, accumulation=2, max_length=64)
SAVING = SMALL.but(checkpoint_seconds=0.0)  # after every step
CARD = {"model": "pocket/llama", "weights": "w", "data": "d", "prompt": "p"}


def texts(count: int = 12, seed: int = 0) -> list[dict]:
    """Prompts and answers of quite different lengths."""
    draw = random.Random(seed)
    complaint = (
        "itchy red spots on the left arm since three weeks worse at night in a woman of forty"
    ).split()
    diagnoses = ["eczema", "scabies", "rosacea"]
    made = []
    for _ in range(count):
        asked = " ".join(draw.choices(complaint, k=draw.randint(1, 16)))
        answer = " ".join(draw.choices(diagnoses, k=draw.randint(1, 6)))
        prompt = f"### Input:\n{asked}\n\n### Response:\n"
        made.append({"prompt": prompt, "completion": f"{answer}.</s>"})
    return made


def train(
    folder: Path, recipe: LoraRecipe = SMALL, *, base=LLAMA, rows=None, valid=(), card=CARD
) -> dict:
    folder.mkdir(exist_ok=True)
    return train_adapter(
        base, rows or texts(), list(valid), folder, recipe=recipe, card=card, backend="peft"
    )


def losses(folder: Path, name: str = "loss") -> list[float]:
    return [entry[name] for entry in read_json(folder / "training.json") if name in entry]


def weights(folder: Path) -> dict:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def broken_off_at(step: int, error: BaseException):
    """What a training reports to, until it is broken off."""

    def report(message: dict) -> None:
        if message["step"] == step:
            raise error

    return report


# The recipe and the backend


def test_the_defaults_are_those_of_yuanai_and_of_unsloth():
    recipe = LoraRecipe()
    assert (recipe.rank, recipe.alpha, recipe.dropout, recipe.learning_rate) == (16, 16, 0.0, 2e-4)
    assert (recipe.steps, recipe.batch, recipe.accumulation, recipe.warmup_steps) == (60, 2, 4, 5)
    assert (recipe.weight_decay, recipe.seed, len(PROJECTIONS), recipe.loss) == (
        0.01,
        3407,
        7,
        "completion",
    )


@pytest.mark.parametrize(
    "name, value",
    [
        ("rank", 0),
        ("alpha", -1),
        ("batch", 0),
        ("accumulation", 0),
        ("steps", 0),
        ("max_length", 0),
        ("epochs", -1.0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("dropout", 1.0),
        ("weight_decay", -0.1),
        ("loss", "all"),
        ("epochs", float("inf")),
        ("warmup_steps", -1),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_impossible_numbers_are_refused_by_their_name(name, value):
    with pytest.raises(LabError, match=f"^`{name}` is {value!r}"):
        LoraRecipe(**{name: value})


def test_epochs_replace_steps():
    recipe = LoraRecipe(epochs=1.5, steps=0)
    assert recipe.count_examples(271) == 406 and recipe.count_steps(271) == 51
    assert LoraRecipe().count_examples(271) == 480 and LoraRecipe().count_steps(271) == 60


def test_what_determines_a_result_keeps_its_names():
    """They are hashed into a run's id."""
    common = {
        *("rank", "alpha", "dropout", "learning_rate", "warmup_steps", "weight_decay"),
        *("max_length", "loss", "seed", "examples_per_step"),
    }
    assert set(LoraRecipe().effective()) == common | {"steps"}
    assert set(LoraRecipe(epochs=1.0).effective()) == common | {"epochs"}
    assert LoraRecipe(batch=8, accumulation=1).effective() == LoraRecipe().effective()
    assert LoraRecipe(batch=8).effective() != LoraRecipe().effective()
    assert LoraRecipe(epochs=1.0, steps=9).identity() == LoraRecipe(epochs=1.0).identity()


def test_the_backend_is_chosen_by_the_machine_and_says_why(monkeypatch):
    assert choose_backend("peft").name == "peft" and choose_backend("unsloth").name == "unsloth"
    monkeypatch.setattr(backends, "choose_device", lambda: Device("cpu", "float32", ""))
    assert choose_backend("auto").name == "peft" and "no CUDA GPU" in choose_backend("auto").reason
    monkeypatch.setattr(backends, "choose_device", lambda: Device("cuda", "float16", ""))
    assert choose_backend("auto").name == "unsloth" and "CUDA GPU" in choose_backend("auto").reason
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert choose_backend("auto") == Backend("peft", "unsloth is not installed")
    with pytest.raises(LabError, match="`backend` is 'unsloth', but unsloth is not installed"):
        choose_backend("unsloth")
    with pytest.raises(
        LabError, match="`backend` is 'tpu', but it must be one of: auto, unsloth, peft"
    ):
        choose_backend("tpu")


def test_what_a_start_cell_asks_loads_nothing_heavy():
    light = ("backends", "failures", "progress", "recipe", "unsloth_process", "unsloth_worker")
    heavy = "{'torch', 'transformers', 'peft', 'unsloth'} & set(sys.modules)"
    modules = ", ".join(f"helpers.training.{name}" for name in light)
    code = f"import {modules}, sys; print({heavy})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


# Examples and batches


def test_a_prompt_is_learnt_after_the_ids_that_generation_gives():
    loaded = load_llm(ModelRef("pocket/llama"))
    row = texts(1)[0]
    example = encode(loaded.tokenizer, [row], max_length=99, loss="completion")[0]
    prompt = loaded.token_ids(row["prompt"])
    assert example.ids[: example.first] == prompt and prompt[0] == loaded.tokenizer.bos_token_id
    assert loaded.tokenizer.decode(example.ids[example.first :]) == row["completion"]
    assert example.ids[-1] == loaded.tokenizer.eos_token_id
    chat = {"prompt": "<s>Hello", "completion": "Yes.</s>", "chat": True}
    chat = encode(loaded.tokenizer, [chat], max_length=99, loss="whole")[0]
    assert chat.ids.count(loaded.tokenizer.bos_token_id) == 1 and chat.first == 1


def test_a_long_record_is_cut_and_one_without_room_for_its_answer_is_left_out():
    tokenizer, row = load_tokenizer(ModelRef("pocket/llama")), texts(1)[0]
    whole = encode(tokenizer, [row], max_length=99, loss="completion")[0]
    cut = encode(tokenizer, [row], max_length=whole.first + 1, loss="completion")[0]
    assert cut.cut and not whole.cut and cut.ids == whole.ids[: whole.first + 1]
    assert encode(tokenizer, [row], max_length=whole.first, loss="completion") == [None]


def planned(**changes) -> LoraRecipe:
    return SMALL.but({"steps": 0, "accumulation": 4, "seed": 3} | changes)


def test_batches_hold_every_example_once_a_pass_and_little_padding():
    draw = random.Random(1)
    lengths = [draw.randint(20, 300) for _ in range(96)]
    batches = plan_batches(lengths, planned(epochs=2.0))
    assert all(len(batch) == 2 for batch in batches) and len(batches) == 96
    assert sorted(i for batch in batches for i in batch) == sorted([*range(96)] * 2)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    shuffled = draw.sample(range(96), 96)
    at_random = sum(8 * max(lengths[i] for i in shuffled[s : s + 8]) for s in range(0, 96, 8))
    assert padded < 1.1 * 2 * sum(lengths) and at_random > 1.5 * sum(lengths)
    first_step = [lengths[i] for batch in batches[:4] for i in batch]
    assert max(lengths) in first_step, "the longest must come first"
    assert batches == plan_batches(lengths, planned(epochs=2.0))
    assert batches != plan_batches(lengths, planned(epochs=2.0, seed=4))


def test_a_step_holds_the_same_examples_whatever_the_batch():
    lengths = random.Random(1).choices(range(5, 90), k=21)

    def steps(batch: int, accumulation: int) -> list[list[int]]:
        recipe = planned(epochs=45 / 21, batch=batch, accumulation=accumulation)
        batches = plan_batches(lengths, recipe)
        return [
            list(chain(*batches[i : i + accumulation]))
            for i in range(0, len(batches), accumulation)
        ]

    assert steps(2, 4) == steps(1, 8) == steps(8, 1)
    assert [len(step) for step in steps(2, 4)] == [8] * 5 + [5]


@pytest.mark.parametrize("loss", ["completion", "whole"])
def test_the_loss_of_a_batch_is_that_of_its_examples_one_by_one(loss):
    loaded = load_llm(ModelRef("pocket/llama"))
    examples = encode(loaded.tokenizer, texts(4), max_length=64, loss=loss)
    batch = collate(examples, pad=loaded.tokenizer.pad_token_id)
    learnt = sum(example.learnt for example in examples)
    assert (batch["labels"] != -100).sum() == learnt
    assert (
        batch["logits_to_keep"]
        == batch["labels"].shape[1]
        == batch["input_ids"].shape[1] - (min(example.first for example in examples) - 1)
    )
    with torch.no_grad():
        together = loaded.model(**batch, num_items_in_batch=learnt).loss
        alone = sum(_loss(loaded.model, example) for example in examples) / learnt
    assert abs(float(together - alone)) < 1e-5


@pytest.mark.parametrize("learnt", ["completion", "whole"])
def test_packing_examples_in_one_row_changes_neither_loss_nor_gradients(tmp_path, learnt):
    from peft import LoraConfig, get_peft_model

    loaded = load_llm(ModelRef("pocket/llama"))
    rows = [
        {**row, "prompt": "Write a response that completes the request. " + row["prompt"]}
        for row in texts(4)
    ]
    examples = encode(loaded.tokenizer, rows, max_length=99, loss=learnt)
    model = get_peft_model(
        loaded.model, LoraConfig(r=4, target_modules=list(PROJECTIONS), init_lora_weights=False)
    )
    found = []
    for batch in (collate(examples, pad=loaded.tokenizer.pad_token_id), pack(examples)):
        plan = TrainingPlan([examples], 4, [], collate, {})
        trainer = SftTrainer(model=model, args=_arguments(tmp_path), plan=plan, recipe=SMALL)
        model.zero_grad()
        loss = trainer.compute_loss(model, batch)
        loss.backward()
        found.append(
            (float(loss.detach()), [p.grad.clone() for p in model.parameters() if p.requires_grad])
        )
    # What all prompts begin with stands there once, but where it is learnt, too.
    tokens = sum(len(example.ids) for example in examples)
    saved = tokens - batch["input_ids"].shape[1]
    assert saved > 3 * 10 if learnt == "completion" else saved == 0
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found[0][1], found[1][1]))


def _arguments(folder: Path):
    from transformers import TrainingArguments

    return TrainingArguments(output_dir=str(folder), use_cpu=True, report_to="none")


def _loss(model, example: Example):
    """Summed loss of one example, from full logits."""
    ids = torch.tensor(example.ids)
    logits = model(ids[None]).logits[0, example.first - 1 : -1]
    return cross_entropy(logits, ids[example.first :], reduction="sum")


# The training


@pytest.mark.slow
def test_training_is_plain_lora_with_adamw_and_a_linear_schedule(tmp_path):
    """A loop of our own without trainer, padding and accumulation has the same losses."""
    from peft import LoraConfig, get_peft_model
    from transformers import get_linear_schedule_with_warmup, set_seed

    facts = train(tmp_path)
    loaded = load_llm(ModelRef("pocket/llama"))
    examples = encode(loaded.tokenizer, texts(), max_length=64, loss="completion")
    batches = plan_batches([len(e.ids) for e in examples], SMALL.but(batch=4, accumulation=1))
    set_seed(5)
    model = get_peft_model(
        loaded.model, LoraConfig(r=4, lora_alpha=16, target_modules=list(PROJECTIONS))
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-3, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, 1, 6)
    expected = []
    for batch in batches:
        learnt = sum(examples[i].learnt for i in batch)
        loss = sum(_loss(model, examples[i]) for i in batch) / learnt
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        expected.append(float(loss.detach()))
    assert losses(tmp_path) == pytest.approx(expected, abs=2e-4)
    assert facts["tokens_seen"] == sum(len(examples[i].ids) for batch in batches for i in batch)
    assert (
        facts["optimiser_steps"] == 6
        and facts["training_records"] == 12
        and facts["tokens_per_second"] > 0
    )
    assert (
        facts["device"]["name"] in ("cpu", "cuda", "mps")
        and facts["backend"] == "peft"
        and facts["backend_reason"]
    )


@pytest.mark.slow
def test_the_seed_decides_what_dropout_leaves_out(tmp_path):
    """The same first weights and the same examples, so that nothing else is random."""
    found = {}
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        loaded, recipe = load_llm(LLAMA), SMALL.but(dropout=0.5, steps=2, warmup_steps=0)
        model = add_adapter(loaded.model, recipe, list(PROJECTIONS))
        plan = plan_llm_training(loaded.tokenizer, texts(), [], recipe, context=64, packs=False)
        folder = tmp_path / name
        fit(model, loaded.device, plan, folder, recipe.but(seed=seed), lambda message: None)
        found[name] = losses(folder)
    assert found["one"] == found["again"] and found["one"][1] != found["other"][1]


@pytest.mark.slow
def test_the_adapter_carries_what_it_is_and_is_not_made_twice(tmp_path):
    facts = train(tmp_path, valid=texts(5, seed=9))
    card, config = (
        read_json(tmp_path / "adapter" / name) for name in ("lab.json", "adapter_config.json")
    )
    assert (
        {key: card[key] for key in CARD} == CARD
        and card["recipe"] == SMALL.model_dump()
        and card["training"] == facts
    )
    assert config["base_model_name_or_path"] == "pocket/llama" and set(
        config["target_modules"]
    ) == set(PROJECTIONS)
    assert {path.name for path in tmp_path.iterdir()} == {"adapter", "training.json"}
    before = (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    assert train(tmp_path) == facts
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == before
    log = read_json(tmp_path / "training.json")
    assert [entry["step"] for entry in log if "eval_loss" in entry] == list(range(7)), (
        "before, and at every step"
    )
    assert log[-1]["epoch"] == pytest.approx(2.0) and log[-1]["seconds"] > 0
    assert losses(tmp_path, "eval_loss")[-1] < 0.8 * losses(tmp_path, "eval_loss")[0]


@pytest.mark.slow
def test_the_validation_loss_is_the_mean_over_all_learnt_tokens(tmp_path):
    valid = texts(5, seed=9)
    train(tmp_path, SMALL.but(steps=1), valid=valid)
    loaded = load_llm(LLAMA)
    examples = encode(loaded.tokenizer, valid, max_length=64, loss="completion")
    with torch.no_grad():
        total = sum(float(_loss(loaded.model, example)) for example in examples)
    mean = total / sum(example.learnt for example in examples)
    assert losses(tmp_path, "eval_loss")[0] == pytest.approx(mean, abs=1e-4)


@pytest.mark.slow
def test_the_whole_example_can_be_learnt_as_the_papers_notebook_did(tmp_path):
    facts = train(tmp_path, SMALL.but(loss="whole", steps=1))
    loaded = load_llm(ModelRef("pocket/llama"))
    examples = encode(loaded.tokenizer, texts(), max_length=64, loss="whole")
    step = chain(*plan_batches([len(e.ids) for e in examples], SMALL.but(steps=1)))
    step = list(step)
    with torch.no_grad():
        expected = sum(_loss(loaded.model, examples[i]) for i in step) / sum(
            len(examples[i].ids) - 1 for i in step
        )
    assert (
        losses(tmp_path) == pytest.approx([float(expected)], abs=1e-4)
        and facts["optimiser_steps"] == 1
    )


@pytest.mark.slow
def test_epochs_are_passes_over_the_examples(tmp_path):
    facts = train(tmp_path, SMALL.but(epochs=1.0), rows=texts(11))
    assert facts["optimiser_steps"] == 3 and read_json(tmp_path / "training.json")[-1]["step"] == 3


@pytest.mark.slow
def test_a_four_bit_base_learns_the_same_with_and_without_validation(tmp_path):
    """On some CPUs bitsandbytes would repack the weights at the first validation, and go wrong."""
    base, recipe = ModelRef("pocket/llama", quantization="nf4"), SMALL.but(steps=3)
    train(tmp_path / "a", recipe, base=base)
    train(tmp_path / "b", recipe, base=base, valid=texts(3, seed=9))
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert {tensor.dtype for tensor in a.values()} == {torch.float32} and len(a) == 2 * 7 * 4
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert all(b[name].abs().max() > 0 for name in b if "lora_B" in name), "a layer got no gradient"


def test_prompts_that_fill_max_length_leave_nothing_to_learn(tmp_path):
    with pytest.raises(LabError, match="`max_length` is 4 .*nothing to learn: raise `max_length`"):
        train(tmp_path, SMALL.but(max_length=4))
    rows = [*texts(3), {"prompt": "very " * 80, "completion": "No.</s>"}]
    facts = train(tmp_path, SMALL.but(steps=1), rows=rows)
    assert (facts["training_records"], facts["records_without_room"], facts["records_cut"]) == (
        3,
        1,
        0,
    )


@pytest.mark.slow
def test_a_training_that_diverges_stops_at_once(tmp_path):
    with pytest.raises(WorkFailed, match="diverged.*at step [23]; lower `learning_rate`"):
        train(tmp_path, SMALL.but(learning_rate=1e30))
    assert not (tmp_path / "adapter").exists()


# Interruptions


@pytest.mark.parametrize("damage", ["unsealed", "cut", "gone", "flipped", "foreign"])
def test_a_checkpoint_that_is_not_as_it_was_written_is_passed_over(tmp_path, damage):
    for step in (2, 4):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        for name in ("optimizer.pt", "trainer_state.json"):
            (folder / name).write_bytes(f"{name} of step {step}".encode())
        if damage != "unsealed" or step == 2:
            seal_checkpoint(folder)
    assert last_whole_checkpoint(tmp_path) or damage == "unsealed"
    newest = tmp_path / "checkpoint-4" / "optimizer.pt"
    if damage == "cut":
        newest.write_bytes(newest.read_bytes()[:5])
    elif damage == "gone":
        newest.unlink()
    elif damage == "flipped":
        newest.write_bytes(bytes([newest.read_bytes()[0] ^ 1]) + newest.read_bytes()[1:])
    elif damage == "foreign":
        newest.write_bytes((tmp_path / "checkpoint-2" / "optimizer.pt").read_bytes())
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-2")
    assert not (tmp_path / "checkpoint-4").exists()
    assert last_whole_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.slow
def test_an_interrupted_training_ends_as_an_undisturbed_one(tmp_path):
    recipe, valid = SAVING.but(dropout=0.1), texts(3, seed=9)
    train(tmp_path / "undisturbed", recipe, valid=valid)
    (tmp_path / "stopped").mkdir()
    with pytest.raises(KeyboardInterrupt):
        report = broken_off_at(4, KeyboardInterrupt())
        train_with_peft(LLAMA, texts(), valid, tmp_path / "stopped", recipe, report)
    assert last_whole_checkpoint(tmp_path / "stopped" / "checkpoints").endswith("checkpoint-3")
    facts = train(tmp_path / "stopped", recipe, valid=valid)
    a, b = (
        tmp_path / name / "adapter/adapter_model.safetensors" for name in ("undisturbed", "stopped")
    )
    assert file_hash(a) == file_hash(b)
    for name in ("loss", "eval_loss"):
        assert losses(tmp_path / "stopped", name) == losses(tmp_path / "undisturbed", name)
    assert facts["optimiser_steps"] == 6


@pytest.mark.slow
def test_a_training_taken_up_again_does_the_steps_that_are_left(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        report = broken_off_at(4, KeyboardInterrupt())
        train_with_peft(LLAMA, texts(), [], tmp_path, SAVING, report)
    told: list[int] = []
    train_with_peft(
        LLAMA, texts(), [], tmp_path, SAVING, lambda message: told.append(message["step"])
    )
    assert list(dict.fromkeys(told)) == [3, 4, 5, 6]


@pytest.mark.slow
def test_a_training_that_was_killed_before_its_adapter_was_named_is_finished(tmp_path):
    train_with_peft(LLAMA, texts(), [], tmp_path, SMALL, lambda report: None)
    first = file_hash(tmp_path / ".adapter" / "adapter_model.safetensors")
    assert train(tmp_path)["optimiser_steps"] == 6
    assert file_hash(tmp_path / "adapter" / "adapter_model.safetensors") == first


@pytest.mark.slow
def test_out_of_memory_names_the_smaller_batch_and_that_goes_on_from_the_checkpoint(tmp_path):
    train(tmp_path / "undisturbed")
    folder = tmp_path / "small gpu"
    folder.mkdir()
    with pytest.raises(
        WorkFailed,
        match="no room in memory.*`batch` from 2 to 1 and raise `accumulation` from 2 to 4",
    ):
        with explain_failures(SAVING, folder):
            error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            train_with_peft(LLAMA, texts(), [], folder, SAVING, broken_off_at(4, error))
    smaller_recipe = SAVING.but(batch=1, accumulation=4)
    assert train(folder, smaller_recipe)["optimiser_steps"] == 6
    assert [entry["step"] for entry in read_json(folder / "training.json")] == [1, 2, 3, 4, 5, 6]
    assert losses(folder) == pytest.approx(losses(tmp_path / "undisturbed"), abs=1e-3)
    a, b = weights(folder), weights(tmp_path / "undisturbed")
    assert all(torch.allclose(a[name], b[name], atol=2e-3) for name in a)


@pytest.mark.parametrize(
    "recipe, advice",
    [
        (LoraRecipe(batch=6, accumulation=1), "lower `batch` from 6 to 3 and raise `accumulation`"),
        (LoraRecipe(batch=1), "lower `max_length` from 2048 to 1024, or choose a smaller `model`"),
        (VlmRecipe(batch=1), "set `quantization` to 'nf4' if it is not, lower `max_side`"),
        (VlmRecipe(batch=1, recipe="text"), "set `recipe` to 'lora'"),
    ],
)
def test_what_to_lower_is_the_batch_and_then_what_one_example_takes(recipe, advice):
    assert what_to_lower(recipe).startswith(advice)


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with explain_failures(SMALL, tmp_path):
            raise ZeroDivisionError
    assert not disk_full(ValueError("no"), tmp_path)


FULL_DISK = """
import sys
from pathlib import Path
from tests.training.test_lora_sft import SAVING, train
from helpers.files import WorkFailed
folder, recipe = Path(sys.argv[1]) / "run", SAVING.but(rank=32)
folder.mkdir()
filler = folder.parent / "filler"
filler.write_bytes(b"x" * 17_000_000)
try:
    train(folder, recipe)
except WorkFailed as error:
    print(error)
print(any(folder.glob("adapter")), any(folder.glob("checkpoints/checkpoint-*/trainer_state.json")))
filler.unlink()
print(train(folder, recipe)["optimiser_steps"], sorted(path.name for path in folder.iterdir()))
"""


@pytest.mark.slow
@needs_full_disk
def test_a_full_disk_is_said_in_one_sentence_and_the_training_goes_on_after_the_cure(tmp_path):
    done = on_a_small_disk(
        tmp_path / "small", "24m", [sys.executable, "-c", FULL_DISK, str(tmp_path / "small")]
    )
    sentence, left, finished = done.strip().splitlines()
    assert sentence.startswith("The disk of run is full: free some space, or ")
    assert sentence.endswith("the same command goes on where it stopped.") and left == "False True"
    assert finished == "6 ['adapter', 'training.json']"


def test_torch_and_the_system_both_tell_of_a_full_disk(tmp_path):
    full = Path("/dev/full")
    tensor = torch.zeros(10**5)
    for write in (lambda: torch.save(tensor, full), lambda: full.write_bytes(b"x" * 10**5)):
        with pytest.raises((OSError, RuntimeError)) as caught:
            write()
        assert "is full" in disk_full(caught.value, tmp_path)


def test_a_model_without_these_projections_is_named(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path / "gpt2"
    GPT2LMHeadModel(
        GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=2048, n_positions=64)
    ).save_pretrained(folder)
    load_tokenizer(ModelRef("pocket/llama")).save_pretrained(folder)
    with pytest.raises(LabError, match="none of the projections.*q_proj.*built like Llama"):
        train(tmp_path / "run", base=ModelRef(str(folder)))
