"""Files written whole or not at all, torn lines, fingerprints, paths that may be shown."""

import json

import pytest

from helpers.files import LabError, append_jsonl, fingerprint, outputs_folder, read_json, read_jsonl, shown, write_json


def test_json_is_replaced_whole_and_leaves_no_neighbour(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_torn_last_line_is_cut_off_and_the_next_row_stands_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [{"n": 1}, {"n": 2}])
    with open(path, "a") as file:
        file.write('{"n": 3, "te')
    assert read_jsonl(path) == [{"n": 1}, {"n": 2}]
    append_jsonl(path, [{"n": 4}])
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2, 4]


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
    assert shown(outputs_folder() / "runs" / "x") == "outputs/runs/x"
    assert shown(tmp_path / "somewhere" / "model") == "model"
