"""No code from a model's folder ever runs, whatever its files ask for and whoever answers "y"."""

import ast
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from helpers.files import LabError, read_json, write_json
from helpers.models.adapter_card import write_card
from helpers.models.failures import explain_loading
from helpers.models.refs import ModelRef
from helpers.models.shipped import POCKET_MODELS
from tests.models.adapters import plain_adapter

# PEFT's classes run no code of a folder and take no such argument. Concrete classes of transformers
# take it and hand it on to their parts, so they are asked for it like the Auto classes.
EXEMPT = ("PeftModel", "super()")


def calls_without_trust(source: str) -> list[int]:
    """Lines where transformers is asked for a model or its parts, and code is not forbidden."""
    tree = ast.parse(source)
    forbids = {
        node.func
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and "trust_remote_code=False" in [ast.unparse(keyword) for keyword in node.keywords]
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("from_pretrained", "from_config")
        and ast.unparse(node.value) not in EXEMPT
        and node not in forbids
    ]


def test_every_call_forbids_the_code_of_a_folder():
    """But for what builds the lab's own small models, from the lab's own folders."""
    found = {
        path.relative_to(ROOT).as_posix(): calls_without_trust(path.read_text())
        for path in (ROOT / "helpers").rglob("*.py")
        if path.parent.name != "zoo"
    }
    assert len(found) > 50 and {name: lines for name, lines in found.items() if lines} == {}


def test_the_search_sees_calls_and_methods_that_are_handed_on():
    assert calls_without_trust("AutoModel.from_pretrained(path)") == [1]
    assert calls_without_trust("AutoModel.from_pretrained(path, trust_remote_code=ask)") == [1]
    assert calls_without_trust("load = AutoProcessor.from_pretrained") == [1]
    assert calls_without_trust("AutoModel.from_config(config)") == [1]
    assert calls_without_trust("AutoModel.from_pretrained(path, trust_remote_code=False)") == []


EVIL = """
from pathlib import Path

Path({canary!r}).touch()


class Evil:
    pass


class EvilFast(Evil):
    pass
"""
AUTO_MAP = {
    "AutoConfig": "evil.Evil",
    "AutoModel": "evil.Evil",
    "AutoModelForCausalLM": "evil.Evil",
    "AutoModelForImageTextToText": "evil.Evil",
    "AutoProcessor": "evil.Evil",
    "AutoImageProcessor": "evil.Evil",
    "AutoTokenizer": ["evil.Evil", "evil.EvilFast"],
}


def change(path: Path, **entries) -> None:
    """Put entries into a JSON file; None takes one out."""
    changed = (read_json(path) if path.exists() else {}) | entries
    write_json(path, {name: value for name, value in changed.items() if value is not None})


def hostile(folder: Path, base: str, canary: Path) -> Path:
    """A copy of a shipped model with evil code beside it."""
    shutil.copytree(POCKET_MODELS / base, folder)
    for name in ("evil.py", "custom_generate/generate.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(EVIL.format(canary=str(canary)))
    return folder


def hostile_folders(folders: Path, canary: Path) -> None:
    """Folders whose configuration, tokenizer, processor or parts come with code of their own."""
    for base in ("llama", "llava"):
        whole = hostile(folders / f"{base}-config", base, canary)
        change(whole / "config.json", model_type="evil", auto_map=AUTO_MAP)
        parts = hostile(folders / f"{base}-parts", base, canary)
        change(parts / "config.json", auto_map=AUTO_MAP)
        for name in ("tokenizer_config.json", "processor_config.json", "preprocessor_config.json"):
            own = {"processor_class": "Evil", "tokenizer_class": "EvilTokenizer"}
            change(parts / name, auto_map=AUTO_MAP, **own, image_processor_type="Evil")
    tower = hostile(folders / "llava-tower", "llava", canary)
    change(tower / "config.json", vision_config={"model_type": "evil", "auto_map": AUTO_MAP})
    kernel = hostile(folders / "llama-kernel", "llama", canary)
    change(kernel / "config.json", attn_implementation="somebody/kernel")


def adapters(folders: Path) -> None:
    """An adapter beside each folder, with a card that names it as its base."""
    for base in list(folders.iterdir()):
        adapter = folders / f"{base.name}-adapter"
        plain_adapter(adapter)
        weights = ModelRef(str(base)).fingerprint_weights()
        write_card(adapter, {"model": str(base), "weights": weights})


def on_a_terminal_with_yes(command: list[str], environment: dict[str, str]) -> str:
    """Run a command on a terminal where "y" is typed again and again; return what it printed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=os.environ | environment,
    )
    os.close(theirs)
    os.write(ours, b"y\n" * 200)
    printed = b""
    try:
        while part := os.read(ours, 65536):
            printed += part
    except OSError:  # so a terminal ends
        pass
    process.wait()
    os.close(ours)
    return printed.decode(errors="replace")


WANTS_CODE = "wants to run code of its own, which this lab never does"


@pytest.mark.slow
def test_no_code_of_a_folder_runs_though_somebody_answers_yes(tmp_path):
    """At the end the worker lets the code run, to show that it would have left a trace."""
    canary, results, folders = tmp_path / "canary", tmp_path / "results", tmp_path / "folders"
    folders.mkdir()
    hostile_folders(folders, canary)
    adapters(folders)
    worker = [sys.executable, "-m", "tests.models.hostile_worker"]
    printed = on_a_terminal_with_yes(
        [*worker, *map(str, (folders, results, canary))],
        {"HF_MODULES_CACHE": str(tmp_path / "modules")},
    )
    assert results.exists(), printed
    found = json.loads(results.read_text())
    assert not found["ran"] and canary.exists() and "[y/N]" not in printed
    said = {(folder, way): words for folder, way, kind, words in found["said"] if kind}
    assert {kind for _, _, kind, _ in found["said"]} == {"", "LabError"}
    assert all("\n" not in words and words.count(". ") == 0 for words in said.values())
    for base in ("llama", "llava"):
        for way in ("prompt", "text model", "VLM", "processor", "encoder", "captioner", "export"):
            assert WANTS_CODE in said[f"{base}-config", way], way
    for way in ("prompt", "VLM", "processor", "small device"):
        assert WANTS_CODE in said["llava-parts", way], way
    assert WANTS_CODE in said["llama-parts", "tokenizer"]
    assert WANTS_CODE in said["llama-parts", "encoder"]
    assert WANTS_CODE in said["llama-kernel", "text model"]
    assert "could not be loaded" in said["llava-tower", "VLM"]


def test_where_transformers_would_ask_it_refuses(monkeypatch):
    """Some of its classes lose `trust_remote_code` on the way to their parts, and ask again."""
    from transformers.dynamic_module_utils import resolve_trust_remote_code

    monkeypatch.setattr("builtins.input", lambda prompt: "y")
    with pytest.raises(LabError, match=WANTS_CODE), explain_loading("some/model"):
        resolve_trust_remote_code(None, "some/model", has_local_code=False, has_remote_code=True)
