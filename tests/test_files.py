"""Files written whole or not at all, torn lines, fingerprints, paths that may be shown."""

import contextlib
import json
import os

import pytest

from helpers.files import (
    Damaged,
    LabError,
    WorkFailed,
    append_jsonl,
    display_path,
    fingerprint,
    outputs_folder,
    read_json,
    read_jsonl,
    read_rows,
    read_sealed,
    set_aside,
    with_seal,
    write_json,
    write_sealed,
)


def test_json_is_replaced_whole_and_leaves_no_neighbour(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "content", [b'{"n": 1}', b'{"n": 1}\n{"n', b'{"n": 1}\r\n', '{"n": 1}'.encode("utf-16")]
)
def test_reading_never_changes_a_file(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with contextlib.suppress(LabError):
        assert read_jsonl(path) == [{"n": 1}]
    read_rows(path, "here")
    assert path.read_bytes() == content


def test_a_torn_end_that_is_not_our_own_is_named(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\n{"n')
    with pytest.raises(LabError, match="line 2"):
        read_jsonl(tmp_path / "rows.jsonl")


def test_a_line_separator_inside_a_text_is_no_end_of_line(tmp_path):
    append_jsonl(tmp_path / "rows.jsonl", [{"text": "one\u2028two"}])
    assert read_jsonl(tmp_path / "rows.jsonl") == [{"text": "one\u2028two"}]


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\nnot json\n{"n": 2}\n')
    with pytest.raises(LabError, match="line 2"):
        read_jsonl(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b"\xff\xfe\x00", "UTF-16 text: save it as UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (None, "does not exist"),
    ],
)
def test_unreadable_json_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LabError, match=message):
        read_json(path)


def test_fingerprints_follow_content_and_not_order_of_keys():
    assert fingerprint({"a": 1, "b": [2, 3]}) == fingerprint({"b": [2, 3], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
    assert len(fingerprint("\ud800")) == 12


def test_shown_paths_hold_no_folder_of_this_machine(tmp_path):
    assert display_path(outputs_folder() / "runs" / "x") == "outputs/runs/x"
    assert display_path(tmp_path / "somewhere" / "model") == "model"


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_files_may_be_read_by_whom_the_persons_umask_lets(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_json(tmp_path / "new" / "a.json", {})
        write_json(tmp_path / "new" / "a.json", {"again": 1})
        append_jsonl(tmp_path / "new" / "a.jsonl", [{}])
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"new": 0o777 & ~umask, "a.json": 0o666 & ~umask, "a.jsonl": 0o666 & ~umask}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("1.5", "1.6"),
        lambda text: text.replace('"n": 3', '"n": 4'),
        lambda text: text[:-4],
        lambda text: "",
        lambda text: "null",
        lambda text: "[]",
        lambda text: json.dumps({name: v for name, v in json.loads(text).items() if name == "n"}),
    ],
)
def test_a_sealed_file_that_changed_is_told(tmp_path, change):
    path = write_sealed(tmp_path / "a.json", {"value": 1.5, "n": 3, "pair": (1, 2), "by": {1: "x"}})
    assert read_sealed(path) == {"value": 1.5, "n": 3, "pair": [1, 2], "by": {"1": "x"}}
    path.write_text(change(path.read_text()))
    with pytest.raises(Damaged):
        read_sealed(path)


def test_rows_count_where_they_were_written_and_as_they_were_written(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [with_seal({"n": number}, "here") for number in range(4)])
    assert read_rows(path, "here") == ([{"n": number} for number in range(4)], 0, False)
    assert read_rows(path, "there") == ([], 4, False)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace("1", "7", 1), "{}", lines[3], '{"n": 9']))
    assert read_rows(path, "here") == ([{"n": 0}, {"n": 3}], 2, True)
    path.write_text("\n".join(lines))  # a kill came between the last line and its end
    assert len(read_rows(path, "here")[0]) == 4 and read_rows(path, "here")[1:] == (0, True)


def test_what_is_set_aside_is_kept_beside(tmp_path):
    for content in ("one", "two"):
        (tmp_path / "adapter").mkdir()
        (tmp_path / "adapter" / "weights").write_text(content)
        set_aside(tmp_path / "adapter")
    assert (tmp_path / "adapter.damaged" / "weights").read_text() == "two"
    (tmp_path / "run.json").write_text("{")
    assert set_aside(tmp_path / "run.json").read_text() == "{"
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("two\nlines", "two lines"),
        ("a \x1b[31mred\x07 name", r"a \x1b[31mred\x07 name"),
        ("half \ud83d", r"half \ud83d"),
        ("x" * 5000, "x" * 40 + "...(5,000 letters)..." + "x" * 20),
    ],
)
def test_an_error_is_one_line_that_a_terminal_can_show(sentence, shown):
    for kind in (LabError, WorkFailed, Damaged):
        assert str(kind(sentence)) == shown


def test_outputs_of_a_person_who_is_not_there_are_a_folder_like_any_other(monkeypatch):
    monkeypatch.setenv("LAB_OUTPUTS", "~nouser/x")
    assert outputs_folder().name == "x" and display_path("~nouser/x/y") == "outputs/y"
