"""environment.yml, pyproject.toml and requirements.lock agree; nothing names an index or a folder
of a machine.
"""

import re
import tomllib

import pytest
import yaml

from conftest import ROOT


def pinned() -> dict[str, str]:
    return dict(
        re.findall(
            r"^([A-Za-z0-9_.-]+)==(\S+)",
            (ROOT / "requirements.lock").read_text(),
            flags=re.MULTILINE,
        )
    )


def declared() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"] + project["optional-dependencies"]["test"]


def test_conda_users_get_the_packages_of_pyproject():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert sorted(next(entry for entry in entries if isinstance(entry, dict))["pip"]) == sorted(
        declared()
    )


def test_every_package_of_environment_yml_says_who_needs_it():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    packages = [line for line in lines if line.startswith("      - ")]
    assert len(packages) == len(declared())
    assert [line for line in packages if not re.search(r"# \w+", line)] == []


def test_the_lock_pins_every_declared_package_within_its_range():
    from packaging.requirements import Requirement

    versions = pinned()
    for text in declared():
        requirement = Requirement(text)
        assert requirement.name in versions, (
            f"{requirement.name} is not in requirements.lock: run make lock"
        )
        assert requirement.specifier.contains(versions[requirement.name]), text


@pytest.mark.parametrize(
    "name", ["requirements.lock", "pyproject.toml", "environment.yml", "Makefile", "README.md"]
)
def test_no_index_address_and_no_machine_path(name):
    text = (ROOT / name).read_text()
    assert not re.search(
        r"--index-url|--extra-index-url|pythonhosted|://pypi|/root/|/home/\w|/work/", text
    )


def test_each_file_of_the_lock_is_pinned_by_its_hash_and_no_other_is_installed():
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text())
    packages = [block for block in blocks if re.match(r"[A-Za-z0-9_.-]+==", block)]
    assert len(packages) > 200
    hashed = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
    assert [block.split("\n")[0] for block in packages if not hashed.search(block)] == []
    makefile = (ROOT / "Makefile").read_text()
    assert "--require-hashes requirements.lock" in makefile and "--generate-hashes" in makefile
