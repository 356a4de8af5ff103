"""What is wrong is told: every command with every unfit place or value gives its status and one
line, never a traceback, and no advice about a full disk.
"""

import json
import os

import pytest

from helpers.cli.commands import main
from helpers.files import write_json
from tests.cli.test_command_line import REFERENCES, answers

LONG = "x" * 300
STRANGE = "a\x1b[2Jb\nc\udce9日本"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder with sound files, and with all kinds of places that are none."""
    write_json(tmp_path / "references.json", REFERENCES)
    write_json(tmp_path / "predictions.json", answers("It is eczema.", "Tinea", "Psoriasis"))
    (tmp_path / "plain").write_text("a file, not a folder")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "circle.json").symlink_to("circle.json")
    (tmp_path / "broken.json").symlink_to("nowhere.json")
    (tmp_path / "binary.json").write_bytes(bytes(range(256)))
    (tmp_path / "empty.json").touch()
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "digits.json").write_text(
        json.dumps([{"encounter_id": 1}]).replace("1", "9" * 5000)
    )
    (tmp_path / "letters.json").write_text('[{"encounter_id": "\\ud83d", "responses": []}]')
    (tmp_path / "bad.csv").write_bytes(b"author_id,validation_level\n\xff\xfe\x00")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = [
    "nowhere.json",
    "plain/x.json",
    "folder.json",
    "folder.jsonl",
    "circle.json",
    "circle/x.jsonl",
    "broken.json",
    f"{LONG}.json",
    f"{LONG}.jsonl",
    f"{STRANGE}.json",
    "binary.json",
    "empty.json",
    "deep.json",
    "digits.json",
    "letters.json",
    "",
]
FOLDERS = ["nowhere", "plain", "plain/x", "circle", "circle/x", LONG, STRANGE, "~nobody-here/x"]
OUT = ["plain/x.json", "folder.json", "circle/x.json", LONG, f"{LONG}/{STRANGE}"]
SOUND = ["references.json", "predictions.json", "--metrics", "deltableu"]

CASES = (
    [["score", file, *SOUND[1:]] for file in FILES]
    + [["score", SOUND[0], file, *SOUND[2:]] for file in FILES]
    + [["score", *SOUND, "--authors", file] for file in (*FILES[:-1], "bad.csv")]
    + [["score", *SOUND, "--out", file] for file in OUT]
    + [["score", *SOUND, *more] for more in (["--metrics", ""], ["--metrics", STRANGE])]
    + [["check-data", name, folder] for name in ("iiyi", "reddit", "photos") for folder in FOLDERS]
    + [["check-data", STRANGE, "."]]
    + [["export", folder, "--to", "new"] for folder in FOLDERS]
    + [["export", folder, "--to", "plain"] for folder in ("folder.json", "nowhere")]
    + [["run", "03", "-p", "DATASET", "iiyi", "-p", "DATA_ROOT", folder] for folder in FOLDERS]
    + [["sweep", "02", "-p", "DATASET", "photos", "-p", "DATA_ROOT", folder] for folder in FOLDERS]
    + [
        ["run", "02", "-p", name, value]
        for name in ("SEED", "LIMIT", "STEPS", "LEARNING_RATE")
        for value in ("9" * 5000, STRANGE, "[" * 5000, "!!python/object/apply:os.system ['x']")
    ]
    + [["run", "03", "-p", "SHOTS", ",".join("1" * 20_001)]]
    + [["sweep", "03", "--grid", "SEED=" + ",".join("1" * 20_001)]]
    + [
        [
            "sweep",
            "03",
            *(
                f"--grid={name}={','.join(map(str, range(1, 101)))}"
                for name in ("SEED", "LIMIT", "STEPS")
            ),
        ]
    ]
    + [
        ["sweep", "03", "--grid", value]
        for value in ("", "=", "SEED=", "SEED", STRANGE, "SEED=a,b")
    ]
    + [["sweep", "studies", STRANGE], ["settings", STRANGE], ["settings", LONG], ["run", STRANGE]]
    + [["pocket", "build", "--model", value] for value in (STRANGE, LONG, "../blip")]
)


def told(capsys, arguments: list[str]) -> tuple[int, list[str]]:
    """The status of a command, and its lines on standard error."""
    capsys.readouterr()
    try:
        status = main(arguments)
    except SystemExit as stopped:  # argparse
        status = stopped.code
    return status, capsys.readouterr().err.splitlines()


def check(status: int, lines: list[str], wanted: tuple[int, ...] = (2,)) -> None:
    assert status in wanted and len(lines) == 1, (status, lines)
    assert "Traceback" not in lines[0] and "free some space" not in lines[0]
    assert lines[0].isprintable() and len(lines[0]) < 3000, lines[0]


def _loads_torch(arguments: list[str]) -> bool:
    return arguments[0] == "export" or arguments[:2] == ["pocket", "build"]


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=[pytest.mark.slow] if _loads_torch(one) else [])
        for number, one in enumerate(CASES)
    ],
)
def test_what_is_wrong_is_one_line_with_status_2(places, outputs, capsys, number):
    before = {path: path.lstat().st_mtime_ns for path in places.rglob("*")}
    check(*told(capsys, CASES[number]))
    assert before == {path: path.lstat().st_mtime_ns for path in places.rglob("*")}
    assert not list(outputs.glob("*/*"))


@pytest.mark.parametrize("folder", ["plain", "plain/x", "circle", "circle/x", LONG])
@pytest.mark.parametrize(
    "arguments",
    [
        ["pocket", "build"],
        ["run", "10"],
        ["run", "03", "-p", "LIMIT", "1"],
        ["sweep", "03", "-p", "LIMIT", "1"],
        ["doctor"],
        ["settings", "03"],
        ["score", *SOUND],
    ],
)
def test_an_outputs_folder_that_is_none_is_one_line(places, capsys, monkeypatch, arguments, folder):
    monkeypatch.setenv("LAB_OUTPUTS", str(places / folder))
    status, lines = told(capsys, arguments)
    if status != 0 or lines:  # what writes nothing there may go on
        check(status, lines)
    assert status == 2 or arguments[0] in ("doctor", "settings", "score")
