"""Files written whole or not at all, torn lines, fingerprints, paths that may be shown."""

import contextlib
import json

import pytest

from helpers.files import (
    LabError,
    append_jsonl,
    display_path,
    fingerprint,
    mend_torn_end,
    outputs_folder,
    read_json,
    read_jsonl,
    write_json,
)


def test_json_is_replaced_whole_and_leaves_no_neighbour(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(("end", "kept"), [('{"n": 3, "te', [1, 2, 4]), ('{"n": 3}', [1, 2, 3, 4])])
def test_a_torn_end_is_mended_before_the_next_row_is_added(tmp_path, end, kept):
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [{"n": 1}, {"n": 2}])
    with open(path, "a") as file:
        file.write(end)
    mend_torn_end(path)
    append_jsonl(path, [{"n": 4}])
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == kept


@pytest.mark.parametrize(
    "content", [b'{"n": 1}', b'{"n": 1}\n{"n', b'{"n": 1}\r\n', '{"n": 1}'.encode("utf-16")]
)
def test_reading_never_changes_a_file(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    try:
        assert read_jsonl(path, allow_torn_end=True) in ([{"n": 1}], [])
    except LabError:
        assert content.startswith(b"\xff\xfe")
    with contextlib.suppress(LabError):
        read_jsonl(path)
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
        (b"\xff\xfe\x00", "not UTF-8"),
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
