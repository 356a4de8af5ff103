"""The command line as a person uses it: exit statuses, one clear sentence for a mistake, nothing
half-written.
"""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from conftest import ROOT
from helpers.cli.commands import main
from helpers.files import write_json
from tests.full_disk import needs_full_disk, on_a_small_disk

REFERENCES = [
    {
        "encounter_id": f"E{number}",
        "author_id": "U1",
        "image_ids": [],
        "query_title_en": "Rash?",
        "query_content_en": "",
        "responses": [{"author_id": "U1", "content_en": text}],
    }
    for number, text in enumerate(["It is eczema.", "Tinea corporis of the trunk", "Psoriasis"])
]


def answers(*texts):
    return [
        {"encounter_id": f"E{number}", "responses": [{"content_en": text}]}
        for number, text in enumerate(texts)
    ]


@pytest.fixture
def files(tmp_path):
    """References and answers on disk, to be scored."""
    write_json(tmp_path / "references.json", REFERENCES)
    write_json(
        tmp_path / "predictions.json",
        answers("It is eczema.", "Tinea corporis of the trunk", "Psoriasis"),
    )
    return tmp_path


def score(folder, *options, references="references.json", predictions="predictions.json"):
    return main(
        [
            "score",
            str(folder / references),
            str(folder / predictions),
            "--metrics",
            "deltableu",
            *options,
        ]
    )


def test_score_prints_the_challenges_keys_and_writes_the_same(files, capsys):
    assert score(files, "--out", str(files / "scores.json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (
        printed["deltableu_en"] == pytest.approx(100)
        and printed["n"] == 3
        and printed["missing"] == 0
    )
    assert printed["signature"].startswith("deltaBLEU|mode:aligned")
    assert json.loads((files / "scores.json").read_text()) == printed


def test_score_official_keeps_the_case_fault(files, capsys):
    assert score(files, "--mode", "official") == 0
    assert json.loads(capsys.readouterr().out)["deltableu_en"] < 100


@pytest.mark.parametrize("end", ["", "\n"])
def test_score_counts_the_last_line_of_a_jsonl_file_and_leaves_the_file_as_it_is(
    files, capsys, end
):
    rows = [
        {"case_id": f"E{number}", "text": text}
        for number, text in enumerate(["It is eczema.", "No", "Psoriasis"])
    ]
    path = files / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + end)
    before = path.read_bytes()
    assert score(files, predictions="answers.jsonl") == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 0
    assert path.read_bytes() == before


def test_score_refuses_a_torn_jsonl_file_and_leaves_it_as_it_is(files, capsys):
    path = files / "answers.jsonl"
    path.write_text('{"case_id": "E0", "text": "It is eczema."}\n{"case_id": "E1", "te')
    before = path.read_bytes()
    assert score(files, predictions="answers.jsonl") == 2
    assert "line 2" in capsys.readouterr().err and path.read_bytes() == before


@pytest.mark.slow
def test_score_with_bertscore_in_one_go(files, capsys):
    assert main(["score", str(files / "references.json"), str(files / "predictions.json")]) == 0
    assert json.loads(capsys.readouterr().out)["BERTScore_en"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("predictions.json", "[{", "not valid JSON"),
        ("references.json", json.dumps([{"author_id": "U1"}]), "encounter_id"),
        ("predictions.json", json.dumps(answers("x", "y", "z", "w")), "'E3'"),
        ("predictions.json", json.dumps(answers("x") + answers("y")), "more than once"),
        ("predictions.json", None, "does not exist"),
        ("references.json", json.dumps([{**REFERENCES[0], "responses": []}]), "no reference"),
    ],
)
def test_unfit_files_are_one_sentence_status_2_and_no_output(files, capsys, name, content, message):
    (files / name).unlink()
    if content is not None:
        (files / name).write_text(content)
    assert score(files, "--out", str(files / "scores.json")) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and "Traceback" not in err
    assert out == "" and not (files / "scores.json").exists()


def test_unknown_metric_and_missing_encoder_are_one_sentence(files, capsys):
    assert score(files, "--metrics", "rouge") == 2
    assert "rouge" in capsys.readouterr().err
    assert score(files, "--metrics", "bertscore", "--encoder", "nobody/no-such-encoder") == 2
    assert "no-such-encoder" in capsys.readouterr().err


RUN_03, RUN_02 = ["run", "03", "-p"], ["run", "02", "-p"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "42"], "no notebook '42'"),
        ([*RUN_03, "TEMPERATURE", "1"], "TEMPERATURE is a parameter of none"),
        ([*RUN_03, "SHOTS", "-3"], "SHOTS is -3"),
        ([*RUN_03, "LIMIT", "many"], "LIMIT is 'many'"),
        ([*RUN_03, "SHOTS", ""], "SHOTS is an empty list"),
        ([*RUN_03, "SHOTS", "0,5000"], "5000 worked examples, but there are"),
        ([*RUN_03, "SHOT_CHOICE", "best"], "SHOT_CHOICE is 'best'"),
        (["run", "04", "-p", "CAPTIONERS", "none"], "CAPTIONERS lists 'none'"),
        ([*RUN_02, "LEARNING_RATE", "inf"], "LEARNING_RATE is inf"),
        (["run", "02", "--profile", "cloud"], "PROFILE is 'cloud'"),
        ([*RUN_02, "DATASET", "iiyi", "-p", "DATA_ROOT", "/nowhere"], "does not exist"),
        ([*RUN_02, "DATASET", "ham1000"], "'ham1000' is unknown"),
        (["sweep", "00"], "cannot be swept"),
        (["sweep", "all"], "sweep takes one notebook"),
        (["sweep", "03", "04"], "sweep takes one notebook"),
        (["sweep", "03", "--grid", "SHOTS"], "--grid 'SHOTS' names no values"),
        (["sweep", "03", "--grid", "TEMPERATURE=1,2"], "TEMPERATURE is no parameter"),
        (["sweep", "03", "--grid", "PROFILE=pocket,t4"], "a sweep has one PROFILE"),
        (["sweep", "03", "--grid", "RANK=0,4"], "RANK is 0, but it must be 1 or more"),
        (["sweep", "03", "-p", "TEMPERATURE", "1"], "TEMPERATURE is no parameter"),
        (["sweep", "studies", "--grid", "SEED=1,2"], "Studies say themselves what they vary"),
        (["settings", "42"], "no notebook '42'"),
        (["settings", "03", "--markdown"], "leave the notebook out"),
        (["check-data", "iiyi", "/nowhere"], "does not exist"),
        (["pocket", "build", "--model", "gpt"], "no model 'gpt'"),
    ],
)
def test_wrong_commands_are_one_sentence_and_write_nothing(
    clinic, outputs, capsys, arguments, message
):
    opens_data = arguments[:2] in (["run", "02"], ["run", "03"], ["sweep", "03"])
    if opens_data and "DATA_ROOT" not in arguments:
        arguments = [*arguments, "-p", "DATA_ROOT", str(clinic / "iiyi")]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert not list(outputs.glob("*/*")), "a refused command left something behind"


def _is_told(err: str, reason: str) -> bool:
    return err.count("\n") == 1 and reason in err and "free some space" not in err


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("plain/scores.json", "choose another place"),  # through a file
        ("folder", "Is a directory; choose another place"),
        ("circle/scores.json", "choose another place"),
        ("x" * 300, "File name too long; choose another place"),
    ],
)
def test_a_place_that_cannot_be_written_is_what_the_sentence_says(files, capsys, out, reason):
    (files / "plain").write_text("a file, not a folder")
    (files / "folder").mkdir()
    (files / "circle").symlink_to("circle")
    assert score(files, "--out", str(files / out)) == 2
    assert _is_told(capsys.readouterr().err, reason)


def test_an_outputs_folder_that_is_a_file_is_one_sentence(files, capsys, monkeypatch):
    (files / "plain").write_text("a file, not a folder")
    monkeypatch.setenv("LAB_OUTPUTS", str(files / "plain"))
    assert main(["pocket", "build"]) == 2
    assert _is_told(capsys.readouterr().err, "choose another place")


def test_a_folder_given_as_answers_is_one_sentence(files, capsys):
    (files / "answers.jsonl").mkdir()
    assert score(files, predictions="answers.jsonl") == 2
    assert _is_told(capsys.readouterr().err, "answers.jsonl is a folder")


@needs_full_disk
def test_a_full_disk_is_told_to_be_full(files):
    disk = files / "disk"
    command = (
        f"cd {shlex.quote(str(files))}; head -c 1000000 /dev/zero > disk/all 2> /dev/null;"
        f"{shlex.quote(sys.executable)} -m helpers score references.json predictions.json"
        " --metrics deltableu --out disk/scores.json 2>&1 > /dev/null; echo status $?"
    )
    printed = on_a_small_disk(disk, "64k", ["sh", "-c", command])
    assert "No space left on device; free some space" in printed and "status 1" in printed
    assert len(printed.splitlines()) == 2


def test_a_wrong_option_is_one_line_with_status_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["score"])
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_check_data_counts_faults_in_its_status(clinic, tmp_path, capsys):
    assert main(["check-data", "pocket", str(clinic / "iiyi")]) == 0
    (tmp_path / "train.json").write_text(json.dumps([{"encounter_id": "E1"}, {"author_id": "U1"}]))
    assert main(["check-data", "iiyi", str(tmp_path)]) == 1
    assert "record 2" in capsys.readouterr().out


@pytest.mark.slow
def test_pocket_build_is_done_once_and_its_progress_is_lines_in_a_file(outputs):
    with open(outputs / "log", "wb") as log:
        subprocess.run(
            [sys.executable, "-m", "helpers", "pocket", "build"], cwd=ROOT, stderr=log, check=True
        )
    lines = (outputs / "log").read_text().splitlines()
    assert all(re.fullmatch(r"images \d+/\d+, \d\d:\d\d", line) for line in lines)
    assert 1 <= len(lines) <= 60  # one in ten seconds, on a machine that may be busy
    times = {path: path.stat().st_mtime_ns for path in (outputs / "pocket").rglob("*.json")}
    assert main(["pocket", "build"]) == 0
    assert times and times == {
        path: path.stat().st_mtime_ns for path in (outputs / "pocket").rglob("*.json")
    }


def test_doctor_says_what_each_profile_can_do_here(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("pocket  yes") for line in lines)
    assert any(line.startswith("t4") for line in lines) and any(
        line.startswith("Device:") for line in lines
    )


def test_every_command_is_a_module_with_its_arguments(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    printed = capsys.readouterr().out
    assert stopped.value.code == 0
    names = "check-data doctor export pocket power run score score-closed settings sweep"
    for name in names.split():
        assert re.search(rf"^ +{name}( |$)", printed, re.MULTILINE), name


def test_settings_lists_the_parameters_of_a_notebook(capsys):
    assert main(["settings", "03"]) == 0
    entries = re.split(r"\n(?=[A-Z])", capsys.readouterr().out)
    found = {entry.split()[0]: entry.splitlines() for entry in entries}
    assert found["SHOTS"][0] == "SHOTS  a list; each whole number, 0 or more"
    assert found["MODEL"][-1].strip().startswith("pocket: pocket/llama; laptop: smollm2-135m; t4: ")
    assert found["PROFILE"][-1].strip() == "pocket" and found["RANK"][-1].strip() == "16"


def test_settings_lists_all_parameters_with_their_kinds(capsys):
    assert main(["settings"]) == 0
    printed = capsys.readouterr().out
    assert "\nDATASET  text\n" in printed and "\n    for any\n" in printed
    assert "\n    for answers, finetune\n" in printed


# One process for all of them: each start costs seconds on a busy machine. Processor time, because
# another process must not decide this test.
LIGHT = """
import contextlib, sys, time
from helpers.cli.commands import main

before = 0.0  # the first one also pays for the start
for arguments in {commands}:
    with contextlib.suppress(SystemExit):
        main(arguments)
    now = time.process_time()
    print(arguments[0], now - before, file=sys.stderr)
    before = now
print("loaded", *sys.modules, file=sys.stderr)
"""


def write_thousand_cases(folder):
    """Write references and answers of a thousand cases."""
    replies = [
        [
            f"Consider condition {number % 97}, variant {other}: cream {number % 13}."
            for other in range(6)
        ]
        for number in range(1000)
    ]
    cases = [
        {
            **REFERENCES[0],
            "encounter_id": f"E{number}",
            "responses": [{"author_id": "U1", "content_en": text} for text in texts],
        }
        for number, texts in enumerate(replies)
    ]
    write_json(folder / "references.json", cases)
    said = [f"Consider condition {number % 89}." for number in range(1000)]
    write_json(folder / "predictions.json", answers(*said))


@pytest.mark.slow
def test_commands_without_a_model_start_in_two_seconds_and_load_no_library_for_models(
    clinic, tmp_path
):
    write_thousand_cases(tmp_path)
    commands = [
        ["--help"],
        ["settings", "03"],
        ["check-data", "pocket", str(clinic / "iiyi")],
        ["power", "controls"],
        ["score", "references.json", "predictions.json", "--metrics", "deltableu"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(commands=commands)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    *timed, loaded = done.stderr.splitlines()
    seconds = {line.split()[0]: float(line.split()[1]) for line in timed}
    assert len(seconds) == len(commands) and max(seconds.values()) < 2, seconds
    assert not {"torch", "transformers", "pandas", "matplotlib"} & set(loaded.split())
    assert '"n": 1000' in done.stdout
