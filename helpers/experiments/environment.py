"""What a result was made with: commit, versions and time."""

import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version

from helpers.files import REPOSITORY

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "bitsandbytes",
    "unsloth",
    "datasets",
    "bert-score",
    "sacrebleu",
)


def environment() -> dict:
    """Return commit, versions and time, as far as a reader needs them to repeat a run."""
    commit = _git("rev-parse", "HEAD")
    return {
        "commit": commit or "unknown",
        "dirty": bool(commit)
        and bool(_git("status", "--porcelain", "--", ".", ":!outputs/recorded")),
        "versions": package_versions(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
