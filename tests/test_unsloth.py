"""Unsloth, in its process: the same training as PEFT's, interrupted and taken up again, with nothing left behind."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.files import LabError, WorkFailed, read_json, write_json
from helpers.finetuning import unsloth_process
from helpers.finetuning.lora_sft import BaseModel, train_adapter
from helpers.finetuning.trainer import last_whole_checkpoint
from helpers.finetuning.unsloth_process import train_with_unsloth
from helpers.finetuning.unsloth_worker import ORPHANED
from helpers.models import load_text_model
from tests.test_lora_sft import CARD, LLAMA, SMALL, broken_off_at, losses, records, train


def workers() -> list[str]:
    """The worker processes of this user that are alive."""
    listed = subprocess.run(["ps", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if unsloth_process.WORKER in line and " Z" not in line]


def test_unsloth_trains_as_peft_does_also_after_ctrl_c(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    before, valid = workers(), records(4, seed=9)
    (tmp_path / "unsloth").mkdir()
    with pytest.raises(KeyboardInterrupt):
        train_with_unsloth(LLAMA, records(), valid, Path("unsloth"), SMALL, broken_off_at(4, KeyboardInterrupt()))
    assert workers() == before, "the worker outlived its parent"
    assert not (tmp_path / "unsloth" / "adapter").exists()
    state = Path(last_whole_checkpoint(tmp_path / "unsloth" / "checkpoints")) / "trainer_state.json"
    begun = read_json(state)
    begun["log_history"][0]["seconds"] = 600.0  # so that we see whether it is gone on from
    write_json(state, begun)

    facts = train_adapter(LLAMA, records(), valid, tmp_path / "unsloth", recipe=SMALL, card=CARD, backend="unsloth")
    train(tmp_path / "peft", valid=valid)
    for name in ("loss", "eval_loss"):
        found, expected = (losses(tmp_path / backend, name) for backend in ("unsloth", "peft"))
        assert found == pytest.approx(expected, abs=1e-3) and len(found) >= 6
    assert facts["train_minutes"] >= 10, "it was begun anew"
    assert facts["backend"] == "unsloth" and facts["optimiser_steps"] == 6 and facts["peak_memory_gb"]["ram"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {"unsloth", "peft", "temporary"}, "something was dropped here"
    assert not list((tmp_path / "temporary").glob("unsloth*"))

    card, config = (read_json(tmp_path / "unsloth" / "adapter" / name) for name in ("lab.json", "adapter_config.json"))
    assert card["weights"] == CARD["weights"] and config["base_model_name_or_path"] == "pocket/llama"
    assert _logits(tmp_path / "unsloth" / "adapter") == pytest.approx(_logits(tmp_path / "peft" / "adapter"), abs=5e-3)


def _logits(adapter: Path) -> list[float]:
    """What base and adapter make of a prompt, loaded as for answering (but for the card's weights)."""
    import torch
    from peft import PeftModel

    base = load_text_model("pocket/llama")
    model = PeftModel.from_pretrained(base.model, str(adapter))
    with torch.no_grad():
        return model(torch.tensor([base.token_ids(records(1)[0]["prompt"])])).logits[0, -1, :50].tolist()


def test_the_worker_s_refusal_reaches_the_caller_as_its_sentence(tmp_path):
    impossible = replace(SMALL)
    object.__setattr__(impossible, "rank", 0)
    with pytest.raises(LabError, match="^RANK is 0, but it must be above 0.$"):
        train_with_unsloth(LLAMA, records(), [], tmp_path, impossible, print)


def test_a_worker_that_dies_leaves_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(unsloth_process, "WORKER", "helpers.finetuning.nobody")
    with pytest.raises(WorkFailed, match="ended with status 1 .*nobody.*: run it again, or set BACKEND to 'peft'"):
        train_with_unsloth(LLAMA, records(), [], tmp_path, SMALL, print)


def test_the_worker_ends_when_its_parent_does(tmp_path):
    job = {"base": asdict(BaseModel("pocket/llama")), "train": records(), "valid": [], "folder": str(tmp_path),
           "recipe": asdict(SMALL)}
    process = subprocess.Popen(
        [sys.executable, "-m", unsloth_process.WORKER], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
    )
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.close()  # as the system does for a parent that was killed
    assert process.wait(timeout=60) == ORPHANED and not list(tmp_path.glob("adapter"))


def test_the_measurement_for_a_gpu_runs_at_tiny_size(tmp_path):
    script, out = str(ROOT / "tests/gpu/text.py"), str(tmp_path / "out.json")
    command = [sys.executable, script, "--tiny", "--steps", "3", "--out", out]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    figures = read_json(tmp_path / "out.json")
    assert figures["unsloth"]["tokens_seen"] == figures["peft"]["tokens_seen"] > 0
    assert all(figures[part]["even_tokens_per_second"] > 0 for part in ("unsloth", "peft"))
    assert 0 < figures["answers"]["tokens"] <= 8 * 64 and figures["answers"]["tokens_per_second"] > 0
