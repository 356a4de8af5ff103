"""Unsloth in its process: PEFT's training, interrupted and taken up again, nothing left behind."""

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from PIL import Image

from conftest import ROOT
from helpers.files import LabError, WorkFailed, read_json, write_json
from helpers.models.devices import Device, choose_device
from helpers.models.llm import load_llm
from helpers.models.processors import completion, load_processor, turn_text
from helpers.models.refs import ModelRef
from helpers.training import backends, unsloth_process, unsloth_worker
from helpers.training.backends import backend_for, why_not_unsloth
from helpers.training.checkpoints import last_whole_checkpoint, seal_checkpoint
from helpers.training.lora_sft import train_adapter
from helpers.training.recipe import VlmRecipe
from helpers.training.unsloth_process import train_with_unsloth
from helpers.training.unsloth_worker import ORPHANED
from helpers.training.vlm_sft import linear_layers
from tests.training.test_lora_sft import (
    CARD,
    LLAMA,
    SAVING,
    SMALL,
    broken_off_at,
    losses,
    small,
    texts,
    train,
)


def workers() -> list[str]:
    """The worker processes of this user that are alive."""
    listed = subprocess.run(
        ["ps", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True
    ).stdout
    return [
        line for line in listed.splitlines() if unsloth_process.WORKER in line and " Z" not in line
    ]


@pytest.mark.slow
def test_unsloth_trains_as_peft_does_also_after_ctrl_c(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    before, valid = workers(), texts(4, seed=9)
    (tmp_path / "unsloth").mkdir()
    with pytest.raises(KeyboardInterrupt):
        train_with_unsloth(
            LLAMA, texts(), valid, Path("unsloth"), SAVING, broken_off_at(4, KeyboardInterrupt())
        )
    assert workers() == before, "the worker outlived its parent"
    assert not (tmp_path / "unsloth" / "adapter").exists()
    state = Path(last_whole_checkpoint(tmp_path / "unsloth" / "checkpoints")) / "trainer_state.json"
    begun = read_json(state)
    begun["log_history"][0]["seconds"] = 600.0  # so that we see whether it is gone on from
    write_json(state, begun)
    (state.parent / "files.json").unlink()
    seal_checkpoint(state.parent)

    facts = train_adapter(
        LLAMA, texts(), valid, tmp_path / "unsloth", recipe=SAVING, card=CARD, backend="unsloth"
    )
    train(tmp_path / "peft", valid=valid)
    for name in ("loss", "eval_loss"):
        found, expected = (losses(tmp_path / backend, name) for backend in ("unsloth", "peft"))
        assert found == pytest.approx(expected, abs=1e-3) and len(found) >= 6
    assert facts["train_minutes"] >= 10, "it was begun anew"
    assert (
        facts["backend"] == "unsloth"
        and facts["optimiser_steps"] == 6
        and facts["peak_memory_gb"]["ram"] > 0
    )
    assert {path.name for path in tmp_path.iterdir()} == {"unsloth", "peft", "temporary"}, (
        "something was dropped here"
    )
    assert not list((tmp_path / "temporary").glob("unsloth*"))

    card, config = (
        read_json(tmp_path / "unsloth" / "adapter" / name)
        for name in ("lab.json", "adapter_config.json")
    )
    assert (
        card["weights"] == CARD["weights"] and config["base_model_name_or_path"] == "pocket/llama"
    )
    assert _logits(tmp_path / "unsloth" / "adapter") == pytest.approx(
        _logits(tmp_path / "peft" / "adapter"), abs=5e-3
    )


def _logits(adapter: Path) -> list[float]:
    """What base and adapter make of a prompt, loaded as for answering."""
    import torch
    from peft import PeftModel

    base = load_llm(ModelRef("pocket/llama"))
    model = PeftModel.from_pretrained(base.model, str(adapter))
    with torch.no_grad():
        return (
            model(torch.tensor([base.token_ids(texts(1)[0]["prompt"])])).logits[0, -1, :50].tolist()
        )


@pytest.mark.slow
def test_the_worker_s_refusal_reaches_the_caller_as_its_sentence(tmp_path):
    impossible = SMALL.model_copy(update={"rank": 0})
    with pytest.raises(LabError, match="^`rank` is 0, but it must be 1 or more.$"):
        train_with_unsloth(LLAMA, texts(), [], tmp_path, impossible, print)


@pytest.mark.slow
def test_a_worker_that_dies_leaves_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr(unsloth_process, "WORKER", "helpers.training.nobody")
    with pytest.raises(
        WorkFailed, match="ended with status 1 .*nobody.*: run it again, or set `backend` to 'peft'"
    ):
        train_with_unsloth(LLAMA, texts(), [], tmp_path, SMALL, print)


@pytest.mark.slow
def test_the_worker_ends_when_its_parent_does(tmp_path):
    job = {
        "base": LLAMA.model_dump(),
        "train": texts(),
        "valid": [],
        "folder": str(tmp_path),
        "recipe": SMALL.model_dump(),
        "vlm": False,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", unsloth_process.WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
    )
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.close()  # as the system does for a parent that was killed
    assert process.wait(timeout=60) == ORPHANED and not list(tmp_path.glob("adapter"))


@pytest.mark.slow
def test_the_measurement_for_a_gpu_runs_at_tiny_size(tmp_path):
    script, out = str(ROOT / "tests/gpu/text.py"), str(tmp_path / "out.json")
    command = [sys.executable, script, "--tiny", "--steps", "3", "--out", out]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    figures = read_json(tmp_path / "out.json")
    assert figures["unsloth"]["tokens_seen"] == figures["peft"]["tokens_seen"] > 0
    assert all(figures[part]["even_tokens_per_second"] > 0 for part in ("unsloth", "peft"))
    assert (
        0 < figures["answers"]["tokens"] <= 8 * 64 and figures["answers"]["tokens_per_second"] > 0
    )


@pytest.mark.slow
def test_the_measurement_of_vlms_leaves_unsloth_out_where_there_is_no_gpu(tmp_path):
    """The command line; tests/training/test_vlm_sft.py runs all its models in one process."""
    script, out = str(ROOT / "tests/gpu/vlm.py"), tmp_path / "out.json"
    command = [
        sys.executable,
        script,
        "--tiny",
        "--steps",
        "2",
        "--models",
        "qwen3_vl",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    figures = read_json(out)["qwen3_vl"]
    assert figures["peft"]["optimiser_steps"] == 2 and figures["answers"]["images"] == 4
    assert choose_device().name == "cuda" or "left_out" in figures["unsloth"]


# VLMs


VLM_RECIPE = small(VlmRecipe, steps=4, max_length=256, features="auto")
LLAVA = ModelRef("pocket/llava")


@pytest.fixture
def seen(tmp_path) -> list[dict]:
    """Training examples of pocket/llava with images of different sizes."""
    processor, rows = load_processor(ModelRef("pocket/llava")), []
    for number, colour in enumerate(("red", "green", "blue", "white")):
        Image.new("RGB", (40 + 9 * number, 30), colour).save(tmp_path / f"{number}.png")
        said = completion(processor, "What is it?", f"It is {colour}." * (number + 1))
        rows.append(
            {
                "id": colour,
                "image": str(tmp_path / f"{number}.png"),
                "completions": [said],
                "prompt": turn_text(processor, "What is it?"),
            }
        )
    return rows


class StandIn:
    """FastVisionModel as the lab asks for it, by transformers and PEFT: Unsloth's needs a GPU."""

    asked: ClassVar[dict] = {}

    @classmethod
    def from_pretrained(cls, path, **settings):
        from transformers import AutoModelForImageTextToText, AutoProcessor

        cls.asked["from_pretrained"] = settings
        return AutoModelForImageTextToText.from_pretrained(
            path, dtype=settings["dtype"]
        ), AutoProcessor

    @classmethod
    def get_peft_model(cls, model, **settings):
        from peft import LoraConfig, get_peft_model

        cls.asked["get_peft_model"] = settings
        names = linear_layers(model, "trained" if settings["finetune_vision_layers"] else "frozen")
        given = {name: settings[name] for name in ("r", "lora_alpha", "lora_dropout", "bias")}
        return get_peft_model(
            model, LoraConfig(**given, target_modules=names, task_type="CAUSAL_LM")
        )


@pytest.mark.slow
def test_the_worker_trains_a_vlm_as_peft_does_if_unsloth_makes_it_alike(
    seen, tmp_path, monkeypatch
):
    """Unsloth's own model needs a GPU (see tests/gpu/vlm.py); all but that is shown here."""
    stand_in = SimpleNamespace(FastVisionModel=StandIn, __spec__=find_spec("unsloth"))
    monkeypatch.setitem(sys.modules, "unsloth", stand_in)
    facts = unsloth_worker.train(
        LLAVA, seen, seen[:2], tmp_path / "unsloth", VLM_RECIPE, lambda report: None
    )
    (tmp_path / "peft").mkdir()
    train_adapter(
        LLAVA, seen, seen[:2], tmp_path / "peft", recipe=VLM_RECIPE, card=CARD, backend="peft"
    )
    for name in ("loss", "eval_loss"):
        found, expected = (losses(tmp_path / backend, name) for backend in ("unsloth", "peft"))
        assert found == pytest.approx(expected, abs=1e-5) and len(found) >= 4
    assert facts["training_records"] == 4 and facts["device"]["name"] == choose_device().name
    assert StandIn.asked["get_peft_model"]["finetune_vision_layers"] is False
    assert StandIn.asked["from_pretrained"]["max_seq_length"] == 256
    known = _parameters_of_unsloth()
    assert all(set(settings) <= known[name] for name, settings in StandIn.asked.items()), known


def _parameters_of_unsloth() -> dict[str, set[str]]:
    """What FastVisionModel's functions take, from Unsloth's source: importing it needs a GPU."""
    folder, found = Path(find_spec("unsloth").origin).parent / "models", {}
    for file, name in (("loader.py", "FastModel"), ("vision.py", "FastBaseModel")):
        for node in ast.walk(ast.parse((folder / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name == name:
                found[name] = {
                    part.name: {argument.arg for argument in part.args.args + part.args.kwonlyargs}
                    for part in node.body
                    if isinstance(part, ast.FunctionDef)
                }
    return {
        "from_pretrained": found["FastModel"]["from_pretrained"],
        "get_peft_model": found["FastBaseModel"]["get_peft_model"],
    }


def test_what_unsloth_cannot_do_with_vlms_is_refused_before_it_starts(seen, tmp_path, monkeypatch):
    assert why_not_unsloth(LLAMA, SMALL) is None
    whole = VLM_RECIPE.but(recipe="text")
    with pytest.raises(
        LabError, match="`backend` is 'unsloth', but .*text tower whole: set `backend` to 'peft'"
    ):
        train_with_unsloth(LLAVA, seen, [], tmp_path, whole, print)
    monkeypatch.setattr(backends, "choose_device", lambda: Device("cpu", "float32", ""))
    with pytest.raises(
        LabError, match="on a CUDA GPU only, and there is none: set `backend` to 'peft'"
    ):
        train_with_unsloth(LLAVA, seen, [], tmp_path, VLM_RECIPE, print)
    monkeypatch.setattr(backends, "choose_device", lambda: Device("cuda", "float16", ""))
    assert why_not_unsloth(LLAVA, VLM_RECIPE) is None
    assert backend_for("auto", LLAVA, VLM_RECIPE).name == "unsloth"
    chosen = backend_for("auto", LLAVA, whole)
    assert chosen.name == "peft" and "text tower whole" in chosen.reason
    write_json(tmp_path / "moon" / "config.json", {"model_type": "moondream1"})
    with pytest.raises(LabError, match="Unsloth does not know moondream2"):
        train_with_unsloth(ModelRef(str(tmp_path / "moon")), seen, [], tmp_path, VLM_RECIPE, print)


@pytest.mark.skipif(choose_device().name == "cuda", reason="of a machine without a GPU")
@pytest.mark.slow
def test_unsloth_still_refuses_vlms_on_a_cpu(seen, tmp_path, monkeypatch):
    """If this fails, Unsloth has learnt it: allow it in `why_not_unsloth`, compare with PEFT."""
    monkeypatch.setattr(unsloth_process, "check_unsloth", lambda *arguments: None)
    monkeypatch.chdir(tmp_path)
    rows = [row | {"image": Path(row["image"]).name} for row in seen]
    with pytest.raises(
        WorkFailed, match="NotImplementedError: .*vision.* not supported on the CPU backend yet"
    ):
        train_with_unsloth(LLAVA, rows, rows[:1], tmp_path / "run", VLM_RECIPE, print)
